package authtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/netscript/auth"
)

func secrecyChecks() []check {
	return []check{
		{name: "errors hold no secret", run: checkErrorSecrecy},
		{name: "values hold no secret", run: checkValueSecrecy},
	}
}

// secrets returns what must not show, for requests with these credentials. Of a long one, its start and its middle: a
// part that shows is a leak too.
func (f *BackendFixture) secrets(requests ...*http.Request) []string {
	list := slices.Clone(f.Secrets)
	for _, r := range requests {
		for _, c := range credentials(r) {
			if n := len(c); n > 2*secretPart {
				list = append(list, c[:secretPart], c[n/2:n/2+secretPart])
				continue
			}
			list = append(list, c)
		}
	}
	return list
}

const secretPart = 64

func checkErrorSecrecy(f *BackendFixture) error {
	live := f.SignIn("alice")
	var requests []*http.Request
	for _, m := range []map[string]*http.Request{forgeries(live), f.Garbage, f.Dead} {
		for _, r := range m {
			requests = append(requests, r)
		}
	}
	var errs []error
	collect := func(r *http.Request) {
		_, err := f.Backend.Authenticate(again(r))
		_, err2 := f.Backend.Session(again(r))
		errs = append(errs, err, err2)
		if port, ok := auth.As[auth.SignOutPort](f.Backend); ok {
			_, err = port.SignOut(again(r), auth.SignOutParams{SessionID: "another-session"})
			errs = append(errs, err)
		}
	}
	for _, r := range requests {
		collect(r)
	}
	if f.SetStorageDown != nil {
		f.SetStorageDown(true)
		collect(live)
		f.SetStorageDown(false)
	}
	secrets := f.secrets(append(requests, live)...)
	for _, err := range errs {
		if err == nil {
			continue
		}
		if where := showsSecret(err, secrets); where != "" {
			return fmt.Errorf("an error of code %s shows a secret as %s", auth.CodeOf(err), where)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if where := showsSecret(e, secrets); where != "" {
				return fmt.Errorf("a cause of an error of code %s shows a secret as %s", auth.CodeOf(err), where)
			}
		}
	}
	return nil
}

func checkValueSecrecy(f *BackendFixture) error {
	r := f.SignIn("alice")
	a, err := authenticateLive(f.Backend, r)
	if err != nil {
		return err
	}
	s, err := f.Backend.Session(again(r))
	if err != nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	secrets := f.secrets(r)
	values := map[string]any{"the Session": s, "the Principal": a.Principal, "the list of providers": f.Backend.Providers()}
	for name, v := range values {
		if where := showsSecret(v, secrets); where != "" {
			return fmt.Errorf("%s shows a secret as %s", name, where)
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%s is not JSON: %v", name, err)
		}
		if holds(string(text), secrets) {
			return fmt.Errorf("%s shows a secret as JSON", name)
		}
	}
	if where := showsSecret(f.Backend, f.Secrets); where != "" {
		return fmt.Errorf("the backend itself shows a secret as %s", where)
	}
	return nil
}

// showsSecret returns the form in which v shows one of secrets, or "".
func showsSecret(v any, secrets []string) string {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text := fmt.Sprintf(verb, v)
		if holds(text, secrets) || verb == "%x" && holds(text, hexOf(secrets)) {
			return verb
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "value", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "value", v)
	if holds(log.String(), secrets) {
		return "a log record"
	}
	return ""
}

func holds(text string, secrets []string) bool {
	for _, s := range secrets {
		if len(s) >= minSecret && strings.Contains(text, s) {
			return true
		}
	}
	return false
}

func hexOf(list []string) []string {
	hex := make([]string, len(list))
	for i, s := range list {
		if len(s) >= minSecret {
			hex[i] = fmt.Sprintf("%x", s)
		}
	}
	return hex
}
