package fakeop

import (
	"maps"
	"net/http"
	"net/url"
)

// Faults are what a hostile or broken provider does wrong. The zero value is a correct provider. A hook that is nil
// changes nothing; hooks are called without any lock held and may call the provider, from many goroutines at once.
type Faults struct {
	// Before is called before an endpoint does its work, keyed by the endpoint. When it returns true it has written the
	// answer. It may also block, or change the provider, and return false.
	Before map[Endpoint]Hook
	// Discovery changes the discovery document.
	Discovery func(doc map[string]any)
	// JWKS changes the key set: its member "keys" is a []map[string]any.
	JWKS func(set map[string]any)
	// Callback changes the parameters of the authorization response, of success and of error.
	Callback func(params url.Values)
	// TokenResponse changes the members of a successful token answer.
	TokenResponse func(answer map[string]any)
	// IDToken changes header and claims of an ID token before it is signed, of a refreshed one too. When it sets alg to
	// RS256 or ES256 the token is signed with that key; with "none" the signature is empty.
	IDToken func(header, claims map[string]any)
	// SignIDToken makes the signature of an ID token instead of the provider. kid is the key id in its header.
	SignIDToken func(signingInput []byte, kid string) []byte
	// RawIDToken returns the whole ID token instead. [Provider.SignRaw] signs bytes that a map cannot express.
	RawIDToken func(header, claims map[string]any) string
	// UserInfo changes the claims of a successful UserInfo answer.
	UserInfo func(claims map[string]any)
	// Answer has the last word on what an endpoint answers: status, header and body, keyed by the endpoint.
	Answer map[Endpoint]func(*Response)
}

// SetFaults replaces all faults. It applies to requests that arrive afterwards.
func (p *Provider) SetFaults(f Faults) {
	f.Before, f.Answer = maps.Clone(f.Before), maps.Clone(f.Answer)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Hook may answer a request in the place of an endpoint: it returns true when it has.
type Hook func(w http.ResponseWriter, r *http.Request) bool

// Reply answers with a fixed status, content type and body.
func Reply(status int, contentType, body string) Hook {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// Redirect answers with a redirect, such as a 307 that would make a client send its secret on.
func Redirect(status int, location string) Hook {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
		return true
	}
}

// Hang never answers: it waits until the client gives up.
func Hang() Hook {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
}

// HoldUntil delays requests until release is closed or the client gives up, and then lets the endpoint answer.
func HoldUntil(release <-chan struct{}) Hook {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-release:
			return false
		case <-r.Context().Done():
			return true
		}
	}
}

// Endless answers 200 with a JSON string that does not end before the client gives up.
func Endless() Hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		chunk := make([]byte, 32<<10)
		for i := range chunk {
			chunk[i] = 'a'
		}
		_, err := w.Write([]byte(`{"filler":"`))
		for err == nil && r.Context().Err() == nil {
			_, err = w.Write(chunk)
		}
		return true
	}
}
