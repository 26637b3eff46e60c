package kvoauth_test

import (
	"crypto"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

const (
	appleTeam = "TEAM012345"
	appleKey  = "ABC123DEFG"
	appleUser = `{"name":{"firstName":"Jane","lastName":"Doe"},"email":"victim@example.com"}`
)

// appleIDP is a provider that behaves as Apple does: no UserInfo, the e-mail address in the ID token with booleans as
// strings, and at the first consent a form field with the name.
type appleIDP struct {
	*hostileIDP
	key kvoauth.SigningKey
}

func newAppleIDP(t *testing.T) *appleIDP {
	t.Helper()
	key := newECKey(t)
	return &appleIDP{newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) {
		client := &c.Clients[0]
		client.Secret, client.AuthMethod, client.SecretIssuer = "", fakeop.AuthSignedSecret, appleTeam
		client.Keys = map[string]crypto.PublicKey{appleKey: key.Public()}
		c.Scopes = []string{"openid", "name", "email"}
	}}), signingKey(t, key, appleKey, "")}
}

// newApple returns an application that signs in with idp.
func newApple(t *testing.T, idp *appleIDP) *world {
	t.Helper()
	idp.SetFaults(appleFaults())
	return newWorld(t, idp.hostileIDP, func(c *kvoauth.Config) {
		p, err := providers.Apple(appleTeam)
		if err != nil {
			t.Fatal(err)
		}
		p.Issuer, p.AuthorizationEndpoint, p.TokenEndpoint = idp.Issuer(), idp.Issuer()+"/authorize", idp.Issuer()+"/token"
		p.JWKSURI, p.RevocationEndpoint = idp.Issuer()+"/jwks", idp.Issuer()+"/revoke"
		c.Clients[0].Provider, c.Clients[0].SigningKeys = p, []kvoauth.SigningKey{idp.key}
	})
}

func appleFaults() fakeop.Faults {
	return fakeop.Faults{
		Callback: func(v url.Values) {
			v.Del("iss")
			if v.Has("code") {
				v.Set("user", appleUser)
			}
		},
		IDToken: func(_, claims map[string]any) {
			claims["email"], claims["email_verified"], claims["is_private_email"] = "relay@privaterelay.example.test", "true", "true"
			claims["nonce_supported"] = true
		},
	}
}

// user returns what /me says of the person in b.
func (w *world) user(b *authtest.Browser) (claims map[string]any) {
	w.t.Helper()
	var me struct {
		Authenticated bool
		User          struct {
			ID, DisplayName, Email string
			EmailVerified          bool
			Claims                 map[string]any
		}
	}
	b.GetJSON(auth.DefaultBasePath+"/me", &me)
	if !me.Authenticated {
		return nil
	}
	return map[string]any{
		"id": me.User.ID, "displayName": me.User.DisplayName, "email": me.User.Email, "emailVerified": me.User.EmailVerified,
		"nameVerified": me.User.Claims["name_verified"], "given": me.User.Claims["given_name"], "family": me.User.Claims["family_name"],
	}
}

// TestApple signs in with everything that is Apple's own: the answer posted across sites, a secret that is signed for each
// request, the ID token alone, and the name of the first consent.
func TestApple(t *testing.T) {
	w := newApple(t, newAppleIDP(t))
	b := w.browser()
	start := b.StartSignIn()
	u, err := url.Parse(start)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("response_mode") != "form_post" || q.Get("scope") != "openid name email" || q.Get("nonce") == "" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("authorization request %v", q)
	}
	for _, c := range b.Cookies() {
		if c := b.Cookie(c.Name); c.SameSite != http.SameSiteNoneMode || !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("the transaction's cookie %+v does not come back from another site", c)
		}
	}
	b.Finish(b.Authorize(start, "alice"))
	got := w.user(b)
	for name, want := range map[string]any{
		"id": "alice", "displayName": "Jane Doe", "given": "Jane", "family": "Doe", "nameVerified": false,
		"email": "relay@privaterelay.example.test", "emailVerified": true,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if w.idp.Count(fakeop.EndpointUserInfo) != 0 || w.idp.Count(fakeop.EndpointDiscovery) != 0 {
		t.Error("Apple was asked for what it does not have")
	}
	w.checkSignedSecret()
}

// checkSignedSecret looks at the one token request.
func (w *world) checkSignedSecret() {
	w.t.Helper()
	for _, r := range w.idp.Requests() {
		if r.Endpoint != fakeop.EndpointToken {
			continue
		}
		secret := r.Form.Get("client_secret")
		header, claims := jwtPart(w.t, secret, 0), jwtPart(w.t, secret, 1)
		exp, _ := claims["exp"].(float64)
		left := time.Unix(int64(exp), 0).Sub(w.clock.now())
		if header["alg"] != "ES256" || header["kid"] != appleKey || claims["iss"] != appleTeam || claims["sub"] != w.idp.ClientID ||
			claims["aud"] != w.idp.Issuer() || left <= 0 || left > 5*time.Minute {
			w.t.Errorf("header %v, claims %v", header, claims)
		}
		if r.Form.Has("client_assertion") || r.Header.Get("Authorization") != "" || r.Form.Get("code_verifier") == "" || r.Form.Get("client_id") != w.idp.ClientID {
			w.t.Error("not the token request that Apple documents")
		}
	}
}

// TestApplePostedUser: whatever is in the form field, it never says who signs in, nor an e-mail address.
func TestApplePostedUser(t *testing.T) {
	idp := newAppleIDP(t)
	for _, tt := range []struct {
		name, user string
		display    string
	}{
		{"another person's address and subject", `{"sub":"bob","email":"bob@example.test","email_verified":true,"name":{"firstName":"Bob"}}`, "Bob"},
		{"none", "", ""},
		{"not JSON", marker, ""},
		{"no name", `{"name":["` + marker + `"]}`, ""},
		{"too long", `{"name":{"firstName":"` + strings.Repeat("a", 5000) + `"}}`, ""},
		{"a line break", `{"name":{"firstName":"a\n` + marker + `"}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newApple(t, idp)
			b := w.browser()
			cb := w.begin(b)
			cb.Form.Set("user", tt.user)
			b.Finish(cb)
			got := w.user(b)
			if got["id"] != "alice" || got["email"] != "relay@privaterelay.example.test" || got["displayName"] != tt.display {
				t.Errorf("%v", got)
			}
			if strings.Contains(w.log.String()+w.backend.errors(), marker) {
				t.Error("the field is in the log")
			}
		})
	}
	t.Run("an answer that belongs to nobody's sign-in", func(t *testing.T) {
		w := newApple(t, idp)
		b, other := w.browser(), w.browser()
		cb := w.begin(b)
		if page := other.Finish(cb); page.Status != http.StatusBadRequest || w.user(other) != nil {
			t.Errorf("status %d", page.Status)
		}
	})
	t.Run("twice", func(t *testing.T) {
		w := newApple(t, idp)
		b := w.browser()
		cb := w.begin(b)
		cb.Form.Add("user", appleUser)
		w.refused(w.finish(b, cb), auth.CodeParameterDuplicated)
	})
	t.Run("more than a form may hold", func(t *testing.T) {
		w := newApple(t, idp)
		b := w.browser()
		cb := w.begin(b)
		cb.Form.Set("user", strings.Repeat("a", 70<<10))
		if page := b.Finish(cb); page.Status != http.StatusRequestEntityTooLarge || w.user(b) != nil {
			t.Errorf("status %d", page.Status)
		}
	})
	t.Run("a name that the provider vouches for", func(t *testing.T) {
		w := newApple(t, idp)
		faults := appleFaults()
		idToken := faults.IDToken
		faults.IDToken = func(header, claims map[string]any) {
			idToken(header, claims)
			claims["name"] = "Alice"
		}
		w.idp.SetFaults(faults)
		b := w.browser()
		b.Finish(w.begin(b))
		if got := w.user(b); got["displayName"] != "Alice" || got["nameVerified"] != nil || got["given"] != nil {
			t.Errorf("%v", got)
		}
	})
	t.Run("the person says no", func(t *testing.T) {
		w := newApple(t, idp)
		b := w.browser()
		cb := b.Deny(b.StartSignIn())
		cb.Form.Set("error", "user_cancelled_authorize")
		w.refused(w.finish(b, cb), auth.CodeAccessDenied)
	})
}

// TestAppleEmailString: the text "true" counts at Apple, and at nobody else.
func TestAppleEmailString(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(fakeop.Faults{
		IDToken: func(_, claims map[string]any) {
			claims["email"], claims["email_verified"] = "victim@example.test", "true"
		},
		UserInfo: func(claims map[string]any) { delete(claims, "email"); delete(claims, "email_verified") },
	})
	w := newWorld(t, idp, nil)
	b := w.browser()
	b.Finish(w.begin(b))
	if got := w.user(b); got["emailVerified"] != false {
		t.Errorf("%v", got)
	}
}
