package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/sqlstore"
)

// sweepBatch is how many expired sessions one statement removes.
const sweepBatch = 1000

// openDatabase opens the database that dsn names, makes its tables if they are missing, and removes expired sessions. An
// application that is not for trying out does the second in a step of its own, and the third every few minutes:
// examples/postgres is one.
func openDatabase(ctx context.Context, dsn string) (kv store.KV, closeStore func(), err error) {
	dialector, err := dialectorOf(dsn)
	if err != nil {
		return nil, nil, err
	}
	db, err := gorm.Open(dialector, &gorm.Config{DisableAutomaticPing: true, Logger: logger.Discard})
	switch {
	case err != nil && dialector.Name() == "sqlite": // no such directory, or a program that was built without cgo
		return nil, nil, err
	case err != nil:
		return nil, nil, errors.New("the driver does not understand it") // its own words may quote the password
	}
	pool, err := db.DB()
	if err != nil {
		return nil, nil, err
	}
	sessions, err := sqlstore.New(db, sqlstore.Config{})
	if err == nil {
		err = sqlstore.Migrate(ctx, db)
	}
	if err == nil {
		_, err = sessions.Sweep(ctx, sweepBatch)
	}
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	return sessions, func() { _ = pool.Close() }, nil
}

// dialectorOf tells by its form which engine dsn is for. Errors quote nothing of it.
func dialectorOf(dsn string) (gorm.Dialector, error) {
	scheme, _, isURL := strings.Cut(dsn, "://")
	switch {
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		return postgres.Open(dsn), nil
	case isURL && scheme == "mysql":
		return mysqlDialector(dsn)
	case isURL:
		return nil, errors.New("the scheme must be postgres or mysql; a SQLite database has none, only the name of its file")
	case strings.Contains(dsn, "@tcp(") || strings.Contains(dsn, "@unix("):
		return mysqlDialector(dsn)
	case strings.Contains(dsn, "dbname="):
		return postgres.Open(dsn), nil
	case strings.ContainsAny(dsn, "?%#"):
		return nil, errors.New("write the file of a SQLite database without parameters")
	}
	return sqlite.Open(dsn + "?_foreign_keys=1&_busy_timeout=4000&_journal_mode=WAL"), nil
}

// mysqlDialector takes a URL, or a DSN of the Go driver such as user:password@tcp(host:3306)/name.
func mysqlDialector(dsn string) (gorm.Dialector, error) {
	cfg := mysqldriver.NewConfig()
	if strings.HasPrefix(dsn, "mysql://") {
		u, err := url.Parse(dsn)
		if err != nil || u.Hostname() == "" || len(u.Path) < 2 || u.RawQuery != "" {
			return nil, errors.New("not of the form mysql://user:password@host:3306/name")
		}
		port := u.Port()
		if port == "" {
			port = "3306"
		}
		cfg.Net, cfg.Addr, cfg.DBName, cfg.User = "tcp", net.JoinHostPort(u.Hostname(), port), u.Path[1:], u.User.Username()
		cfg.Passwd, _ = u.User.Password()
	} else {
		parsed, err := mysqldriver.ParseDSN(dsn)
		if err != nil {
			return nil, errors.New("not of the form user:password@tcp(host:3306)/name")
		}
		cfg = parsed
	}
	cfg.ParseTime, cfg.Loc = true, time.UTC // sqlstore requires it
	return mysql.New(mysql.Config{DSNConfig: cfg, SkipInitializeWithVersion: true}), nil
}
