package kvoauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

func TestSessionEndsWhenIdle(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, _ := g.create("alice")
	g.clock.advance(kvoauth.DefaultIdleTimeout - time.Millisecond)
	g.mustBe(credential, "")
	g.clock.advance(kvoauth.DefaultIdleTimeout - time.Millisecond)
	g.mustBe(credential, "")
	g.clock.advance(kvoauth.DefaultIdleTimeout)
	_, err := g.Authenticate(request(session(credential)))
	if !rejected(err, auth.CodeSessionNotFound) && !rejected(err, auth.CodeSessionExpired) {
		t.Errorf("an idle session: %v", err)
	}
}

// TestSessionEndsByItsOwnClock keeps the record in the store beyond its end: what counts is what the record says.
func TestSessionEndsByItsOwnClock(t *testing.T) {
	for name, lifetime := range map[string]time.Duration{"idle": kvoauth.DefaultIdleTimeout, "absolute": time.Hour} {
		g := newRig(t, rigOptions{})
		created, err := g.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice", Lifetime: max(lifetime, 2*lifetime-2*time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		id, live := created.Session.ID, credentialIn(created.Cookies)
		record := g.stored(sessionKey(id))
		g.clock.advance(lifetime - time.Millisecond)
		g.put(sessionKey(id), record)
		g.clock.advance(time.Millisecond)
		if _, err := g.Authenticate(request(session(live))); !rejected(err, auth.CodeSessionExpired) {
			t.Errorf("%s: an expired session that the store still has: %v", name, err)
		}
		if g.seen(auth.EventSessionExpired) != 1 {
			t.Errorf("%s: no event says that the session has expired", name)
		}
		if _, err := g.SessionByID(t.Context(), id); auth.CodeOf(err) != auth.CodeSessionExpired {
			t.Errorf("%s: SessionByID: %v", name, err)
		}
		if list, err := g.ListSessions(t.Context(), "alice"); err != nil || len(list) != 0 {
			t.Errorf("%s: ListSessions: %d sessions, %v", name, len(list), err)
		}
	}
}

// frozen answers GetIfChanged with a record as it once was, as a store may whose cache was not told of a change.
type frozen struct {
	store.KV
	record []byte
}

func (f *frozen) GetIfChanged(ctx context.Context, key string, seen uint64) ([]byte, uint64, bool, error) {
	if f.record != nil {
		return f.record, 1, true, nil
	}
	value, found, err := f.Get(ctx, key)
	return value, 1, found, err
}

// TestUseElsewhereKeepsTheSession: a process that was not told of a use in another must not call the session idle.
func TestUseElsewhereKeepsTheSession(t *testing.T) {
	g := newRig(t, rigOptions{})
	behind := &frozen{KV: g.faults}
	other := g.build(func(c *kvoauth.Config) { c.KV = behind })
	credential, s := g.create("alice")
	behind.record = g.stored(sessionKey(s.ID))
	for range 3 {
		g.clock.advance(kvoauth.DefaultIdleTimeout / 2)
		g.mustBe(credential, "")
	}
	if _, err := other.Authenticate(request(session(credential))); err != nil {
		t.Errorf("a session in use: %v", err)
	}
	g.clock.advance(kvoauth.DefaultIdleTimeout)
	if _, err := other.Authenticate(request(session(credential))); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an idle session: %v", err)
	}
}

func TestSessionEndsAbsolutely(t *testing.T) {
	g := newRig(t, rigOptions{provider: func(c *fakeop.Config) { c.AccessTokenLife = 10 * time.Minute }})
	result := g.signIn("alice")
	end := g.clock.Now().Add(kvoauth.DefaultAbsoluteTimeout)
	for g.clock.Now().Add(5 * time.Hour).Before(end) {
		g.clock.advance(5 * time.Hour) // used all the time, and its tokens renewed
		a, err := g.Authenticate(request(session(credential(result))))
		if err != nil {
			t.Fatalf("%v before the end: %v", end.Sub(g.clock.Now()), err)
		}
		if a.Session.ExpiresAt.After(end) {
			t.Fatalf("ends %v after its absolute limit", a.Session.ExpiresAt.Sub(end))
		}
	}
	g.clock.advance(end.Sub(g.clock.Now()))
	if g.whoIs(credential(result)) == "" {
		t.Error("a session outlives its absolute limit")
	}
	if g.seen(auth.EventTokenRefreshed) == 0 {
		t.Error("the tokens were never refreshed: the test proves less than it says")
	}
}

func TestSessionUseIsNotedNowAndThen(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, _ := g.create("alice")
	writes := func() int { return g.count(storetest.OpCompareAndSwap, "s") + g.count(storetest.OpSet, "s") }
	before := writes()
	for range 600 { // ten minutes of a request each second
		g.mustBe(credential, "")
		g.clock.advance(time.Second)
	}
	if n := writes() - before; n < 1 || n > 2 {
		t.Errorf("600 requests in ten minutes wrote %d times, want one or two", n)
	}
	a, err := g.Authenticate(request(session(credential)))
	if err != nil {
		t.Fatal(err)
	}
	if late := g.clock.Now().Sub(a.Session.LastUsedAt); late > 5*time.Minute {
		t.Errorf("the last use was noted %v ago", late)
	}
}

func TestSessionWithShortIdleTimeout(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.IdleTimeout = time.Minute }})
	credential, _ := g.create("alice")
	for range 100 {
		g.clock.advance(55 * time.Second)
		g.mustBe(credential, "")
	}
	g.clock.advance(time.Minute)
	if g.whoIs(credential) == "" {
		t.Error("an idle session lives on")
	}
}

// TestTouchNeverRevives signs out at the moment when the touch is about to be written.
func TestTouchNeverRevives(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, s := g.create("alice")
	g.clock.advance(time.Hour)
	g.breaks(func(op storetest.Op, key string) storetest.Fault {
		if op == storetest.OpCompareAndSwap && key == sessionKey(s.ID) {
			_ = g.memory.Delete(context.Background(), key)
		}
		return storetest.None
	})
	g.mustBe(credential, auth.CodeSessionNotFound)
	g.breaks(nil)
	g.mustBe(credential, auth.CodeSessionNotFound)
}

func TestTouchFailureIsNoFailure(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.Fail, storetest.LoseReply} {
		g := newRig(t, rigOptions{})
		credential, _ := g.create("alice")
		g.clock.advance(time.Hour)
		g.breaks(on(fault, storetest.OpCompareAndSwap, "s"))
		g.mustBe(credential, "")
	}
}

func TestSignInRenewsTheSession(t *testing.T) {
	for name, mode := range map[string]string{"query": "", "form_post": "form_post"} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.Clients[0].Provider.ResponseMode = mode }})
			first := g.signIn("alice")
			second := g.signIn("bob", session(credential(first)))
			if credential(first) == credential(second) || first.Session.ID == second.Session.ID {
				t.Error("the sign-in kept the id")
			}
			g.mustBe(credential(first), auth.CodeSessionNotFound)
			g.mustBe(credential(second), "")
			if list, err := g.ListSessions(context.Background(), "alice"); err != nil || len(list) != 0 {
				t.Errorf("alice has %d sessions, %v", len(list), err)
			}
		})
	}
}

// TestSignInEndsTheSessionOfTheCallback is for a browser that got a session after it had started this sign-in: in another tab.
func TestSignInEndsTheSessionOfTheCallback(t *testing.T) {
	g := newRig(t, rigOptions{})
	redirect, err := g.SignIn(request(), auth.SignInParams{})
	if err != nil {
		t.Fatal(err)
	}
	other := g.signIn("alice")
	r, p := g.answer(redirect, "alice", session(credential(other)))
	result, err := g.HandleCallback(r, p)
	if err != nil {
		t.Fatal(err)
	}
	g.mustBe(credential(other), auth.CodeSessionNotFound)
	g.mustBe(credential(result), "")
}

// TestFailedSignInKeepsTheSession: only a completed sign-in ends the session before it.
func TestFailedSignInKeepsTheSession(t *testing.T) {
	g := newRig(t, rigOptions{})
	first := g.signIn("alice")
	r, p := g.callback("alice", session(credential(first)))
	p.Values.Set("iss", "https://elsewhere.test")
	if _, err := g.HandleCallback(r, p); auth.CodeOf(err) != auth.CodeIssuerMismatch {
		t.Fatal(err)
	}
	g.mustBe(credential(first), "")
}

func TestUnknownCredentialIsNeverAdopted(t *testing.T) {
	g := newRig(t, rigOptions{})
	planted := strings.Repeat("A", 43)
	g.mustBe(planted, auth.CodeSessionNotFound)
	result := g.signIn("alice", session(planted))
	if credential(result) == planted {
		t.Error("the sign-in took the browser's value")
	}
	g.mustBe(planted, auth.CodeSessionNotFound)
	if _, found, _ := g.memory.Get(context.Background(), sessionKey(planted)); found {
		t.Error("the store has a record under the credential itself")
	}
}

func TestEveryChangedCredentialIsRefused(t *testing.T) {
	g := newRig(t, rigOptions{})
	good, _ := g.create("alice")
	g.mustBe(good, "")
	refuse := func(value string) {
		t.Helper()
		r := request()
		r.Header.Set("Cookie", kvoauth.DefaultCookieName+"="+value)
		_, err := g.Authenticate(r)
		if !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%q instead of %q: %v", value, good, err)
		}
	}
	for i := range len(good) {
		for bit := range 8 {
			changed := []byte(good)
			changed[i] ^= 1 << bit
			refuse(string(changed))
		}
		refuse(good[:i])
		refuse(good[i+1:])
	}
	for _, more := range []string{"A", "=", ".", " x", "\x00", "%00", good} {
		refuse(good + more)
		refuse(more + good)
	}
	g.mustBe(good, "")
}

// TestCredentialIsNowhere looks for the credential in the store and in everything that is shown.
func TestCredentialIsNowhere(t *testing.T) {
	g := newRig(t, rigOptions{})
	result := g.signIn("alice")
	secret := credential(result)
	s := result.Session
	for _, shown := range []string{s.ID, s.Subject, s.UserID, s.AccountID, result.Redirect.Location, result.State} {
		if strings.Contains(shown, secret) {
			t.Errorf("%q holds the credential", shown)
		}
	}
	if s.ID == "" || s.ID == secret {
		t.Error("the handle is empty or the credential")
	}
	g.mustBe(s.ID, auth.CodeSessionNotFound) // a handle does not authenticate
	id, ok := g.SessionID(request(session(secret)))
	if !ok || id != s.ID {
		t.Errorf("SessionID: %q, %t, want %q", id, ok, s.ID)
	}
	if record := g.stored(sessionKey(s.ID)); strings.Contains(string(record), secret) || strings.Contains(string(record), "alice") {
		t.Error("the stored record is readable")
	}
}

func TestTransactionCookieIsNoSession(t *testing.T) {
	g := newRig(t, rigOptions{})
	redirect, err := g.SignIn(request(), auth.SignInParams{})
	if err != nil {
		t.Fatal(err)
	}
	secret := redirect.Cookies[0].Value
	g.mustBe(secret, auth.CodeSessionNotFound)
	g.mustBe(redirect.State, auth.CodeSessionNotFound)

	// The stored transaction in the place of a session.
	_, s := g.create("alice")
	g.put(sessionKey(s.ID), g.stored("t:"+redirect.State))
	if _, err := g.SessionByID(context.Background(), s.ID); auth.CodeOf(err) != auth.CodeSessionInvalid {
		t.Errorf("a transaction read as session: %v", err)
	}

	// And a session's credential as the cookie of a transaction.
	live, _ := g.create("alice")
	_, p := g.answer(redirect, "alice")
	r := request(&http.Cookie{Name: redirect.Cookies[0].Name, Value: live})
	if _, err := g.HandleCallback(r, p); auth.CodeOf(err) != auth.CodeTransactionMissing {
		t.Errorf("a session as transaction: %v", err)
	}
}

func TestRecordThatIsNotOurs(t *testing.T) {
	for _, plain := range []bool{false, true} {
		g := newRig(t, rigOptions{plain: plain})
		credential, s := g.create("alice")
		_, other := g.create("bob")
		record := g.stored(sessionKey(s.ID))
		foreign := g.stored(sessionKey(other.ID))
		future := append([]byte{record[0] + 1}, record[1:]...)
		unknownKey := append([]byte{record[0], record[1] ^ 1}, record[2:]...)
		cases := map[string][]byte{
			"of another session": foreign, "empty": {}, "one byte": record[:1], "half": record[:len(record)/2],
			"cut": record[:len(record)-1], "longer": append(record[:len(record):len(record)], 0), "of another version": future,
			"of an unknown key": unknownKey, "text": []byte(`{"subject":"alice"}`),
		}
		for name, value := range cases {
			g.put(sessionKey(s.ID), record)
			g.mustBe(credential, "") // and is in the cache
			g.put(sessionKey(s.ID), value)
			before := g.seen(auth.EventSessionRejected)
			if _, err := g.Authenticate(request(session(credential))); !rejected(err, auth.CodeSessionInvalid) {
				t.Errorf("a record %s: %v", name, err)
			}
			if g.seen(auth.EventSessionRejected) != before+1 {
				t.Errorf("a record %s: no event", name)
			}
		}
		g.put(sessionKey(s.ID), record)
		g.mustBe(credential, "")
	}
}

// TestCacheServesNothingOld changes the store behind the backend's back.
func TestCacheServesNothingOld(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, size := range []int{0, -1, 1} {
			g := newRig(t, rigOptions{plain: plain, backend: func(c *kvoauth.Config) { c.CachedSessions = size }})
			node := g.build(nil)
			credential, s := g.create("alice")
			for range 3 {
				g.mustBe(credential, "")
			}
			g.clock.advance(time.Hour)
			if _, err := node.Authenticate(request(session(credential))); err != nil { // notes the use
				t.Fatal(err)
			}
			a, err := g.Authenticate(request(session(credential)))
			if err != nil || !a.Session.LastUsedAt.Equal(g.clock.Now()) {
				t.Errorf("plain %t, size %d: a change elsewhere is not seen: %v", plain, size, err)
			}
			if err := node.RevokeSession(context.Background(), s.ID); err != nil {
				t.Fatal(err)
			}
			g.mustBe(credential, auth.CodeSessionNotFound)
		}
	}
}

// TestCacheSavesDecoding: a session that has not changed is decoded once.
func TestCacheSavesDecoding(t *testing.T) {
	for _, plain := range []bool{false, true} {
		g := newRig(t, rigOptions{plain: plain})
		credential, _ := g.create("alice")
		first, err := g.Authenticate(request(session(credential)))
		if err != nil {
			t.Fatal(err)
		}
		second, err := g.Authenticate(request(session(credential)))
		if err != nil {
			t.Fatal(err)
		}
		if first != second {
			t.Errorf("plain %t: decoded twice", plain)
		}
	}
}
