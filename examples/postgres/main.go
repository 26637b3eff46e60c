// Postgres is a server that keeps its sessions and its users in PostgreSQL: they outlive it, and several of it may run
// side by side. People sign in at a fake identity provider in this process, so it needs no account anywhere:
//
//	go run ./examples/postgres -db postgres://user@localhost/app -migrate
//	go run ./examples/postgres -db postgres://user@localhost/app
//
// The first command makes the tables and ends: a program that serves should not need the right to change a schema. The
// second one refuses to start while versions are missing. Give every instance the same key in the environment variable
// NETSCRIPT_AUTH_KV_OAUTH_KEY, or the sessions end with it; the program prints one to use.
//
// What a server of its own needs is in application.go. For another engine open the database with gorm's driver for it:
// nothing else changes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/netscript/auth"
)

// keyVariable names the environment variable that holds the key.
const keyVariable = "NETSCRIPT_AUTH_KV_OAUTH_KEY"

type options struct {
	db      string
	migrate bool
	port    uint
	key     string
}

func main() {
	var o options
	flag.StringVar(&o.db, "db", "", "`DSN` of the PostgreSQL database, as a URL or in the form of libpq")
	flag.BoolVar(&o.migrate, "migrate", false, "create or update the tables, and end")
	flag.UintVar(&o.port, "port", 8094, "`port` on 127.0.0.1 to listen on; 0 for any")
	flag.Parse()
	o.key = os.Getenv(keyVariable)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
}

// run migrates, or serves the application and its provider until ctx is done.
func run(ctx context.Context, o options, out io.Writer) error {
	db, closeDB, err := openDatabase(o.db)
	if err != nil {
		return err
	}
	defer closeDB()
	if o.migrate {
		return migrate(ctx, db, out)
	}
	key, err := sessionKey(o.key, out)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	app, err := listen.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", o.port))
	if err != nil {
		return err
	}
	defer closeQuietly(app)
	idp, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer closeQuietly(idp)
	// Cookies know hosts but not ports, so the application and the provider need two names.
	appURL := fmt.Sprintf("http://localhost:%d", app.Addr().(*net.TCPAddr).Port)
	provider, client, err := newFakeProvider("http://"+idp.Addr().String(), appURL)
	if err != nil {
		return err
	}
	application, err := newApplication(ctx, db, appURL, key, client)
	if err != nil {
		return err
	}
	go application.sweep(ctx)
	_, _ = fmt.Fprintf(out, "Open %s\nNo password is asked for. Ctrl-C ends it.\n", appURL)
	return serve(ctx, map[net.Listener]http.Handler{app: application, idp: provider})
}

// sessionKey reads the key, or makes one.
func sessionKey(text string, out io.Writer) (auth.Key, error) {
	if text == "" {
		key := auth.GenerateKey()
		_, _ = fmt.Fprintf(out, "Sessions end with this process. To keep them, start it with\n%s=%s\n", keyVariable, key.Encode())
		return key, nil
	}
	key, err := auth.ParseKey(text)
	if err != nil {
		return key, fmt.Errorf("%s: %w", keyVariable, err)
	}
	return key, nil
}

// serve answers on all listeners until ctx is done or one of them fails.
func serve(ctx context.Context, sites map[net.Listener]http.Handler) error {
	failed := make(chan error, len(sites))
	var servers []*http.Server
	for l, h := range sites {
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, s)
		go func() { failed <- s.Serve(l) }()
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	for _, s := range servers {
		err = errors.Join(err, s.Close())
	}
	return err
}

// closeQuietly closes what the server may have closed already.
func closeQuietly(l net.Listener) { _ = l.Close() }
