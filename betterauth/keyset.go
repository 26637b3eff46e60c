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
// and, at most every ten seconds, when a token names a key that it does not have.
type keySet struct {
	load func(ctx context.Context) ([]storedKey, error)
	now  func() time.Time

	mu        sync.Mutex
	keys      map[string]storedKey
	loaded    time.Time // when keys were read
	attempted time.Time // when reading was last tried
	failure   error     // of the last try
}

// storedKey is a public key until it is dropped.
type storedKey struct {
	jose.JSONWebKey
	until time.Time // zero: as long as it is there
}

func newKeySet(b *Backend) *keySet {
	k := &keySet{now: b.conf.Now, load: b.storedKeys}
	if b.conf.jwt.JWKSURL != "" {
		fetch := &keyFetcher{url: b.conf.jwt.JWKSURL, client: boundedClient(b.conf.jwt.HTTPClient)}
		k.load = fetch.keys
	}
	return k
}

// get returns the key of that id, or nil. One caller reads for all who wait.
func (k *keySet) get(ctx context.Context, id string) (*jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	key, known := k.keys[id]
	age := now.Sub(k.attempted)
	if age < 0 || age >= keysFresh || !known && age >= keysRetry {
		k.read(ctx, now)
		key, known = k.keys[id]
	}
	if k.keys == nil || now.Sub(k.loaded) >= keysStale {
		return nil, k.failure
	}
	if !known {
		if k.failure != nil {
			return nil, k.failure // it may be there by now
		}
		return nil, nil
	}
	if !key.until.IsZero() && !now.Before(key.until) {
		return nil, nil
	}
	return &key.JSONWebKey, nil
}

// read reads the set. It does not end with the request that caused it: others wait for it.
func (k *keySet) read(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	k.attempted = now
	list, err := k.load(ctx)
	k.failure = err
	if err != nil {
		return
	}
	k.keys, k.loaded = make(map[string]storedKey, len(list)), now
	for _, key := range list {
		k.keys[key.KeyID] = key
	}
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
