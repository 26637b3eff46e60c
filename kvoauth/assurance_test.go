package kvoauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

// attempt signs user in with p and returns what comes of it.
func (g *rig) attempt(p auth.SignInParams, user string, cookies ...*http.Cookie) (*auth.CallbackResult, error) {
	g.t.Helper()
	redirect, err := g.SignIn(request(cookies...), p)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.HandleCallback(g.answer(redirect, user, cookies...))
}

func withLevels(c *fakeop.Config) { c.ACRValues = []string{"gold", "silver"} }

// asked returns the query of the authorization request that SignIn makes of p.
func (g *rig) asked(p auth.SignInParams) url.Values {
	g.t.Helper()
	redirect, err := g.SignIn(request(), p)
	if err != nil {
		g.t.Fatal(err)
	}
	u, err := url.Parse(redirect.Location)
	if err != nil {
		g.t.Fatal(err)
	}
	return u.Query()
}

func TestAuthenticationRequest(t *testing.T) {
	for name, c := range map[string]struct {
		defined map[string]string
		p       auth.SignInParams
		want    map[string]string // "" is absent
	}{
		"nothing":       {nil, auth.SignInParams{}, map[string]string{"max_age": "", "acr_values": "", "prompt": ""}},
		"an age":        {nil, auth.SignInParams{MaxAge: 90 * time.Second}, map[string]string{"max_age": "90"}},
		"a fraction":    {nil, auth.SignInParams{MaxAge: 1999 * time.Millisecond}, map[string]string{"max_age": "1"}},
		"now":           {nil, auth.SignInParams{MaxAge: auth.ReauthenticateNow}, map[string]string{"max_age": "0"}},
		"classes":       {nil, auth.SignInParams{ACRValues: []string{"gold", "urn:x:silver"}}, map[string]string{"acr_values": "gold urn:x:silver"}},
		"no classes":    {nil, auth.SignInParams{ACRValues: []string{}}, map[string]string{"acr_values": ""}},
		"prompts":       {nil, auth.SignInParams{Prompt: "login consent"}, map[string]string{"prompt": "login consent"}},
		"defined":       {map[string]string{"max_age": "60", "acr_values": "gold", "prompt": "consent"}, auth.SignInParams{}, map[string]string{"max_age": "60", "acr_values": "gold", "prompt": "consent"}},
		"raised":        {map[string]string{"max_age": "60", "acr_values": "gold silver"}, auth.SignInParams{MaxAge: 30 * time.Second, ACRValues: []string{"bronze", "silver"}}, map[string]string{"max_age": "30", "acr_values": "silver"}},
		"not lowered":   {map[string]string{"max_age": "60"}, auth.SignInParams{MaxAge: time.Hour}, map[string]string{"max_age": "60"}},
		"0 not lowered": {map[string]string{"max_age": "0"}, auth.SignInParams{MaxAge: time.Hour}, map[string]string{"max_age": "0"}},
		"raised to 0":   {map[string]string{"max_age": "60"}, auth.SignInParams{MaxAge: auth.ReauthenticateNow}, map[string]string{"max_age": "0"}},
		"more prompts":  {map[string]string{"prompt": "consent"}, auth.SignInParams{Prompt: "login consent"}, map[string]string{"prompt": "consent login"}},
		"silent":        {map[string]string{"prompt": "consent"}, auth.SignInParams{Prompt: "none"}, map[string]string{"prompt": "none"}},
		"not silent":    {map[string]string{"prompt": "none"}, auth.SignInParams{Prompt: "login"}, map[string]string{"prompt": "login"}},
		"no injection":  {nil, auth.SignInParams{LoginHint: "a&client_id=b&max_age=9"}, map[string]string{"client_id": "test-client", "max_age": "", "login_hint": "a&client_id=b&max_age=9"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{backend: func(k *kvoauth.Config) { k.Clients[0].Provider.AuthParams = c.defined }})
			got := g.asked(c.p)
			for param, want := range c.want {
				if got.Get(param) != want || want == "" && got.Has(param) || len(got[param]) > 1 {
					t.Errorf("%s is %q, want %q", param, got[param], want)
				}
			}
		})
	}
}

func TestAuthenticationRequestRefused(t *testing.T) {
	plain := func(k *kvoauth.Config) {
		p, err := providers.Define(providers.Provider{ID: "plain", Kind: providers.OAuth, AuthorizationEndpoint: "https://idp.test/a",
			TokenEndpoint: "https://idp.test/t", UserInfoEndpoint: "https://idp.test/u", Mapping: providers.Mapping{Subject: "sub"}})
		if err != nil {
			t.Fatal(err)
		}
		k.Clients[0].Provider = p
	}
	defined := func(name, value string) func(*kvoauth.Config) {
		return func(k *kvoauth.Config) { k.Clients[0].Provider.AuthParams = map[string]string{name: value} }
	}
	for name, c := range map[string]struct {
		backend func(*kvoauth.Config)
		p       auth.SignInParams
		code    auth.Code
	}{
		"CONF-G09":                        {nil, auth.SignInParams{Prompt: "none", MaxAge: auth.ReauthenticateNow}, auth.CodeValidation},
		"CONF-G09, the age defined":       {defined("max_age", "0"), auth.SignInParams{Prompt: "none"}, auth.CodeValidation},
		"CONF-G09, the prompt defined":    {defined("prompt", "none"), auth.SignInParams{MaxAge: auth.ReauthenticateNow}, auth.CodeValidation},
		"silence where login is defined":  {defined("prompt", "login"), auth.SignInParams{Prompt: "none"}, auth.CodeValidation},
		"silence where a choice is":       {defined("prompt", "consent select_account"), auth.SignInParams{Prompt: "none"}, auth.CodeValidation},
		"a link and an age":               {nil, auth.SignInParams{Link: true, MaxAge: time.Hour}, auth.CodeValidation},
		"a link and a class":              {nil, auth.SignInParams{Link: true, ACRValues: []string{"gold"}}, auth.CodeValidation},
		"none with login":                 {nil, auth.SignInParams{Prompt: "none login"}, auth.CodeValidation},
		"an unknown prompt":               {nil, auth.SignInParams{Prompt: "Login"}, auth.CodeValidation},
		"below a second":                  {nil, auth.SignInParams{MaxAge: time.Millisecond}, auth.CodeValidation},
		"a negative age":                  {nil, auth.SignInParams{MaxAge: -time.Second}, auth.CodeValidation},
		"two classes in one":              {nil, auth.SignInParams{ACRValues: []string{"a b"}}, auth.CodeValidation},
		"an empty class":                  {nil, auth.SignInParams{ACRValues: []string{""}}, auth.CodeValidation},
		"a class with a quote":            {nil, auth.SignInParams{ACRValues: []string{`a"`}}, auth.CodeValidation},
		"too many classes":                {nil, auth.SignInParams{ACRValues: slices.Repeat([]string{"a"}, 17)}, auth.CodeValidation},
		"ADV-94: only weaker classes":     {defined("acr_values", "gold"), auth.SignInParams{ACRValues: []string{"silver"}}, auth.CodeValidation},
		"an age of an OAuth provider":     {plain, auth.SignInParams{MaxAge: time.Hour}, auth.CodeUnsupported},
		"no age of an OAuth provider":     {plain, auth.SignInParams{MaxAge: auth.ReauthenticateNow}, auth.CodeUnsupported},
		"classes of an OAuth provider":    {plain, auth.SignInParams{ACRValues: []string{"gold"}}, auth.CodeUnsupported},
		"a prompt of an OAuth provider":   {plain, auth.SignInParams{Prompt: "login"}, ""},
		"a prompt of an OpenID provider":  {nil, auth.SignInParams{Prompt: "select_account"}, ""},
		"none with an age of some length": {nil, auth.SignInParams{Prompt: "none", MaxAge: time.Second}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{backend: c.backend})
			if _, err := g.SignIn(request(), c.p); auth.CodeOf(err) != c.code {
				t.Errorf("%v, want %q", err, c.code)
			}
			if n := g.count(storetest.OpSet, "t"); c.code != "" && n != 0 {
				t.Errorf("%d transactions are stored", n)
			}
		})
	}
}

// TestAuthenticationAnswer is OIDC-11, OIDC-12 and ADV-94: what was asked for and is not plainly in the ID token was not
// done. A refused ID token is the end: UserInfo is not asked.
func TestAuthenticationAnswer(t *testing.T) {
	const hour = time.Hour
	at := func(d time.Duration) func(*rig) any {
		return func(g *rig) any { return g.clock.Now().Add(d).Unix() }
	}
	is := func(v any) func(*rig) any { return func(*rig) any { return v } }
	gone := func(*rig) any { return nil }
	for name, c := range map[string]struct {
		p     auth.SignInParams
		claim string
		value func(*rig) any // nil: as the provider says; a nil value: no claim
		ok    bool
	}{
		"just now":                        {auth.SignInParams{MaxAge: hour}, "", nil, true},
		"as old as may be":                {auth.SignInParams{MaxAge: hour}, "auth_time", at(-hour - skew), true},
		"older":                           {auth.SignInParams{MaxAge: hour}, "auth_time", at(-hour - skew - time.Second), false},
		"missing":                         {auth.SignInParams{MaxAge: hour}, "auth_time", gone, false},
		"null":                            {auth.SignInParams{MaxAge: hour}, "auth_time", is(rawJSON("null")), false},
		"a text":                          {auth.SignInParams{MaxAge: hour}, "auth_time", is("1777636800"), false},
		"a list":                          {auth.SignInParams{MaxAge: hour}, "auth_time", is([]int{1}), false},
		"zero":                            {auth.SignInParams{MaxAge: hour}, "auth_time", is(0), false},
		"negative":                        {auth.SignInParams{MaxAge: hour}, "auth_time", is(-1), false},
		"a fraction":                      {auth.SignInParams{MaxAge: hour}, "auth_time", is(rawJSON("1.7776368005e9")), true},
		"huge":                            {auth.SignInParams{MaxAge: hour}, "auth_time", is(rawJSON("1e300")), false},
		"in the future by the skew":       {auth.SignInParams{MaxAge: hour}, "auth_time", at(skew), true},
		"in the future":                   {auth.SignInParams{MaxAge: hour}, "auth_time", at(skew + time.Second), false},
		"now":                             {auth.SignInParams{MaxAge: auth.ReauthenticateNow}, "", nil, true},
		"now, before the sign-in":         {auth.SignInParams{MaxAge: auth.ReauthenticateNow}, "auth_time", at(-skew - time.Second), false},
		"now, missing":                    {auth.SignInParams{MaxAge: auth.ReauthenticateNow}, "auth_time", gone, false},
		"not asked, missing":              {auth.SignInParams{}, "auth_time", gone, true},
		"not asked, a text":               {auth.SignInParams{}, "auth_time", is("yesterday"), true},
		"the class":                       {auth.SignInParams{ACRValues: []string{"gold"}}, "", nil, true},
		"one of the classes":              {auth.SignInParams{ACRValues: []string{"platinum", "silver"}}, "", nil, true},
		"another class":                   {auth.SignInParams{ACRValues: []string{"gold"}}, "acr", is("silver"), false},
		"a class that begins alike":       {auth.SignInParams{ACRValues: []string{"gold"}}, "acr", is("gold1"), false},
		"the beginning of a class":        {auth.SignInParams{ACRValues: []string{"gold"}}, "acr", is("gol"), false},
		"a class in capitals":             {auth.SignInParams{ACRValues: []string{"gold"}}, "acr", is("Gold"), false},
		"a class that the provider lacks": {auth.SignInParams{ACRValues: []string{"platinum"}}, "", nil, false},
		"no class":                        {auth.SignInParams{ACRValues: []string{"gold"}}, "acr", gone, false},
		"an empty class":                  {auth.SignInParams{ACRValues: []string{"gold"}}, "acr", is(""), false},
		"a list of classes":               {auth.SignInParams{ACRValues: []string{"gold"}}, "acr", is([]string{"gold"}), false},
		"a level in place of a class":     {auth.SignInParams{ACRValues: []string{"2"}}, "acr", is(2), false},
		"a class under another name":      {auth.SignInParams{ACRValues: []string{"platinum"}}, "ACR", is("platinum"), false},
		"a time under another name":       {auth.SignInParams{MaxAge: hour}, "auth_time", func(g *rig) any { return nil }, false},
		"both, one of them":               {auth.SignInParams{MaxAge: hour, ACRValues: []string{"gold"}}, "auth_time", gone, false},
		"not asked, no class":             {auth.SignInParams{}, "acr", is(2), true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{provider: withLevels})
			if c.value != nil {
				g.idp.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) {
					claims["Auth_time"] = g.clock.Now().Unix() // never taken for auth_time
					if claims[c.claim] = c.value(g); claims[c.claim] == nil {
						delete(claims, c.claim)
					}
				}})
			}
			_, err := g.attempt(c.p, "alice")
			if c.ok != (err == nil) || !c.ok && auth.CodeOf(err) != auth.CodeUnmetAuthentication {
				t.Errorf("%v", err)
			}
			if n := g.idp.Count(fakeop.EndpointUserInfo); !c.ok && n != 0 {
				t.Errorf("%d calls to UserInfo", n)
			}
		})
	}
}

// TestDefinedAuthenticationIsChecked: what the provider's definition asks for is not merely sent.
func TestDefinedAuthenticationIsChecked(t *testing.T) {
	for _, name := range []string{"auth_time", "acr"} {
		g := newRig(t, rigOptions{provider: withLevels, backend: func(k *kvoauth.Config) {
			k.Clients[0].Provider.AuthParams = map[string]string{"max_age": "60", "acr_values": "gold"}
		}})
		if _, err := g.attempt(auth.SignInParams{}, "alice"); err != nil {
			t.Fatal(err)
		}
		g.idp.SetFaults(fakeop.Faults{IDToken: dropClaim(name)})
		if _, err := g.attempt(auth.SignInParams{}, "alice"); auth.CodeOf(err) != auth.CodeUnmetAuthentication {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestSlowPerson has proven who she is in this sign-in, and then takes her time on a page of the provider.
func TestSlowPerson(t *testing.T) {
	g := newRig(t, rigOptions{})
	redirect, err := g.SignIn(request(), auth.SignInParams{MaxAge: auth.ReauthenticateNow})
	if err != nil {
		t.Fatal(err)
	}
	began := g.clock.Now()
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) { c["auth_time"] = began.Unix() }})
	g.clock.advance(5 * time.Minute)
	result, err := g.HandleCallback(g.answer(redirect, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Session.AuthTime; !got.Equal(began) {
		t.Errorf("AuthTime is %v, want %v", got, began)
	}
}

// TestSessionTellsTheAuthentication: what the ID token says, and nothing that it does not say.
func TestSessionTellsTheAuthentication(t *testing.T) {
	g := newRig(t, rigOptions{provider: withLevels})
	now := g.clock.Now()
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) {
		c["auth_time"], c["amr"] = now.Add(-time.Hour).Unix(), []string{"pwd", "otp"}
	}, UserInfo: func(c map[string]any) { c["auth_time"], c["acr"] = now.Unix(), "platinum" }})
	result, err := g.attempt(auth.SignInParams{ACRValues: []string{"gold"}}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	a, err := g.Authenticate(request(session(credential(result))))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*auth.Session{result.Session, a.Session} {
		if !s.AuthTime.Equal(now.Add(-time.Hour)) || s.ACR != "gold" || !slices.Equal(s.AMR, []string{"pwd", "otp"}) {
			t.Errorf("%v %q %q", s.AuthTime, s.ACR, s.AMR)
		}
	}
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) {
		c["auth_time"], c["acr"], c["amr"] = now.Add(skew+time.Second).Unix(), []string{"gold"}, []any{"pwd", 1}
	}})
	if s := g.signIn("alice").Session; !s.AuthTime.IsZero() || s.ACR != "" || s.AMR != nil {
		t.Errorf("made of what is malformed: %v %q %q", s.AuthTime, s.ACR, s.AMR)
	}
	g.idp.SetFaults(fakeop.Faults{IDToken: setClaim("auth_time", now.Add(skew).Unix())})
	if s := g.signIn("alice").Session; !s.AuthTime.Equal(now) {
		t.Errorf("in the future: %v", s.AuthTime)
	}
	long := strings.Repeat("g", 255)
	for _, c := range []struct {
		acr  string
		amr  []string
		kept bool
	}{{long, slices.Repeat([]string{long}, 32), true}, {long + "g", slices.Repeat([]string{"pwd"}, 33), false}, {"", []string{long + "g"}, false}} {
		g.idp.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) { claims["acr"], claims["amr"] = c.acr, c.amr }})
		if s := g.signIn("alice").Session; (s.ACR == c.acr && s.ACR != "") != c.kept || slices.Equal(s.AMR, c.amr) != c.kept {
			t.Errorf("of %d bytes and %d methods: %d and %d", len(c.acr), len(c.amr), len(s.ACR), len(s.AMR))
		}
	}
	g.idp.SetFaults(fakeop.Faults{})
	if _, s := g.create("alice"); !s.AuthTime.IsZero() || s.ACR != "" || s.AMR != nil {
		t.Errorf("of nobody's word: %v %q %q", s.AuthTime, s.ACR, s.AMR)
	}
}

// TestRefreshChangesNoAuthentication: OIDC-17 and ADV-94. For a refresh nobody has to be there.
func TestRefreshChangesNoAuthentication(t *testing.T) {
	g := newRig(t, rigOptions{})
	g.idp.SetFaults(fakeop.Faults{IDToken: dropClaim("auth_time")})
	result := g.signIn("alice")
	g.clock.advance(56 * time.Minute)
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) {
		c["auth_time"], c["acr"], c["amr"] = g.clock.Now().Unix(), "gold", []string{"hwk"}
	}})
	a, err := g.Authenticate(request(session(credential(result))))
	if err != nil || a.Session.RefreshedAt.IsZero() {
		t.Fatalf("not refreshed: %v", err)
	}
	if s := a.Session; !s.AuthTime.IsZero() || s.ACR != "" || s.AMR != nil {
		t.Errorf("a refresh has made it %v %q %q", s.AuthTime, s.ACR, s.AMR)
	}
}

// TestPromptNone: ASVS-7.6.1. Whoever is not signed in at the provider, or not recently or strongly enough, is not asked.
func TestPromptNone(t *testing.T) {
	g := newRig(t, rigOptions{provider: withLevels})
	silently := auth.SignInParams{Prompt: auth.PromptNone}
	if _, err := g.attempt(silently, ""); auth.CodeOf(err) != auth.CodeLoginRequired {
		t.Errorf("nobody: %v", err)
	}
	g.signIn("alice")
	if _, err := g.attempt(silently, ""); err != nil {
		t.Errorf("somebody: %v", err)
	}
	g.clock.advance(time.Hour)
	silently.MaxAge = 30 * time.Minute
	if _, err := g.attempt(silently, ""); auth.CodeOf(err) != auth.CodeLoginRequired {
		t.Errorf("somebody an hour ago: %v", err)
	}
	silently.MaxAge, silently.ACRValues = 0, []string{"gold"}
	if _, err := g.attempt(silently, ""); auth.CodeOf(err) != auth.CodeLoginRequired {
		t.Errorf("somebody of no class: %v", err)
	}
}

func TestProviderCannotAuthenticateThus(t *testing.T) {
	g := newRig(t, rigOptions{})
	g.idp.SetFaults(fakeop.Faults{Callback: func(params url.Values) {
		params.Del("code")
		params.Set("error", "unmet_authentication_requirements")
	}})
	if _, err := g.attempt(auth.SignInParams{ACRValues: []string{"gold"}}, "alice"); auth.CodeOf(err) != auth.CodeUnmetAuthentication {
		t.Error(err)
	}
}

// TestStepUp: ASVS-7.5.3 and 7.2.4. The session is a new one, and of the same user.
func TestStepUp(t *testing.T) {
	for name, p := range map[string]auth.SignInParams{
		"age": {MaxAge: auth.ReauthenticateNow, Prompt: auth.PromptLogin}, "class": {ACRValues: []string{"gold"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{provider: withLevels})
			first := g.signIn("alice")
			g.clock.advance(time.Hour)
			second, err := g.attempt(p, "alice", session(credential(first)))
			if err != nil {
				t.Fatal(err)
			}
			if !second.Session.AuthTime.Equal(g.clock.Now()) || credential(first) == credential(second) || first.Session.ID == second.Session.ID {
				t.Errorf("%v, ids %q and %q", second.Session.AuthTime, first.Session.ID, second.Session.ID)
			}
			g.mustBe(credential(first), auth.CodeSessionNotFound)
			g.mustBe(credential(second), "")

			if _, err := g.attempt(p, "bob", session(credential(second))); auth.CodeOf(err) != auth.CodeUserMismatch || !errors.Is(err, auth.ErrRejected) {
				t.Errorf("as somebody else: %v", err)
			}
			g.mustBe(credential(second), "")
			if list, err := g.ListSessions(t.Context(), "bob"); err != nil || len(list) != 0 {
				t.Errorf("bob has %d sessions, %v", len(list), err)
			}

			// Who asks for neither changes the user, and whose session has ended steps up from nowhere.
			third, err := g.attempt(auth.SignInParams{Prompt: auth.PromptSelectAccount}, "bob", session(credential(second)))
			if err != nil {
				t.Fatal(err)
			}
			if err := g.RevokeSession(t.Context(), third.Session.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := g.attempt(p, "alice", session(credential(third))); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStepUpOfAnUnknownUser: when it cannot be told who steps up, it is not nobody.
func TestStepUpOfAnUnknownUser(t *testing.T) {
	g := newRig(t, rigOptions{})
	first := g.signIn("alice")
	g.breaks(on(storetest.Fail, storetest.OpGet, "s"))
	_, err := g.SignIn(request(session(credential(first))), auth.SignInParams{MaxAge: time.Minute})
	if !undecided(err) {
		t.Errorf("%v", err)
	}
}

// TestStepUpAtTheSessionsProvider: a step-up that names no provider goes to the one of the session.
func TestStepUpAtTheSessionsProvider(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(k *kvoauth.Config) {
		other := k.Clients[0]
		other.Provider.ID = "other"
		other.Provider.RequireIss = true
		other.RedirectURL = k.RedirectURL
		k.PrimaryProvider, k.Clients = other.Provider.ID, []kvoauth.Client{k.Clients[0], other}
		k.Clients[0].Provider.RequireIss, k.Clients[0].RedirectURL = true, k.RedirectURL
	}})
	first, err := g.attempt(auth.SignInParams{ProviderID: "other"}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	again := auth.SignInParams{MaxAge: time.Minute}
	second, err := g.attempt(again, "alice", session(credential(first)))
	if err != nil || second.Session.ProviderID != "other" {
		t.Fatalf("%v", err)
	}
	again.ProviderID = g.config.Clients[0].Provider.ID // who is another user, whatever the subject there
	if _, err := g.attempt(again, "alice", session(credential(second))); auth.CodeOf(err) != auth.CodeUserMismatch {
		t.Errorf("at another provider: %v", err)
	}
}

// TestStepUpByALinkedAccount: with a user store the user counts, and not the account.
func TestStepUpByALinkedAccount(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(k *kvoauth.Config) { k.Users = oneUser{} }})
	first := g.signIn("alice")
	second, err := g.attempt(auth.SignInParams{MaxAge: time.Minute}, "bob", session(credential(first)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.attempt(auth.SignInParams{MaxAge: time.Minute}, "carol", session(credential(second))); auth.CodeOf(err) != auth.CodeUserMismatch {
		t.Errorf("another user: %v", err)
	}
}

// oneUser has alice and bob as accounts of one user.
type oneUser struct{ store.UserStore }

func (oneUser) SignIn(_ context.Context, a store.Account) (string, error) {
	if a.AccountID == "carol" {
		return "user 2", nil
	}
	return "user 1", nil
}
