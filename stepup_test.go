package auth_test

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
)

// now is the clock of the guards; issued is when the sessions of the tests began.
func now() time.Time { return issued.Add(time.Hour) }

// authenticated returns an authenticator of Alice, whose session change may alter.
func authenticated(change func(*auth.Session)) *fakeCore {
	return &fakeCore{authenticate: func(r *http.Request) (*auth.Authentication, error) {
		a, err := alice(r)
		if change == nil {
			a.Session = nil
			return a, err
		}
		change(a.Session)
		return a, err
	}}
}

func age(d time.Duration) func(*auth.Session) {
	return func(s *auth.Session) { s.AuthTime = now().Add(-d) }
}

func class(acr string) func(*auth.Session) {
	return func(s *auth.Session) { s.ACR = acr }
}

func TestRequireRecentAuthAndACR(t *testing.T) {
	const ageChallenge = `Bearer error="insufficient_user_authentication", max_age="300"`
	const classChallenge = `Bearer error="insufficient_user_authentication", acr_values="gold urn:x:silver"`
	recent := func(g auth.Guard) func(http.Handler) http.Handler { return g.RequireRecentAuth(5 * time.Minute) }
	strong := func(g auth.Guard) func(http.Handler) http.Handler { return g.RequireACR("gold", "urn:x:silver") }
	for _, tt := range []struct {
		name      string
		wrap      func(auth.Guard) func(http.Handler) http.Handler
		session   func(*auth.Session) // nil: none
		challenge string              // "": let in
	}{
		{"just now", recent, age(0), ""},
		{"as long ago as may be", recent, age(5 * time.Minute), ""},
		{"longer ago", recent, age(5*time.Minute + time.Nanosecond), ageChallenge},
		{"not known", recent, func(*auth.Session) {}, ageChallenge},
		{"not known, a session just issued", recent, func(s *auth.Session) { s.IssuedAt = now() }, ageChallenge},
		{"no session", recent, nil, ageChallenge},
		{"by a clock that is a little ahead", recent, age(-time.Minute), ""},
		{"in the future", recent, age(-time.Minute - time.Nanosecond), ageChallenge},
		{"the first class", strong, class("gold"), ""},
		{"the second class", strong, class("urn:x:silver"), ""},
		{"no class", strong, class(""), classChallenge},
		{"another class", strong, class("platinum"), classChallenge},
		{"all classes at once", strong, class("gold urn:x:silver"), classChallenge},
		{"another case", strong, class("Gold"), classChallenge},
		{"a class without a session", strong, nil, classChallenge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := auth.Guard{Authenticator: authenticated(tt.session), Now: now}
			w := do(g.RequireAuth(tt.wrap(g)(page)), request("GET", "/", ""))
			if got := w.Header().Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("WWW-Authenticate %q, want %q", got, tt.challenge)
			}
			if tt.challenge == "" {
				wantStatus(t, w, 200)
				return
			}
			data := wantError(t, w, 401, "UNAUTHORIZED", auth.CodeInsufficientAuthentication)
			delete(data, "reason")
			want := map[string]any{"maxAge": 300.0}
			if tt.challenge == classChallenge {
				want = map[string]any{"acrValues": []any{"gold", "urn:x:silver"}}
			}
			if !reflect.DeepEqual(data, want) {
				t.Errorf("data %v, want %v", data, want)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// Without RequireAuth around them nobody is let through, whatever the clock.
func TestStepUpOfNobody(t *testing.T) {
	for _, wrap := range []func(http.Handler) http.Handler{auth.RequireRecentAuth(time.Hour), auth.RequireACR("gold")} {
		w := do(wrap(page), request("GET", "/", ""))
		wantError(t, w, 401, "UNAUTHORIZED", auth.CodeNoCredential)
		if got := w.Header().Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("WWW-Authenticate %q", got)
		}
	}
}

func TestStepUpByTheRealClock(t *testing.T) {
	for d, status := range map[time.Duration]int{time.Minute: 200, 2 * time.Hour: 401} {
		a := authenticated(func(s *auth.Session) { s.AuthTime = time.Now().Add(-d) })
		wantStatus(t, do(auth.RequireAuth(a)(auth.RequireRecentAuth(time.Hour)(page)), request("GET", "/", "")), status)
	}
}

// What nobody could satisfy is a mistake, and lets nobody in.
func TestStepUpThatMakesNoSense(t *testing.T) {
	everything := authenticated(func(s *auth.Session) { s.AuthTime, s.ACR = now(), "gold" })
	g := auth.Guard{Authenticator: everything, Now: now, SignInPath: base + "/signin"}
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"no age": g.RequireRecentAuth(0), "below a second": g.RequireRecentAuth(time.Millisecond), "a negative age": g.RequireRecentAuth(-1),
		"no classes": g.RequireACR(), "an empty class": g.RequireACR("gold", ""), "two in one": g.RequireACR("gold silver"),
		"a quote": g.RequireACR("gold", `a"b`), "a line break": g.RequireACR("gold", "a\r\nb"),
	} {
		t.Run(name, func(t *testing.T) {
			w := do(g.RequireAuth(wrap(page)), request("GET", "/", "", "Accept", asHTML))
			wantError(t, w, 503, "AUTH_UNAVAILABLE", auth.CodeConfigInvalid)
		})
	}
	for name, r := range map[string]auth.Rule{
		"below a second": {Path: "/", MaxAge: time.Millisecond}, "a negative age": {Path: "/", MaxAge: -time.Hour},
		"no classes": {Path: "/", ACRValues: []string{}}, "two in one": {Path: "/", ACRValues: []string{"a b"}},
		"an age of anybody":   {Path: "/", MaxAge: time.Hour, Allow: auth.AllowAnonymous},
		"a class of anybody":  {Path: "/", ACRValues: []string{"gold"}, Allow: auth.AllowAnonymous},
		"an age that is none": {Path: "/", MaxAge: auth.ReauthenticateNow},
	} {
		if _, err := g.Rules([]auth.Rule{r}); auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStepUpCopiesClasses(t *testing.T) {
	classes := []string{"gold"}
	wrap := auth.RequireACR(classes...)
	rule, err := auth.NewRules(authenticated(class("silver")), []auth.Rule{{Path: "/", ACRValues: classes}})
	if err != nil {
		t.Fatal(err)
	}
	classes[0] = "silver"
	wantStatus(t, do(auth.RequireAuth(authenticated(class("silver")))(wrap(page)), request("GET", "/", "")), 401)
	wantStatus(t, do(rule(page), request("GET", "/", "")), 401)
}

// A person is sent to sign in again, and back; a program is told.
func TestGuardSendsABrowserToStepUp(t *testing.T) {
	g := auth.Guard{Authenticator: authenticated(age(time.Hour)), Now: now, SignInPath: base + "/signin"}
	both, err := g.Rules([]auth.Rule{{Path: "/", MaxAge: 90 * time.Second, ACRValues: []string{"gold", "urn:x?&"}, Roles: []string{"clerk"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		wrap  func(http.Handler) http.Handler
		r     *http.Request
		query url.Values // nil: 401
	}{
		"age": {g.RequireRecentAuth(time.Minute), request("GET", "/pay?to=a%26b", "", "Accept", asHTML),
			url.Values{"maxAge": {"60"}, "prompt": {"login"}, "returnTo": {"/pay?to=a%26b"}}},
		"class": {g.RequireACR("gold"), request("GET", "/pay", "", "Accept", asHTML),
			url.Values{"acrValues": {"gold"}, "returnTo": {"/pay"}}},
		"both": {both, request("GET", "/pay", "", "Accept", asHTML),
			url.Values{"maxAge": {"90"}, "prompt": {"login"}, "acrValues": {"gold urn:x?&"}, "returnTo": {"/pay"}}},
		"an address that no backend would lead back to": {g.RequireACR("gold"), request("GET", "/pay?a=\\b", "", "Accept", asHTML),
			url.Values{"acrValues": {"gold"}}},
		"a script":            {g.RequireACR("gold"), request("GET", "/pay", "", "Accept", asHTML, "Sec-Fetch-Mode", "cors"), nil},
		"a program":           {g.RequireACR("gold"), request("GET", "/pay", "", "Accept", asJSON), nil},
		"a form":              {both, request("POST", "/pay", "", "Accept", asHTML), nil},
		"the sign-in itself":  {both, request("GET", base+"/signin", "", "Accept", asHTML), nil},
		"without SignInPath":  {auth.RequireACR("gold"), request("GET", "/pay", "", "Accept", asHTML), nil},
		"a program, by rules": {both, request("GET", "/pay", "", "Accept", asJSON), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := do(g.RequireAuth(c.wrap(page)), c.r)
			if c.query == nil {
				wantError(t, w, 401, "UNAUTHORIZED", auth.CodeInsufficientAuthentication)
				return
			}
			wantStatus(t, w, 302)
			path, query, _ := strings.Cut(w.Header().Get("Location"), "?")
			got, err := url.ParseQuery(query)
			if err != nil || path != g.SignInPath || !reflect.DeepEqual(got, c.query) {
				t.Errorf("to %q with %v, want %v", path, got, c.query)
			}
			// The sign-in route takes what the guard sends.
			b := working()
			wantStatus(t, do(newHandler(t, b, auth.HandlerConfig{}), request("GET", w.Header().Get("Location"), "")), 302)
			if len(b.signIns) != 1 || b.signIns[0].MaxAge == 0 && b.signIns[0].ACRValues == nil || b.signIns[0].ReturnTo != c.query.Get("returnTo") {
				t.Errorf("asked for %+v", b.signIns)
			}
		})
	}
}

// Who lacks a role is not sent to sign in again first.
func TestRoleBeforeStepUp(t *testing.T) {
	g := auth.Guard{Authenticator: authenticated(age(time.Hour)), Now: now, SignInPath: base + "/signin"}
	wrap, err := g.Rules([]auth.Rule{{Path: "/", MaxAge: time.Minute, Roles: []string{"admin"}}})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, do(wrap(page), request("GET", "/", "", "Accept", asHTML)), 403, "FORBIDDEN", auth.CodeInsufficientRole)
}
