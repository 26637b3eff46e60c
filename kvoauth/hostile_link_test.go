package kvoauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// userList is a user store that says whose an account is.
type userList struct {
	mu    sync.Mutex
	owner map[string]string // of the account
	links int
}

func (u *userList) SignIn(_ context.Context, a store.Account) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := a.ProviderID + " " + a.AccountID
	if u.owner[key] == "" {
		u.owner[key] = fmt.Sprint("user-", len(u.owner)+1)
	}
	return u.owner[key], nil
}

func (u *userList) Link(_ context.Context, userID string, a store.Account) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.links++
	key := a.ProviderID + " " + a.AccountID
	if u.owner[key] != "" && u.owner[key] != userID {
		return false, nil
	}
	u.owner[key] = userID
	return true, nil
}

// linking returns an application that keeps users and has two providers.
func linking(t *testing.T) (*world, *userList) {
	t.Helper()
	idp := newIDP(t, authtest.ProviderConfig{})
	other := newIDP(t, authtest.ProviderConfig{ID: "other", Issuer: "https://other.test"})
	users := &userList{owner: map[string]string{}}
	return newWorld(t, idp, func(c *kvoauth.Config) { c.Users = users }, other), users
}

// beginLink starts to link an account of the second provider and lets bob sign in there.
func (w *world) beginLink(b *authtest.Browser) *authtest.Callback {
	w.t.Helper()
	var started struct{ RedirectURL string }
	b.PostJSON(auth.DefaultBasePath+"/signin", map[string]any{"providerId": "other", "link": true}).JSON(w.t, &started)
	return b.Authorize(started.RedirectURL, "bob")
}

// TestHostileLink: an account is linked by the browser whose user asked for it, while that user is signed in there, and
// not otherwise (ADV-16, ADV-39).
func TestHostileLink(t *testing.T) {
	const alice, bob = "fake alice", "other bob"
	t.Run("as it should be", func(t *testing.T) {
		w, users := linking(t)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b, "providerId", "fake")), "alice")
		w.signedIn(b, w.finish(b, w.beginLink(b)), "urn:netscript:other:bob")
		if users.owner[bob] != users.owner[alice] || users.owner[bob] == "" {
			t.Errorf("owners %v", users.owner)
		}
	})
	t.Run("nobody is signed in", func(t *testing.T) {
		w, users := linking(t)
		page := w.browser().PostJSON(auth.DefaultBasePath+"/signin", map[string]any{"providerId": "other", "link": true})
		if page.Status != http.StatusUnauthorized || w.kv.transactions() != 0 || users.links != 0 {
			t.Errorf("status %d, %d transactions", page.Status, w.kv.transactions())
		}
	})
	t.Run("a link on a page of another site", func(t *testing.T) {
		w, users := linking(t)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b, "providerId", "fake")), "alice")
		begun := b.Do(httptest.NewRequest(http.MethodGet, auth.DefaultBasePath+"/signin?providerId=other&link=true", nil))
		w.finish(b, b.Authorize(begun.Header.Get("Location"), "bob"))
		if users.links != 0 || users.owner[bob] == users.owner[alice] {
			t.Errorf("linked: owners %v", users.owner)
		}
	})
	t.Run("a form of another site", func(t *testing.T) {
		w, users := linking(t)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b, "providerId", "fake")), "alice")
		page := b.PostFrom("https://evil.test", auth.DefaultBasePath+"/signin", map[string][]string{"providerId": {"other"}, "link": {"true"}})
		if page.Status != http.StatusForbidden || w.kv.transactions() != 0 || users.links != 0 {
			t.Errorf("status %d, %d transactions", page.Status, w.kv.transactions())
		}
	})
	for name, meanwhile := range map[string]func(w *world, b *authtest.Browser){
		"signed out meanwhile": func(_ *world, b *authtest.Browser) { b.SignOut() },
		"somebody else signed in meanwhile": func(w *world, b *authtest.Browser) {
			w.signedIn(b, w.finish(b, b.Authorize(b.StartSignIn("providerId", "fake"), "carol")), "carol")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, users := linking(t)
			b := w.browser()
			w.signedIn(b, w.finish(b, w.begin(b, "providerId", "fake")), "alice")
			cb := w.beginLink(b)
			meanwhile(w, b)
			if a := w.finish(b, cb); a.reason != string(auth.CodeTransactionInvalid) || users.links != 0 || users.owner[bob] != "" {
				t.Errorf("reason %q, owners %v", a.reason, users.owner)
			}
		})
	}
	t.Run("to pass for a step-up", func(t *testing.T) {
		w, users := linking(t)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b, "providerId", "fake")), "alice")
		for _, demand := range []map[string]any{{"maxAge": 0}, {"acrValues": []string{"gold"}}} {
			demand["providerId"], demand["link"] = "other", true
			if page := b.PostJSON(auth.DefaultBasePath+"/signin", demand); page.Status != http.StatusUnprocessableEntity {
				t.Errorf("status %d", page.Status)
			}
		}
		if w.kv.transactions() != 0 || users.links != 0 {
			t.Errorf("%d transactions", w.kv.transactions())
		}
	})
	t.Run("in the browser of the victim", func(t *testing.T) {
		w, users := linking(t)
		attacker, victim := w.browser(), w.browser()
		w.signedIn(attacker, w.finish(attacker, w.begin(attacker, "providerId", "fake")), "alice")
		w.signedIn(victim, w.finish(victim, victim.Authorize(victim.StartSignIn("providerId", "fake"), "carol")), "carol")
		if a := w.finish(victim, w.beginLink(attacker)); a.reason != string(auth.CodeTransactionMissing) || users.links != 0 {
			t.Errorf("reason %q, owners %v", a.reason, users.owner)
		}
	})
}
