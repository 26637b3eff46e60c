// Authapi is the authentication service, configured by the environment (package authapi lists the variables):
//
//	authapi            serve on PORT, until SIGINT or SIGTERM
//	authapi migrate    make or update the tables in DATABASE_URL
//	authapi status     which migrations DATABASE_URL has; exit status 1 if some are missing
//	authapi keygen     print a new key
//	authapi doctor     look at the configuration and all that it points to; exit status 1 if something is wrong
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/store/sqlstore"
)

const usage = "usage: authapi [serve | migrate | status | keygen | doctor]"

// errFound ends the program with status 1 after everything was said.
var errFound = errors.New("")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, authapi.Options{Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))})
	stop()
	switch {
	case err == nil:
		return
	case !errors.Is(err, errFound):
		_, _ = fmt.Fprintln(os.Stderr, "authapi:", err)
	}
	os.Exit(1)
}

// run executes one command. It returns when ctx is done.
func run(ctx context.Context, args []string, out io.Writer, o authapi.Options) error {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	if len(args) > 1 {
		return errors.New(usage)
	}
	switch command {
	case "serve":
		return serve(ctx, o)
	case "migrate":
		return migrate(ctx, out, o)
	case "status":
		return status(ctx, out, o)
	case "keygen":
		_, err := fmt.Fprintln(out, auth.GenerateKey().Encode())
		return err
	case "doctor":
		return doctor(ctx, out, o)
	}
	return errors.New(usage)
}

func serve(ctx context.Context, o authapi.Options) error {
	service, err := authapi.New(ctx, o)
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

// migrationTimeout bounds a migration, the wait for another instance's included.
const migrationTimeout = 10 * time.Minute

func migrate(ctx context.Context, out io.Writer, o authapi.Options) error {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	if err := authapi.Migrate(ctx, o); err != nil {
		return err
	}
	return status(ctx, out, o)
}

func status(ctx context.Context, out io.Writer, o authapi.Options) error {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	s, err := authapi.MigrationStatus(ctx, o)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "version %d of %d\n", s.Version, s.Latest)
	return judge(out, s)
}

func judge(out io.Writer, s sqlstore.Status) error {
	switch {
	case s.Ahead():
		_, _ = fmt.Fprintln(out, "the database is ahead of this program: run a newer one")
		return errFound
	case len(s.Pending) > 0:
		_, _ = fmt.Fprintf(out, "pending: %v; run `authapi migrate`\n", s.Pending)
		return errFound
	}
	_, _ = fmt.Fprintln(out, "up to date")
	return nil
}

func doctor(ctx context.Context, out io.Writer, o authapi.Options) error {
	found := false
	for _, f := range authapi.Doctor(ctx, o) {
		_, _ = fmt.Fprintln(out, f)
		found = found || !f.OK
	}
	if found {
		return errFound
	}
	return nil
}
