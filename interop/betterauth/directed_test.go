package betterauth

import (
	"context"
	"net/http"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// TestTokens verifies the server's JWTs with keys from the table and from its own endpoint.
func TestTokens(t *testing.T) {
	w := newWorld(t, place{engine: "sqlite"}, 1)
	b := w.signUp()
	var body struct{ Token string }
	w.server.must("GET", "/api/auth/token", b.header(), nil).decode(t, &body)
	remote := w.config
	remote.Plugins = []betterauth.Plugin{betterauth.JWT(betterauth.JWTConfig{JWKSURL: w.server.url + "/api/auth/jwks", InsecureAllowHTTP: true})}
	other, err := betterauth.New(remote)
	if err != nil {
		t.Fatal(err)
	}
	for name, backend := range map[string]*betterauth.Backend{"table": w.backend, "endpoint": other} {
		a, err := backend.Authenticate(w.request("GET", http.Header{"Authorization": {"Bearer " + body.Token}}))
		if err != nil || a.Principal.Subject != b.person.id || a.Principal.Claim("email") != b.person.email || a.Principal.Scheme != auth.SchemeBearer {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if _, err := backend.VerifyJWT(context.Background(), body.Token[:len(body.Token)-4]+"AAAA"); auth.CodeOf(err) != auth.CodeTokenInvalid {
			t.Errorf("%s: a forged token: %v", name, err)
		}
	}
}

// TestSignedCache reads the session_data that the server signs with each kind of key that it can have, and does not ask the
// database while it is fresh.
func TestSignedCache(t *testing.T) {
	for _, algorithm := range []string{"EdDSA", "ES256", "ES512", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			w := newWorld(t, place{engine: "sqlite", cache: "jwt", strategy: betterauth.JWTStrategy, signed: algorithm}, 1)
			b := w.signUp()
			w.exec("DELETE FROM [session]")
			theirs, _ := w.theirs(b.header())
			ours, _, _ := w.ours(b.header())
			if !theirs.valid || ours != theirs || ours.user != b.person.id {
				t.Fatalf("here %+v\nthere %+v", ours, theirs)
			}
			data := b.cookies["better-auth.session_data"]
			b.cookies["better-auth.session_data"] = data[:len(data)-6] + "AAAAAA"
			if v, _, _ := w.ours(b.header()); v.valid {
				t.Error("a forged session_data is believed")
			}
		})
	}
}

// TestIssuedCache lets the server read the session_data that this library writes: it must be all that the server needs.
func TestIssuedCache(t *testing.T) {
	for name, strategy := range map[string]betterauth.CacheStrategy{"compact": betterauth.CompactStrategy, "jwt": betterauth.JWTStrategy, "jwe": betterauth.JWEStrategy} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, place{engine: "sqlite", cache: name, strategy: strategy}, 1)
			b := w.signUp()
			delete(b.cookies, "better-auth.session_data")
			us, _, cookies := w.ours(b.header())
			b.keep(cookies)
			if b.cookies["better-auth.session_data"] == "" {
				t.Fatal("no session_data was written")
			}
			w.exec("DELETE FROM [session]")
			them, _ := w.theirs(b.header())
			if !them.valid || them.user != us.user || them.name != us.name || them.session != us.session {
				t.Errorf("the server reads %+v, written was %+v", them, us)
			}
		})
	}
}
