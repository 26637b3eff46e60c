package auth_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/netscript/auth"
)

// TestAnswersAreNotMixedUp: a backend that returns the same values again and again gets each answered as itself.
func TestAnswersAreNotMixedUp(t *testing.T) {
	var people []*auth.Authentication
	for _, name := range []string{"ada", "ben", "cyd"} {
		people = append(people, &auth.Authentication{Principal: auth.Principal{Subject: name}, Session: session("s-"+name, name)})
	}
	b := working()
	b.authenticate = func(r *http.Request) (*auth.Authentication, error) {
		return people[int(r.Header.Get("X-Who")[0]-'0')], nil
	}
	h := newHandler(t, b, auth.HandlerConfig{})
	var asking sync.WaitGroup
	for i := range 3000 {
		asking.Go(func() {
			who := i % len(people)
			path := []string{"/session", "/me"}[i/len(people)%2]
			w := do(h, request("GET", base+path, "", "X-Who", string(rune('0'+who))))
			if w.Code != 200 || !strings.Contains(w.Body.String(), people[who].Principal.Subject) || strings.Contains(w.Body.String(), people[(who+1)%3].Principal.Subject) ||
				strings.Contains(w.Body.String(), `"user"`) != (path == "/me") {
				t.Errorf("%s of %s: %d %s", path, people[who].Principal.Subject, w.Code, w.Body)
			}
		})
	}
	asking.Wait()
}
