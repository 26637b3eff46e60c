// Quickstart is a whole application that signs people in: a sign-in page, a profile with the person's sessions, and a
// page that only who is signed in may see. It needs no configuration and no account anywhere, because the two identity
// providers are fakes that run in this process:
//
//	go run ./examples/quickstart
//
// Sessions then end with the process. With -redis or -db they are kept, and a restart signs nobody out:
//
//	go run ./examples/quickstart -db sessions.db
//
// What an application of its own needs is in this file. store.go chooses where sessions are kept, provider.go starts the
// fakes, serve.go listens, and page.go draws the pages. To sign in with a real provider, replace the clients by one such as
//
//	kvoauth.Client{Provider: providers.GitHub(), ClientID: "...", ClientSecret: auth.NewSecret("...")}
//
// set RedirectURL to https, and remove InsecureAllowHTTP.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8094", "loopback `address` to listen on; if the port is taken, the next free one")
	var keep storeFlags
	keep.register(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr, keep, os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run serves the application and its providers until ctx is done.
func run(ctx context.Context, addr string, keep storeFlags, out io.Writer) error {
	app, err := listen(addr)
	if err != nil {
		return err
	}
	defer app.close()
	sessions, err := keep.open(ctx)
	if err != nil {
		return err
	}
	defer sessions.close()
	acme, err := newFakeProvider("acme", "Acme ID", app.url, acmePeople)
	if err != nil {
		return err
	}
	defer acme.close()
	globex, err := newFakeProvider("globex", "Globex", app.url, globexPeople)
	if err != nil {
		return err
	}
	defer globex.close()

	backend, err := newBackend(app.url, sessions, acme.client, globex.client)
	if err != nil {
		return err
	}
	handler, err := newApplication(backend, map[string]string{"acme": acme.url, "globex": globex.url})
	if err != nil {
		return err
	}
	app.handler = onlyHost(app.url, handler)

	_, _ = fmt.Fprintf(out, "%s\n  Open %s\n\nNo password is asked for. %s: Ctrl-C.\n", app.note, app.url, sessions.note)
	return serve(ctx, app, acme.site, globex.site)
}

// newBackend configures the backend that signs people in at clients.
func newBackend(appURL string, sessions *sessionStore, clients ...kvoauth.Client) (*kvoauth.Backend, error) {
	return kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:         clients,
		PrimaryProvider: clients[0].Provider.ID, // its users' subjects are the provider's own
		RedirectURL:     appURL + auth.DefaultBasePath + "/callback",
		KV:              sessions.kv,              // what store.NewMemory returns, unless a flag says otherwise
		Keys:            []auth.Key{sessions.key}, // lives as long as the sessions
		MapPrincipal:    welcome,
		// Plain http is for loopback alone, and listen refuses everything else: on any network, whoever can read the
		// traffic takes over the sessions.
		InsecureAllowHTTP: true,
	})
}

// newApplication returns the routes of the application. providerURLs, by the providers' ids, are where forms may lead and
// pictures come from.
func newApplication(backend *kvoauth.Backend, providerURLs map[string]string) (http.Handler, error) {
	routes, err := auth.NewHandler(backend, auth.HandlerConfig{
		ErrorURL: "/", // a sign-in that fails ends on our own page, with ?error=code
	})
	if err != nil {
		return nil, err
	}
	pages := &pages{backend: backend, signInPath: routes.Pattern() + "signin", providerURLs: providerURLs}
	guard := auth.Guard{
		Authenticator: backend,
		SignInPath:    "/", // who has to sign in chooses a provider there, and comes back to where they wanted to go
	}
	mux := http.NewServeMux()
	mux.Handle(routes.Pattern(), routes) // /api/v1/auth/signin, /callback, /signout, /me, ...
	mux.Handle("GET /{$}", guard.OptionalAuth(http.HandlerFunc(pages.home)))
	mux.Handle("GET /private", guard.RequireAuth(http.HandlerFunc(pages.private)))
	mux.Handle("GET /static/", http.FileServerFS(staticFiles))
	return mux, nil
}

// welcome is the application's own say in every sign-in: whom it lets in, and with which roles. It goes by the
// subject, which is the provider's word for one account forever; names and e-mail addresses change hands.
func welcome(_ *http.Request, p *auth.Principal) error {
	if p.Subject == "mallory" {
		return errors.New("the account is suspended") // for nobody's eyes: the browser gets sign_in_denied
	}
	p.Roles = []string{"member"}
	if p.Subject == "ada" {
		p.Roles = []string{"admin", "member"}
	}
	return nil
}
