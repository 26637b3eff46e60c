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
	"slices"
	"strconv"
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

// TestDPoP binds the tokens to the session's key. The provider wants its nonces, and refuses clients without a proof.
func TestDPoP(t *testing.T) {
	for _, nonce := range []bool{false, true} {
		t.Run(strconv.FormatBool(nonce), func(t *testing.T) {
			clients := []oidcprovider.Client{
				{ID: "dpop", Secret: "dpop-secret", AuthMethod: "client_secret_basic", DPoPBound: true},
				{ID: "public", DPoPBound: true},
			}
			for _, c := range clients {
				a := newAppAs(t, c.ID, oidcprovider.Options{Clients: slices.Clone(clients), DPoPNonce: nonce}, func(c *kvoauth.Client) { c.DPoP = true })
				a.signInAndRefresh()
			}
		})
	}
	t.Run("a client without a proof", func(t *testing.T) {
		clients := []oidcprovider.Client{{ID: "dpop", Secret: "dpop-secret", DPoPBound: true}}
		a := newAppAs(t, "dpop", oidcprovider.Options{Clients: clients}, func(*kvoauth.Client) {})
		if res := a.finish(a.begin("erin")); res.StatusCode == http.StatusFound || a.me().Authenticated {
			t.Errorf("callback: %s", res.Status)
		}
	})
}

// TestFAPI2 is all of it together, at a provider that holds the client to the FAPI 2.0 Security Profile: pushed requests,
// assertions signed with a key, iss, and bound tokens with nonces.
func TestFAPI2(t *testing.T) {
	for _, alg := range []string{"PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			key := newSigningKey(t, alg)
			set, err := kvoauth.PublicJWKS(key)
			if err != nil {
				t.Fatal(err)
			}
			client := oidcprovider.Client{ID: "fapi", AuthMethod: "private_key_jwt", AuthSigningAlg: alg, JWKS: set, DPoPBound: true, IDTokenAlg: "ES256"}
			o := oidcprovider.Options{Clients: []oidcprovider.Client{client}, RequirePAR: true, DPoPNonce: true, FAPI2: true}
			a := newAppAs(t, "fapi", o, func(c *kvoauth.Client) {
				c.SigningKeys, c.DPoP, c.Provider.RequireIss, c.Provider.SigningAlgs = []kvoauth.SigningKey{key}, true, true, []string{"ES256"}
			})
			a.signInAndRefresh()
		})
	}
}
