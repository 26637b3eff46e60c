package kvoauth_test

import (
	"crypto"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

func requirePush(c *fakeop.Config) { c.RequirePushedAuthorization = true }

// startQuery starts a sign-in and returns the query of the authorization request.
func (g *rig) startQuery() url.Values {
	g.t.Helper()
	redirect, err := g.SignIn(request(), auth.SignInParams{LoginHint: "alice@example.test"})
	if err != nil {
		g.t.Fatal(err)
	}
	u, err := url.Parse(redirect.Location)
	if err != nil {
		g.t.Fatal(err)
	}
	return u.Query()
}

// TestPushedAuthorization: where the provider requires it, or the definition asks for it, the browser carries the client id
// and a reference, and the provider gets everything else from the client itself (RFC 9126).
func TestPushedAuthorization(t *testing.T) {
	for name, o := range map[string]rigOptions{
		"required by the provider": {provider: requirePush},
		"asked for":                {backend: func(c *kvoauth.Config) { c.Clients[0].Provider.PushedAuthorization = true }},
		"at an explicit endpoint": {backend: func(c *kvoauth.Config) {
			p := &c.Clients[0].Provider
			p.PushedAuthorization, p.PushedAuthorizationEndpoint = true, p.Issuer+"/par"
			p.AuthorizationEndpoint, p.TokenEndpoint, p.JWKSURI = p.Issuer+"/authorize", p.Issuer+"/token", p.Issuer+"/jwks"
		}},
		"with explicit endpoints otherwise": {backend: func(c *kvoauth.Config) {
			p := &c.Clients[0].Provider
			p.PushedAuthorization, p.AuthorizationEndpoint, p.TokenEndpoint, p.JWKSURI = true, p.Issuer+"/authorize", p.Issuer+"/token", p.Issuer+"/jwks"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, o)
			first, second := g.startQuery(), g.startQuery()
			for _, query := range []url.Values{first, second} {
				if names := slices.Sorted(maps.Keys(query)); !slices.Equal(names, []string{"client_id", "request_uri"}) || query.Get("client_id") != g.idp.ClientID {
					t.Errorf("the authorization request has %v", names)
				}
			}
			if first.Get("request_uri") == second.Get("request_uri") {
				t.Error("a request_uri is used twice")
			}
			form := g.forms(fakeop.EndpointPAR)[0]
			for _, name := range []string{"client_id", "response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "login_hint"} {
				if form.Get(name) == "" {
					t.Errorf("%s was not pushed", name)
				}
			}
			if form.Has("request_uri") || form.Has("client_secret") {
				t.Errorf("pushed %v", slices.Sorted(maps.Keys(form)))
			}
			for _, r := range g.idp.Requests() {
				if _, _, basic := basicAuth(r); r.Endpoint == fakeop.EndpointPAR && !basic {
					t.Error("the client did not authenticate")
				}
			}
			g.mustBe(credential(g.signIn("alice")), "")
		})
	}
	t.Run("not asked for", func(t *testing.T) {
		g := newRig(t, rigOptions{})
		if query := g.startQuery(); query.Has("request_uri") || g.idp.Count(fakeop.EndpointPAR) != 0 {
			t.Error("pushed all the same")
		}
	})
}

func basicAuth(r fakeop.Request) (id, secret string, ok bool) {
	return (&http.Request{Header: r.Header}).BasicAuth()
}

// TestPushedAuthorizationWithKey: a client assertion is made for the push and another for the code.
func TestPushedAuthorizationWithKey(t *testing.T) {
	key := newECKey(t)
	g := newRig(t, withSigningKeys(rigOptions{provider: requirePush}, map[string]crypto.PublicKey{"k1": key.Public()}, signingKey(t, key, "k1", "")))
	g.signIn("alice")
	push, token := g.forms(fakeop.EndpointPAR), g.forms(fakeop.EndpointToken)
	if len(push) != 1 || len(token) != 1 {
		t.Fatalf("%d pushes, %d token requests", len(push), len(token))
	}
	a, b := push[0].Get("client_assertion"), token[0].Get("client_assertion")
	if jwtPart(t, a, 1)["jti"] == jwtPart(t, b, 1)["jti"] {
		t.Error("one assertion was used twice")
	}
}

// TestPushedAuthorizationKeepsTheEndpointsQuery: what the endpoint's URL has of its own stays in the URL, and is not
// pushed.
func TestPushedAuthorizationKeepsTheEndpointsQuery(t *testing.T) {
	g := newRig(t, rigOptions{provider: requirePush})
	g.idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc["authorization_endpoint"] = g.idp.Issuer() + "/authorize?policy=a%20b" }})
	query := g.startQuery()
	if query.Get("policy") != "a b" || query.Get("request_uri") == "" || len(query) != 3 {
		t.Errorf("query %v", query)
	}
	if g.forms(fakeop.EndpointPAR)[0].Has("policy") {
		t.Error("the endpoint's own parameter was pushed")
	}
}

// TestHostilePush: whatever the provider answers to a push, no browser is sent anywhere, and no sign-in is under way.
func TestHostilePush(t *testing.T) {
	idp := newRig(t, rigOptions{provider: requirePush})
	answer := func(status int, contentType, body string) fakeop.Faults {
		return fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointPAR: fakeop.Reply(status, contentType, body)}}
	}
	discovery := func(change func(map[string]any)) fakeop.Faults { return fakeop.Faults{Discovery: change} }
	good := `{"request_uri":"urn:ietf:params:oauth:request_uri:` + marker + `","expires_in":60}`
	const asJSON = "application/json"
	for _, row := range []struct {
		name   string
		faults fakeop.Faults
		code   auth.Code
	}{
		{"a good one", answer(201, asJSON, good), ""},
		{"a URL as reference", answer(201, asJSON, `{"request_uri":"https://idp.test/r/1","expires_in":60}`), ""},
		{"200", answer(200, asJSON, good), auth.CodeProviderInvalid},
		{"no endpoint", discovery(func(d map[string]any) { delete(d, "pushed_authorization_request_endpoint") }), auth.CodeProviderInvalid},
		{"an http endpoint", discovery(func(d map[string]any) { d["pushed_authorization_request_endpoint"] = "http://idp.test/par" }), auth.CodeProviderInvalid},
		{"a requirement that is a text", discovery(func(d map[string]any) { d["require_pushed_authorization_requests"] = "false" }), auth.CodeProviderInvalid},
		{"no request_uri", answer(201, asJSON, `{"expires_in":60}`), auth.CodeProviderInvalid},
		{"an empty request_uri", answer(201, asJSON, `{"request_uri":"","expires_in":60}`), auth.CodeProviderInvalid},
		{"a request_uri that is a list", answer(201, asJSON, `{"request_uri":["urn:a:b"],"expires_in":60}`), auth.CodeProviderInvalid},
		{"a request_uri that is no URI", answer(201, asJSON, `{"request_uri":"`+marker+`","expires_in":60}`), auth.CodeProviderInvalid},
		{"a request_uri with a space", answer(201, asJSON, `{"request_uri":"urn:a:b c","expires_in":60}`), auth.CodeProviderInvalid},
		{"a request_uri with a line break", answer(201, asJSON, `{"request_uri":"urn:a:b\r\nX: y","expires_in":60}`), auth.CodeProviderInvalid},
		{"an endless request_uri", answer(201, asJSON, `{"request_uri":"urn:a:`+strings.Repeat("b", 4096)+`","expires_in":60}`), auth.CodeProviderInvalid},
		{"two request_uris", answer(201, asJSON, `{"request_uri":"urn:a:b",`+good[1:]), auth.CodeProviderInvalid},
		{"REQUEST_URI", answer(201, asJSON, strings.Replace(good, "request_uri", "REQUEST_URI", 1)), auth.CodeProviderInvalid},
		{"no expires_in", answer(201, asJSON, `{"request_uri":"urn:a:b"}`), auth.CodeProviderInvalid},
		{"expired", answer(201, asJSON, `{"request_uri":"urn:a:b","expires_in":0}`), auth.CodeProviderInvalid},
		{"expires_in a text", answer(201, asJSON, `{"request_uri":"urn:a:b","expires_in":"60"}`), auth.CodeProviderInvalid},
		{"expires_in null", answer(201, asJSON, `{"request_uri":"urn:a:b","expires_in":null}`), auth.CodeProviderInvalid},
		{"HTML", answer(201, "text/html", good), auth.CodeProviderInvalid},
		{"not JSON", answer(201, asJSON, marker), auth.CodeProviderInvalid},
		{"trailing data", answer(201, asJSON, good+good), auth.CodeProviderInvalid},
		{"a redirect", fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointPAR: fakeop.Redirect(307, "https://evil.test/par")}}, auth.CodeProviderInvalid},
		{"an endless answer", fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointPAR: fakeop.Endless()}}, auth.CodeProviderInvalid},
		{"invalid_client", answer(401, asJSON, `{"error":"invalid_client","error_description":"`+marker+`"}`), auth.CodeClientRejected},
		{"invalid_request", answer(400, asJSON, `{"error":"invalid_request","error_description":"`+marker+`"}`), auth.CodeProviderRefused},
		{"invalid_grant", answer(400, asJSON, `{"error":"invalid_grant"}`), auth.CodeProviderRefused},
		{"400 without JSON", answer(400, "text/plain", marker), auth.CodeProviderRefused},
		{"429", answer(429, asJSON, `{"error":"invalid_request"}`), auth.CodeProviderUnavailable},
		{"503", answer(503, "text/html", marker), auth.CodeProviderUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			idp.idp.SetFaults(row.faults)
			b := idp.build(nil)
			stored := idp.count(storetest.OpSet, "t")
			redirect, err := b.SignIn(request(), auth.SignInParams{})
			if auth.CodeOf(err) != row.code {
				t.Fatalf("%v, want %q", err, row.code)
			}
			if row.code == "" {
				return
			}
			if redirect != nil || strings.Contains(err.Error(), marker) {
				t.Errorf("redirect %v, error %v", redirect, err)
			}
			if n := idp.count(storetest.OpSet, "t"); n != stored {
				t.Error("a sign-in is under way")
			}
		})
	}
}
