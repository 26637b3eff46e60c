package kvoauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/interop/oidcprovider"
	"github.com/netscript/auth/kvoauth"
)

func newSigningKey(t *testing.T, alg string) kvoauth.SigningKey {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "RS256", "PS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	k, err := kvoauth.NewSigningKey(key, "", alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signInAndRefresh signs in, and renews the tokens twice: the provider rotates refresh tokens.
func (a *app) signInAndRefresh() {
	a.t.Helper()
	if res := a.finish(a.begin("erin")); res.StatusCode != http.StatusFound {
		a.t.Fatalf("callback: %s", res.Status)
	}
	answer := a.me()
	if !answer.Authenticated || answer.User.ID != "erin" || answer.User.Email == "" {
		a.t.Fatalf("me: %+v", answer)
	}
	for range 2 {
		if _, err := a.backend.RefreshSession(a.t.Context(), answer.Session.ID); err != nil {
			a.t.Fatalf("refresh: %v", err)
		}
	}
}

// TestPrivateKeyJWT authenticates the client with keys of every kind, as the provider knows them from the published set.
func TestPrivateKeyJWT(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			key, next := newSigningKey(t, alg), newSigningKey(t, alg)
			set, err := kvoauth.PublicJWKS(key, next)
			if err != nil {
				t.Fatal(err)
			}
			client := oidcprovider.Client{ID: "jwt", AuthMethod: "private_key_jwt", AuthSigningAlg: alg, JWKS: set}
			a := newAppAs(t, "jwt", oidcprovider.Options{Clients: []oidcprovider.Client{client}}, func(c *kvoauth.Client) {
				c.SigningKeys = []kvoauth.SigningKey{next, key}
			})
			a.signInAndRefresh()
		})
	}
}

func TestClientSecretJWT(t *testing.T) {
	client := oidcprovider.Client{ID: "jwt", Secret: "a-client-secret-of-more-than-32-bytes", AuthMethod: "client_secret_jwt"}
	newAppAs(t, "jwt", oidcprovider.Options{Clients: []oidcprovider.Client{client}}, func(*kvoauth.Client) {}).signInAndRefresh()
}

// TestPushedAuthorization signs in at a provider that takes no other authorization requests.
func TestPushedAuthorization(t *testing.T) {
	for _, id := range []string{"basic", "post", "public"} {
		t.Run(id, func(t *testing.T) {
			a := newApp(t, id, oidcprovider.Options{RequirePAR: true}, nil)
			res := a.do(http.MethodGet, a.url+auth.DefaultBasePath+"/signin", nil)
			u, err := url.Parse(res.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if query := u.Query(); len(query) != 2 || query.Get("client_id") != id || query.Get("request_uri") == "" {
				t.Errorf("authorization request %v", query)
			}
			a.signInAndRefresh()
		})
	}
}
