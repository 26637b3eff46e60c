package kvoauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
)

// responseRow is one authorization response that somebody has changed on its way.
type responseRow struct {
	id     string
	source string
	change func(v url.Values)
	code   auth.Code
	left   int // transactions that the answer leaves alone
}

func param(name string, values ...string) func(url.Values) {
	return func(v url.Values) { v[name] = values }
}

func without(names ...string) func(url.Values) {
	return func(v url.Values) {
		for _, name := range names {
			v.Del(name)
		}
	}
}

func changed(name string, at int) func(url.Values) {
	return func(v url.Values) {
		s := []byte(v.Get(name))
		i := (at + len(s)) % len(s)
		if s[i] == 'A' {
			s[i] = 'B'
		} else {
			s[i] = 'A'
		}
		v.Set(name, string(s))
	}
}

// twice repeats a parameter with the same value: also that is refused.
func twice(name string) func(url.Values) {
	return func(v url.Values) { v[name] = append(v[name], v.Get(name)) }
}

func refusal(code string, more ...func(url.Values)) func(url.Values) {
	return func(v url.Values) {
		v.Del("code")
		v.Set("error", code)
		for _, f := range more {
			f(v)
		}
	}
}

var responseRows = []responseRow{
	{"state missing", "CONF-F06", without("state"), auth.CodeCallbackInvalid, 1},
	{"state empty", "CONF-F06", param("state", ""), auth.CodeCallbackInvalid, 1},
	{"state longer by one", "CONF-F06", func(v url.Values) { v.Set("state", v.Get("state")+"1") }, auth.CodeCallbackInvalid, 1},
	{"state shorter by one", "ADV-60", func(v url.Values) { v.Set("state", v.Get("state")[:42]) }, auth.CodeCallbackInvalid, 1},
	{"state of another alphabet", "F-CBQ", func(v url.Values) { v.Set("state", v.Get("state")[:42]+"\n") }, auth.CodeCallbackInvalid, 1},
	{"state changed at the start", "CONF-F06", changed("state", 0), auth.CodeTransactionMissing, 1},
	{"state changed behind the tag", "CONF-F06", changed("state", 12), auth.CodeTransactionMissing, 1},
	{"state changed at the end", "CONF-F06", changed("state", -1), auth.CodeTransactionMissing, 1},
	{"state huge", "F-CBQ", param("state", strings.Repeat(marker, 8<<10)), auth.CodeCallbackInvalid, 1},
	{"state of another", "R6749-12", refusal("access_denied", param("state", strings.Repeat("B", 43))), auth.CodeTransactionMissing, 1},
	{"state twice", "R6749-01", twice("state"), auth.CodeParameterDuplicated, 1},
	{"code twice", "R6749-01", twice("code"), auth.CodeParameterDuplicated, 1},
	{"empty code beside it", "R6749-01", func(v url.Values) { v["code"] = append(v["code"], "") }, auth.CodeParameterDuplicated, 1},
	{"iss twice", "R9207-06", twice("iss"), auth.CodeParameterDuplicated, 1},
	{"error twice", "R6749-01", refusal("access_denied", twice("error")), auth.CodeParameterDuplicated, 1},
	{"unknown parameter twice", "R6749-01", param("x", marker, marker), auth.CodeParameterDuplicated, 1},
	{"code missing", "RFC 6749 4.1.2", without("code"), auth.CodeCallbackInvalid, 0},
	{"code empty", "R6749-01", param("code", ""), auth.CodeCallbackInvalid, 0},
	{"code too long", "F-CBQ", param("code", strings.Repeat("c", 4097)), auth.CodeCallbackInvalid, 0},
	{"CONF-N22", "RFC 6749 4.1.2", param("error", "access_denied"), auth.CodeCallbackInvalid, 0},
	{"only an access token", "R9700-08", func(v url.Values) {
		v.Del("code")
		v.Set("access_token", marker)
		v.Set("id_token", marker)
	}, auth.CodeCallbackInvalid, 0},
	{"JARM", "F-CBQ", func(v url.Values) {
		v.Del("code")
		v.Set("response", marker)
	}, auth.CodeCallbackInvalid, 0},
	{"CONF-F07 missing", "R9207-03", without("iss"), auth.CodeIssuerMismatch, 0},
	{"CONF-F07 longer by one", "R9207-01", param("iss", "https://idp.test1"), auth.CodeIssuerMismatch, 0},
	{"iss shorter by one", "ADV-52", param("iss", "https://idp.tes"), auth.CodeIssuerMismatch, 0},
	{"iss with a slash", "R9207-01", param("iss", "https://idp.test/"), auth.CodeIssuerMismatch, 0},
	{"iss in capitals", "R9207-01", param("iss", "https://IDP.test"), auth.CodeIssuerMismatch, 0},
	{"iss empty", "R9207-06", param("iss", ""), auth.CodeIssuerMismatch, 0},
	{"iss hostile", "R6749-11", param("iss", "https://"+marker), auth.CodeIssuerMismatch, 0},
	{"error, iss missing", "R9207-03", refusal("access_denied", without("iss")), auth.CodeIssuerMismatch, 0},
	{"error, iss wrong", "R9207-01", refusal("access_denied", param("iss", "https://evil.test")), auth.CodeIssuerMismatch, 0},
	{"error, iss empty", "R9207-06", refusal("access_denied", param("iss", "")), auth.CodeIssuerMismatch, 0},
	{"access_denied", "RFC 6749 4.1.2.1", refusal("access_denied"), auth.CodeAccessDenied, 0},
	{"login_required", "Core 3.1.2.6", refusal("login_required"), auth.CodeLoginRequired, 0},
	{"interaction_required", "Core 3.1.2.6", refusal("interaction_required"), auth.CodeLoginRequired, 0},
	{"consent_required", "Core 3.1.2.6", refusal("consent_required"), auth.CodeLoginRequired, 0},
	{"account_selection_required", "Core 3.1.2.6", refusal("account_selection_required"), auth.CodeLoginRequired, 0},
	{"server_error", "RFC 6749 4.1.2.1", refusal("server_error"), auth.CodeProviderUnavailable, 0},
	{"temporarily_unavailable", "RFC 6749 4.1.2.1", refusal("temporarily_unavailable"), auth.CodeProviderUnavailable, 0},
	{"unauthorized_client", "RFC 6749 4.1.2.1", refusal("unauthorized_client"), auth.CodeClientRejected, 0},
	{"invalid_request", "RFC 6749 4.1.2.1", refusal("invalid_request"), auth.CodeProviderRefused, 0},
	{"invalid_scope", "RFC 6749 4.1.2.1", refusal("invalid_scope"), auth.CodeProviderRefused, 0},
	{"unsupported_response_type", "RFC 6749 4.1.2.1", refusal("unsupported_response_type"), auth.CodeProviderRefused, 0},
	{"error nobody knows", "R6749-11", refusal(marker), auth.CodeProviderRefused, 0},
	{"error with a line break", "R6749-11", refusal("access_denied\r\nSet-Cookie: a=" + marker), auth.CodeProviderRefused, 0},
	{"error of 64 KiB", "R6749-11", refusal(strings.Repeat(marker, 64<<10/len(marker))), auth.CodeProviderRefused, 0},
	{"description with HTML", "ADV-65", refusal("access_denied", param("error_description", "<script>"+marker+"</script>")), auth.CodeAccessDenied, 0},
	{"description with line breaks", "R6749-11", refusal("access_denied", param("error_description", "a\r\nlevel=INFO "+marker)), auth.CodeAccessDenied, 0},
	{"description of 64 KiB", "R6749-11", refusal("access_denied", param("error_description", strings.Repeat(marker, 64<<10/len(marker)))), auth.CodeAccessDenied, 0},
	{"hostile error_uri", "R6749-11", refusal("access_denied", param("error_uri", "javascript:"+marker)), auth.CodeAccessDenied, 0},
}

// TestHostileResponse: the token endpoint is never asked, and the transaction is consumed when, and only when, the
// answer comes from the browser that started the sign-in.
func TestHostileResponse(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, row := range responseRows {
		t.Run(row.id, func(t *testing.T) {
			w := newWorld(t, idp, nil)
			b := w.browser()
			values := w.begin(b).Values()
			good := url.Values{"code": values["code"], "state": values["state"], "iss": values["iss"]}
			row.change(values)
			w.refused(w.deliver(b, values), row.code)
			w.calls(0, 0)
			if n := w.kv.transactions(); n != row.left {
				t.Fatalf("%d transactions are left, want %d", n, row.left)
			}
			if row.left == 1 { // whoever sent that did not spoil the sign-in
				w.signedIn(b, w.deliver(b, good), "alice")
			}
		})
	}
}

// TestHostileResponsePage: a person gets a page without the provider's text, without scripts and without referrer.
func TestHostileResponsePage(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	values := w.begin(b).Values()
	refusal("access_denied", param("error_description", "<script>"+marker+"</script>"))(values)
	page := b.Visit(callbackPath + "?" + values.Encode())
	if page.Status != http.StatusBadRequest || strings.Contains(page.Body, marker) || strings.Contains(page.Body, "<script") ||
		!strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'") || page.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("status %d, header %v: %s", page.Status, page.Header, page.Body)
	}
	w.silent(nil)
}

// TestHostileResponseMalformed: parameters that are no form encoding, in the query as it is sent.
func TestHostileResponseMalformed(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, query := range []string{"%zz", "a;b", "state=%ff", "%00=" + marker, "state=" + marker + "&%", "code=%C0%80" + marker} {
		w := newWorld(t, idp, nil)
		b := w.browser()
		w.begin(b)
		r := httptest.NewRequest(http.MethodGet, callbackPath, nil)
		r.URL.RawQuery = query
		r.Header.Set("Accept", "application/json")
		w.refused(w.do(b, r), auth.CodeCallbackInvalid)
		w.calls(0, 0)
	}
}

// TestHostileResponseAccepted holds answers that must work although something is unusual.
func TestHostileResponseAccepted(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	unadvertised := fakeop.Faults{Discovery: func(doc map[string]any) { delete(doc, "authorization_response_iss_parameter_supported") }}
	for _, row := range []struct {
		id     string
		faults fakeop.Faults
		change func(url.Values)
		code   auth.Code
	}{
		{"R6749-02 unknown parameters", fakeop.Faults{}, param("session_state", "x"), ""},
		{"empty error is no error", fakeop.Faults{}, param("error", ""), ""},
		{"no iss and none promised", unadvertised, without("iss"), ""},
		{"CONF-N23 iss that was not promised", unadvertised, func(url.Values) {}, ""},
		{"R9207-04 wrong iss that was not promised", unadvertised, param("iss", "https://evil.test"), auth.CodeIssuerMismatch},
		{"promise that is no boolean", fakeop.Faults{Discovery: func(doc map[string]any) {
			doc["authorization_response_iss_parameter_supported"] = "true"
		}}, without("iss"), ""},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(row.faults)
			w := newWorld(t, idp, nil)
			b := w.browser()
			values := w.begin(b).Values()
			row.change(values)
			a := w.deliver(b, values)
			if row.code != "" {
				w.refused(a, row.code)
				w.calls(0, 0)
				return
			}
			w.signedIn(b, a, "alice")
		})
	}
}

// TestHostileSuccessAnswer: a completed sign-in answers with nothing but the redirect and its cookies (R9700-14).
func TestHostileSuccessAnswer(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	a := w.finish(b, w.begin(b, "returnTo", "/orders?x=1"))
	w.signedIn(b, a, "alice")
	if a.header.Get("Location") != "/orders?x=1" || a.body != "" || a.header.Get("Referrer-Policy") != "no-referrer" ||
		a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v, body %q", a.header, a.body)
	}
	var session *http.Cookie
	for _, c := range a.cookies {
		if c.Name == "__Host-ns_session" {
			session = c
		}
	}
	if session == nil || !session.Secure || !session.HttpOnly || session.Path != "/" || session.Domain != "" || session.SameSite != http.SameSiteLaxMode {
		t.Errorf("session cookie %v", session)
	}
	if n := len(b.Cookies()); n != 1 {
		t.Errorf("%d cookies are left, want the session's alone", n)
	}
	w.hide(session.Value)
	w.silent(&answer{header: http.Header{"Location": a.header["Location"]}, body: a.body})
}
