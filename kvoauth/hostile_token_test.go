package kvoauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

func tokenMember(name string, value any) fakeop.Faults {
	return fakeop.Faults{TokenResponse: func(answer map[string]any) { answer[name] = value }}
}

func noTokenMember(name string) fakeop.Faults {
	return fakeop.Faults{TokenResponse: func(answer map[string]any) { delete(answer, name) }}
}

func tokenAnswer(status int, contentType, body string) fakeop.Faults {
	return fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: fakeop.Reply(status, contentType, body)}}
}

func tokenBody(change func(body string) string) fakeop.Faults {
	return fakeop.Faults{Answer: map[fakeop.Endpoint]func(*fakeop.Response){
		fakeop.EndpointToken: func(r *fakeop.Response) { r.Body = []byte(change(string(r.Body))) },
	}}
}

// TestHostileTokenResponse: F-TOK. A token answer that is an error, or is not one of RFC 6749, section 5.1.
func TestHostileTokenResponse(t *testing.T) {
	const jsonType = "application/json"
	described := `","error_description":"` + marker + `","error_uri":"https://` + marker + `"}`
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, row := range []struct {
		id     string
		faults fakeop.Faults
		code   auth.Code
	}{
		{"invalid_grant", tokenAnswer(400, jsonType, `{"error":"invalid_grant`+described), auth.CodeCodeRejected},
		{"invalid_client", tokenAnswer(401, jsonType, `{"error":"invalid_client`+described), auth.CodeClientRejected},
		{"unauthorized_client", tokenAnswer(400, jsonType, `{"error":"unauthorized_client`+described), auth.CodeClientRejected},
		{"invalid_request", tokenAnswer(400, jsonType, `{"error":"invalid_request`+described), auth.CodeProviderRefused},
		{"hostile error", tokenAnswer(400, jsonType, `{"error":"`+marker+described), auth.CodeProviderRefused},
		{"temporarily_unavailable", tokenAnswer(400, jsonType, `{"error":"temporarily_unavailable`+described), auth.CodeProviderUnavailable},
		{"too many requests", tokenAnswer(429, jsonType, `{"message":"`+marker+`"}`), auth.CodeProviderUnavailable},
		{"400 without error", tokenAnswer(400, jsonType, `{"message":"`+marker+`"}`), auth.CodeProviderRefused},
		{"CONF-N15", tokenAnswer(200, jsonType, `{"error":"invalid_grant`+described), auth.CodeCodeRejected},
		{"CONF-N15 with tokens", tokenMember("error", marker), auth.CodeProviderRefused},
		{"CONF-N16 absent", noTokenMember("token_type"), auth.CodeProviderInvalid},
		{"CONF-N16 mac", tokenMember("token_type", "mac"), auth.CodeProviderInvalid},
		{"CONF-N16 DPoP", tokenMember("token_type", "DPoP"), auth.CodeProviderInvalid},
		{"token_type empty", tokenMember("token_type", ""), auth.CodeProviderInvalid},
		{"token_type null", tokenMember("token_type", nil), auth.CodeProviderInvalid},
		{"token_type a list", tokenMember("token_type", []string{"Bearer"}), auth.CodeProviderInvalid},
		{"Token_Type instead", fakeop.Faults{TokenResponse: func(a map[string]any) {
			a["Token_Type"] = "Bearer"
			delete(a, "token_type")
		}}, auth.CodeProviderInvalid},
		{"access_token absent", noTokenMember("access_token"), auth.CodeProviderInvalid},
		{"access_token empty", tokenMember("access_token", ""), auth.CodeProviderInvalid},
		{"access_token null", tokenMember("access_token", nil), auth.CodeProviderInvalid},
		{"access_token a number", tokenMember("access_token", 42), auth.CodeProviderInvalid},
		{"Access_Token instead", fakeop.Faults{TokenResponse: func(a map[string]any) {
			a["Access_Token"] = a["access_token"]
			delete(a, "access_token")
		}}, auth.CodeProviderInvalid},
		{"access_token with a line break", tokenMember("access_token", "a\r\nX-Evil: "+marker), auth.CodeProviderInvalid},
		{"access_token beyond ASCII", tokenMember("access_token", "a\u0101"), auth.CodeProviderInvalid},
		{"access_token too long", tokenMember("access_token", strings.Repeat("a", 64<<10+1)), auth.CodeProviderInvalid},
		{"refresh_token too long", tokenMember("refresh_token", strings.Repeat("a", 64<<10+1)), auth.CodeProviderInvalid},
		{"refresh_token with a line break", tokenMember("refresh_token", "a\n"), auth.CodeProviderInvalid},
		{"refresh_token a list", tokenMember("refresh_token", []string{"a"}), auth.CodeProviderInvalid},
		{"scope too long", tokenMember("scope", strings.Repeat("a ", 16<<10)), auth.CodeProviderInvalid},
		{"id_token absent", noTokenMember("id_token"), auth.CodeIDTokenInvalid},
		{"id_token null", tokenMember("id_token", nil), auth.CodeIDTokenInvalid},
		{"id_token empty", tokenMember("id_token", ""), auth.CodeIDTokenInvalid},
		{"id_token a list", tokenMember("id_token", []string{"a"}), auth.CodeProviderInvalid},
		{"ID_TOKEN instead", fakeop.Faults{TokenResponse: func(a map[string]any) {
			a["ID_TOKEN"] = a["id_token"]
			delete(a, "id_token")
		}}, auth.CodeIDTokenInvalid},
		{"expires_in 1e308", tokenMember("expires_in", rawJSON("1e308")), auth.CodeProviderInvalid},
		{"expires_in a text", tokenMember("expires_in", marker), auth.CodeProviderInvalid},
		{"expires_in an object", tokenMember("expires_in", map[string]any{}), auth.CodeProviderInvalid},
		{"duplicate access_token", tokenBody(func(b string) string { return `{"access_token":"` + marker + `",` + b[1:] }), auth.CodeProviderInvalid},
		{"duplicate id_token", tokenBody(func(b string) string { return `{"id_token":"e30.e30.",` + b[1:] }), auth.CodeProviderInvalid},
		{"trailing data", tokenBody(func(b string) string { return b + b }), auth.CodeProviderInvalid},
		{"an array", tokenBody(func(b string) string { return "[" + b + "]" }), auth.CodeProviderInvalid},
		{"form encoded", tokenAnswer(200, "application/x-www-form-urlencoded", "access_token="+marker+"&token_type=bearer"), auth.CodeProviderInvalid},
		{"plain text", tokenAnswer(200, "text/plain", "access_token="+marker+"&token_type=bearer"), auth.CodeProviderInvalid},
		{"JSON called HTML", tokenAnswer(200, "text/html", `{"access_token":"`+marker+`","token_type":"bearer"}`), auth.CodeProviderInvalid},
		{"no content type", tokenAnswer(200, "", `{"access_token":"`+marker+`","token_type":"bearer"}`), auth.CodeProviderInvalid},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(row.faults)
			w := newWorld(t, idp, nil)
			b := w.browser()
			w.refused(w.finish(b, w.begin(b)), row.code)
			w.calls(1, 0)
			if n := w.kv.transactions(); n != 0 {
				t.Errorf("%d transactions are left", n)
			}
		})
	}
}

// TestHostileTokenResponseAccepted: what differs between providers and must work.
func TestHostileTokenResponseAccepted(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	granted := []string{"openid", "profile", "email"}
	for _, row := range []struct {
		id     string
		faults fakeop.Faults
		scopes []string
	}{
		{"CONF-F10", tokenMember("token_type", "bEARER"), granted},
		{"CONF-F09", noTokenMember("expires_in"), granted},
		{"expires_in null", tokenMember("expires_in", nil), granted},
		{"expires_in as text", tokenMember("expires_in", "3600"), granted},
		{"expires_in negative", tokenMember("expires_in", -1), granted},
		{"expires_in zero", tokenMember("expires_in", 0), granted},
		{"expires_in beyond 2^62", tokenMember("expires_in", int64(1)<<62), granted},
		{"NS-24", tokenMember("expires_in", rawJSON("1000000000000000000")), granted},
		{"ADV-61 scope absent", noTokenMember("scope"), nil},
		{"ADV-61 scope empty", tokenMember("scope", ""), nil},
		{"scope null", tokenMember("scope", nil), nil},
		{"scope a list", tokenMember("scope", []string{"admin"}), nil},
		{"Scope instead", fakeop.Faults{TokenResponse: func(a map[string]any) {
			a["Scope"] = "admin"
			delete(a, "scope")
		}}, nil},
		{"R6749-05 fewer", tokenMember("scope", "openid"), []string{"openid"}},
		{"without refresh token", noTokenMember("refresh_token"), granted},
		{"R6749-02 unknown members", tokenMember("x", map[string]any{"a": []int{1}}), granted},
		{"other case beside the right one", tokenMember("Access_Token", marker), granted},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(row.faults)
			w := newWorld(t, idp, nil)
			b := w.browser()
			s := w.signedIn(b, w.finish(b, w.begin(b)), "alice")
			if !slices.Equal(s.Session.Scopes, row.scopes) {
				t.Errorf("scopes %q, want %q", s.Session.Scopes, row.scopes)
			}
			w.clock.advance(kvoauth.DefaultIdleTimeout / 2) // whatever the token's life, the session's is its own
			w.signedIn(b, &answer{status: http.StatusFound}, "alice")
			w.silent(nil)
		})
	}
}

// TestHostileScopeSeparator: a provider's own separator splits what it granted, and nothing else does.
func TestHostileScopeSeparator(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(tokenMember("scope", "openid,admin profile"))
	for separator, want := range map[string][]string{"": {"openid,admin", "profile"}, ",": {"openid", "admin", "profile"}} {
		w := newWorld(t, idp, func(c *kvoauth.Config) { c.Clients[0].Provider.ScopeSeparator = separator })
		b := w.browser()
		if s := w.signedIn(b, w.finish(b, w.begin(b)), "alice"); !slices.Equal(s.Session.Scopes, want) {
			t.Errorf("separator %q: %q, want %q", separator, s.Session.Scopes, want)
		}
	}
}
