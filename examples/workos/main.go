// Workos is a Go service beside a WorkOS AuthKit front end: it reads the front end's wos-session cookie, renews it, and
// signs people out at WorkOS. It needs no account, because WorkOS is a fake that runs in this process:
//
//	go run ./examples/workos
//
// What a service of its own needs is newBackend and newService. For the real WorkOS give newBackend the client id, the API
// key and the cookie password of the front end, leave BaseURL empty, and remove InsecureAllowHTTP; frontend.go goes.
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
	"github.com/netscript/auth/workos"
)

const (
	clientID       = "client_example"
	apiKey         = "sk_test_example"
	cookiePassword = "an example password of 32 or more characters"
)

func main() {
	port := flag.Uint("port", 8094, "`port` on 127.0.0.1 to listen on; 0 for any")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *port, os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "workos:", err)
		os.Exit(1)
	}
}

// run serves the fake WorkOS and the service until ctx is done. Both are on loopback: anybody can sign in here as anybody.
func run(ctx context.Context, port uint, out io.Writer) error {
	var listen net.ListenConfig
	api, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer closeQuietly(api)
	app, err := listen.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer closeQuietly(app)
	backend, err := newBackend("http://" + api.Addr().String())
	if err != nil {
		return err
	}
	fake, err := newFakeWorkOS()
	if err != nil {
		return err
	}
	service, err := newService(backend)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "Open http://%s/\nNo password is asked for. Ctrl-C ends it.\n", app.Addr())
	return serve(ctx, map[net.Listener]http.Handler{api: fake, app: frontend(fake, backend, service)})
}

// closeQuietly closes what the server may have closed already.
func closeQuietly(l net.Listener) { _ = l.Close() }

// newBackend verifies the cookie that the front end's password seals, and refreshes it when its token expires.
func newBackend(baseURL string) (*workos.Backend, error) {
	return workos.New(workos.Config{
		ClientID:          clientID,
		CookiePasswords:   []auth.Secret{auth.NewSecret(cookiePassword)},
		APIKey:            auth.NewSecret(apiKey),
		Refresh:           workos.OnExpiry,
		BaseURL:           baseURL,
		InsecureAllowHTTP: true, // WorkOS is a fake on loopback
	})
}

// newService is the application: the routes of the library, and an API that only who is signed in may use.
func newService(backend *workos.Backend) (http.Handler, error) {
	routes, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(routes.Pattern(), routes)
	mux.Handle("GET /api/orders", auth.RequireAuth(backend)(auth.RequireScopes("orders:read")(http.HandlerFunc(orders))))
	return mux, nil
}

func orders(w http.ResponseWriter, r *http.Request) {
	a, _ := auth.FromContext(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "orders of %s in %s\n", a.Principal.Claim("name"), a.Principal.Claim("organizationId"))
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
