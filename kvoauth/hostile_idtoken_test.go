package kvoauth_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

type claimsFault = func(header, claims map[string]any)

// tokenRow is one ID token of a provider that is hostile, broken or impersonated.
type tokenRow struct {
	id     string
	source string
	change claimsFault // before the token is signed
	code   auth.Code   // id_token_invalid if empty
}

func setClaim(name string, value any) claimsFault {
	return func(_, claims map[string]any) { claims[name] = value }
}

func dropClaim(name string) claimsFault {
	return func(_, claims map[string]any) { delete(claims, name) }
}

func inHeader(name string, value any) claimsFault {
	return func(header, _ map[string]any) { header[name] = value }
}

func appendToClaim(name, suffix string) claimsFault {
	return func(_, claims map[string]any) { claims[name] = claims[name].(string) + suffix }
}

func rawJSON(s string) json.RawMessage { return json.RawMessage(s) }

func claimRows(c *stoppedClock) []tokenRow {
	at := func(d time.Duration) int64 { return c.now().Add(d).Unix() }
	return []tokenRow{
		{"CONF-B02", "Core 3.1.3.7 step 2", appendToClaim("iss", "1"), ""},
		{"iss with a slash", "Core 3.1.3.7 step 2", appendToClaim("iss", "/"), ""},
		{"iss in capitals", "Core 3.1.3.7 step 2", setClaim("iss", "https://IDP.test"), ""},
		{"iss cut by one character", "ADV-52", setClaim("iss", "https://idp.tes"), ""},
		{"iss of somebody else", "ADV-52", setClaim("iss", "https://evil.test/https://idp.test"), ""},
		{"iss missing", "Core 2", dropClaim("iss"), ""},
		{"iss null", "Core 2", setClaim("iss", nil), ""},
		{"iss a list", "RFC 7519 4.1.1", setClaim("iss", []string{"https://idp.test"}), ""},
		{"CONF-B03", "Core 2", dropClaim("sub"), ""},
		{"CONF-N05 empty", "Core 2", setClaim("sub", ""), ""},
		{"CONF-N05 number", "Core 2", setClaim("sub", 42), ""},
		{"CONF-N05 null", "Core 2", setClaim("sub", nil), ""},
		{"CONF-N05 256 bytes", "Core 2", setClaim("sub", strings.Repeat("s", 256)), ""},
		{"R9700-22 the client as a person", "RFC 9700 4.15", setClaim("sub", "test-client"), ""},
		{"CONF-B04", "Core 3.1.3.7 step 3", appendToClaim("aud", "1"), ""},
		{"aud cut by one character", "Core 3.1.3.7 step 3", setClaim("aud", "test-clien"), ""},
		{"CONF-X02", "Core 2", dropClaim("aud"), ""},
		{"CONF-N06 empty list", "ADV-48", setClaim("aud", []string{}), ""},
		{"CONF-N06 empty text in a list", "ADV-48", setClaim("aud", []string{""}), ""},
		{"CONF-N06 ours and an empty one", "ADV-48", setClaim("aud", []string{"test-client", ""}), ""},
		{"CONF-N06 object", "RFC 7519 4.1.3", setClaim("aud", map[string]any{"test-client": true}), ""},
		{"CONF-N06 null", "RFC 7519 4.1.3", setClaim("aud", nil), ""},
		{"CONF-N10 another client's", "Core 3.1.3.7 step 3", setClaim("aud", "other-client"), ""},
		{"CONF-F04", "Core 3.1.3.7 step 3", setClaim("aud", []string{"test-client", "test-client1"}), ""},
		{"untrusted audience with azp", "Core 3.1.3.7 step 3", func(_, claims map[string]any) {
			claims["aud"], claims["azp"] = []string{"test-client", "other-client"}, "test-client"
		}, ""},
		{"CONF-N07", "Core 3.1.3.7 step 5", setClaim("azp", "other-client"), ""},
		{"azp null", "Core 3.1.3.7 step 5", setClaim("azp", nil), ""},
		{"azp a list", "Core 3.1.3.7 step 5", setClaim("azp", []string{"test-client"}), ""},
		{"CONF-N01 missing", "Core 2", dropClaim("exp"), ""},
		{"CONF-N01 null", "Core 2", setClaim("exp", nil), ""},
		{"CONF-N01 string", "RFC 7519 2", setClaim("exp", "9999999999"), ""},
		{"CONF-N01 huge", "RFC 7519 2", setClaim("exp", rawJSON("1e400")), ""},
		{"CONF-N01 large", "RFC 7519 2", setClaim("exp", rawJSON("1e300")), ""},
		{"CONF-N01 negative", "RFC 7519 2", setClaim("exp", -1), ""},
		{"CONF-N01 object", "RFC 7519 2", setClaim("exp", map[string]any{}), ""},
		{"OIDC-08 expired by the skew", "Core 3.1.3.7 step 9", setClaim("exp", at(-skew)), ""},
		{"OIDC-08 expired", "Core 3.1.3.7 step 9", setClaim("exp", at(-6*time.Minute)), ""},
		{"CONF-B05", "Core 2", dropClaim("iat"), ""},
		{"iat null", "Core 2", setClaim("iat", nil), ""},
		{"iat string", "RFC 7519 2", setClaim("iat", "1"), ""},
		{"CONF-N03", "Core 3.1.3.7 step 10", setClaim("iat", at(skew+time.Second)), ""},
		{"CONF-N02", "RFC 7519 4.1.5", setClaim("nbf", at(skew+time.Second)), ""},
		{"nbf string", "RFC 7519 2", setClaim("nbf", "1"), ""},
		{"nbf null", "RFC 7519 2", setClaim("nbf", nil), ""},
		{"CONF-B12", "Core 3.1.3.7 step 11", appendToClaim("nonce", "1"), auth.CodeNonceMismatch},
		{"nonce missing", "Core 3.1.3.7 step 11", dropClaim("nonce"), auth.CodeNonceMismatch},
		{"nonce empty", "Core 3.1.3.7 step 11", setClaim("nonce", ""), auth.CodeNonceMismatch},
		{"nonce a list", "Core 3.1.3.7 step 11", func(_, claims map[string]any) { claims["nonce"] = []any{claims["nonce"]} }, ""},
		{"nonce under another name", "Core 3.1.3.7 step 11", func(_, claims map[string]any) {
			claims["Nonce"] = claims["nonce"]
			delete(claims, "nonce")
		}, auth.CodeNonceMismatch},
		{"CONF-X10", "Core 3.1.3.8", appendToClaim("at_hash", "1"), ""},
		{"at_hash of another token", "Core 3.1.3.8", setClaim("at_hash", "77QmUPtjPfzWtF2AnpK9RQ"), ""},
		{"at_hash empty", "Core 3.1.3.8", setClaim("at_hash", ""), ""},
		{"at_hash null", "Core 3.1.3.8", setClaim("at_hash", nil), ""},
		{"at_hash a number", "Core 3.1.3.8", setClaim("at_hash", 1), ""},
		{"ADV-49 over 16 KiB", "F-JWT", setClaim("x", strings.Repeat("x", 12500)), ""},
		{"ISS for iss", "section 7", renameClaim("iss", "ISS"), ""},
		{"Sub for sub", "section 7", renameClaim("sub", "Sub"), ""},
		{"AUD for aud", "section 7", renameClaim("aud", "AUD"), ""},
		{"Exp for exp", "section 7", renameClaim("exp", "Exp"), ""},
		{"iAt for iat", "section 7", renameClaim("iat", "iAt"), ""},
		{"CONF-N09 access token", "RFC 8725 3.11", inHeader("typ", "at+jwt"), ""},
		{"CONF-N09 logout token", "RFC 8725 3.11", inHeader("typ", "logout+jwt"), ""},
		{"CONF-N09 number", "RFC 8725 3.11", inHeader("typ", 1), ""},
		{"CONF-N09 null", "RFC 8725 3.11", inHeader("typ", nil), ""},
		{"CONF-N11", "RFC 9068", func(header, claims map[string]any) { // an access token that is a JWT, of the same key
			delete(header, "typ")
			delete(claims, "nonce")
			claims["aud"], claims["client_id"], claims["scope"] = "https://api.test", "test-client", "openid profile"
		}, ""},
		{"CONF-N11 for this client", "RFC 9068", func(header, claims map[string]any) {
			delete(header, "typ")
			delete(claims, "nonce")
			claims["client_id"], claims["scope"] = "test-client", "openid profile"
		}, auth.CodeNonceMismatch},
		{"CONF-N08 crit", "RFC 7515 4.1.11", inHeader("crit", []string{"x"}), ""},
		{"CONF-N08 crit that go-jose knows", "RFC 7515 4.1.11", func(header, _ map[string]any) {
			header["crit"], header["b64"] = []string{"b64"}, true
		}, ""},
		{"CONF-N08 b64", "RFC 7797 6", inHeader("b64", false), ""},
		{"unknown kid", "Core 10.1", inHeader("kid", marker), ""},
		{"kid a number", "RFC 7515 4.1.4", inHeader("kid", 7), ""},
		{"kid of the other key", "Core 10.1", inHeader("kid", "es256-1"), ""},
		{"CONF-F03", "Core 3.1.3.7 step 7", inHeader("alg", "ES256"), ""},
		{"CONF-B09", "Core 3.1.3.7 step 6", inHeader("alg", "none"), ""},
		{"alg NONE", "RFC 8725 3.1", inHeader("alg", "NONE"), ""},
		{"alg rs256", "RFC 8725 3.1", inHeader("alg", "rs256"), ""},
		{"alg RS512", "Core 3.1.3.7 step 7", inHeader("alg", "RS512"), ""},
		{"alg PS256", "Core 3.1.3.7 step 7", inHeader("alg", "PS256"), ""},
		{"alg missing", "RFC 7515 4.1.1", func(header, _ map[string]any) { delete(header, "alg") }, ""},
		{"alg null", "RFC 7515 4.1.1", inHeader("alg", nil), ""},
	}
}

func renameClaim(from, to string) claimsFault {
	return func(_, claims map[string]any) {
		claims[to] = claims[from]
		delete(claims, from)
	}
}

// TestHostileIDTokenClaims: the token endpoint was asked, and nothing else happens after the bad token.
func TestHostileIDTokenClaims(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, row := range claimRows(idp.clock) {
		t.Run(row.id, func(t *testing.T) {
			refuseToken(t, idp, fakeop.Faults{IDToken: func(header, claims map[string]any) {
				claims["name"] = marker
				row.change(header, claims)
			}}, row.code)
		})
	}
}

func refuseToken(t *testing.T, idp *hostileIDP, faults fakeop.Faults, code auth.Code) {
	t.Helper()
	if code == "" {
		code = auth.CodeIDTokenInvalid
	}
	idp.SetFaults(faults)
	w := newWorld(t, idp, nil)
	b := w.browser()
	a := w.finish(b, w.begin(b))
	w.refused(a, code)
	w.calls(1, 0)
	if n := w.kv.transactions(); n != 0 {
		t.Errorf("%d transactions are left", n)
	}
}

// TestHostileIDTokenAccepted holds what looks unusual and is right.
func TestHostileIDTokenAccepted(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	at := func(d time.Duration) int64 { return idp.clock.now().Add(d).Unix() }
	trust := func(c *kvoauth.Config) { c.Clients[0].TrustedAudiences = []string{"other-client"} }
	for _, row := range []struct {
		id        string
		change    claimsFault
		configure func(*kvoauth.Config)
	}{
		{"CONF-B01", func(_, _ map[string]any) {}, nil},
		{"CONF-F05", setClaim("aud", []string{"test-client"}), nil},
		{"azp is us", setClaim("azp", "test-client"), nil},
		{"trusted audience with azp", func(_, claims map[string]any) {
			claims["aud"], claims["azp"] = []string{"test-client", "other-client"}, "test-client"
		}, trust},
		{"without at_hash", dropClaim("at_hash"), nil},
		{"without typ", func(header, _ map[string]any) { delete(header, "typ") }, nil},
		{"typ in small letters", inHeader("typ", "jwt"), nil},
		{"expired within the skew", setClaim("exp", at(time.Second-skew)), nil},
		{"iat at the skew", setClaim("iat", at(skew)), nil},
		{"nbf at the skew", setClaim("nbf", at(skew)), nil},
		{"exp with a fraction", setClaim("exp", rawJSON("4102444800.5")), nil},
		{"CONF-B06", func(header, _ map[string]any) { delete(header, "kid") }, nil}, // one RSA key, one EC key
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{IDToken: row.change})
			w := newWorld(t, idp, row.configure)
			b := w.browser()
			w.signedIn(b, w.finish(b, w.begin(b)), "alice")
			w.calls(1, 1)
			w.silent(nil)
		})
	}
	t.Run("trusted audience without azp", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{IDToken: setClaim("aud", []string{"test-client", "other-client"})})
		w := newWorld(t, idp, trust)
		b := w.browser()
		w.refused(w.finish(b, w.begin(b)), auth.CodeIDTokenInvalid)
	})
}
