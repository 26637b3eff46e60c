package authapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
	"github.com/netscript/auth/workos"
	"github.com/netscript/auth/workos/workostest"
)

// contract holds every answer against the document.
type contract struct {
	t      *testing.T
	doc    *openapi3.T
	router routers.Router

	mu   sync.Mutex
	seen map[string]bool // method, path and status
}

func newContract(t *testing.T, source []byte) *contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("the document is not OpenAPI: %v", err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Fatalf("the document is OpenAPI %s", doc.OpenAPI)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	return &contract{t: t, doc: doc, router: router, seen: map[string]bool{}}
}

// over returns h, each of whose answers is held against the document. Those to paths and methods that are not in it must
// be errors.
func (c *contract) over(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		asked := r.Clone(r.Context())
		asked.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		if strings.HasPrefix(r.URL.Path, base) || strings.HasPrefix(r.URL.Path, "/api") || strings.HasPrefix(r.URL.Path, "/health") {
			if err := c.check(asked, answer); err != nil {
				c.t.Errorf("%s %s: %d %.300s\n%v", r.Method, r.URL.Path, answer.Code, answer.Body, err)
			}
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

func (c *contract) check(r *http.Request, answer *httptest.ResponseRecorder) error {
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		if answer.Code == 404 || answer.Code == 405 {
			return nil
		}
		return fmt.Errorf("not in the document: %w", err)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true},
	}
	requestErr := openapi3filter.ValidateRequest(r.Context(), input)
	if answer.Code < 400 && requestErr != nil {
		return fmt.Errorf("a request that the document does not allow was answered with %d: %w", answer.Code, requestErr)
	}
	if requestErr == nil && answer.Code == 422 && !r.URL.Query().Has("providerId") && r.Header.Get("X-Test") == "" {
		return errors.New("a request that the document allows is refused as not valid")
	}
	c.mu.Lock()
	c.seen[r.Method+" "+route.Path+" "+strconv.Itoa(answer.Code)] = true
	c.mu.Unlock()
	return openapi3filter.ValidateResponse(context.WithoutCancel(r.Context()), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.Code, Header: answer.Header(),
		Body:    io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
}

// unseen returns what is in the document and was never answered.
func (c *contract) unseen() (missing []string) {
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if key := method + " " + path + " " + status; !c.seen[key] {
					missing = append(missing, key)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

type env map[string]string

func (e env) with(pairs ...string) env {
	out := maps.Clone(e)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func newService(t *testing.T, e env, change func(*authapi.Options)) *authapi.Service {
	t.Helper()
	o := authapi.Options{
		Getenv: func(name string) string { return e[name] }, SettingsFile: filepath.Join(t.TempDir(), "none"), Version: "1.0",
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	s, err := authapi.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestOpenAPI sends every request that the document describes, and more, holds every answer against it, and then asks
// whether every answer that it describes was given.
func TestOpenAPI(t *testing.T) {
	key := auth.GenerateKey().Encode()
	idp := authtest.NewProvider(t, authtest.ProviderConfig{ID: "default"})
	e := env{
		"NETSCRIPT_AUTH_CLIENT_ID": idp.ClientID, "NETSCRIPT_AUTH_CLIENT_SECRET": idp.ClientSecret.Reveal(), "NETSCRIPT_AUTH_REDIRECT_URI": authtest.RedirectURI,
		"NETSCRIPT_AUTH_ISSUER": authtest.Issuer, "NETSCRIPT_AUTH_KV_OAUTH_KEY": key, "NETSCRIPT_AUTH_KV": "memory", "NETSCRIPT_AUTH_VERIFY_KEY": key,
	}
	withIdp := func(o *authapi.Options) { o.HTTPClient = idp.Client() }
	s := newService(t, e, withIdp)
	source := httptest.NewRecorder()
	s.ServeHTTP(source, httptest.NewRequest("GET", "/api/openapi.json", nil))
	c := newContract(t, source.Body.Bytes())
	app := c.over(s)

	lives(t, app, idp)
	mirrored(t, app, idp)
	nobodys(t, app)
	badInputs(t, app)

	outages(t, c, e, idp)
	sentElsewhere(c.over(newService(t, e.with("NETSCRIPT_AUTH_ERROR_URL", "/health/live"), withIdp)))
	refused := func(o *authapi.Options) { o.HTTPClient = &http.Client{Transport: nowhere{}} }
	unreachable := c.over(newService(t, e, refused))
	each(unreachable, "")
	for _, app := range []http.Handler{app, unreachable} {
		loggedOut(t, app, idp)
	}
	each(c.over(newService(t, e.with("NETSCRIPT_AUTH_VERIFY_KEY", ""), withIdp)), "")
	limited := c.over(newService(t, e.with("NETSCRIPT_AUTH_RATE_LIMIT", "1/h"), withIdp))
	each(limited, "")
	each(limited, "")
	notInteractive(t, c)

	if missing := c.unseen(); len(missing) > 0 {
		t.Errorf("%d answers are in the document and were never given:\n%s", len(missing), strings.Join(missing, "\n"))
	}
	t.Logf("%d answers of the document were given", len(c.seen))
}

// lives walks through a whole life of a session, over plain HTTP.
func lives(t *testing.T, app http.Handler, idp *authtest.Provider) {
	alice := authtest.NewBrowser(t, app, idp)
	for _, path := range []string{"/health", "/health/live", "/health/ready", "/api/openapi.json", "/api/docs", base + "/describe", base + "/providers"} {
		if p := alice.Get(path); p.Status != 200 {
			t.Errorf("%s: %d", path, p.Status)
		}
	}
	callbackAt := strings.Replace(authtest.RedirectURI, "/callback", "/callback/default", 1)
	for _, finish := range []func(cb *authtest.Callback){
		func(cb *authtest.Callback) { alice.Finish(cb) },
		func(cb *authtest.Callback) { alice.PostJSON(base+"/callback", single(cb.Values())) },
		func(cb *authtest.Callback) { alice.Post(base+"/callback", cb.Values()) },
		func(cb *authtest.Callback) { alice.Get(callbackAt + "?" + cb.Values().Encode()) },
		func(cb *authtest.Callback) { alice.PostJSON(base+"/callback/default", single(cb.Values())) },
		func(cb *authtest.Callback) { alice.Post(base+"/callback/default", cb.Values()) },
	} {
		started := alice.PostJSON(base+"/signin", map[string]any{"redirectTo": "/health/live", "state": "mine", "loginHint": "alice", "scopes": []string{}, "prompt": "login", "maxAge": 600, "acrValues": []string{}})
		var to struct{ RedirectURL string }
		started.JSON(t, &to)
		finish(alice.Authorize(to.RedirectURL, "alice"))
	}
	alice.SignIn("alice", "returnTo", "/health/live")
	alice.Post(base+"/signin", url.Values{"redirectTo": {"/health/live"}, "scopes": {""}, "prompt": {"login"}, "maxAge": {"600"}, "acrValues": {""}})
	var list struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	alice.GetJSON(base+"/sessions", &list)
	if len(list.Sessions) == 0 {
		t.Error("no sessions")
	}
	for _, path := range []string{"/me", "/session", "/verify"} {
		if p := alice.Get(base + path); p.Status != 200 {
			t.Errorf("%s: %d %s", path, p.Status, p.Body)
		}
	}
	alice.PostJSON(base+"/signout", map[string]any{"sessionId": rand.Text()})
	deletes(alice, base+"/sessions/"+strings.Repeat("A", 43))
	for _, s := range list.Sessions {
		deletes(alice, base+"/sessions/"+s.ID)
	}
	alice.SignIn("alice", "returnTo", "/health/live")
	alice.PostJSON(base+"/signout", map[string]any{"everywhere": true, "redirectTo": "/health/live"})
	alice.SignIn("alice", "returnTo", "/health/live")
	alice.Post(base+"/signout", url.Values{"redirectTo": {"/health/live"}, "everywhere": {"on"}})
}

func deletes(b *authtest.Browser, path string) {
	r := httptest.NewRequest("DELETE", path, nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	_ = b.Do(r).Body.Close()
}

func single(v url.Values) map[string]string {
	m := map[string]string{}
	for name := range v {
		m[name] = v.Get(name)
	}
	return m
}

// mirrored is lives over the RPC mirror.
func mirrored(t *testing.T, app http.Handler, idp *authtest.Provider) {
	bob := authtest.NewBrowser(t, app, idp)
	call := func(name string, input any) map[string]any {
		p := bob.PostJSON(rpcBase+"/"+name, map[string]any{"json": input, "meta": []any{}})
		var a struct{ JSON map[string]any }
		if err := json.Unmarshal([]byte(p.Body), &a); err != nil {
			t.Fatal(err)
		}
		return a.JSON
	}
	to, _ := call("signin", map[string]any{"redirectTo": "/health/live"})["redirectUrl"].(string)
	call("callback", single(bob.Authorize(to, "bob").Values()))
	for _, name := range []string{"me", "session", "sessions", "describe", "providers"} {
		call(name, map[string]any{})
	}
	call("signout", map[string]any{"sessionId": rand.Text()})
	call("revokeSession", map[string]any{"sessionId": strings.Repeat("A", 43)})
	session, _ := call("session", nil)["session"].(map[string]any)
	call("revokeSession", map[string]any{"sessionId": session["id"]})
	for _, name := range []string{"me", "session", "sessions", "signout"} {
		call(name, nil)
	}
	call("revokeSession", map[string]any{"sessionId": strings.Repeat("A", 43)})
	call("signout", map[string]any{"everywhere": true})
	call("callback", map[string]any{"code": "x", "state": "y"})
	call("signin", map[string]any{"link": true})
}

const rpcBase = "/api/rpc/v1/auth"

// operations are all that take a POST, and those of the rest.
var (
	posts = []string{base + "/signin", base + "/callback", base + "/callback/default", rpcBase + "/signin", rpcBase + "/callback", rpcBase + "/session", rpcBase + "/me", rpcBase + "/describe", rpcBase + "/providers", rpcBase + "/sessions", rpcBase + "/revokeSession",
		base + "/signout", rpcBase + "/signout"}
	gets = []string{base + "/signin", base + "/callback?code=a&state=" + strings.Repeat("b", 43), base + "/callback/default?code=a&state=" + strings.Repeat("b", 43), base + "/session", base + "/me",
		base + "/sessions", base + "/verify", base + "/signout/callback?state=x", "/health", "/health/ready"}
)

// each asks for every operation, with the credential of nobody or one that is well-formed.
func each(app http.Handler, cookie string) {
	ask := func(method, path, body string) {
		r := httptest.NewRequest(method, authtest.AppOrigin+path, strings.NewReader(body))
		if method == "POST" {
			r.Header.Set("Content-Type", "application/json")
		}
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		app.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, path := range gets {
		ask("GET", path, "")
	}
	ask("DELETE", base+"/sessions/"+strings.Repeat("A", 43), "")
	ask("POST", base+"/backchannel-logout", "{}")
	for _, path := range posts { // the sign-outs are the last
		body := "{}"
		if strings.HasSuffix(path, "callback") || strings.HasSuffix(path, "default") {
			body = `{"code":"a","state":"` + strings.Repeat("b", 43) + `"}`
		}
		if strings.HasSuffix(path, "revokeSession") {
			body = `{"sessionId":"` + strings.Repeat("A", 43) + `"}`
		}
		if strings.HasPrefix(path, rpcBase) {
			body = `{"json":` + body + `}`
		}
		ask("POST", path, body)
	}
}

func nobodys(_ *testing.T, app http.Handler) {
	each(app, "")
	each(app, "__Host-ns_session="+strings.Repeat("A", 43))
	for _, body := range []string{`{"everywhere":true}`} {
		r := httptest.NewRequest("POST", authtest.AppOrigin+base+"/signout", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		app.ServeHTTP(httptest.NewRecorder(), r)
	}
	r := httptest.NewRequest("POST", authtest.AppOrigin+base+"/signin", strings.NewReader(`{"link":true}`))
	r.Header.Set("Content-Type", "application/json")
	app.ServeHTTP(httptest.NewRecorder(), r)
}

// badInputs sends to every operation what it must refuse.
func badInputs(_ *testing.T, app http.Handler) {
	send := func(path, media, body string, headers ...string) {
		r := httptest.NewRequest("POST", authtest.AppOrigin+path, strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		r.Header.Set("X-Test", "bad input")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		app.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, path := range posts {
		good := "{}"
		if strings.HasSuffix(path, "revokeSession") {
			good = `{"json":{"sessionId":"A"}}`
		}
		send(path, "application/json", "{")
		send(path, "application/json", `{"x":"`+strings.Repeat("x", 70<<10)+`"}`)
		send(path, "text/plain", "{}")
		send(path, "application/json", good, "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
	}
	for _, target := range []string{"/signin?providerId=unknown", "/signin?returnTo=https://evil.test", "/callback?code=%zz", "/callback/default?code=%zz"} {
		for _, media := range []string{"application/json", "text/html"} {
			r := httptest.NewRequest("GET", authtest.AppOrigin+base+target, nil)
			r.Header.Set("Accept", media)
			r.Header.Set("X-Test", "bad input")
			app.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
}

// outages asks services whose store fails: at once, and in the middle of a sign-in.
func outages(t *testing.T, c *contract, e env, idp *authtest.Provider) {
	t.Helper()
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	fault := storetest.Always(storetest.Fail)
	app := c.over(newService(t, e, func(o *authapi.Options) {
		o.HTTPClient = idp.Client()
		o.KV = &storetest.Faulty{KV: memory, Fault: func(op storetest.Op, key string) storetest.Fault { return fault(op, key) }}
	}))
	each(app, "__Host-ns_session="+strings.Repeat("A", 43))
	for _, deliver := range []func(b *authtest.Browser, v url.Values){
		func(b *authtest.Browser, v url.Values) { b.Get(base + "/callback?" + v.Encode()) },
		func(b *authtest.Browser, v url.Values) { b.Get(base + "/callback/default?" + v.Encode()) },
		func(b *authtest.Browser, v url.Values) { b.PostJSON(base+"/callback", single(v)) },
		func(b *authtest.Browser, v url.Values) { b.PostJSON(base+"/callback/default", single(v)) },
		func(b *authtest.Browser, v url.Values) {
			b.PostJSON(rpcBase+"/callback", map[string]any{"json": single(v)})
		},
	} {
		fault = storetest.Always(storetest.None)
		b := authtest.NewBrowser(t, app, idp)
		var to struct{ RedirectURL string }
		b.PostJSON(base+"/signin", map[string]any{}).JSON(t, &to)
		cb := b.Authorize(to.RedirectURL, "alice")
		fault = storetest.Always(storetest.Fail)
		deliver(b, cb.Values())
	}
}

// loggedOut sends what a provider might to the back-channel.
func loggedOut(t *testing.T, app http.Handler, idp *authtest.Provider) {
	t.Helper()
	token, err := idp.LogoutToken(idp.ClientID, "alice", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"logout_token=" + token, "logout_token=x", "logout_token=" + strings.Repeat("x", 70<<10)} {
		r := httptest.NewRequest("POST", authtest.AppOrigin+base+"/backchannel-logout", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		app.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// sentElsewhere: with an error URL, a form that fails is sent there.
func sentElsewhere(app http.Handler) {
	for _, path := range []string{"/callback", "/callback/default"} {
		r := httptest.NewRequest("POST", authtest.AppOrigin+base+path, strings.NewReader("code=a&state=b"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
		app.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// nowhere is a network that reaches nobody.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no network")
}

// notInteractive asks the two backends that do not sign in.
func notInteractive(t *testing.T, c *contract) {
	t.Helper()
	secret := strings.Repeat("0123456789abcdef", 2)
	offline := newService(t, env{"NETSCRIPT_AUTH_BACKEND": "workos", "WORKOS_API_KEY": "sk", "WORKOS_CLIENT_ID": "client_1", "WORKOS_COOKIE_PASSWORD": secret},
		func(o *authapi.Options) { o.HTTPClient = &http.Client{Transport: nowhere{}} })
	each(c.over(offline), "")
	down, fake := workosService(t)
	session, err := fake.SignIn(workostest.Person{ID: "user_1"})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := workos.New(workos.Config{ClientID: workosClient, CookiePasswords: []auth.Secret{auth.NewSecret(sharedPassword)}})
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := sealer.SessionCookie(session)
	if err != nil {
		t.Fatal(err)
	}
	app := c.over(down)
	r := httptest.NewRequest("GET", authtest.AppOrigin+base+"/me", nil)
	r.AddCookie(cookie)
	app.ServeHTTP(httptest.NewRecorder(), r) // which fetches the keys
	fake.SetDown(true)
	each(app, cookie.Name+"="+cookie.Value)
	better := newService(t, env{"NETSCRIPT_AUTH_BACKEND": "better-auth", "BETTER_AUTH_SECRET": secret, "DATABASE_URL": "postgres://127.0.0.1:1/x"}, nil)
	each(c.over(better), "")
}
