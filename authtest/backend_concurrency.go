package authtest

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
)

func concurrencyChecks() []check {
	return []check{{name: "concurrent requests are not mixed up", run: checkConcurrency}}
}

const concurrency = 64

// checkConcurrency is worth most under the race detector.
func checkConcurrency(f *BackendFixture) error {
	requests := map[string]*http.Request{"alice": f.SignIn("alice"), "bob": f.SignIn("bob")}
	subjects := make(map[string]string)
	for user, r := range requests {
		a, err := authenticateLive(f.Backend, r)
		if err != nil {
			return err
		}
		subjects[user] = a.Principal.Subject
	}
	errs := make([]error, concurrency)
	var wg sync.WaitGroup
	for i := range concurrency {
		wg.Go(func() {
			switch user := [...]string{"alice", "bob", ""}[i%3]; user {
			case "":
				errs[i] = wantUnauthenticated(f.Backend, f.anonymous(http.MethodGet, "/"))
			default:
				errs[i] = concurrentUser(f, requests[user], subjects[user])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func concurrentUser(f *BackendFixture, r *http.Request, subject string) error {
	for range 4 {
		if err := wantSubject(f.Backend, r, subject); err != nil {
			return err
		}
		s, err := f.Backend.Session(again(r))
		if err != nil || s.Subject != subject {
			return fmt.Errorf("Session among concurrent requests: got %s, or another user's", outcome(s != nil, err))
		}
		f.Backend.Providers()
	}
	return nil
}
