package deployment

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/internal/faultproxy"
	"github.com/netscript/auth/internal/redistest"
)

const (
	cookieName = "ns_session"
	// tokenLife makes most sessions due for a refresh while a sequence runs.
	tokenLife = 3 * time.Second
)

// world is a deployment: two instances, one Redis that keeps what it acknowledges, and a provider.
type world struct {
	t         testing.TB
	rotating  bool // the provider's refresh tokens are good once
	redis     *redistest.Server
	redisDown bool
	idp       *fakeop.Provider
	way       *faultproxy.Proxy // to the provider
	idpSky    string            // what is wrong with the provider; empty: nothing
	ahead     atomic.Int64      // of the provider's clock
	instances []*instance
	http      *http.Client
}

func newWorld(t testing.TB, program string, rotating bool) *world {
	t.Helper()
	w := &world{t: t, rotating: rotating}
	w.redis = redistest.Start(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always", "maxmemory-policy noeviction"}})
	// A request is one attempt: on a connection that was used before, net/http would repeat some.
	w.http = &http.Client{
		Timeout: startTime, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ports := []string{freePort(t), freePort(t)}
	redirect := "http://127.0.0.1:" + ports[0] + base + "/callback"
	w.startProvider(redirect)
	key := auth.GenerateKey().Encode()
	for n, port := range ports {
		i := &instance{t: t, number: n, program: program, url: "http://127.0.0.1:" + port, log: new(lockedBuffer)}
		i.redis = w.proxy(w.redis.Addr)
		i.env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PORT=" + port, "REDIS_URL=redis://" + i.redis.Addr(),
			"NETSCRIPT_AUTH_CLIENT_ID=app", "NETSCRIPT_AUTH_CLIENT_SECRET=app-secret", "NETSCRIPT_AUTH_ISSUER=" + w.idp.Issuer(),
			"NETSCRIPT_AUTH_REDIRECT_URI=" + redirect, "NETSCRIPT_AUTH_KV_OAUTH_KEY=" + key, "NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS=true",
		}
		i.start()
		t.Cleanup(i.kill)
		w.instances = append(w.instances, i)
	}
	return w
}

func (w *world) proxy(target string) *faultproxy.Proxy {
	w.t.Helper()
	p, err := faultproxy.Start(target)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = p.Close() })
	return p
}

func (w *world) startProvider(redirect string) {
	w.t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.idp.ServeHTTP(rw, r) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.way = w.proxy(server.Listener.Addr().String())
	var err error
	w.idp, err = fakeop.New(fakeop.Config{
		Issuer: "http://" + w.way.Addr(), AccessTokenLife: tokenLife, IDTokenLife: 10 * time.Minute,
		Now:     func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
		Clients: []fakeop.Client{{ID: "app", Secret: "app-secret", RedirectURIs: []string{redirect}, StaticRefreshTokens: !w.rotating}},
		Users:   []fakeop.User{{Subject: "alice"}, {Subject: "bob"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	server.Start()
	w.t.Cleanup(server.Close)
}

// calm reports whether nothing is wrong with the way of i to Redis, nor with Redis.
func (w *world) calm(i *instance) bool { return i.sky == "" && !w.redisDown }

// turnProvider changes what is wrong with the provider.
func (w *world) turnProvider(sky string) {
	w.t.Helper()
	w.idp.SetFaults(fakeop.Faults{})
	w.ahead.Store(0)
	if err := w.way.Refuse(sky == "refused"); err != nil {
		w.t.Fatal(err)
	}
	switch sky {
	case "overloaded":
		w.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{
			fakeop.EndpointToken: fakeop.Reply(503, "text/html", "<h1>later"), fakeop.EndpointJWKS: fakeop.Reply(503, "text/html", "<h1>later"),
		}})
	case "loses its answers": // to the token requests, after it has acted
		w.idp.SetFaults(fakeop.Faults{Answer: map[fakeop.Endpoint]func(*fakeop.Response){
			fakeop.EndpointToken: func(*fakeop.Response) { panic(http.ErrAbortHandler) },
		}})
	case "slightly ahead":
		w.ahead.Store(int64(30 * time.Second))
	case "slightly behind":
		w.ahead.Store(-int64(30 * time.Second))
	case "far ahead":
		w.ahead.Store(int64(time.Hour))
	case "far behind":
		w.ahead.Store(-int64(time.Hour))
	}
	w.idpSky = sky
}

// heal makes everything well and waits until every instance has noticed.
func (w *world) heal() {
	w.t.Helper()
	w.turnProvider("")
	if w.redisDown {
		w.redis.Restart()
		w.redisDown = false
	}
	for _, i := range w.instances {
		i.turn("")
	}
	for _, i := range w.instances {
		w.recovered(i)
	}
}

// recovered waits until i asks Redis again. That nobody has a session of this name it cannot know by itself.
func (w *world) recovered(i *instance) {
	w.t.Helper()
	for deadline := time.Now().Add(startTime); ; time.Sleep(5 * time.Millisecond) {
		a := w.do(http.MethodGet, i, "/session", map[string]string{cookieName: strings.Repeat("A", 43)}, nil)
		if a.status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("instance %d is not well: %d %s\n%s", i.number, a.status, a.body, i.log)
		}
	}
}

// answer is what came back, or that nothing did.
type answer struct {
	began, ended time.Time
	status       int // zero: the connection broke
	body         []byte
	location     string
	cookies      []*http.Cookie
}

// do sends one request. body is JSON, if any.
func (w *world) do(method string, i *instance, path string, cookies map[string]string, body any) answer {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			w.t.Error(err)
		}
		content = strings.NewReader(string(text))
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(w.t.Context()), method, i.url+base+path, content)
	if err != nil {
		w.t.Error(err)
		return answer{}
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	a := answer{began: time.Now()}
	res, err := w.http.Do(r)
	if err == nil {
		a.status, a.location, a.cookies = res.StatusCode, res.Header.Get("Location"), res.Cookies()
		a.body, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err != nil {
		a = answer{began: a.began}
	}
	a.ended = time.Now()
	return a
}

// sessionCookie returns the value that the answer sets, and whether it removes the cookie.
func (a answer) sessionCookie() (value string, removed bool) {
	for _, c := range a.cookies {
		if c.Name == cookieName {
			return c.Value, c.MaxAge < 0
		}
	}
	return "", false
}

// hidden are the fields of the provider's login page.
var hidden = regexp.MustCompile(`type="hidden" name="([^"]+)" value="([^"]*)"`)

// authorize takes user through the provider's page and returns its answer. The person's own way there is always good.
func (w *world) authorize(location, user string) url.Values {
	w.t.Helper()
	page := w.visit(httptest.NewRequest(http.MethodGet, location, nil))
	form := url.Values{"user": {user}}
	for _, m := range hidden.FindAllStringSubmatch(page.Body.String(), -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	r := httptest.NewRequest(http.MethodPost, w.idp.Issuer()+"/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	done := w.visit(r)
	u, err := url.Parse(done.Header().Get("Location"))
	if err != nil || u.Query().Get("code") == "" {
		w.t.Fatalf("the provider answers %d to %s's choice: %s", done.Code, user, done.Body)
	}
	return u.Query()
}

func (w *world) visit(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.idp.ServeHTTP(rec, r)
	return rec
}
