package kvoauth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/interop/oidcprovider"
)

type sessionAnswer struct {
	Session struct {
		ID       string
		AuthTime time.Time
		ACR      string
		UserID   string
	}
}

func (a *app) session() (answer sessionAnswer) {
	a.t.Helper()
	res := a.do(http.MethodGet, a.url+auth.DefaultBasePath+"/session", nil)
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		a.t.Fatalf("session: %s, %v", res.Status, err)
	}
	return answer
}

// ask signs user in with what query asks for, and returns why it failed, or "".
func (a *app) ask(user, query string) auth.Code {
	a.t.Helper()
	res := a.do(http.MethodGet, a.url+auth.DefaultBasePath+"/signin?returnTo=/welcome&"+query, nil)
	if res.StatusCode != http.StatusFound {
		a.t.Fatalf("sign-in with %s: %s", query, res.Status)
	}
	res = a.finish(a.provider.Login(a.t, a.browser, res.Header.Get("Location"), user))
	if res.StatusCode == http.StatusFound {
		return ""
	}
	var problem struct{ Data struct{ Reason auth.Code } }
	if err := json.NewDecoder(res.Body).Decode(&problem); err != nil || problem.Data.Reason == "" {
		a.t.Fatalf("callback after %s: %s, %v", query, res.Status, err)
	}
	return problem.Data.Reason
}

// TestStepUp asks a provider that shares no code with this library for a recent and for a strong authentication.
func TestStepUp(t *testing.T) {
	a := newApp(t, "basic", oidcprovider.Options{ACRValues: []string{"urn:test:gold", "urn:test:silver"}}, nil)
	gold := "acrValues=" + url.QueryEscape("urn:test:platinum urn:test:gold")

	if code := a.ask("erin", "prompt=none"); code != auth.CodeLoginRequired {
		t.Errorf("nobody, silently: %q", code)
	}
	if code := a.ask("erin", ""); code != "" {
		t.Fatalf("sign-in: %q", code)
	}
	first := a.session().Session
	if !first.AuthTime.IsZero() || first.ACR != "" {
		t.Errorf("nothing was asked for, and the provider says %+v", first)
	}
	if code := a.ask("erin", "prompt=none"); code != "" {
		t.Errorf("silently: %q", code)
	}

	before := time.Now()
	if code := a.ask("erin", "maxAge=0&prompt=login"); code != "" {
		t.Fatalf("again: %q", code)
	}
	second := a.session().Session
	if second.AuthTime.Before(before.Add(-time.Minute)) || second.AuthTime.After(time.Now().Add(time.Minute)) || second.ID == first.ID || second.UserID != first.UserID {
		t.Errorf("after %+v: %+v", first, second)
	}
	if code := a.ask("erin", "maxAge=3600"); code != "" {
		t.Errorf("within an hour: %q", code)
	}
	if third := a.session().Session; !third.AuthTime.Equal(second.AuthTime) {
		t.Errorf("authenticated at %v, and then, without being asked, at %v", second.AuthTime, third.AuthTime)
	}

	// acr_values are voluntary: who is signed in at the provider is let through without them.
	if code := a.ask("erin", gold); code != auth.CodeUnmetAuthentication {
		t.Errorf("a class that the provider did not ask for: %q", code)
	}
	if code := a.ask("erin", gold+"&prompt=login"); code != "" {
		t.Fatalf("a class: %q", code)
	}
	strong := a.session().Session
	if strong.ACR != "urn:test:gold" {
		t.Errorf("class %q", strong.ACR)
	}
	if code := a.ask("erin", "acrValues=urn:test:platinum&prompt=login"); code != auth.CodeUnmetAuthentication {
		t.Errorf("a class that the provider does not have: %q", code)
	}
	if code := a.ask("mallory", "maxAge=0&prompt=login"); code != auth.CodeUserMismatch {
		t.Errorf("somebody else: %q", code)
	}
	if now := a.session().Session; now.ID != strong.ID {
		t.Errorf("a refused step-up has changed the session to %+v", now)
	}
}
