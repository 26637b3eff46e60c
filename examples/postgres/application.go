package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/sqlstore"
)

// openDatabase connects to the primary: a replica that lags would show sessions that have been revoked.
func openDatabase(dsn string) (db *gorm.DB, closeDB func(), err error) {
	if dsn == "" {
		return nil, nil, errors.New("-db is missing: postgres://user:password@host/database")
	}
	if _, err := pgx.ParseConfig(dsn); err != nil { // whose text has what it took for something else than the password
		return nil, nil, errors.New("-db cannot be read: want postgres://user:password@host/database, with the password percent-encoded")
	}
	if db, err = gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard}); err != nil {
		return nil, nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(20) // of all instances together, fewer than the server's max_connections
	pool.SetMaxIdleConns(20)
	return db, func() { _ = pool.Close() }, nil
}

// migrate brings the tables to the version of this program. Several instances may do so at once.
func migrate(ctx context.Context, db *gorm.DB, out io.Writer) error {
	if err := sqlstore.Migrate(ctx, db); err != nil {
		return err
	}
	status, err := sqlstore.ReadStatus(ctx, db)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "The schema is at version %d.\n", status.Version)
	return nil
}

// application is the server, and what it must do now and then.
type application struct {
	http.Handler
	kv *sqlstore.Store
}

func newApplication(ctx context.Context, db *gorm.DB, url string, key auth.Key, client kvoauth.Client) (*application, error) {
	if err := checkSchema(ctx, db); err != nil {
		return nil, err
	}
	kv, err := sqlstore.New(db, sqlstore.Config{Timeout: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	users, err := sqlstore.NewUsers(db, sqlstore.UsersConfig{})
	if err != nil {
		return nil, err
	}
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:           []kvoauth.Client{client},
		RedirectURL:       url + auth.DefaultBasePath + "/callback",
		KV:                kv,    // sessions
		Users:             users, // and who has them: a row in auth_users for each person, in auth_accounts for each account
		Keys:              []auth.Key{key},
		InsecureAllowHTTP: true, // for loopback alone; give RedirectURL https and drop this
	})
	if err != nil {
		return nil, err
	}
	routes, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(routes.Pattern(), routes)
	guard := auth.Guard{Authenticator: backend, SignInPath: routes.Pattern() + "signin"}
	mux.Handle("GET /{$}", guard.RequireAuth(welcome(db, backend)))
	return &application{Handler: mux, kv: kv}, nil
}

// checkSchema refuses to serve with tables of another version.
func checkSchema(ctx context.Context, db *gorm.DB) error {
	status, err := sqlstore.ReadStatus(ctx, db)
	switch {
	case err != nil:
		return err
	case status.Ahead():
		return sqlstore.ErrAhead
	case len(status.Pending) > 0:
		return fmt.Errorf("the schema is at version %d of %d: run this with -migrate first", status.Version, status.Latest)
	}
	return nil
}

// welcome greets the user by what the database knows.
func welcome(db *gorm.DB, backend *kvoauth.Backend) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := backend.Session(r)
		if err != nil {
			http.Error(w, "Not available", http.StatusServiceUnavailable)
			return
		}
		var user sqlstore.User
		if err := db.WithContext(r.Context()).Take(&user, "id = ?", session.UserID).Error; err != nil {
			http.Error(w, "Not available", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!doctype html><p>Hello %s, user %s since %s.</p>\n<form method=post action=%s/signout><button>Sign out</button></form>\n",
			html.EscapeString(user.Name), html.EscapeString(user.ID), user.CreatedAt.Format(time.DateTime), auth.DefaultBasePath)
	})
}

// sweep removes expired sessions from the table every few minutes. Nobody sees them before that, they only take room.
func (a *application) sweep(ctx context.Context) {
	const every, batch = 5 * time.Minute, 1000
	for ticker := time.NewTicker(every); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		if n, err := a.kv.Sweep(ctx, batch); err != nil {
			slog.Warn("sweep", "removed", n, "error", err)
		}
	}
}
