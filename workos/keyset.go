package workos

import (
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/netscript/auth"
)

// The rules by which the SDK keeps WorkOS' keys, and one of our own.
const (
	keysMaxAge   = 600 * time.Second // then they are fetched again before they are used
	keysCooldown = 300 * time.Second // after a fetch: an unknown key id does not cause another
	keysTimeout  = 5 * time.Second
	keysRetry    = time.Second      // after a fetch that failed: nobody waits for WorkOS in vain more than once in it
	keysUnknown  = 30 * time.Second // the same for a key id that the keys in hand do not have
	keysForced   = 10 * time.Second // between fetches for a key that WorkOS itself has just used
)

var (
	errNotKeys    = errors.New("WorkOS answered with something that is not a JWK set")
	errKeyPrivate = errors.New("the JWK set shows a private key")
	errKeyBroken  = errors.New("the JWK set has a key that is not usable")
)

// keySet is WorkOS' signing keys for one client. They are fetched on first use, and again when they are old or when a
// token names another: at most once in the cooldown, so that forged tokens do not become requests to WorkOS. When they
// cannot be fetched, it could not be decided: a key that is too old is not used.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	current atomic.Pointer[keys]
	flight  singleflight.Group
	mu      sync.Mutex
	failure error // of the last fetch, if it failed
	failed  time.Time
	forced  time.Time // the last fetch in spite of the cooldown
}

func newKeySet(base, clientID string, client *http.Client, now func() time.Time) *keySet {
	return &keySet{url: base + "/sso/jwks/" + clientID, client: client, now: now}
}

// keys is one answer of WorkOS. It is immutable.
type keys struct {
	list []key
	at   time.Time
}

// fresh returns the keys in hand if they may still be used, and nil otherwise.
func (s *keySet) fresh() *keys {
	k := s.current.Load()
	if k == nil || s.now().Sub(k.at) >= keysMaxAge {
		return nil
	}
	return k
}

// get returns keys that may be used, fetching them when there are none.
func (s *keySet) get(ctx context.Context) (*keys, error) {
	if k := s.fresh(); k != nil {
		return k, nil
	}
	return s.fetch(ctx, s.current.Load(), false)
}

// find returns the one key that t may be signed with. For one that came from WorkOS itself the cooldown does not count.
func (s *keySet) find(ctx context.Context, t *token, from origin) (*rsa.PublicKey, *keys, error) {
	k, err := s.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	n, found := fitting(k.list, t.header)
	if cold := s.now().Sub(k.at) < keysCooldown; n == 0 && (!cold || from == fromWorkOS) {
		if err := s.recentFailure(keysUnknown); err != nil && from == fromClient {
			return nil, nil, err
		}
		if k, err = s.fetch(ctx, k, cold); err != nil {
			return nil, nil, err
		}
		n, found = fitting(k.list, t.header)
	}
	switch {
	case n != 1:
		return nil, nil, invalidToken(errTokenKey) // also when several fit: which one is meant is not to be guessed
	case found.secret:
		return nil, nil, fail(auth.CodeProviderInvalid, "fetch keys", errKeyPrivate)
	case found.public == nil:
		return nil, nil, fail(auth.CodeProviderInvalid, "fetch keys", errKeyBroken)
	case found.public.N.BitLen() < minRSABits:
		return nil, nil, invalidToken(errTokenKey)
	}
	return found.public, k, nil
}

// fetch replaces the keys old, unless somebody else just did. Concurrent calls share one request, which does not end
// with one of them; whether one failed just now is looked at inside, where no other is under way. When forced too often it returns old.
func (s *keySet) fetch(ctx context.Context, old *keys, forced bool) (*keys, error) {
	flight := s.flight.DoChan("", func() (any, error) {
		if k := s.current.Load(); k != old {
			return k, nil
		}
		if err := s.recentFailure(keysRetry); err != nil {
			return nil, err
		}
		if forced && !s.mayForce() {
			return old, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
		defer cancel()
		k, err := s.download(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failure, s.failed = err, s.now()
		if err != nil {
			return nil, err
		}
		s.current.Store(k)
		return k, nil
	})
	select {
	case r := <-flight:
		k, _ := r.Val.(*keys)
		return k, r.Err
	case <-ctx.Done():
		return nil, fail(auth.CodeProviderUnavailable, "fetch keys", ctx.Err())
	}
}

// mayForce reports whether a fetch in spite of the cooldown is allowed, and counts it.
func (s *keySet) mayForce() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.forced.IsZero() || now.Sub(s.forced) >= keysForced {
		s.forced = now
		return true
	}
	return false
}

// recentFailure returns the last failure while it is younger than retry, unless a fetch has succeeded since.
func (s *keySet) recentFailure(retry time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil && s.now().Sub(s.failed) < retry {
		return s.failure
	}
	return nil
}

func (s *keySet) download(ctx context.Context) (*keys, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fail(auth.CodeProviderInvalid, "fetch keys", errNotKeys)
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	a, err := exchange(s.client, r, "fetch keys")
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fail(a.code(), "fetch keys", errStatus)
	}
	list, err := parseKeys(a.body)
	if err != nil {
		return nil, fail(auth.CodeProviderInvalid, "fetch keys", err)
	}
	return &keys{list, s.now()}, nil
}
