package main

import (
	"html/template"
	"net/http"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
	"github.com/netscript/auth/workos/workostest"
)

// people are whom the fake WorkOS knows. Bob may not read orders.
var people = []workostest.Person{
	{ID: "user_alice", Email: "alice@example.com", FirstName: "Alice", LastName: "Example", OrganizationID: "org_acme", Role: "admin", Permissions: []string{"orders:read"}},
	{ID: "user_bob", Email: "bob@example.com", FirstName: "Bob", LastName: "Example", OrganizationID: "org_acme", Role: "member"},
}

func newFakeWorkOS() (*workostest.Server, error) {
	return workostest.NewServer(workostest.Config{ClientID: clientID, APIKey: apiKey})
}

// frontend stands for an AuthKit front end: what a Next.js application would do with authkit-nextjs. Its sign-in asks
// nobody anything.
func frontend(fake *workostest.Server, backend *workos.Backend, service http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", service)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { showPage(w, r, backend) })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { signIn(w, r, fake, backend) })
	return http.NewCrossOriginProtection().Handler(mux)
}

func signIn(w http.ResponseWriter, r *http.Request, fake *workostest.Server, backend *workos.Backend) {
	for _, p := range people {
		if p.ID != r.PostFormValue("user") {
			continue
		}
		session, err := fake.SignIn(p)
		if err != nil {
			break
		}
		cookie, err := backend.SessionCookie(session)
		if err != nil {
			break
		}
		(&auth.Redirect{Location: "/", Cookies: []*http.Cookie{cookie}}).ServeHTTP(w, r)
		return
	}
	http.Error(w, "nobody of this name", http.StatusBadRequest)
}

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Example</title></head><body>
{{with .Name}}<h1>Hello, {{.}}</h1>
<p><a href="/api/orders">Orders</a> <a href="/api/v1/auth/me">Who am I?</a> <a href="/api/v1/auth/sessions">My sessions</a></p>
<form method="post" action="/api/v1/auth/signout"><button>Sign out</button></form>
{{else}}<h1>Sign in</h1>
{{range .People}}<form method="post" action="/login"><button name="user" value="{{.ID}}">{{.FirstName}}</button></form>
{{end}}{{end}}</body></html>
`))

func showPage(w http.ResponseWriter, r *http.Request, backend *workos.Backend) {
	auth.Guard{Authenticator: backend}.OptionalAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := ""
		if a, ok := auth.FromContext(r.Context()); ok {
			name = a.Principal.Claim("name")
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, struct {
			Name   string
			People []workostest.Person
		}{name, people})
	})).ServeHTTP(w, r)
}
