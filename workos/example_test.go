package workos_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/workos"
	"github.com/netscript/auth/workos/workostest"
)

// A service beside an AuthKit front end. WorkOS is a fake here, and so is the front end's sign-in.
func ExampleNew() {
	fake, err := workostest.NewServer(workostest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	backend, err := workos.New(workos.Config{
		ClientID:        "client_test",
		CookiePasswords: []auth.Secret{auth.NewSecret("the front end's WORKOS_COOKIE_PASSWORD")},
		HTTPClient:      &http.Client{Transport: authtest.NewTransport(map[string]http.Handler{workos.DefaultBaseURL: fake})},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := auth.RequireAuth(backend)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, _ := auth.FromContext(r.Context())
		fmt.Println(a.Principal.Subject, a.Principal.Claim("name"), a.Principal.Scopes)
	}))

	session, err := fake.SignIn(workostest.Person{ID: "user_1", FirstName: "Ada", LastName: "Lovelace", Permissions: []string{"orders:read"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	cookie, err := backend.SessionCookie(session)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/orders", nil)
	r.AddCookie(cookie)
	orders.ServeHTTP(httptest.NewRecorder(), r)
	// Output: user_1 Ada Lovelace [orders:read]
}
