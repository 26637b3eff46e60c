// Redis is a server that keeps its sessions in Redis or Valkey: they outlive it, any number of it share them, and who signs
// out at one is signed out at all. It needs a Redis server, and nothing else:
//
//	export REDIS_URL=redis://localhost:6379/0
//	export NETSCRIPT_AUTH_KV_OAUTH_KEY=$(go run ./examples/redis -new-key)
//	go run ./examples/redis
//	go run ./examples/redis -port 8095
//
// Sign in at the first, and the second knows you. Every instance must have the same key, which is not in Redis: whoever can
// read the server must not be able to read the sessions.
//
// People sign in at a fake identity provider in this process, unless there is a real one. Register the address
// http://localhost:8094/api/v1/auth/callback with it, and set
//
//	NETSCRIPT_AUTH_ISSUER         such as https://accounts.google.com
//	NETSCRIPT_AUTH_CLIENT_ID      what the provider calls this application
//	NETSCRIPT_AUTH_CLIENT_SECRET  what it knows it by
//
// What a server of its own needs is in application.go.
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

const readHeaderTimeout = 10 * time.Second

func main() {
	port := flag.Uint("port", 8094, "`port` on 127.0.0.1 to listen on; 0 for any")
	newKey := flag.Bool("new-key", false, "print a new key, and end")
	flag.Parse()
	if *newKey {
		_, _ = fmt.Fprintln(os.Stdout, auth.GenerateKey().Encode())
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *port, os.Getenv, os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "redis:", err)
		os.Exit(1)
	}
}

// run serves the application until ctx is done. Redis may be down when it starts.
func run(ctx context.Context, port uint, getenv func(string) string, out io.Writer) error {
	sessions, err := openRedis(getenv)
	if err != nil {
		return err
	}
	defer sessions.Close()
	key, err := auth.ParseKey(getenv(keyVariable))
	if err != nil {
		return fmt.Errorf("%s: %w; -new-key prints one", keyVariable, err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	url := fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	provider, err := chooseProvider(ctx, getenv, url)
	if err != nil {
		return err
	}
	defer provider.close()
	handler, err := newApplication(sessions, url, key, provider.client)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "Open %s\n%s Ctrl-C ends it.\n", url, provider.note)
	return serve(ctx, listener, handler)
}

// serve answers until ctx is done.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
