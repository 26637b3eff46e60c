package kvoauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
)

func withKeys(keys ...auth.Key) func(*kvoauth.Config) {
	return func(c *kvoauth.Config) { c.Keys = keys }
}

func codeAt(b *kvoauth.Backend, credential string) auth.Code {
	_, err := b.Authenticate(request(session(credential)))
	return auth.CodeOf(err)
}

// TestKeyRotation adds a key, makes it the first, and drops the old one.
func TestKeyRotation(t *testing.T) {
	g := newRig(t, rigOptions{})
	first, second := g.keys[0], auth.GenerateKey()
	old, oldSession := g.create("alice")
	added, rotated, dropped := g.build(withKeys(first, second)), g.build(withKeys(second, first)), g.build(withKeys(second))

	if got := codeAt(rotated, old); got != "" {
		t.Errorf("old session with both keys: %q", got)
	}
	created, err := rotated.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	fresh := credentialIn(created.Cookies)
	for name, b := range map[string]*kvoauth.Backend{"key added": added, "rotated": rotated} {
		if got := codeAt(b, fresh); got != "" {
			t.Errorf("new session, %s: %q", name, got)
		}
		if list, err := b.ListSessions(t.Context(), "alice"); err != nil || len(list) != 2 {
			t.Errorf("%s: %d sessions are listed, %v", name, len(list), err)
		}
	}
	g.mustBe(fresh, auth.CodeSessionInvalid) // sealed with the new key, which this one does not have

	if got := codeAt(dropped, fresh); got != "" {
		t.Errorf("new session, old key dropped: %q", got)
	}
	if _, err := dropped.Authenticate(request(session(old))); !rejected(err, auth.CodeSessionInvalid) {
		t.Errorf("old session, old key dropped: %v", err)
	}
	if list, err := dropped.ListSessions(t.Context(), "alice"); err != nil || len(list) != 1 {
		t.Errorf("old key dropped: %d sessions are listed, %v", len(list), err)
	}
	if _, err := dropped.SessionByID(t.Context(), oldSession.ID); auth.CodeOf(err) != auth.CodeSessionInvalid {
		t.Error(err)
	}
}

// TestKeyDroppedAtOnce is for a key that has leaked: everything under it ends, and its users can sign in again.
func TestKeyDroppedAtOnce(t *testing.T) {
	g := newRig(t, rigOptions{})
	first, second := g.keys[0], auth.GenerateKey()
	var old []string
	for range 3 {
		c := credential(g.signIn("alice"))
		old = append(old, c)
	}
	rotated := g.build(withKeys(second, first))
	g.clock.advance(time.Hour) // all are written again: the use is noted, and the tokens are renewed
	for _, c := range old {
		if got := codeAt(rotated, c); got != "" {
			t.Fatalf("%q", got)
		}
	}
	dropped := g.build(withKeys(second))
	for _, c := range old {
		if _, err := dropped.Authenticate(request(session(c))); !rejected(err, auth.CodeSessionInvalid) {
			t.Errorf("a session that began under the dropped key: %v", err)
		}
	}
	if n, err := dropped.RevokeSessions(t.Context(), "alice"); err != nil || n != 0 {
		t.Errorf("ended %d of the sessions that ended with the key, %v", n, err)
	}
	created, err := dropped.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice"})
	if err != nil {
		t.Fatalf("alice cannot sign in again: %v", err)
	}
	if n, err := dropped.RevokeSessions(t.Context(), "alice"); err != nil || n != 1 {
		t.Errorf("ended %d, %v", n, err)
	}
	if got := codeAt(dropped, credentialIn(created.Cookies)); got != auth.CodeSessionNotFound {
		t.Errorf("%q", got)
	}
}

// indexKey returns the key of the root of a user's index, which the store has been asked for before.
func (g *rig) indexKey(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	handle := ":" + base64.RawURLEncoding.EncodeToString(sum[:])
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.keysSeen {
		if strings.HasSuffix(key, handle) {
			return key
		}
	}
	return ""
}

// TestIndexThatIsNotOurs: "everything is ended" is not said of a list that cannot be read.
func TestIndexThatIsNotOurs(t *testing.T) {
	g := newRig(t, rigOptions{})
	live, _ := g.create("alice")
	g.create("bob")
	alice, bob := g.indexKey("alice"), g.indexKey("bob")
	good := g.stored(alice)
	for name, value := range map[string][]byte{"of another user": g.stored(bob), "empty": {}, "cut": good[:len(good)-1]} {
		g.put(alice, value)
		if _, err := g.RevokeSessions(t.Context(), "alice"); !undecided(err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := g.ListSessions(t.Context(), "alice"); !undecided(err) {
			t.Errorf("%s: list: %v", name, err)
		}
		if _, err := g.SignOut(request(session(live)), auth.SignOutParams{Everywhere: true}); !undecided(err) {
			t.Errorf("%s: everywhere: %v", name, err)
		}
	}
	g.put(alice, good)
	if n, err := g.RevokeSessions(t.Context(), "alice"); err != nil || n != 1 {
		t.Errorf("ended %d, %v", n, err)
	}
}
