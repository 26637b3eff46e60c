package kvoauth_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

func inUserInfo(name string, value any) fakeop.Faults {
	return fakeop.Faults{UserInfo: func(claims map[string]any) { claims[name] = value }}
}

// TestHostileUserInfo: UserInfo that does not speak of the ID token's subject, or is no UserInfo (CONF-B11, OIDC-14).
func TestHostileUserInfo(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	body := func(text string) fakeop.Faults {
		return fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{
			fakeop.EndpointUserInfo: fakeop.Reply(http.StatusOK, "application/json", text),
		}}
	}
	for _, row := range []struct {
		id     string
		faults fakeop.Faults
		code   auth.Code
	}{
		{"CONF-B11", inUserInfo("sub", "aliceinvalid"), auth.CodeSubjectMismatch},
		{"sub in capitals", inUserInfo("sub", "ALICE"), auth.CodeSubjectMismatch},
		{"CONF-N21 sub missing", fakeop.Faults{UserInfo: func(c map[string]any) { delete(c, "sub") }}, auth.CodeSubjectMismatch},
		{"sub empty", inUserInfo("sub", ""), auth.CodeSubjectMismatch},
		{"sub null", inUserInfo("sub", nil), auth.CodeSubjectMismatch},
		{"sub a list", inUserInfo("sub", []string{"alice"}), auth.CodeSubjectMismatch},
		{"Sub instead of sub", fakeop.Faults{UserInfo: func(c map[string]any) {
			delete(c, "sub")
			c["Sub"] = "alice"
		}}, auth.CodeSubjectMismatch},
		{"sub twice", body(`{"sub":"alice","sub":"bob"}`), auth.CodeProviderInvalid},
		{"two documents", body(`{"sub":"alice"}{"sub":"bob"}`), auth.CodeProviderInvalid},
		{"an array", body(`[{"sub":"alice"}]`), auth.CodeProviderInvalid},
		{"empty", body(""), auth.CodeProviderInvalid},
		{"a JWT", body("e30.e30.e30"), auth.CodeProviderInvalid},
		{"CONF-D06", fakeop.Faults{Answer: map[fakeop.Endpoint]func(*fakeop.Response){fakeop.EndpointUserInfo: func(r *fakeop.Response) {
			r.Header.Set("Content-Type", "application/jwt") // which was not asked for, so there is nothing to verify it with
			r.Body = []byte(signToken(t, idp.Provider, map[string]any{"alg": "RS256"}, map[string]any{"sub": "alice", "iss": idp.Issuer(), "aud": "test-client"}))
		}}}, auth.CodeProviderInvalid},
		{"deep", body(`{"sub":"alice","x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`), auth.CodeProviderInvalid},
		{"more than a session can keep", inUserInfo("x", strings.Repeat("x", 40<<10)), auth.CodeIdentityInvalid},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(row.faults)
			w := newWorld(t, idp, nil)
			b := w.browser()
			w.refused(w.finish(b, w.begin(b)), row.code)
			w.calls(1, 1)
		})
	}
}

// TestHostileClaims: what UserInfo says about the protocol and about others is not believed (ADV-45, CONF-X07, X08).
func TestHostileClaims(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(fakeop.Faults{
		IDToken: func(_, claims map[string]any) { claims["acr"], claims["name"] = "low", "Alice of the ID token" },
		UserInfo: func(claims map[string]any) {
			for _, name := range []string{"iss", "aud", "azp", "nonce", "at_hash", "sid", "acr", "amr", "tid", "jti", "auth_time", "name", "sessionId", "providerId"} {
				claims[name] = marker
			}
			claims["exp"], claims["iat"] = 1, 1
			claims["_claim_names"] = map[string]any{"groups": "src"}
			claims["_claim_sources"] = map[string]any{"src": map[string]any{"endpoint": "https://mail.test/claims", "access_token": marker, "JWT": "e30.e30."}}
			claims["Sub"], claims["roles"] = "bob", []string{"admin"}
			claims["picture"], claims["website"] = "https://mail.test/picture.png", "https://mail.test/"
		},
	})
	w := newWorld(t, idp, nil)
	w.egress.mail = http.NotFoundHandler()
	b := w.browser()
	s := w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	c := s.Session.Claims
	for name, value := range c {
		if text, ok := value.(string); ok && strings.Contains(text, marker) {
			t.Errorf("claim %s is UserInfo's", name)
		}
		if strings.HasPrefix(name, "_") || slices.Contains([]string{"aud", "exp", "iat", "nonce", "at_hash", "azp"}, name) {
			t.Errorf("claim %s is kept", name)
		}
	}
	if c["sub"] != "alice" || c["iss"] != idp.Issuer() || c["acr"] != "low" || c["name"] != "Alice of the ID token" || c["providerId"] != "fake" {
		t.Errorf("claims %v", c)
	}
	if len(s.Session.Roles) != 0 {
		t.Errorf("roles %v", s.Session.Roles)
	}
	for _, u := range w.egress.targets() {
		if strings.HasPrefix(u, "https://mail.test") {
			t.Error("a claim source, or a picture, was fetched") // ADV-92
		}
	}
}

// TestHostileClaimSourcesInIDToken: a distributed claim of the ID token is not fetched either.
func TestHostileClaimSourcesInIDToken(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) {
		claims["_claim_names"] = map[string]any{"groups": "src"}
		claims["_claim_sources"] = map[string]any{"src": map[string]any{"endpoint": "https://mail.test/claims"}}
	}})
	w := newWorld(t, idp, nil)
	w.egress.mail = http.NotFoundHandler()
	b := w.browser()
	s := w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	if s.Session.Claims["_claim_sources"] != nil || s.Session.Claims["_claim_names"] != nil || s.Session.Claims["groups"] != nil {
		t.Errorf("claims %v", s.Session.Claims)
	}
	for _, u := range w.egress.targets() {
		if strings.HasPrefix(u, "https://mail.test") {
			t.Error("a claim source was fetched")
		}
	}
}

// TestHostileEmail: an address is verified when its own source says the JSON value true, and not otherwise (ADV-37,
// ADV-38, CONF-N21).
func TestHostileEmail(t *testing.T) {
	type claims = map[string]any
	const mail, other = "alice@example.test", "ceo@example.test"
	idp := newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) { c.Users = []fakeop.User{{Subject: "alice"}} }})
	edov := func(c *kvoauth.Config) { c.Clients[0].Provider.Mapping.EmailVerified = "xms_edov" }
	for _, row := range []struct {
		id             string
		idToken, info  claims
		configure      func(*kvoauth.Config)
		email          any
		verified, have bool
	}{
		{"true in UserInfo", nil, claims{"email": mail, "email_verified": true}, nil, mail, true, true},
		{"true in the ID token", claims{"email": mail, "email_verified": true}, nil, nil, mail, true, true},
		{"the string true", nil, claims{"email": mail, "email_verified": "true"}, nil, mail, false, true},
		{"the string True", nil, claims{"email": mail, "email_verified": "True"}, nil, mail, false, true},
		{"the string false", nil, claims{"email": mail, "email_verified": "false"}, nil, mail, false, true},
		{"one", nil, claims{"email": mail, "email_verified": 1}, nil, mail, false, true},
		{"null", nil, claims{"email": mail, "email_verified": nil}, nil, mail, false, true},
		{"absent", nil, claims{"email": mail}, nil, mail, false, true},
		{"a list", nil, claims{"email": mail, "email_verified": []bool{true}}, nil, mail, false, true},
		{"in another case", nil, claims{"email": mail, "Email_Verified": true}, nil, mail, false, true},
		{"verified by the other source, address in UserInfo", claims{"email_verified": true}, claims{"email": other}, nil, other, false, true},
		{"verified by the other source, UserInfo denies", claims{"email_verified": true}, claims{"email": other, "email_verified": false}, nil, other, false, true},
		{"verified by the other source, address in the ID token", claims{"email": mail}, claims{"email_verified": true}, nil, mail, false, true},
		{"two addresses", claims{"email": mail, "email_verified": false}, claims{"email": other, "email_verified": true}, nil, mail, false, true},
		{"ID token without an address", claims{"email": nil, "email_verified": false}, claims{"email": mail, "email_verified": true}, nil, mail, true, true},
		{"own voucher, from the other source", claims{"xms_edov": true}, claims{"email": other}, edov, other, false, true},
		{"own voucher, from the same source", claims{"xms_edov": true, "email": mail}, nil, edov, mail, true, true},
		{"two at signs", nil, claims{"email": "a@evil.test@example.test", "email_verified": true}, nil, nil, false, false},
		{"full-width at sign", nil, claims{"email": "a\uff20evil.test@example.test", "email_verified": true}, nil, nil, false, false},
		{"a list of addresses", nil, claims{"email": "a@example.test,b@example.test", "email_verified": true}, nil, nil, false, false},
		{"verified nothing", nil, claims{"email_verified": true}, nil, nil, false, false},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{
				IDToken: func(_, c map[string]any) {
					for name, value := range row.idToken {
						c[name] = value
					}
				},
				UserInfo: func(c map[string]any) {
					for name, value := range row.info {
						c[name] = value
					}
				},
			})
			w := newWorld(t, idp, row.configure)
			b := w.browser()
			c := w.signedIn(b, w.finish(b, w.begin(b)), "alice").Session.Claims
			verified, have := c["email_verified"].(bool)
			if c["email"] != row.email || have != row.have || verified != row.verified {
				t.Errorf("email %v, email_verified %v", c["email"], c["email_verified"])
			}
		})
	}
}

// oauthOnly makes the first provider one without ID tokens, with its e-mail addresses kept apart.
func oauthOnly(idp *hostileIDP) func(*kvoauth.Config) {
	return func(c *kvoauth.Config) {
		c.Clients[0].Provider = providers.Provider{
			ID: "hub", Kind: providers.OAuth, AuthorizationEndpoint: idp.Issuer() + "/authorize", TokenEndpoint: idp.Issuer() + "/token",
			UserInfoEndpoint: idp.Issuer() + "/userinfo", EmailEndpoint: "https://mail.test/emails", Issuer: idp.Issuer(),
			Mapping: providers.Mapping{Subject: "id", Claims: map[string][]string{"name": {"name"}}},
		}
	}
}

// TestHostileOAuthIdentity: the subject of a provider without ID tokens is its stable identifier or there is none
// (ADV-41, NS-14, F-UI).
func TestHostileOAuthIdentity(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, row := range []struct {
		id      string
		value   any
		subject string // identity_invalid if empty
	}{
		{"number", 42, "42"},
		{"beyond 2^53", rawJSON("9007199254740993"), "9007199254740993"},
		{"beyond 2^63", rawJSON("18446744073709551615"), "18446744073709551615"},
		{"text", "u-42", "u-42"},
		{"zero", 0, ""},
		{"zero as text", "0", ""},
		{"negative", -1, ""},
		{"a fraction", rawJSON("42.0"), ""},
		{"an exponent", rawJSON("1e3"), ""},
		{"null", nil, ""},
		{"empty", "", ""},
		{"blank", "  ", ""},
		{"a boolean", true, ""},
		{"a list", []int{42}, ""},
		{"an object", map[string]any{"id": 42}, ""},
		{"a line break", "42\n" + marker, ""},
		{"too long", strings.Repeat("4", 256), ""},
		{"reserved", "urn:netscript:other:" + marker, ""},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(inUserInfo("id", row.value))
			w := newWorld(t, idp, oauthOnly(idp))
			w.egress.mail = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`[]`)) })
			b := w.browser()
			a := w.finish(b, w.begin(b))
			w.calls(1, 1)
			if row.subject == "" {
				w.refused(a, auth.CodeIdentityInvalid)
				return
			}
			w.signedIn(b, a, row.subject)
			w.silent(nil)
		})
	}
	t.Run("missing", func(t *testing.T) {
		idp.SetFaults(inUserInfo("Id", 42))
		w := newWorld(t, idp, oauthOnly(idp))
		w.egress.mail = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`[]`)) })
		b := w.browser()
		w.refused(w.finish(b, w.begin(b)), auth.CodeIdentityInvalid)
	})
}

// TestHostileSubjects: no two users of several providers have one subject, whatever the providers call them, and a
// further provider changes nothing for the users of the first.
func TestHostileSubjects(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	evil := newIDP(t, authtest.ProviderConfig{ID: "evil", Issuer: "https://evil.test"})
	signIn := func(t *testing.T, w *world, provider *hostileIDP, id, sub string) (*answer, *authtest.Browser) {
		t.Helper()
		provider.SetFaults(fakeop.Faults{
			IDToken:  func(_, c map[string]any) { c["sub"] = sub },
			UserInfo: func(c map[string]any) { c["sub"] = sub },
		})
		b := w.browser()
		return w.finish(b, w.begin(b, "providerId", id)), b
	}
	for _, row := range []struct{ name, provider, sub, subject string }{
		{"first", "fake", "alice", "alice"},
		{"same name at the second", "evil", "alice", "urn:netscript:evil:alice"},
		{"first claims a qualified one", "fake", "urn:netscript:evil:alice", ""},
		{"second claims a qualified one", "evil", "urn:netscript:fake:alice", ""},
		{"second claims a shorter one", "evil", "urn:netscript:", ""},
		{"colons", "evil", "x:fake:alice", "urn:netscript:evil:x:fake:alice"},
		{"capitals", "fake", "URN:NETSCRIPT:evil:alice", "URN:NETSCRIPT:evil:alice"},
		{"space in front", "fake", " urn:netscript:evil:alice", " urn:netscript:evil:alice"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, idp, nil, evil)
			provider := idp
			if row.provider == "evil" {
				provider = evil
			}
			a, b := signIn(t, w, provider, row.provider, row.sub)
			if row.subject == "" {
				w.refused(a, auth.CodeIdentityInvalid)
				return
			}
			w.signedIn(b, a, row.subject)
		})
	}
	t.Run("alone", func(t *testing.T) {
		w := newWorld(t, idp, nil)
		a, b := signIn(t, w, idp, "fake", "alice")
		w.signedIn(b, a, "alice")
		w = newWorld(t, idp, nil)
		a, _ = signIn(t, w, idp, "fake", "urn:netscript:evil:alice")
		w.refused(a, auth.CodeIdentityInvalid) // also now: a second provider may come later
	})
	t.Run("primary by name", func(t *testing.T) {
		w := newWorld(t, idp, func(c *kvoauth.Config) { c.PrimaryProvider = "evil" }, evil)
		a, b := signIn(t, w, evil, "evil", "alice")
		w.signedIn(b, a, "alice")
		w = newWorld(t, idp, func(c *kvoauth.Config) { c.PrimaryProvider = "evil" }, evil)
		a, b = signIn(t, w, idp, "fake", "alice")
		w.signedIn(b, a, "urn:netscript:fake:alice")
	})
}

// TestHostileMapPrincipal: the application's mapping may refuse and add, and cannot make one user another.
func TestHostileMapPrincipal(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	mapped := func(f func(p *auth.Principal) error) func(*kvoauth.Config) {
		return func(c *kvoauth.Config) {
			c.MapPrincipal = func(_ *http.Request, p *auth.Principal) error { return f(p) }
		}
	}
	for _, row := range []struct {
		id   string
		f    func(p *auth.Principal) error
		code auth.Code
	}{
		{"denied", func(*auth.Principal) error { return errors.New(marker) }, auth.CodeSignInDenied},
		{"denied with a code of ours", func(*auth.Principal) error {
			return &auth.Error{Code: auth.CodeNoCredential, Op: marker, Err: errors.New(marker)}
		}, auth.CodeSignInDenied},
		{"another subject", func(p *auth.Principal) error { p.Subject = "bob"; return nil }, auth.CodeInternal},
		{"no subject", func(p *auth.Principal) error { p.Subject = ""; return nil }, auth.CodeInternal},
	} {
		t.Run(row.id, func(t *testing.T) {
			w := newWorld(t, idp, mapped(row.f))
			b := w.browser()
			w.refused(w.finish(b, w.begin(b)), row.code)
			w.calls(1, 1)
		})
	}
	t.Run("roles", func(t *testing.T) {
		w := newWorld(t, idp, mapped(func(p *auth.Principal) error {
			p.Roles, p.Claims["tenant"] = []string{"clerk"}, "acme"
			return nil
		}))
		b := w.browser()
		s := w.signedIn(b, w.finish(b, w.begin(b)), "alice")
		if !slices.Equal(s.Session.Roles, []string{"clerk"}) || s.Session.Claims["tenant"] != "acme" {
			t.Errorf("session %+v", s.Session)
		}
	})
}
