package workos

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
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
	keysRetry    = time.Second // after a fetch that failed: nobody waits for WorkOS in vain more than once in it
	maxKeys      = 100
	minRSABits   = 2048
	maxRSABits   = 8192
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
}

func newKeySet(base, clientID string, client *http.Client, now func() time.Time) *keySet {
	return &keySet{url: base + "/sso/jwks/" + clientID, client: client, now: now}
}

// keys is one answer of WorkOS. It is immutable.
type keys struct {
	list []key
	at   time.Time
}

// key is an RSA entry of a JWK set (RFC 7517, section 4), as far as it decides which tokens it fits.
type key struct {
	id     string
	named  bool
	fits   bool           // by alg, use and key_ops
	public *rsa.PublicKey // nil: broken
	secret bool           // the private key is shown
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
	return s.fetch(ctx, s.current.Load())
}

// find returns the one key that t may be signed with.
func (s *keySet) find(ctx context.Context, t *token) (*rsa.PublicKey, *keys, error) {
	k, err := s.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	n, found := k.fitting(t)
	if n == 0 && s.now().Sub(k.at) >= keysCooldown {
		if k, err = s.fetch(ctx, k); err != nil {
			return nil, nil, err
		}
		n, found = k.fitting(t)
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

// fitting counts the keys that t may be signed with, and returns the last.
func (k *keys) fitting(t *token) (n int, found *key) {
	for i := range k.list {
		c := &k.list[i]
		if c.fits && (t.anyKey || c.named && c.id == t.keyID) {
			n, found = n+1, c
		}
	}
	return n, found
}

// fetch replaces the keys old, unless somebody else just did. Concurrent calls share one request, which does not end
// with one of them.
func (s *keySet) fetch(ctx context.Context, old *keys) (*keys, error) {
	if err := s.recentFailure(); err != nil {
		return nil, err
	}
	flight := s.flight.DoChan("", func() (any, error) {
		if k := s.current.Load(); k != old {
			return k, nil
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

func (s *keySet) recentFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil && s.now().Sub(s.failed) < keysRetry {
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

// parseKeys returns the RSA keys of a JWK set; others cannot have signed an RS256 token. Keys that are broken are kept, so
// that a token that names one of them is not mistaken for a forgery.
func parseKeys(body []byte) ([]key, error) {
	var set map[string]any
	if json.Unmarshal(body, &set) != nil {
		return nil, errNotKeys
	}
	raw, ok := set["keys"].([]any)
	if !ok || len(raw) > maxKeys {
		return nil, errNotKeys
	}
	var list []key
	for _, v := range raw {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, errNotKeys
		}
		if m["kty"] == "RSA" {
			list = append(list, parseKey(m))
		}
	}
	return list, nil
}

// parseKey reads one entry. A member of another type than RFC 7517 gives it is taken for absent, as the SDK does.
func parseKey(m claims) key {
	k := key{fits: true, public: publicKey(m.text("n"), m.text("e"))}
	k.id, k.named = m["kid"].(string)
	if alg, ok := m["alg"].(string); ok && alg != tokenAlg {
		k.fits = false
	}
	if use, ok := m["use"].(string); ok && use != "sig" {
		k.fits = false
	}
	if ops, ok := m["key_ops"].([]any); ok && !contains(ops, "verify") {
		k.fits = false
	}
	_, k.secret = m["d"]
	return k
}

func contains(list []any, want string) bool {
	for _, v := range list {
		if v == want {
			return true
		}
	}
	return false
}

// publicKey returns the key with this modulus and exponent (RFC 7518, section 6.3.1), or nil.
func publicKey(n, e string) *rsa.PublicKey {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil || len(modulus) == 0 || len(modulus) > maxRSABits/8 {
		return nil
	}
	exponent, err := base64.RawURLEncoding.DecodeString(e)
	if err != nil || len(exponent) == 0 || len(exponent) > 4 {
		return nil
	}
	x := new(big.Int).SetBytes(exponent).Int64()
	if x < 3 || x%2 == 0 || x > 1<<31-1 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(x)}
}
