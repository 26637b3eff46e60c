package kvoauth_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// wrongValues stand in the place of a member. For some member each is of the wrong type.
var wrongValues = []any{nil, true, -1, 1e300, "", "wrong", []any{}, []any{"wrong", 1}, map[string]any{}, map[string]any{"sub": "bob"}}

// documents are what a provider says, and which members are so much needed that no wrong value may pass.
var documents = map[string]struct {
	change func(visit func(members map[string]any)) fakeop.Faults
	needed []string
}{
	"discovery": {
		func(v func(map[string]any)) fakeop.Faults { return fakeop.Faults{Discovery: v} },
		[]string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"},
	},
	"key set": {
		func(v func(map[string]any)) fakeop.Faults { return fakeop.Faults{JWKS: v} },
		[]string{"keys"},
	},
	"key": {
		func(v func(map[string]any)) fakeop.Faults {
			return fakeop.Faults{JWKS: func(set map[string]any) {
				set["keys"] = slices.DeleteFunc(set["keys"].([]map[string]any), func(k map[string]any) bool { return k["kty"] != "EC" })
				v(set["keys"].([]map[string]any)[0])
			}}
		},
		[]string{"kty", "crv", "x", "y"},
	},
	"token answer": {
		func(v func(map[string]any)) fakeop.Faults { return fakeop.Faults{TokenResponse: v} },
		[]string{"access_token", "token_type", "id_token"},
	},
	"ID token": {
		func(v func(map[string]any)) fakeop.Faults {
			return fakeop.Faults{IDToken: func(_, claims map[string]any) { v(claims) }}
		},
		[]string{"iss", "sub", "aud", "exp", "iat", "nonce"},
	},
	"ID token header": {
		func(v func(map[string]any)) fakeop.Faults {
			return fakeop.Faults{IDToken: func(header, _ map[string]any) { v(header) }}
		},
		nil, // fakeop signs by the alg that it reads there
	},
	"UserInfo": {
		func(v func(map[string]any)) fakeop.Faults { return fakeop.Faults{UserInfo: v} },
		[]string{"sub"},
	},
}

// TestProviderLiesAboutTypes puts each wrong value in the place of each member of everything that a provider says.
// Either it does not matter, and alice is signed in as alice, or nobody is.
func TestProviderLiesAboutTypes(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) { c.Clients[0].IDTokenAlg = "ES256" }})
	cells, passed := 0, 0
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		doc := documents[name]
		for _, member := range membersOf(t, idp, doc.change) {
			for _, wrong := range wrongValues {
				cells++
				if lieAbout(t, idp, doc.change, name, member, wrong) {
					passed++
					if slices.Contains(doc.needed, member) {
						t.Errorf("%s: %s is %#v, and alice is signed in", name, member, wrong)
					}
				}
			}
		}
	}
	t.Logf("%d lies, of which %d do not matter", cells, passed)
	if cells < 300 || passed == 0 || passed == cells {
		t.Error("that proves little")
	}
}

// membersOf returns the names of the members of a document that the provider makes.
func membersOf(t *testing.T, idp *hostileIDP, change func(func(map[string]any)) fakeop.Faults) []string {
	t.Helper()
	var mu sync.Mutex
	var names []string
	idp.SetFaults(change(func(members map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		names = slices.Sorted(maps.Keys(members))
	}))
	w := newWorld(t, idp, nil)
	b := w.browser()
	w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	mu.Lock()
	defer mu.Unlock()
	return names
}

// lieAbout reports whether alice is signed in all the same.
func lieAbout(t *testing.T, idp *hostileIDP, change func(func(map[string]any)) fakeop.Faults, name, member string, wrong any) bool {
	t.Helper()
	idp.SetFaults(change(func(members map[string]any) { members[member] = wrong }))
	w := newWorld(t, idp, nil)
	b := w.browser()
	start := w.send(b, http.MethodGet, auth.DefaultBasePath+"/signin", nil)
	where := fmt.Sprintf("%s: %s is %#v", name, member, wrong)
	a := start
	if start.status == http.StatusFound {
		// A document may lead the browser anywhere, so this one goes where the provider is.
		a = w.finish(b, b.Authorize(idp.Issuer()+"/authorize?"+queryOf(t, start), "alice"))
	}
	if a.status == http.StatusFound {
		w.signedIn(b, a, "alice")
		return true
	}
	if a.status != http.StatusBadGateway && a.status != http.StatusBadRequest || a.status != statusOf(auth.Code(a.reason)) {
		t.Errorf("%s: %d, reason %q", where, a.status, a.reason)
	}
	if n := w.kv.sessions(); n != 0 || w.kv.transactions() != 0 {
		t.Errorf("%s: %d sessions, %d transactions", where, n, w.kv.transactions())
	}
	for _, c := range a.cookies {
		if c.Name == kvoauth.DefaultCookieName || c.MaxAge >= 0 {
			t.Errorf("%s: sets the cookie %s", where, c.Name)
		}
	}
	return false
}

// TestProviderClock: a provider whose clock is wrong by less than the skew is as good as any, and one whose clock is
// wrong by more signs nobody in. What its Date says matters to nobody. A refresh that brings an ID token of another hour
// ends the session, as one that is wrong in any other way does.
func TestProviderClock(t *testing.T) {
	for _, c := range []struct {
		ahead time.Duration
		good  bool
	}{
		{0, true},
		{30 * time.Second, true}, {-30 * time.Second, true}, {skew, true}, {-skew, true},
		{skew + time.Second, false}, {time.Hour, false}, {-time.Hour, false}, {24 * 365 * time.Hour, false}, {-24 * 365 * time.Hour, false},
	} {
		t.Run(c.ahead.String(), func(t *testing.T) {
			t.Run("sign-in", func(t *testing.T) {
				g := newRig(t, rigOptions{})
				g.wrongClock(c.ahead)
				r, p := g.callback("alice")
				result, err := g.HandleCallback(r, p)
				switch {
				case c.good && err != nil:
					t.Error(err)
				case !c.good && (result != nil || auth.CodeOf(err) != auth.CodeIDTokenInvalid):
					t.Errorf("result %t, error %v", result != nil, err)
				}
				if list, err := g.ListSessions(t.Context(), "alice"); err != nil || (len(list) == 1) != c.good {
					t.Errorf("%d sessions, %v", len(list), err)
				}
			})
			t.Run("refresh", func(t *testing.T) {
				g, result := aged(t, rigOptions{})
				g.wrongClock(c.ahead)
				want := auth.Code("")
				if !c.good {
					want = auth.CodeSessionRevoked
				}
				g.mustBe(credential(result), want)
				if n := g.refreshes(); n != 1 {
					t.Errorf("%d refreshes", n)
				}
			})
		})
	}
}

// wrongClock makes ID tokens of a provider whose clock is ahead by so much, which live for ten minutes.
func (g *rig) wrongClock(ahead time.Duration) {
	g.idp.SetFaults(fakeop.Faults{
		IDToken: func(_, claims map[string]any) {
			now := g.clock.Now().Add(ahead)
			claims["iat"], claims["exp"] = now.Unix(), now.Add(10*time.Minute).Unix()
		},
		Answer: map[fakeop.Endpoint]func(*fakeop.Response){fakeop.EndpointToken: func(r *fakeop.Response) {
			r.Header.Set("Date", g.clock.Now().Add(24*ahead).UTC().Format(http.TimeFormat))
			r.Header.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
		}},
	})
}

// TestOwnClockJumps: our own clock jumps, back too, as after a correction. A session that has not reached its limits by
// the clock as it then is lives, and nothing is asked of the provider without an end.
func TestOwnClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{30 * time.Second, -30 * time.Second, time.Hour, -time.Hour, 23 * time.Hour, -48 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			g := newRig(t, rigOptions{})
			result := g.signIn("alice")
			g.idp.Reset()
			for range 5 {
				g.clock.advance(jump)
				g.mustBe(credential(result), "")
				g.mustBe(credential(result), "")
				g.clock.advance(-jump)
				g.mustBe(credential(result), "")
			}
			if n := g.refreshes(); n > 5 {
				t.Errorf("%d refreshes in ten jumps", n)
			}
			if err := g.RevokeSession(t.Context(), result.Session.ID); err != nil {
				t.Fatal(err)
			}
			g.clock.advance(jump)
			g.mustBe(credential(result), auth.CodeSessionNotFound)
		})
	}
}

// TestProviderAnswerLostAfterItActed: the provider has rotated the refresh token and its answer breaks off, anywhere. The
// session lives as long as its own limits let it while the provider cannot be asked again; when it is asked it takes the
// old token for stolen, and the session ends, once.
func TestProviderAnswerLostAfterItActed(t *testing.T) {
	idp := newFarIDP(t)
	for _, after := range []int{0, 1, 15, 100, 400, 700} {
		t.Run(fmt.Sprint(after, " bytes"), func(t *testing.T) {
			f := newFar(t, idp)
			w := f.world(ample, fakeop.EndpointToken)
			b := w.browser()
			w.signedIn(b, w.finish(b, w.begin(b)), "alice")
			f.clock.advance(56 * time.Minute)
			f.proxies[fakeop.EndpointToken].CutAfter(after)
			for range 3 {
				a := w.send(b, http.MethodGet, auth.DefaultBasePath+"/session", nil)
				if a.status != http.StatusOK || !authenticated(t, a) || len(a.cookies) != 0 {
					t.Fatalf("%d %s, cookies %v", a.status, a.body, a.cookies)
				}
			}
			f.clock.advance(31 * time.Second)
			eventually(t, "the provider is not asked again", func() bool { // the first attempt may still be at it
				a := w.send(b, http.MethodGet, auth.DefaultBasePath+"/session", nil)
				f.clock.advance(31 * time.Second)
				return a.status == http.StatusOK && !authenticated(t, a) && len(a.cookies) == 1 && a.cookies[0].MaxAge < 0
			})
			if n := f.asked[fakeop.EndpointToken].Load(); n != 3 {
				t.Errorf("the token endpoint was asked %d times, want 3", n)
			}
			f.quiet()
		})
	}
}

// queryOf returns the query of where an answer redirects to.
func queryOf(t *testing.T, a *answer) string {
	t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u.RawQuery
}
