package authapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/netscript/auth/interop/oidcprovider"
)

// visitor is a person's browser, without scripts: it keeps cookies and follows nothing by itself.
type visitor struct {
	t    testing.TB
	url  string
	http *http.Client
}

func visit(t testing.TB, site string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t: t, url: site, http: &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is what came back.
type answer struct {
	status   int
	location string
	header   http.Header
	body     []byte
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return v
}

// do sends a request; headers are name, value, name, value.
func (v *visitor) do(method, target string, body io.Reader, headers ...string) answer {
	v.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = v.url + target
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, target, body)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header.Get("Location"), res.Header, content}
}

func (v *visitor) get(target string, headers ...string) answer {
	v.t.Helper()
	return v.do(http.MethodGet, target, nil, headers...)
}

func (v *visitor) postJSON(target string, body any, headers ...string) answer {
	v.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(http.MethodPost, target, bytes.NewReader(text), append([]string{"Content-Type", "application/json"}, headers...)...)
}

func (v *visitor) postForm(target string, form url.Values, headers ...string) answer {
	v.t.Helper()
	return v.do(http.MethodPost, target, strings.NewReader(form.Encode()), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

// signIn starts a sign-in by a link and finishes it.
func (v *visitor) signIn(op *oidcprovider.Server, user string) {
	v.t.Helper()
	started := v.get(base + "/signin?returnTo=/welcome")
	if started.status != http.StatusFound {
		v.t.Fatalf("sign-in: %d %s", started.status, started.body)
	}
	v.finish(op, started.location, user)
}

// finish goes to the provider, signs in there, and delivers the answer.
func (v *visitor) finish(op *oidcprovider.Server, authorization, user string) {
	v.t.Helper()
	cb := op.Login(v.t, v.http, authorization, user)
	if done := v.get(cb.URL.String()); done.status != http.StatusFound || done.location != "/welcome" {
		v.t.Fatalf("callback: %d to %q, %s", done.status, done.location, done.body)
	}
}

// who returns the subject that /me and /session name, "" for nobody. They must agree.
func (v *visitor) who() string {
	v.t.Helper()
	me, session := v.get(base+"/me"), v.get(base+"/session")
	if me.status != 200 || session.status != 200 {
		v.t.Fatalf("me %d %s, session %d %s", me.status, me.body, session.status, session.body)
	}
	subject := func(a answer) string {
		s, _ := a.json(v.t)["session"].(map[string]any)
		subject, _ := s["subject"].(string)
		if a.json(v.t)["authenticated"] != (subject != "") {
			v.t.Errorf("answer %s", a.body)
		}
		return subject
	}
	if subject(me) != subject(session) {
		v.t.Errorf("me %s, session %s", me.body, session.body)
	}
	return subject(me)
}
