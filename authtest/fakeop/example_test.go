package fakeop_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/netscript/auth/authtest/fakeop"
)

func ExampleNew() {
	op, err := fakeop.New(fakeop.Config{
		Issuer:  "http://localhost:9000",
		Clients: []fakeop.Client{{ID: "app", Secret: "app-secret", RedirectURIs: []string{"http://localhost:8080/callback"}}},
		Users:   []fakeop.User{{Subject: "alice", Name: "Alice", Email: "alice@example.test", EmailVerified: true}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// A program would now run http.ListenAndServe("localhost:9000", op).
	w := httptest.NewRecorder()
	op.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost:9000/.well-known/openid-configuration", nil))
	var doc struct {
		Endpoint string `json:"authorization_endpoint"`
	}
	err = json.Unmarshal(w.Body.Bytes(), &doc)
	fmt.Println(doc.Endpoint, err)

	_, err = fakeop.New(fakeop.Config{Issuer: "https://login.example.com"})
	fmt.Println(err)
	// Output:
	// http://localhost:9000/authorize <nil>
	// fakeop: Issuer "https://login.example.com" is not loopback, .localhost or .test: this provider is for tests and demonstrations
}

func ExampleProvider_SetFaults() {
	op, err := fakeop.New(fakeop.Config{
		Issuer:  "https://idp.test",
		Clients: []fakeop.Client{{ID: "app", RedirectURIs: []string{"https://app.test/callback"}}},
		Users:   []fakeop.User{{Subject: "alice"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	op.SetFaults(fakeop.Faults{
		Before: map[fakeop.Endpoint]fakeop.Hook{
			fakeop.EndpointJWKS: fakeop.Reply(http.StatusServiceUnavailable, "text/html", "down for maintenance"),
		},
	})
	w := httptest.NewRecorder()
	op.ServeHTTP(w, httptest.NewRequest("GET", "https://idp.test/jwks", nil))
	fmt.Println(w.Code, w.Body, op.Count(fakeop.EndpointJWKS))
	// Output: 503 down for maintenance 1
}
