package kvoauth_test

import (
	"net/http"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// TestHostileDiscovery: a document that does not belong to the issuer, or leads somewhere unsafe, ends the sign-in before
// the authorization request (CONF-C03, CONF-N19, CONF-N20, ADV-56, R9700-07).
func TestHostileDiscovery(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	member := func(name string, value any) func(map[string]any) {
		return func(doc map[string]any) { doc[name] = value }
	}
	type row struct {
		id     string
		change func(map[string]any)
	}
	rows := []row{
		{"CONF-C03", member("issuer", idp.Issuer()+"INVALID")},
		{"issuer with a slash", member("issuer", idp.Issuer()+"/")},
		{"issuer in capitals", member("issuer", "https://IDP.test")},
		{"issuer with port", member("issuer", idp.Issuer()+":443")},
		{"issuer over http", member("issuer", "http://idp.test")},
		{"issuer missing", func(doc map[string]any) { delete(doc, "issuer") }},
		{"issuer null", member("issuer", nil)},
		{"issuer a list", member("issuer", []string{idp.Issuer()})},
		{"Issuer instead", func(doc map[string]any) {
			doc["Issuer"] = doc["issuer"]
			delete(doc, "issuer")
		}},
		{"only plain", member("code_challenge_methods_supported", []string{"plain"})},
	}
	for _, endpoint := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		for _, target := range []string{
			"http://idp.test/x", "javascript:alert(1)//" + marker, "file:///etc/passwd", "data:text/html," + marker, "//evil.test/x", "/x", "https://",
			"https:idp.test", "https://user:" + marker + "@idp.test/x", "https://idp.test/x#" + marker, "http://127.0.0.1/x", " https://idp.test/x",
			"https://idp.test/\r\n" + marker, "ftp://idp.test/x",
		} {
			rows = append(rows, row{endpoint + " " + target, member(endpoint, target)})
		}
		if endpoint == "userinfo_endpoint" {
			continue
		}
		rows = append(rows,
			row{endpoint + " missing", func(doc map[string]any) { delete(doc, endpoint) }},
			row{endpoint + " a list", member(endpoint, []string{idp.Issuer() + "/x"})},
			row{endpoint + " empty", member(endpoint, "")})
	}
	for _, row := range rows {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{Discovery: row.change})
			w := newWorld(t, idp, nil)
			w.refused(w.send(w.browser(), http.MethodGet, auth.DefaultBasePath+"/signin", nil), auth.CodeProviderInvalid)
			if w.kv.sets != 0 || idp.Count(fakeop.EndpointAuthorize) != 0 || len(w.egress.targets()) != 1 {
				t.Errorf("%d writes, requests to %q", w.kv.sets, w.egress.targets())
			}
		})
	}
}

// TestHostileDiscoveryAccepted: what a document may leave out or say.
func TestHostileDiscoveryAccepted(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for name, change := range map[string]func(map[string]any){
		"R9700-03 no PKCE methods": func(doc map[string]any) { delete(doc, "code_challenge_methods_supported") },
		"plain and S256":           func(doc map[string]any) { doc["code_challenge_methods_supported"] = []string{"plain", "S256"} },
		"unknown members":          func(doc map[string]any) { doc["x"] = map[string]any{"y": 1} },
		"no userinfo_endpoint":     func(doc map[string]any) { delete(doc, "userinfo_endpoint") },
		"CONF-B08 RS256 alone":     func(doc map[string]any) { doc["id_token_signing_alg_values_supported"] = []string{"RS256"} },
		"CONF-X09":                 func(doc map[string]any) { doc["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": elsewhere} },
		"ISSUER beside issuer":     func(doc map[string]any) { doc["ISSUER"] = "https://evil.test" },
	} {
		t.Run(name, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{Discovery: change})
			w := newWorld(t, idp, nil)
			b := w.browser()
			w.signedIn(b, w.finish(b, w.begin(b)), "alice")
		})
	}
	t.Run("CONF-C02", func(t *testing.T) { // keys come from the address that the document names
		idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc["jwks_uri"] = idp.Issuer() + "/elsewhere" }})
		w := newWorld(t, idp, nil)
		b := w.browser()
		w.refused(w.finish(b, w.begin(b)), auth.CodeProviderInvalid)
		if idp.Count(fakeop.EndpointJWKS) != 0 {
			t.Error("keys were fetched from where the document does not say")
		}
	})
	t.Run("CONF-N20 a token endpoint on another host", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc["token_endpoint"] = "https://mail.test/token" }})
		w := newWorld(t, idp, nil)
		w.egress.mail = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Host = "idp.test"
			idp.ServeHTTP(rw, r)
		})
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	})
	t.Run("explicit endpoints win", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc["token_endpoint"] = elsewhere }})
		w := newWorld(t, idp, func(c *kvoauth.Config) { c.Clients[0].Provider.TokenEndpoint = idp.Issuer() + "/token" })
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	})
}
