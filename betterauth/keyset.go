package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
)

const (
	keysFresh      = 5 * time.Minute  // after which the set is read again
	keysStale      = 24 * time.Hour   // how long it serves while it cannot be read
	keysRetry      = 10 * time.Second // between two looks for a key that was not there
	keysTimeout    = 5 * time.Second
	maxKeySetBytes = 1 << 20
)

// keySet is the server's public keys, from the table or by HTTP. It is read when it is first needed, again when it is old,
// and, at most every ten seconds, when a token names a key that it does not have. Whoever names a key that is known does
// not wait for that, so that a slow endpoint delays nobody else.
type keySet struct {
	load func(ctx context.Context) ([]storedKey, error)
	code auth.Code // of an error of load
	now  func() time.Time

	mu        sync.Mutex
	keys      map[string]storedKey // never changed; nil until some were read
	loaded    time.Time            // when keys were read
	attempted time.Time            // when reading was last begun
	failure   error                // of the last reading that ended
	flight    chan struct{}        // closed when the reading under way ends; nil: there is none
}

// storedKey is a public key until it is dropped.
type storedKey struct {
	jose.JSONWebKey
	until time.Time // zero: as long as it is there
}

func newKeySet(b *Backend) *keySet {
	k := &keySet{now: b.conf.Now, load: b.storedKeys, code: auth.CodeStoreUnavailable}
	if b.conf.jwt.JWKSURL != "" {
		fetch := &keyFetcher{url: b.conf.jwt.JWKSURL, client: boundedClient(b.conf.jwt.HTTPClient)}
		k.load, k.code = fetch.keys, auth.CodeProviderUnavailable
	}
	return k
}

// get returns the key of that id, or nil. Only who names an unknown key waits for a reading, and no longer than ctx.
func (k *keySet) get(ctx context.Context, id string) (*jose.JSONWebKey, error) {
	if flight := k.refresh(ctx, id); flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, fail(k.code, "read keys", context.Cause(ctx))
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	key, known := k.keys[id]
	switch {
	case k.keys == nil || now.Sub(k.loaded) >= keysStale:
		if k.failure == nil { // they have become too old this very moment
			return nil, fail(k.code, "read keys", errKeysUnavailable)
		}
		return nil, k.failure
	case !known:
		return nil, k.failure // it may be there by now
	case !key.until.IsZero() && !now.Before(key.until):
		return nil, nil
	}
	return &key.JSONWebKey, nil
}

// refresh begins to read the set if that is due, and returns what to wait for, nil if nothing.
func (k *keySet) refresh(ctx context.Context, id string) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	_, known := k.keys[id]
	known = known && now.Sub(k.loaded) < keysStale
	age := now.Sub(k.attempted)
	if k.flight == nil && (age < 0 || age >= keysFresh || !known && age >= keysRetry) {
		k.flight, k.attempted = make(chan struct{}), now
		go k.read(context.WithoutCancel(ctx), now, k.flight)
	}
	if known {
		return nil
	}
	return k.flight
}

// read reads the set. It does not end with the request that caused it: others wait for it.
func (k *keySet) read(ctx context.Context, now time.Time, flight chan<- struct{}) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	list, err := k.load(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(flight)
	k.flight, k.failure = nil, err
	if err != nil {
		return
	}
	keys := make(map[string]storedKey, len(list))
	for _, key := range list {
		keys[key.KeyID] = key
	}
	k.keys, k.loaded = keys, now
}

// storedKeys reads the table. A row that holds no key of ours is passed over: the others are good.
func (b *Backend) storedKeys(ctx context.Context) ([]storedKey, error) {
	s := b.db.newSelection()
	b.db.add(s, "k", modelJWKS, modelFields[modelJWKS]...)
	var list []storedKey
	err := b.db.query(ctx, "read keys", b.db.statement(s, "SELECT "+s.String()+" FROM "+b.db.table(modelJWKS)+" k"), nil, func(r row) error {
		get := r.source("k")
		key := storedKey{}
		if json.Unmarshal([]byte(textOf(get("publicKey"))), &key.JSONWebKey) != nil {
			return nil //nolint:nilerr // passed over
		}
		key.KeyID, key.Algorithm = textOf(get("id")), textOf(get("alg"))
		if key.Algorithm == "" {
			key.Algorithm = b.conf.jwt.DefaultAlgorithm
		}
		if v := get("expiresAt"); v != nil {
			t, _, ok := b.db.dialect.readTime(v)
			if !ok {
				return nil
			}
			key.until = t.Add(b.conf.jwt.GracePeriod)
		}
		if key.usable() {
			list = append(list, key)
		}
		return nil
	})
	return list, err
}

// usable reports whether the key is a public one that has an id.
func (k *storedKey) usable() bool { return k.KeyID != "" && k.Valid() && k.IsPublic() }

// keyFetcher reads a key set by HTTP.
type keyFetcher struct {
	url    string
	client *http.Client
}

var (
	errKeysUnavailable = errors.New("the key set cannot be fetched")
	errKeysInvalid     = errors.New("the answer is no key set")
)

func (f *keyFetcher) keys(ctx context.Context) ([]storedKey, error) {
	const op = "fetch keys"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, fail(auth.CodeInternal, op, errKeysUnavailable)
	}
	r.Header.Set("Accept", "application/json")
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, fail(auth.CodeProviderUnavailable, op, errKeysUnavailable)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySetBytes+1))
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fail(auth.CodeProviderUnavailable, op, errKeysUnavailable)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(body) > maxKeySetBytes || json.Unmarshal(body, &set) != nil || set.Keys == nil {
		return nil, fail(auth.CodeProviderInvalid, op, errKeysInvalid)
	}
	var list []storedKey
	for _, raw := range set.Keys {
		key := storedKey{}
		if json.Unmarshal(raw, &key.JSONWebKey) == nil && key.usable() && key.Algorithm != "" && key.Use != "enc" {
			list = append(list, key)
		}
	}
	return list, nil
}

// boundedClient takes the transport and the timeout of c. It follows no redirect: the keys are where the configuration
// says.
func boundedClient(c *http.Client) *http.Client {
	bounded := &http.Client{Timeout: keysTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	if c != nil {
		bounded.Transport = c.Transport
		if c.Timeout > 0 {
			bounded.Timeout = c.Timeout
		}
	}
	return bounded
}
