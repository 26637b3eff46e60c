package authtest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/netscript/auth"
)

func flowChecks() []check {
	port := needsPort[auth.InteractiveFlowPort]("InteractiveFlowPort")
	return []check{
		{name: "sign-in leads to the provider", needs: port, run: checkSignIn},
		{name: "sign-in refuses what it must", needs: port, run: checkSignInRefusals},
		{name: "callback needs the browser's cookie", needs: port, run: checkCallback},
		{name: "session id of a request", needs: port, run: checkSessionID},
	}
}

func checkSignIn(f *BackendFixture) error {
	port, _ := auth.As[auth.InteractiveFlowPort](f.Backend)
	states := make(map[string]bool)
	for range 8 {
		d, err := port.SignIn(f.anonymous(http.MethodGet, "/signin"), auth.SignInParams{})
		if err != nil || d == nil {
			return fmt.Errorf("SignIn: got %s", outcome(d != nil, err))
		}
		if err := startsFlow(f, d); err != nil {
			return fmt.Errorf("SignIn: %w", err)
		}
		if states[d.State] {
			return errors.New("SignIn: two sign-ins have the same state")
		}
		states[d.State] = true
	}
	return nil
}

func startsFlow(f *BackendFixture, d *auth.Redirect) error {
	u, err := url.Parse(d.Location)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("the Location is not an absolute URL")
	}
	switch {
	case d.State == "" || u.Query().Get("state") != d.State:
		return errors.New("the state is empty, or not that of the Location")
	case d.ProviderID == "":
		return errors.New("the ProviderID is empty")
	case len(d.Cookies) == 0:
		return errors.New("no cookie binds the flow to the browser")
	}
	if holds(d.Location, f.Secrets) {
		return errors.New("the Location shows a secret")
	}
	for _, c := range d.Cookies {
		switch {
		case c.Valid() != nil:
			return fmt.Errorf("the cookie %s is malformed", c.Name)
		case !c.HttpOnly || c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode:
			return fmt.Errorf("the cookie %s lacks HttpOnly or SameSite", c.Name)
		case strings.HasPrefix(f.origin(), "https:") && !c.Secure:
			return fmt.Errorf("the cookie %s lacks Secure", c.Name)
		case holds(c.Value, f.Secrets):
			return fmt.Errorf("the cookie %s shows a secret", c.Name)
		}
	}
	return nil
}

func checkSignInRefusals(f *BackendFixture) error {
	port, _ := auth.As[auth.InteractiveFlowPort](f.Backend)
	refused := map[string]auth.SignInParams{"an unknown provider": {ProviderID: "no-such-provider"}}
	for _, to := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example/`, "/\t/evil.example/", "javascript:alert(1)",
		f.origin() + ".evil.example/", f.origin() + "@evil.example/", "https:evil.example", "\\\\evil.example",
	} {
		refused[fmt.Sprintf("the return URL %q", to)] = auth.SignInParams{ReturnTo: to}
	}
	for name, p := range refused {
		d, err := port.SignIn(f.anonymous(http.MethodGet, "/signin"), p)
		if d != nil || !errors.Is(err, auth.ErrRejected) {
			return fmt.Errorf("SignIn with %s: got %s, want ErrRejected", name, outcome(d != nil, err))
		}
	}
	return nil
}

func checkCallback(f *BackendFixture) error {
	port, _ := auth.As[auth.InteractiveFlowPort](f.Backend)
	d, err := port.SignIn(f.anonymous(http.MethodGet, "/signin"), auth.SignInParams{})
	if err != nil || d == nil {
		return fmt.Errorf("SignIn: got %s", outcome(d != nil, err))
	}
	answers := map[string]url.Values{
		"a code":              {"code": {"a-code-of-somebody"}, "state": {d.State}},
		"an error":            {"error": {"access_denied"}, "state": {d.State}},
		"a state of our own":  {"code": {"a-code-of-somebody"}, "state": {"made-up"}},
		"no state":            {"code": {"a-code-of-somebody"}},
		"two states":          {"code": {"a-code-of-somebody"}, "state": {d.State, d.State}},
		"nothing":             {},
		"a code and an error": {"code": {"x"}, "error": {"access_denied"}, "state": {d.State}},
	}
	for name, values := range answers {
		r := f.anonymous(http.MethodGet, "/callback?"+values.Encode())
		done, err := port.HandleCallback(r, auth.CallbackParams{Values: values, Mode: auth.ResponseModeQuery})
		if done != nil || !errors.Is(err, auth.ErrRejected) {
			return fmt.Errorf("HandleCallback with %s in another browser: got %s, want ErrRejected", name, outcome(done != nil, err))
		}
		if where := showsSecret(err, []string{"a-code-of-somebody", d.State}); where != "" {
			return fmt.Errorf("HandleCallback with %s: the error shows the answer as %s", name, where)
		}
	}
	return nil
}

func checkSessionID(f *BackendFixture) error {
	port, _ := auth.As[auth.InteractiveFlowPort](f.Backend)
	r := f.SignIn("alice")
	s, err := f.Backend.Session(again(r))
	if err != nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	if id, ok := port.SessionID(again(r)); !ok || id != s.ID {
		return fmt.Errorf("SessionID of a live request: not the session's (found: %v)", ok)
	}
	if _, ok := port.SessionID(f.anonymous(http.MethodGet, "/")); ok {
		return errors.New("SessionID finds a session in a request without a credential")
	}
	return nil
}
