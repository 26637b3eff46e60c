package betterauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
	"github.com/netscript/auth/internal/sqltest"
)

// TestHugeRequests answers what no browser sends, quickly and with a decision.
func TestHugeRequests(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = allPlugins()
		c.CookieCache = &betterauth.CookieCache{}
	})
	good := r.signIn("alice").Header.Get("Cookie")
	chunks := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "; __Secure-better-auth.session_data.%d=e30", i)
		}
		return b.String()
	}
	for name, cookie := range map[string]string{
		"1 MiB of session_data": good + "; __Secure-better-auth.session_data=" + strings.Repeat("A", 1<<20),
		"10,000 chunks":         good + chunks(10000),
		"101 chunks":            good + chunks(101),
		"a chunk with a hole":   good + "; __Secure-better-auth.session_data.99999999999999999999=x; __Secure-better-auth.session_data.01=x; __Secure-better-auth.session_data.-1=x",
		"nested JSON":           good + "; __Secure-better-auth.session_data=" + strings.Repeat("eyJhIjp7", 3000),
		"semicolons":            good + strings.Repeat(";", 100000),
	} {
		request := withHeader("Cookie", cookie)
		if a, err := r.Authenticate(request); err != nil || a.Principal.Subject != "user-alice" {
			t.Errorf("%s: %v", name, err)
		}
		if d, err := r.SignOut(withHeader("Cookie", strings.Replace(cookie, good, "x=y", 1)), auth.SignOutParams{}); err != nil || len(d.Cookies) > 110 {
			t.Errorf("%s: sign-out sets %d cookies, %v", name, len(d.Cookies), err)
		}
	}
	big := strings.Repeat("a", 1<<20)
	for name, request := range map[string]*http.Request{
		"token": withCookie(cookieName, big), "dots": withCookie(cookieName, strings.Repeat(".", 1<<20)), "bearer": withHeader("Authorization", "Bearer "+big),
		"bearer with dots": withHeader("Authorization", "Bearer "+strings.Repeat("a.", 1<<19)), "key": withHeader("X-Api-Key", big), "key of bytes": withHeader("X-Api-Key", strings.Repeat("\xff", 64)),
		"percent": withCookie(cookieName, strings.Repeat("%41", 1<<18)), "bad jwt": withHeader("Authorization", "Bearer eyJhbGciOiJub25lIiwia2lkIjoieCJ9.e30."),
		"10,000 cookies before it": withHeader("Cookie", strings.Repeat("x=y; ", 10000)+good),
	} {
		if a, err := r.Authenticate(request); a != nil || !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: got %v and %v", name, a != nil, err)
		}
	}
}

// TestEncodings takes the encodings that the server takes, and no others.
func TestEncodings(t *testing.T) {
	r := newRig(t, engines()[0], nil)
	value := ""
	for !strings.ContainsAny(value, "+") || !strings.Contains(value, "/") {
		value = sign(r.session(r.user("alice"), nil))
	}
	escaped := url.QueryEscape(value)
	var every strings.Builder
	for _, c := range []byte(value) {
		fmt.Fprintf(&every, "%%%02x", c)
	}
	for name, c := range map[string]struct {
		value string
		good  bool
	}{
		"encoded": {escaped, true}, "raw": {value, true}, "every character": {every.String(), true}, "quoted": {`"` + escaped + `"`, true}, "padded": {"  " + escaped + " ", true},
		"twice": {url.QueryEscape(escaped), false}, "url-safe": {strings.NewReplacer("+", "-", "/", "_").Replace(value), false}, "unpadded": {strings.TrimRight(value, "="), false},
		"plus for space": {strings.ReplaceAll(value, "+", " "), false}, "line break": {value[:len(value)-10] + "%0A" + value[len(value)-10:], false},
		"bad percent": {escaped + "%", false}, "other case": {strings.ToLower(value), false}, "two signatures": {value + "." + value[strings.LastIndexByte(value, '.')+1:], false},
		"signed empty": {sign(""), false}, "single quoted": {"'" + escaped + "'", false},
	} {
		_, err := r.Authenticate(withCookie(cookieName, c.value))
		if (err == nil) != c.good {
			t.Errorf("%s: %v, want good: %v", name, err, c.good)
		}
	}
}

// TestNothingLeaks looks for the token in everything that is said about failures, by this package and by gorm.
func TestNothingLeaks(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Plugins = allPlugins() })
	var log bytes.Buffer
	r.db.Logger = logger.NewSlogLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), logger.Config{LogLevel: logger.Info, SlowThreshold: 1})
	c := r.config
	c.DB = r.db
	b := newBackend(t, c)
	token := r.session(r.user("alice"), nil)
	key := r.apiKey("user-alice", nil)
	log.Reset()
	var said strings.Builder
	for _, down := range []bool{false, true} {
		r.down.Store(down)
		for _, request := range []*http.Request{cookied(token), withHeader("X-Api-Key", key), withHeader("Authorization", "Bearer "+sign(token))} {
			a, err := b.Authenticate(request)
			fmt.Fprintf(&said, "%v %+v %#v %v", err, err, err, a)
			if down && auth.CodeOf(err) != auth.CodeStoreUnavailable {
				t.Errorf("while the database is down: %v", err)
			}
			d, err := b.SignOut(request, auth.SignOutParams{})
			fmt.Fprintf(&said, "%v %+v %v", err, err, d.Location)
		}
	}
	r.down.Store(false)
	fmt.Fprintf(&said, "%v %+v %#v", b, *b, b)
	for _, secret := range []string{token, key, keyHash(key), testSecret} {
		if strings.Contains(said.String(), secret) || strings.Contains(log.String(), secret) {
			t.Errorf("a secret shows in what is said or logged")
		}
	}
}

// TestOutage kills, pauses and restarts real servers: nobody is signed out, and nobody waits for long.
func TestOutage(t *testing.T) {
	for _, c := range []struct {
		engine engine
		start  func(testing.TB) *sqltest.Server
		open   func(string) gorm.Dialector
	}{
		{engines()[1], sqltest.StartPostgres, postgres.Open}, {engines()[2], sqltest.StartMariaDB, mysql.Open},
	} {
		t.Run(c.engine.name, func(t *testing.T) {
			server := c.start(t)
			c.engine.open = func(t testing.TB) *gorm.DB { return openWith(t, c.open(server.DSN(server.Database(t), ""))) }
			r := newRig(t, c.engine, func(c *betterauth.Config) { c.QueryTimeout = 300 * time.Millisecond })
			request := r.signIn("alice")
			admitted(t, r.Backend, request)
			server.Pause(t)
			began := time.Now()
			a, err := r.Authenticate(request)
			if took := time.Since(began); a != nil || auth.CodeOf(err) != auth.CodeStoreUnavailable || took > 5*time.Second || len(cookiesOf(nil, err)) > 0 {
				t.Errorf("paused: %v after %v", err, took)
			}
			server.Resume(t)
			server.Kill()
			if a, err := r.Authenticate(request); a != nil || auth.CodeOf(err) != auth.CodeStoreUnavailable || len(cookiesOf(nil, err)) > 0 {
				t.Errorf("killed: %v", err)
			}
			server.Restart(t)
			deadline := time.Now().Add(20 * time.Second)
			for _, err = r.Authenticate(request); err != nil && time.Now().Before(deadline); _, err = r.Authenticate(request) {
				time.Sleep(50 * time.Millisecond)
			}
			if err != nil {
				t.Errorf("after the restart: %v", err)
			}
		})
	}
}

// A request whose client has gone is not decided.
func TestCancelledRequest(t *testing.T) {
	r := newRig(t, engines()[0], nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Authenticate(r.signIn("alice").WithContext(ctx))
	if auth.CodeOf(err) != auth.CodeStoreUnavailable || errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
}

// FuzzAuthenticate is F-COOK, F-AUTHZ and F-BAC together: it looks for panics, and for a way in without the secret.
func FuzzAuthenticate(f *testing.F) {
	r := newRig(f, engines()[0], func(c *betterauth.Config) {
		c.Plugins = allPlugins()
		c.CookieCache = &betterauth.CookieCache{Write: true}
	})
	token := r.session(r.user("alice"), nil)
	f.Add("__Secure-better-auth.session_token="+sign(token)[:60]+"; __Secure-better-auth.session_data=e30", "Bearer a.b.c", "k")
	f.Add(`__Secure-better-auth.session_data.0="x"; __Secure-better-auth.session_data.1=y; =;;`, "bearer "+token, strings.Repeat("k", 64))
	f.Add("", "Bearer eyJhbGciOiJFZERTQSIsImtpZCI6ImtleS0xIn0.e30.AA", "")
	f.Fuzz(func(t *testing.T, cookie, authorization, key string) {
		request, err := http.NewRequest(http.MethodGet, "https://app.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Cookie": {cookie}, "Authorization": {authorization}, "X-Api-Key": {key}}
		a, err := r.Authenticate(request)
		if a != nil || !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatalf("got %v and %v", a != nil, err)
		}
		if d, _ := r.SignOut(request, auth.SignOutParams{}); d == nil {
			t.Fatal("no redirect")
		}
	})
}

// FuzzSessionData is F-BAC and F-JWT: it decodes what claims to be session_data, under a good cookie.
func FuzzSessionData(f *testing.F) {
	var backends []*betterauth.Backend
	r := newRig(f, engines()[0], nil)
	for _, s := range []betterauth.CacheStrategy{betterauth.CompactStrategy, betterauth.JWTStrategy, betterauth.JWEStrategy} {
		c := r.config
		c.CookieCache = &betterauth.CookieCache{Strategy: s, Write: true}
		backends = append(backends, newBackend(f, c))
	}
	request := r.signIn("alice")
	good := request.Header.Get("Cookie")
	for _, b := range backends {
		a, err := b.Authenticate(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Cookies[0].Value)
	}
	r.exec("DELETE FROM [session]")
	f.Fuzz(func(t *testing.T, data string) {
		request, _ := http.NewRequest(http.MethodGet, "https://app.test/", nil)
		request.Header.Set("Cookie", good+"; __Secure-better-auth.session_data="+data)
		for _, b := range backends {
			a, err := b.Authenticate(request)
			if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
				t.Fatal(err)
			}
			if a != nil && a.Principal.Subject != "user-alice" {
				t.Fatal("another user")
			}
		}
	})
}
