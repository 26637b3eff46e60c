package kvoauth_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// answer is what the application answered to a program.
type answer struct {
	status  int
	reason  string
	code    string
	header  http.Header
	body    string
	cookies []*http.Cookie
}

// finish delivers the provider's answer as a program would, which is told the code of an error.
func (w *world) finish(b *authtest.Browser, cb *authtest.Callback) *answer {
	w.t.Helper()
	if cb.Form != nil {
		return w.send(b, http.MethodPost, cb.URL, cb.Form)
	}
	return w.send(b, http.MethodGet, cb.URL, nil)
}

// deliver delivers values in place of the provider's.
func (w *world) deliver(b *authtest.Browser, values url.Values) *answer {
	w.t.Helper()
	return w.send(b, http.MethodGet, authtest.AppOrigin+callbackPath+"?"+values.Encode(), nil)
}

func (w *world) send(b *authtest.Browser, method, target string, form url.Values) *answer {
	w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("Accept", "application/json")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "null")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	return w.do(b, r)
}

func (w *world) do(b *authtest.Browser, r *http.Request) *answer {
	w.t.Helper()
	res := b.Do(r)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := &answer{status: res.StatusCode, header: res.Header, body: string(body), cookies: res.Cookies()}
	var wire struct {
		Code string `json:"code"`
		Data struct {
			Reason string `json:"reason"`
		} `json:"data"`
	}
	if res.StatusCode >= 400 && len(body) > 0 {
		if err := json.Unmarshal(body, &wire); err != nil {
			w.t.Fatalf("error answer is not JSON: %q", body)
		}
	}
	a.code, a.reason = wire.Code, wire.Data.Reason
	return a
}

// statusOf is the HTTP contract for the codes of this flow.
func statusOf(code auth.Code) int {
	switch code {
	case auth.CodeSignInDenied:
		return http.StatusForbidden
	case auth.CodeValidation, auth.CodeUnknownProvider, auth.CodeScopeNotAllowed, auth.CodeReturnURLRejected:
		return http.StatusUnprocessableEntity
	case auth.CodeProviderRefused, auth.CodeClientRejected, auth.CodeProviderUnavailable, auth.CodeProviderInvalid:
		return http.StatusBadGateway
	case auth.CodeInternal, auth.CodeStoreUnavailable, auth.CodeStoreFull:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// refused requires that a is an error with this code and that nothing came of the sign-in.
func (w *world) refused(a *answer, code auth.Code) {
	w.t.Helper()
	if a.status != statusOf(code) || a.reason != string(code) {
		w.t.Errorf("status %d, reason %q; want %d, %q", a.status, a.reason, statusOf(code), code)
	}
	if n := w.kv.sessions(); n != 0 {
		w.t.Errorf("%d sessions in the store", n)
	}
	for _, c := range a.cookies {
		if c.Name == kvoauth.DefaultCookieName || c.MaxAge >= 0 || c.Value != "" {
			w.t.Errorf("an error sets the cookie %s", c.Name)
		}
	}
	if a.header.Get("Location") != "" || a.header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("an error with Location %q and Cache-Control %q", a.header.Get("Location"), a.header.Get("Cache-Control"))
	}
	w.silent(a)
}

// silent requires that nothing confidential or hostile left the backend.
func (w *world) silent(a *answer) {
	w.t.Helper()
	places := map[string]string{"log": w.log.String(), "error": w.backend.errors()}
	if a != nil {
		places["answer"] = fmt.Sprint(a.header) + a.body
	}
	secrets := append([]string{marker}, w.secrets...)
	for _, p := range w.idps {
		secrets = append(secrets, p.ClientSecret.Reveal())
		for _, r := range p.Requests() {
			secrets = append(secrets, r.Form.Get("code_verifier"), r.Query.Get("nonce"), r.Form.Get("client_assertion"), r.Form.Get("client_secret"),
				r.Form.Get("nonce"), r.Header.Get("DPoP"), strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP "),
				strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		}
	}
	for place, text := range places {
		for _, s := range secrets {
			if s != "" && strings.Contains(text, s) {
				w.t.Errorf("%s holds what it must not: %.40q", place, s)
			}
		}
	}
}

// calls requires how often the token and UserInfo endpoints were asked.
func (w *world) calls(token, userInfo int) {
	w.t.Helper()
	for endpoint, want := range map[fakeop.Endpoint]int{fakeop.EndpointToken: token, fakeop.EndpointUserInfo: userInfo} {
		got := 0
		for _, p := range w.idps {
			got += p.Count(endpoint)
		}
		if got != want {
			w.t.Errorf("%d calls of the %s endpoint, want %d", got, endpoint, want)
		}
	}
}

// signedIn requires that a completed the sign-in of subject.
func (w *world) signedIn(b *authtest.Browser, a *answer, subject string) sessionJSON {
	w.t.Helper()
	if a.status != http.StatusFound {
		w.t.Fatalf("status %d, reason %q; want a sign-in\n%s", a.status, a.reason, w.backend.errors())
	}
	var s sessionJSON
	b.GetJSON(auth.DefaultBasePath+"/session", &s)
	if !s.Authenticated || s.Session.Subject != subject {
		w.t.Fatalf("authenticated %t as %q, want %q", s.Authenticated, s.Session.Subject, subject)
	}
	return s
}

type sessionJSON struct {
	Authenticated bool `json:"authenticated"`
	Session       struct {
		Subject    string         `json:"subject"`
		ProviderID string         `json:"providerId"`
		Scopes     []string       `json:"scopes"`
		Roles      []string       `json:"roles"`
		Claims     map[string]any `json:"claims"`
	} `json:"session"`
}
