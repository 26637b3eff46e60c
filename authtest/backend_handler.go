package authtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/netscript/auth"
)

func handlerChecks() []check {
	return []check{
		{name: "handler answers for nobody", run: checkHandlerAnonymous},
		{name: "handler answers for a user", run: checkHandlerLive},
		{name: "handler answers 503 while storage is down", needs: needsStorage, run: checkHandlerOutage},
		{name: "handler describes without secrets", run: checkHandlerDescribes},
	}
}

// ask sends a GET for one of the handler's routes with the credentials of r.
func (f *BackendFixture) ask(r *http.Request, route string) (*httptest.ResponseRecorder, error) {
	h, err := auth.NewHandler(f.Backend, f.Handler)
	if err != nil {
		return nil, fmt.Errorf("NewHandler: %v", err)
	}
	target := f.anonymous(http.MethodGet, h.Pattern()[:len(h.Pattern())-1]+route)
	target.Header = r.Header.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, target)
	return w, nil
}

// wantAuthenticated checks a route's own statement.
func wantAuthenticated(w *httptest.ResponseRecorder, route string, want bool) error {
	var answer struct {
		Authenticated *bool `json:"authenticated"`
	}
	err := json.Unmarshal(w.Body.Bytes(), &answer)
	if w.Code != http.StatusOK || err != nil || answer.Authenticated == nil || *answer.Authenticated != want {
		return fmt.Errorf("GET %s: status %d, want 200 with authenticated: %v", route, w.Code, want)
	}
	return nil
}

func checkHandlerAnonymous(f *BackendFixture) error {
	for _, route := range []string{"/session", "/me"} {
		w, err := f.ask(f.anonymous(http.MethodGet, "/"), route)
		if err != nil {
			return err
		}
		if err := wantAuthenticated(w, route, false); err != nil {
			return err
		}
	}
	return nil
}

func checkHandlerLive(f *BackendFixture) error {
	r := f.SignIn("alice")
	for _, route := range []string{"/session", "/me"} {
		w, err := f.ask(r, route)
		if err != nil {
			return err
		}
		if err := wantAuthenticated(w, route, true); err != nil {
			return err
		}
		if holds(w.Body.String(), f.secrets(r)) {
			return fmt.Errorf("GET %s: the body shows a secret", route)
		}
	}
	return nil
}

func checkHandlerOutage(f *BackendFixture) error {
	r := f.SignIn("alice")
	f.SetStorageDown(true)
	defer f.SetStorageDown(false)
	for _, route := range []string{"/session", "/me"} {
		w, err := f.ask(r, route)
		if err != nil {
			return err
		}
		if w.Code != http.StatusServiceUnavailable {
			return fmt.Errorf("GET %s while storage is down: status %d, want 503", route, w.Code)
		}
		if len(w.Result().Cookies()) > 0 {
			return fmt.Errorf("GET %s while storage is down: the answer sets cookies, the browser's must stay", route)
		}
		if holds(w.Body.String(), f.secrets(r)) {
			return fmt.Errorf("GET %s while storage is down: the body shows a secret", route)
		}
	}
	return nil
}

func checkHandlerDescribes(f *BackendFixture) error {
	r := f.SignIn("alice")
	for _, route := range []string{"/describe", "/providers"} {
		w, err := f.ask(r, route)
		if err != nil {
			return err
		}
		if w.Code != http.StatusOK {
			return fmt.Errorf("GET %s: status %d", route, w.Code)
		}
		if holds(w.Body.String(), f.secrets(r)) {
			return fmt.Errorf("GET %s: the body shows a secret", route)
		}
	}
	return nil
}
