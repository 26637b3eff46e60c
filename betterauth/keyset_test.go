package betterauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// eventually waits until a request is answered with that code: a key set that is old is read beside the requests.
func eventually(t *testing.T, b *betterauth.Backend, r *http.Request, want auth.Code) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, err := b.Authenticate(r)
		if auth.CodeOf(err) == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want %q", err, want)
		}
	}
}

// endpoint answers with a key set, at once or when it is told to.
type endpoint struct {
	mu    sync.Mutex
	set   string
	hang  chan struct{} // answers when it is closed; nil: at once
	begun atomic.Int64
	ended atomic.Int64
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	hang := e.hang
	e.mu.Unlock()
	e.begun.Add(1)
	defer e.ended.Add(1)
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set == "" {
		return nil, errors.New("no connection")
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(e.set)), Request: r}, nil
}

func (e *endpoint) change(set string, hang chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set, e.hang = set, hang
}

// keySetOf is the text of a key set.
func keySetOf(t testing.TB, keys ...*testKeys) string {
	t.Helper()
	list := []json.RawMessage{}
	for _, k := range keys {
		var public map[string]any
		row := k.row(time.Time{})
		if err := json.Unmarshal([]byte(row["publicKey"].(string)), &public); err != nil {
			t.Fatal(err)
		}
		public["kid"], public["alg"] = k.id, "EdDSA"
		text, err := json.Marshal(public)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	text, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newEndpointRig(t *testing.T, e *endpoint) *rig {
	return newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.JWT(betterauth.JWTConfig{
			JWKSURL: "https://app.test/api/auth/jwks", HTTPClient: &http.Client{Transport: e, Timeout: time.Hour},
		})}
	})
}

func (r *rig) tokenOf(keys *testKeys) *http.Request {
	return withHeader("Authorization", "Bearer "+keys.sign(r.t, "", map[string]any{
		"sub": "user-alice", "iss": testBaseURL, "aud": testBaseURL, "exp": r.clock.now().Add(48 * time.Hour).Unix()}))
}

// A token whose key is known never waits for the endpoint, whoever else does.
func TestKeyEndpointHangs(t *testing.T) {
	keys, other := newTestKeys(t), newTestKeys(t)
	other.id = "key-2"
	e := &endpoint{set: keySetOf(t, keys)}
	r := newEndpointRig(t, e)
	admitted(t, r.Backend, r.tokenOf(keys))
	hang := make(chan struct{})
	e.change(keySetOf(t, keys, other), hang)
	ended := e.ended.Load()

	r.clock.advance(6 * time.Minute) // the set is old
	for range 10 {
		admitted(t, r.Backend, r.tokenOf(keys))
	}
	type answer struct {
		a   *auth.Authentication
		err error
	}
	answers := make(chan answer)
	for range 5 {
		go func() {
			a, err := r.Authenticate(r.tokenOf(other))
			answers <- answer{a, err}
		}()
	}
	for e.begun.Load() == ended {
		time.Sleep(time.Millisecond)
	}
	admitted(t, r.Backend, r.tokenOf(keys))
	r.clock.advance(11 * time.Second) // one reading at a time, however long it takes
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Authenticate(r.tokenOf(other).WithContext(impatient)); auth.CodeOf(err) != auth.CodeProviderUnavailable {
		t.Errorf("who does not wait gets %v", err)
	}
	if n := e.ended.Load(); n != ended {
		t.Errorf("somebody waited for %d answers of the endpoint", n-ended)
	}
	close(hang)
	for range 5 {
		if got := <-answers; got.err != nil || got.a.Principal.Subject != "user-alice" {
			t.Errorf("who waited for the key gets %v", got.err)
		}
	}
	if n := e.begun.Load(); n != ended+1 {
		t.Errorf("%d requests were sent, want one", n-ended)
	}
}

// Keys serve while the endpoint is down, for a day; a key that is not known cannot be judged.
func TestKeyEndpointDown(t *testing.T) {
	keys, other := newTestKeys(t), newTestKeys(t)
	other.id = "key-2"
	e := &endpoint{}
	r := newEndpointRig(t, e)
	refused(t, r.Backend, r.tokenOf(keys), auth.CodeProviderUnavailable)
	e.change(keySetOf(t, keys), nil)
	refused(t, r.Backend, r.tokenOf(keys), auth.CodeProviderUnavailable) // not asked again at once
	r.clock.advance(10 * time.Second)
	admitted(t, r.Backend, r.tokenOf(keys))
	r.clock.advance(10 * time.Second)
	refused(t, r.Backend, r.tokenOf(other), auth.CodeTokenInvalid)
	e.change("", nil)
	r.clock.advance(time.Hour)
	admitted(t, r.Backend, r.tokenOf(keys))
	refused(t, r.Backend, r.tokenOf(other), auth.CodeProviderUnavailable)
	r.clock.advance(24 * time.Hour)
	refused(t, r.Backend, r.tokenOf(keys), auth.CodeProviderUnavailable)
	e.change(keySetOf(t, other), nil)
	r.clock.advance(10 * time.Second)
	refused(t, r.Backend, r.tokenOf(keys), auth.CodeTokenInvalid) // it is no key any more
	admitted(t, r.Backend, r.tokenOf(other))
}
