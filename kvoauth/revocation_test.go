package kvoauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

// revocations returns what was sent to the revocation endpoint.
func (g *rig) revocations() (sent []fakeop.Request) {
	for _, r := range g.idp.Requests() {
		if r.Endpoint == fakeop.EndpointRevocation {
			sent = append(sent, r)
		}
	}
	return sent
}

// revoked returns the token of the nth revocation, or "".
func (g *rig) revoked(n int) string {
	if sent := g.revocations(); n < len(sent) {
		return sent[n].Form.Get("token")
	}
	return ""
}

// settle waits until nothing is left to be revoked.
func (g *rig) settle() {
	g.t.Helper()
	if err := g.Shutdown(context.Background()); err != nil {
		g.t.Error(err)
	}
}

// TestRevocation (S-REV, NS-44): whatever ends a session, its refresh token is revoked, by the client that it was given
// to, and those of other sessions are not.
func TestRevocation(t *testing.T) {
	for name, end := range map[string]func(g *rig, mine, other *auth.CallbackResult) error{
		"sign-out": func(g *rig, mine, _ *auth.CallbackResult) error {
			_, err := g.SignOut(request(session(credential(mine))), auth.SignOutParams{})
			return err
		},
		"by another session": func(g *rig, mine, other *auth.CallbackResult) error {
			_, err := g.SignOut(request(session(credential(other))), auth.SignOutParams{SessionID: mine.Session.ID})
			return err
		},
		"by handle": func(g *rig, mine, _ *auth.CallbackResult) error {
			return g.RevokeSession(g.t.Context(), mine.Session.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{})
			mine, other := g.signIn("alice"), g.signIn("alice")
			if err := end(g, mine, other); err != nil {
				t.Fatal(err)
			}
			g.settle()
			if n := g.idp.RefreshTokens("alice"); n != 1 {
				t.Errorf("%d refresh tokens are good, want that of the other session", n)
			}
			sent := g.revocations()
			if len(sent) != 1 || sent[0].Form.Get("token_type_hint") != "refresh_token" || sent[0].Method != http.MethodPost {
				t.Fatalf("revocations: %d", len(sent))
			}
			if id, secret, ok := (&http.Request{Header: sent[0].Header}).BasicAuth(); !ok || id != g.idp.ClientID || secret != g.idp.ClientSecret.Reveal() {
				t.Error("the client has not authenticated as at the token endpoint")
			}
			if g.seen(auth.EventTokenRevoked) != 1 || g.seen(auth.EventTokenRevocationFailed) != 0 {
				t.Error("no event, or of a failure")
			}
		})
	}
}

func TestRevocationEverywhere(t *testing.T) {
	for name, end := range map[string]func(g *rig, mine *auth.CallbackResult) error{
		"sign-out": func(g *rig, mine *auth.CallbackResult) error {
			_, err := g.SignOut(request(session(credential(mine))), auth.SignOutParams{Everywhere: true})
			return err
		},
		"revoke": func(g *rig, _ *auth.CallbackResult) error {
			_, err := g.RevokeSessions(g.t.Context(), "alice")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{})
			mine := g.signIn("alice")
			for range 5 {
				g.signIn("alice")
			}
			g.signIn("bob")
			if err := end(g, mine); err != nil {
				t.Fatal(err)
			}
			g.settle()
			if alice, bob := g.idp.RefreshTokens("alice"), g.idp.RefreshTokens("bob"); alice != 0 || bob != 1 {
				t.Errorf("good refresh tokens: %d of alice, %d of bob", alice, bob)
			}
		})
	}
}

// TestRevocationOfAccessToken: a session without a refresh token.
func TestRevocationOfAccessToken(t *testing.T) {
	g := newRig(t, rigOptions{provider: func(c *fakeop.Config) { c.Clients[0].RequireOfflineAccess = true }})
	if err := g.RevokeSession(t.Context(), g.signIn("alice").Session.ID); err != nil {
		t.Fatal(err)
	}
	g.settle()
	if sent := g.revocations(); len(sent) != 1 || sent[0].Form.Get("token_type_hint") != "access_token" || sent[0].Form.Get("token") == "" {
		t.Errorf("%d revocations", len(sent))
	}
}

// TestRevocationOfTokensWithoutSession (S-NEW): the sign-in succeeds at the provider and not here.
func TestRevocationOfTokensWithoutSession(t *testing.T) {
	for name, breaks := range map[string]func(g *rig){
		"store fails":      func(g *rig) { g.breaks(on(storetest.Fail, storetest.OpCompareAndSwap, "s")) },
		"reply is lost":    func(g *rig) { g.breaks(on(storetest.LoseReply, storetest.OpCompareAndSwap, "s")) },
		"index fails":      func(g *rig) { g.breaks(on(storetest.Fail, storetest.OpGet, "u")) },
		"ended meanwhile":  func(g *rig) { _, _ = g.RevokeSessions(g.t.Context(), "alice") },
		"refused by a map": func(g *rig) { g.deny.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			var g *rig
			g = newRig(t, rigOptions{backend: func(c *kvoauth.Config) {
				c.MapPrincipal = func(*http.Request, *auth.Principal) error {
					if g.deny.Load() {
						return errors.New("no")
					}
					return nil
				}
			}})
			r, p := g.callback("alice")
			breaks(g)
			if _, err := g.HandleCallback(r, p); err == nil {
				t.Fatal("signed in")
			}
			g.breaks(nil)
			g.settle()
			if n := g.idp.RefreshTokens("alice"); n != 0 {
				t.Errorf("%d refresh tokens are good", n)
			}
		})
	}
}

// TestRevocationOfThePreviousSession: the browser signs in again. Another account's tokens are revoked; those of the same
// one may be of one grant with the new tokens.
func TestRevocationOfThePreviousSession(t *testing.T) {
	for _, tt := range []struct {
		next string
		want int
	}{{"alice", 0}, {"bob", 1}} {
		g := newRig(t, rigOptions{})
		before := g.signIn("alice")
		g.signIn(tt.next, session(credential(before)))
		g.mustBe(credential(before), auth.CodeSessionNotFound)
		g.settle()
		if n := len(g.revocations()); n != tt.want {
			t.Errorf("%s: %d revocations, want %d", tt.next, n, tt.want)
		}
	}
}

// TestNoRevocation: of what a provider cannot revoke, or not alone.
func TestNoRevocation(t *testing.T) {
	for name, o := range map[string]rigOptions{
		"consent would end": {backend: func(c *kvoauth.Config) { c.Clients[0].Provider.RevocationEndsConsent = true }},
		"no endpoint":       {},
	} {
		g := newRig(t, o)
		if name == "no endpoint" {
			g.idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { delete(doc, "revocation_endpoint") }})
		}
		if err := g.RevokeSession(t.Context(), g.signIn("alice").Session.ID); err != nil {
			t.Fatal(err)
		}
		g.settle()
		if len(g.revocations()) != 0 || g.seen(auth.EventTokenRevoked)+g.seen(auth.EventTokenRevocationFailed) != 0 {
			t.Errorf("%s: %d revocations", name, len(g.revocations()))
		}
	}
}

// TestRevocationEndpointOfADefinition wins over discovery.
func TestRevocationEndpointOfADefinition(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) {
		c.Clients[0].Provider.RevocationEndpoint = c.Clients[0].Provider.Issuer + "/revoke"
	}})
	g.idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc["revocation_endpoint"] = "https://elsewhere.test/" }})
	if err := g.RevokeSession(t.Context(), g.signIn("alice").Session.ID); err != nil {
		t.Fatal(err)
	}
	g.settle()
	if len(g.revocations()) != 1 {
		t.Error("not revoked at the definition's endpoint")
	}
}

// TestUnacceptableLogoutEndpoints: neither a token nor a browser is sent to them.
func TestUnacceptableLogoutEndpoints(t *testing.T) {
	for _, name := range []string{"revocation_endpoint", "end_session_endpoint"} {
		for _, endpoint := range []string{"http://idp.test/x", "javascript:alert(1)", "//idp.test/x", "https://u:p@idp.test/x", "https://idp.test/#x", "file:///etc/passwd"} {
			g := newRig(t, rigOptions{})
			g.idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc[name] = endpoint }})
			if _, err := g.SignIn(request(), auth.SignInParams{}); auth.CodeOf(err) != auth.CodeProviderInvalid {
				t.Errorf("%s %s: %v", name, endpoint, err)
			}
		}
	}
}

// TestRevocationIsRetried: the sign-out waits for none of it.
func TestRevocationIsRetried(t *testing.T) {
	for name, tt := range map[string]struct {
		hook fakeop.Hook
		want []time.Duration // between the attempts
	}{
		"500":                 {fakeop.Reply(500, "text/plain", ""), []time.Duration{time.Second, 5 * time.Second, 25 * time.Second}},
		"429":                 {fakeop.Reply(429, "text/plain", ""), []time.Duration{time.Second, 5 * time.Second, 25 * time.Second}},
		"503, soon":           {busy("1"), []time.Duration{time.Second, 5 * time.Second, 25 * time.Second}},
		"503, later":          {busy("17"), []time.Duration{17 * time.Second, 17 * time.Second, 25 * time.Second}},
		"503, at a time":      {busy("date"), []time.Duration{20 * time.Second, 20 * time.Second, 25 * time.Second}},
		"503, much too later": {busy("9999"), []time.Duration{time.Minute, time.Minute, time.Minute}},
		"503, nonsense":       {busy("-1"), []time.Duration{time.Second, 5 * time.Second, 25 * time.Second}},
		"hangs":               {fakeop.Hang(), []time.Duration{11 * time.Second, 15 * time.Second, 35 * time.Second}},
		"breaks off":          {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, []time.Duration{time.Second, 5 * time.Second, 25 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, rigOptions{realTime: true})
				result := g.signIn("alice")
				var at []time.Time
				g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointRevocation: func(w http.ResponseWriter, r *http.Request) bool {
					at = append(at, time.Now()) // one worker is at it
					return tt.hook(w, r)
				}}})
				start := time.Now()
				if _, err := g.SignOut(request(session(credential(result))), auth.SignOutParams{}); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(start); waited != 0 {
					t.Errorf("the sign-out took %v", waited)
				}
				g.settle()
				if len(at) != len(tt.want)+1 {
					t.Fatalf("%d attempts", len(at))
				}
				for i, want := range tt.want {
					if got := at[i+1].Sub(at[i]); got != want {
						t.Errorf("attempt %d came after %v, want %v", i+2, got, want)
					}
				}
				if g.seen(auth.EventTokenRevocationFailed) != 1 || g.seen(auth.EventTokenRevoked) != 0 {
					t.Error("no event says that it was given up")
				}
			})
		})
	}
}

func busy(after string) fakeop.Hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		v := after
		if v == "date" {
			v = time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)
		}
		w.Header().Set("Retry-After", v)
		return fakeop.Reply(503, "text/plain", "")(w, r)
	}
}

// TestRevocationAfterAnOutage succeeds at the third attempt.
func TestRevocationAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions{realTime: true})
		result := g.signIn("alice")
		down := 2
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointRevocation: func(w http.ResponseWriter, r *http.Request) bool {
			down--
			return down >= 0 && fakeop.Reply(502, "text/plain", "")(w, r)
		}}})
		if err := g.RevokeSession(context.Background(), result.Session.ID); err != nil {
			t.Fatal(err)
		}
		g.settle()
		if g.idp.RefreshTokens("alice") != 0 || g.seen(auth.EventTokenRevoked) != 1 || g.seen(auth.EventTokenRevocationFailed) != 0 {
			t.Error("not revoked")
		}
	})
}

// TestRevocationRefused: what the provider will refuse again is not asked again, and its redirect is not followed.
func TestRevocationRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		hook fakeop.Hook
		code auth.Code
	}{
		"400":      {fakeop.Reply(400, "application/json", `{"error":"unsupported_token_type"}`), auth.CodeProviderRefused},
		"401":      {fakeop.Reply(401, "application/json", `{"error":"invalid_client"}`), auth.CodeClientRejected},
		"404":      {fakeop.Reply(404, "text/html", marker), auth.CodeProviderRefused},
		"redirect": {fakeop.Redirect(307, elsewhere), auth.CodeProviderInvalid},
	} {
		g := newRig(t, rigOptions{})
		result := g.signIn("alice")
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointRevocation: tt.hook}})
		if err := g.RevokeSession(t.Context(), result.Session.ID); err != nil {
			t.Fatal(err)
		}
		g.settle()
		e := g.last(auth.EventTokenRevocationFailed)
		if len(g.revocations()) != 1 || e.Code != tt.code || e.SessionID != result.Session.ID || e.ProviderID == "" {
			t.Errorf("%s: %d requests, event %v", name, len(g.revocations()), e)
		}
	}
}

// TestShutdown gives up when its context ends; sign-outs go on.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions{realTime: true})
		var results []*auth.CallbackResult
		for range 7 { // more than are revoked at a time
			results = append(results, g.signIn("alice"))
		}
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointRevocation: fakeop.Reply(500, "text/plain", "")}})
		for _, r := range results[:6] {
			if err := g.RevokeSession(context.Background(), r.Session.ID); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if n := g.seen(auth.EventTokenRevocationFailed); n != 6 {
			t.Errorf("%d were given up, want 6", n)
		}
		if _, err := g.SignOut(request(session(credential(results[6]))), auth.SignOutParams{}); err != nil {
			t.Error(err)
		}
		if n := g.seen(auth.EventTokenRevocationFailed); n != 7 {
			t.Errorf("%d were given up, want 7", n)
		}
		for range 20 { // nothing is left, so that ctx is done is no matter
			if err := g.Shutdown(ctx); err != nil {
				t.Fatalf("again: %v", err)
			}
		}
	})
}

// TestRevocationsAreBounded: a provider that never answers holds up neither sign-outs nor memory.
func TestRevocationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiting, workers, tooMany = 1024, 4, 3
		g := newRig(t, rigOptions{realTime: true, backend: func(c *kvoauth.Config) { c.Clients[0].Provider.UserInfoEndpoint = "" }})
		result := g.signIn("alice")
		sealed := g.stored(sessionKey(result.Session.ID))
		atOnce, most := 0, 0
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointRevocation: func(_ http.ResponseWriter, r *http.Request) bool {
			g.mu.Lock()
			atOnce++
			most = max(most, atOnce)
			g.mu.Unlock()
			<-r.Context().Done()
			g.mu.Lock()
			atOnce--
			g.mu.Unlock()
			return true
		}}})
		for range waiting + workers + tooMany {
			g.put(sessionKey(result.Session.ID), sealed) // a store that brings it back each time
			if err := g.RevokeSession(context.Background(), result.Session.ID); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		g.mu.Lock()
		if most != workers {
			t.Errorf("%d at a time", most)
		}
		g.mu.Unlock()
		if n := g.seen(auth.EventTokenRevocationFailed); n != tooMany {
			t.Errorf("%d were dropped, want %d", n, tooMany)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.Shutdown(ctx)
		time.Sleep(time.Minute)
		if n := g.seen(auth.EventTokenRevocationFailed); n != waiting+workers+tooMany {
			t.Errorf("%d were given up in the end", n)
		}
	})
}

// TestRefreshedTokensOfSomebodyElse: a refresh that ends the session has the new tokens revoked too.
func TestRefreshedTokensOfSomebodyElse(t *testing.T) {
	g, result := aged(t, rigOptions{})
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) { claims["sub"] = "mallory" }})
	g.mustBe(credential(result), auth.CodeSessionRevoked)
	g.settle()
	if len(g.revocations()) != 2 || g.revoked(0) == g.revoked(1) || g.idp.RefreshTokens("alice") != 0 {
		t.Errorf("%d revocations, %d good tokens", len(g.revocations()), g.idp.RefreshTokens("alice"))
	}
}

// TestRevocationSecrecy: the token goes into the request's body alone.
func TestRevocationSecrecy(t *testing.T) {
	g := newRig(t, rigOptions{})
	if err := g.RevokeSession(t.Context(), g.signIn("alice").Session.ID); err != nil {
		t.Fatal(err)
	}
	g.settle()
	sent := g.revocations()
	if len(sent) != 1 || len(sent[0].Query) != 0 || strings.Contains(sent[0].Path, g.revoked(0)) {
		t.Fatal("not one revocation without a query")
	}
}
