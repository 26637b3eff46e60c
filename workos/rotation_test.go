package workos_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

// rotating is a WorkOS whose signing key and answers tests choose.
type rotating struct {
	t       *testing.T
	clock   *clock
	keys    map[string]*testKey
	signs   string         // the key of new tokens
	shows   string         // the key on the list
	claims  map[string]any // of new tokens, over the ordinary ones
	status  int            // of the JWK set
	fetches atomic.Int64
}

func newRotating(t *testing.T) *rotating {
	return &rotating{t: t, clock: newClock(), keys: newTestKeys(t), signs: "main", shows: "main", status: 200}
}

func (w *rotating) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/sso/jwks/") {
		w.fetches.Add(1)
		return answer(w.status, `{"keys":[`+w.keys[w.shows].jwk+`]}`), nil
	}
	body, err := json.Marshal(map[string]any{
		"access_token":  w.keys[w.signs].sign(w.t, nil, with(baseClaims(w.clock.Now()), w.claims)),
		"refresh_token": "rt_2", "user": map[string]any{"id": testUser},
	})
	return answer(200, string(body)), err
}

func (w *rotating) backend() *workos.Backend {
	return mustNew(w.t, workos.Config{
		ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey), Now: w.clock.Now,
		Refresh: workos.OnExpiry, HTTPClient: &http.Client{Transport: w},
	})
}

// cookie is a request with a token of the key called name. refresh tells its refreshes apart.
func (w *rotating) cookie(name, refresh string) *http.Request {
	token := w.keys[name].sign(w.t, nil, baseClaims(w.clock.Now()))
	return cookieRequest(sealTest(w.t, strings.Replace(sessionJSON(token), "rt_1", refresh, 1)))
}

// A key that WorkOS began to use a moment ago does not cost anybody the session: the new token came from WorkOS itself.
func TestRefreshAfterKeyRotation(t *testing.T) {
	w := newRotating(t)
	b := w.backend()
	first := w.cookie("main", "rt_a")
	if _, err := b.Authenticate(first); err != nil {
		t.Fatal(err)
	}
	w.signs, w.shows = "second", "second"
	w.clock.advance(241 * time.Second)
	_, err := b.Authenticate(w.cookie("second", "rt_forged"))
	wantCode(t, err, auth.CodeTokenInvalid, false) // a cookie does not get past the cooldown
	if n := w.fetches.Load(); n != 1 {
		t.Fatalf("%d fetches", n)
	}
	a, err := b.Authenticate(first)
	if err != nil || len(a.Cookies) != 1 || w.fetches.Load() != 2 {
		t.Errorf("%v, %d fetches", err, w.fetches.Load())
	}
}

// Also WorkOS' own tokens cause a fetch no more than every ten seconds.
func TestRefreshWithUnknownKeyIsBounded(t *testing.T) {
	w := newRotating(t)
	b := w.backend()
	w.signs = "second"
	for _, tt := range []struct {
		after   time.Duration
		fetches int64
	}{{0, 2}, {9 * time.Second, 2}, {time.Second, 3}} {
		w.clock.advance(tt.after)
		_, err := b.Refresh(w.cookie("main", "rt_"+tt.after.String()), workos.RefreshParams{})
		wantCode(t, err, auth.CodeProviderInvalid, false)
		if n := w.fetches.Load(); n != tt.fetches {
			t.Errorf("%s later: %d fetches, want %d", tt.after, n, tt.fetches)
		}
	}
}

// Forged tokens during a failure at WorkOS do not become a request each, in a burst or one a second.
func TestForgedTokensWhileKeysFail(t *testing.T) {
	w := newRotating(t)
	b := w.backend()
	good := w.cookie("main", "rt_1")
	if _, err := b.Authenticate(good); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(301 * time.Second)
	w.status = 500
	forged := w.cookie("rogue", "rt_1")
	for range 50 {
		_, err := b.Authenticate(forged)
		wantCode(t, err, auth.CodeProviderUnavailable, false)
		w.clock.advance(time.Second)
	}
	if n := w.fetches.Load(); n != 3 {
		t.Errorf("%d fetches, want the first and one every 30 seconds", n)
	}
}

// Many tokens at once cause one fetch also when it fails before the last of them asks.
func TestConcurrentTokensWhileKeysFail(t *testing.T) {
	for range 40 {
		w := newRotating(t)
		w.status = 500
		b := w.backend()
		r := w.cookie("main", "rt_1")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = b.Authenticate(r) })
		}
		if wg.Wait(); w.fetches.Load() != 1 {
			t.Fatalf("%d fetches", w.fetches.Load())
		}
	}
}

// A switch that ends in another organization is no switch. The refresh token is spent nevertheless: the error has the new
// cookie.
func TestSwitchToAnotherOrganization(t *testing.T) {
	for got, code := range map[string]auth.Code{"org_2": "", "org_3": auth.CodeProviderInvalid, "": auth.CodeProviderInvalid} {
		w := newRotating(t)
		w.claims = map[string]any{"org_id": got}
		b := w.backend()
		_, err := b.Refresh(w.cookie("main", "rt_1"), workos.RefreshParams{OrganizationID: "org_2"})
		if auth.CodeOf(err) != code {
			t.Errorf("%q: %v, want %q", got, err, code)
		}
		if err == nil {
			continue
		}
		cookies := cookiesOf(err)
		if len(cookies) != 1 || cookies[0].MaxAge < 0 {
			t.Fatalf("%q: cookies %v", got, cookies)
		}
		if s, err := b.Session(withCookie(cookies[0])); err != nil || s.ID != testSession {
			t.Errorf("%q: with the new cookie: %v", got, err)
		}
	}
}
