package kvoauth_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// everyoneLinks has every account as its own user's, and links whatever it is asked to.
type everyoneLinks struct{}

func (everyoneLinks) SignIn(_ context.Context, a store.Account) (string, error) {
	return a.AccountID, nil
}
func (everyoneLinks) Link(context.Context, string, store.Account) (bool, error) { return true, nil }

func withLinks(maxAge time.Duration) rigOptions {
	return rigOptions{provider: withLevels, backend: func(c *kvoauth.Config) { c.Users, c.LinkMaxAge = everyoneLinks{}, maxAge }}
}

// TestLinkProvesNothing: whoever owns the account that is linked is not thereby the user who asked for it. Or who finds a
// browser signed in would step up as its user by linking an account of their own (ASVS-7.5.3).
func TestLinkProvesNothing(t *testing.T) {
	for name, claims := range map[string]func(map[string]any){
		"known":   func(c map[string]any) { c["acr"], c["amr"] = "silver", []string{"pwd"} },
		"unknown": func(c map[string]any) { delete(c, "auth_time") },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, withLinks(0))
			g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) { claims(c) }})
			first := g.signIn("alice")
			g.clock.advance(time.Hour)
			g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) {
				c["auth_time"], c["acr"], c["amr"] = g.clock.Now().Unix(), "gold", []string{"hwk"}
			}})
			linked, err := g.attempt(auth.SignInParams{Link: true}, "bob", session(credential(first)))
			if err != nil {
				t.Fatal(err)
			}
			was, is := first.Session, linked.Session
			if is.UserID != "alice" || is.AccountID != "bob" || !is.AuthTime.Equal(was.AuthTime) || is.ACR != was.ACR || !slices.Equal(is.AMR, was.AMR) {
				t.Errorf("%s has %v %q %q, before %v %q %q", is.UserID, is.AuthTime, is.ACR, is.AMR, was.AuthTime, was.ACR, was.AMR)
			}
		})
	}
}

// TestLinkMaxAge is ASVS-7.5.1: who links an account has proven lately who they are.
func TestLinkMaxAge(t *testing.T) {
	for name, c := range map[string]struct {
		maxAge  time.Duration
		age     time.Duration
		unknown bool
		code    auth.Code
	}{
		"recent":                 {5 * time.Minute, 5 * time.Minute, false, ""},
		"not recent":             {5 * time.Minute, 5*time.Minute + time.Second, false, auth.CodeInsufficientAuthentication},
		"not known":              {5 * time.Minute, 0, true, auth.CodeInsufficientAuthentication},
		"not known, any known":   {math.MaxInt64, 0, true, auth.CodeInsufficientAuthentication},
		"not recent, any age":    {0, 10 * time.Hour, false, ""},
		"not known, and any age": {0, 0, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, withLinks(c.maxAge))
			if c.unknown {
				g.idp.SetFaults(fakeop.Faults{IDToken: dropClaim("auth_time")})
			}
			first := g.signIn("alice")
			g.clock.advance(c.age)
			if _, err := g.SignIn(request(session(credential(first))), auth.SignInParams{Link: true}); auth.CodeOf(err) != c.code {
				t.Errorf("%v, want %q", err, c.code)
			}
			g.mustBe(credential(first), "")
		})
	}
	for _, d := range []time.Duration{-time.Second, time.Millisecond} {
		c := newRig(t, rigOptions{}).config
		c.LinkMaxAge = d
		if _, err := kvoauth.NewKvOAuthBackend(c); auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Errorf("%v: %v", d, err)
		}
	}
}
