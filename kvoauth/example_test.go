package kvoauth_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// In a test of an application: five lines make a backend whose provider lives in the test, and a browser signs in.
func ExampleNewKvOAuthBackend_test() {
	var t testing.TB = exampleT{} // a test's own t

	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	kv, _ := store.NewMemory(store.MemoryConfig{})
	client := kvoauth.Client{Provider: idp.Definition(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret}
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{Clients: []kvoauth.Client{client}, RedirectURL: authtest.RedirectURI,
		KV: kv, Keys: []auth.Key{auth.GenerateKey()}, HTTPClient: idp.Client()})

	if err != nil {
		t.Fatal(err)
	}
	handler, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(handler.Pattern(), handler)
	mux.Handle("/orders", auth.RequireAuth(backend)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, _ := auth.FromContext(r.Context())
		_, _ = fmt.Fprint(w, "orders of ", a.Principal.Claim("name"))
	})))

	alice := authtest.NewBrowser(t, mux, idp)
	fmt.Println(alice.Get("/orders").Status)
	fmt.Println(alice.SignIn("alice", "returnTo", "/orders").Body)
	// Output:
	// 401
	// orders of Alice Example
}

// Several providers, and roles of the application's own.
func ExampleNewKvOAuthBackend() {
	key, err := auth.ParseKey("Zm9yIGRvY3VtZW50YXRpb24gb25seTogbm90IGEga2U") // from a secret manager
	if err != nil {
		fmt.Println(err)
		return
	}
	kv, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients: []kvoauth.Client{
			{Provider: providers.Google(), ClientID: "id", ClientSecret: auth.NewSecret("secret")},
			{Provider: providers.GitHub(), ClientID: "id", ClientSecret: auth.NewSecret("secret")},
		},
		PrimaryProvider: "google", // came first: its users keep their subjects
		// As registered at Google. At GitHub it is /api/v1/auth/callback/github.
		RedirectURL: "https://app.example.com/api/v1/auth/callback",
		KV:          kv,
		Keys:        []auth.Key{key},
		MapPrincipal: func(_ *http.Request, p *auth.Principal) error {
			if p.Claim("email") == "root@example.com" && p.Claims["email_verified"] == true {
				p.Roles = []string{"admin"}
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range backend.Providers() {
		fmt.Println(p.ID, p.DisplayName)
	}
	// Output:
	// google Google
	// github GitHub
}

// exampleT stands for the t of a test.
type exampleT struct{ testing.TB }

func (exampleT) Context() context.Context  { return context.Background() }
func (exampleT) Helper()                   {}
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (exampleT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
