package authtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
)

func ExampleWithPrincipal() {
	orders := func(w http.ResponseWriter, r *http.Request) {
		a, ok := auth.FromContext(r.Context())
		_, _ = fmt.Fprintln(w, ok, "orders of", a.Principal.Subject)
	}
	w := httptest.NewRecorder()
	orders(w, authtest.WithPrincipal(httptest.NewRequest("GET", "/orders", nil), auth.Principal{Subject: "alice"}))
	fmt.Print(w.Body)
	// Output: true orders of alice
}

func ExampleAs() {
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "orders") })
	for _, backend := range []*authtest.Backend{
		authtest.As(auth.Principal{Subject: "alice"}),
		authtest.Anonymous(),
		authtest.Unavailable(),
	} {
		w := httptest.NewRecorder()
		auth.RequireAuth(backend)(orders).ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 401
	// 503
}

// In a test, t is the test's own.
func ExampleBrowser_SignIn() {
	var t testing.TB = exampleTest{}
	app, idp := newApp(t, "")

	alice := authtest.NewBrowser(t, app, idp)
	fmt.Println(alice.Get("/hello").Status)
	fmt.Println(alice.SignIn("alice", "returnTo", "/hello").Body)
	alice.SignOut()
	fmt.Println(alice.Get("/hello").Status)
	// Output:
	// 401
	// hello alice
	// 401
}

// An attacker signs in and sends the last step to somebody else.
func ExampleBrowser_Visit() {
	var t testing.TB = exampleTest{}
	app, idp := newApp(t, "")
	attacker, victim := authtest.NewBrowser(t, app, idp), authtest.NewBrowser(t, app, idp)

	answer := attacker.Authorize(attacker.StartSignIn(), "bob")
	page := victim.Visit(answer.URL)
	fmt.Println(page.Status, victim.SignedIn())
	// Output: 400 false
}
