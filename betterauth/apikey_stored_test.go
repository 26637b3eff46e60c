package betterauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// swappingStorage is a memoryStorage that is all that a storage can be.
type swappingStorage struct{ replacingStorage }

func newSwappingStorage() swappingStorage {
	return swappingStorage{replacingStorage{newMemoryStorage()}}
}

func (s swappingStorage) CompareAndSwap(_ context.Context, key, prev, next string, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.values[key]; !ok || v.Value != prev || s.down != nil {
		return false, s.down
	}
	s.values[key] = stored{next, int(ttl / time.Second)}
	return true, nil
}

func (s swappingStorage) value(key string) (stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return v, ok
}

func newKeyRig(t testing.TB, where betterauth.KeyStorage, change func(*betterauth.APIKeyConfig)) (*rig, swappingStorage) {
	t.Helper()
	storage := newSwappingStorage()
	return newRig(t, engines()[0], func(c *betterauth.Config) {
		key := betterauth.APIKeyConfig{Session: true, Storage: where}
		if change != nil {
			change(&key)
		}
		c.Secondary = &betterauth.Secondary{Storage: storage, KeyPrefix: "p:", StoreSessionInDatabase: true}
		c.Plugins = []betterauth.Plugin{betterauth.APIKey(key)}
	}), storage
}

// storedKey makes a key as the server writes it to the storage.
func (r *rig) storedKey(s swappingStorage, userID string, change map[string]any) string {
	r.t.Helper()
	r.next++
	key := fmt.Sprintf("Key%03d", r.next) + strings.Repeat("AbCdEfGh", 8)
	id := fmt.Sprintf("key-%04d", r.next)
	iso := r.clock.now().UTC().Format("2006-01-02T15:04:05.000Z")
	members := map[string]any{
		"id": id, "configId": "default", "referenceId": userID, "key": keyHash(key), "enabled": true, "rateLimitEnabled": false, "requestCount": 0,
		"createdAt": iso, "updatedAt": iso, "expiresAt": nil, "lastRefillAt": nil, "lastRequest": nil, "remaining": nil, "refillAmount": nil, "refillInterval": nil,
		"rateLimitMax": 10, "rateLimitTimeWindow": 86400000,
	}
	for name, v := range change {
		members[name] = v
	}
	text, err := json.Marshal(members)
	if err != nil {
		r.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values["p:api-key:"+keyHash(key)] = stored{string(text), 0}
	s.values["p:api-key:by-id:"+id] = stored{string(text), 0}
	var ids []string
	_ = json.Unmarshal([]byte(s.values["p:api-key:by-ref:"+userID].Value), &ids)
	list, _ := json.Marshal(append(ids, id))
	s.values["p:api-key:by-ref:"+userID] = stored{string(list), 0}
	return key
}

func keyCode(t testing.TB, b *betterauth.Backend, key string) string {
	t.Helper()
	_, err := b.VerifyAPIKey(t.Context(), key, nil)
	if refused, ok := errors.AsType[*betterauth.APIKeyError](err); ok {
		return refused.Code
	} else if err != nil {
		t.Fatal(err)
	}
	return ""
}

// TestStoredKeyCounts lets many uses at once compete for what is left.
func TestStoredKeyCounts(t *testing.T) {
	r, storage := newKeyRig(t, betterauth.KeysInSecondary, nil)
	alice := r.user("alice")
	iso := r.clock.now().UTC().Add(-time.Hour).Format("2006-01-02T15:04:05.000Z")
	for name, change := range map[string]map[string]any{
		"remaining":  {"remaining": 4},
		"rate limit": {"rateLimitEnabled": true, "rateLimitMax": 4},
		"refill":     {"remaining": 0, "refillInterval": 1000, "refillAmount": 4, "createdAt": iso},
	} {
		key := r.storedKey(storage, alice, change)
		var good atomic.Int64
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				switch _, err := r.VerifyAPIKey(context.Background(), key, nil); {
				case err == nil:
					good.Add(1)
				case !errors.Is(err, auth.ErrUnauthenticated):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		if good.Load() != 4 {
			t.Errorf("%s: %d uses were admitted, want 4", name, good.Load())
		}
	}
}

func TestStoredKeys(t *testing.T) {
	r, storage := newKeyRig(t, betterauth.KeysInSecondary, nil)
	r.exec("DROP TABLE [apikey]") // the server has none
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice := r.user("alice")
	key := r.storedKey(storage, alice, map[string]any{"permissions": `{"files":["read"]}`, "metadata": map[string]any{"a": 1}, "unknown": "é<"})
	if a := admitted(t, r.Backend, withHeader("X-Api-Key", key)); a.Principal.Subject != alice || !slices.Equal(a.Principal.Scopes, []string{"files:read"}) {
		t.Errorf("principal %+v", a.Principal)
	}
	info, err := r.VerifyAPIKey(t.Context(), key, nil)
	if err != nil || info.Metadata != `{"a":1}` || info.ReferenceID != alice || info.Remaining != -1 {
		t.Errorf("got %+v, %v", info, err)
	}
	for name, bad := range map[string]map[string]any{
		"another key": {"key": keyHash("another")}, "counter": {"remaining": "1x"}, "fraction": {"requestCount": 1.5}, "last use": {"lastRequest": "yesterday"},
		"no id": {"id": ""}, "negative": {"remaining": -1}, "expiry": {"expiresAt": "some day"}, "disabled": {"enabled": false},
	} {
		if code := keyCode(t, r.Backend, r.storedKey(storage, alice, bad)); code == "" {
			t.Errorf("%s: admitted", name)
		}
	}
	// The copy by id is no key, though plain keys have a name that leads to it.
	plain, storage := newKeyRig(t, betterauth.KeysInSecondary, func(c *betterauth.APIKeyConfig) { c.InsecurePlainKeys = true })
	plain.storedKey(storage, plain.user("alice"), nil)
	if code := keyCode(t, plain.Backend, "by-id:key-0001"); code != betterauth.KeyInvalid {
		t.Errorf("the id of a key is taken for one: %q", code)
	}
}

// A key that ends is removed with its copy and from its owner's list, and nothing of another's.
func TestStoredKeyEnds(t *testing.T) {
	r, storage := newKeyRig(t, betterauth.KeysInSecondary, nil)
	alice := r.user("alice")
	iso := func(d time.Duration) string { return r.clock.now().UTC().Add(d).Format("2006-01-02T15:04:05.000Z") }
	expiring := r.storedKey(storage, alice, map[string]any{"expiresAt": iso(90 * time.Second)})
	used := r.storedKey(storage, alice, map[string]any{"remaining": 1})
	if code := keyCode(t, r.Backend, expiring) + keyCode(t, r.Backend, used); code != "" {
		t.Fatal(code)
	}
	for _, name := range []string{"p:api-key:" + keyHash(expiring), "p:api-key:by-id:key-0001"} {
		if v, _ := storage.value(name); v.TTL != 90 || !strings.Contains(v.Value, `"requestCount":0`) || !strings.Contains(v.Value, `"lastRequest":"2`) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	r.clock.advance(91 * time.Second)
	if code := keyCode(t, r.Backend, expiring); code != betterauth.KeyExpired {
		t.Errorf("got %q", code)
	}
	if v, _ := storage.value("p:api-key:by-ref:" + alice); v.Value != `["key-0002"]` || v.TTL != 0 {
		t.Errorf("the list is %+v", v)
	}
	if code := keyCode(t, r.Backend, used); code != betterauth.KeyUsedUp {
		t.Errorf("got %q", code)
	}
	if len(storage.values) != 0 {
		t.Errorf("left are %v", storage.values)
	}
	// A key that the server has removed while it was used does not come back.
	gone := r.storedKey(storage, alice, nil)
	storage.read = func() { clear(storage.values) }
	if code := keyCode(t, r.Backend, gone); code != betterauth.KeyInvalid || len(storage.values) != 0 {
		t.Errorf("got %q, and left are %v", code, storage.values)
	}
}

// The row decides, whatever its copies say, and they do not outlive a change of it.
func TestStricterKeyCopies(t *testing.T) {
	r, storage := newKeyRig(t, betterauth.KeysInSecondaryAndDatabase, nil)
	alice := r.user("alice")
	stale := r.storedKey(storage, alice, nil) // its row was deleted
	if code := keyCode(t, r.Backend, stale); code != betterauth.KeyInvalid {
		t.Errorf("a key without a row: %q", code)
	}
	key := r.apiKey(alice, map[string]any{"remaining": 1})
	names := []string{"p:api-key:" + keyHash(key), "p:api-key:by-id:key-0002", "p:api-key:by-ref:" + alice}
	for i, want := range []string{"", betterauth.KeyUsedUp, betterauth.KeyInvalid} {
		for _, name := range names {
			storage.values[name] = stored{"{}", 0}
		}
		if code := keyCode(t, r.Backend, key); code != want {
			t.Errorf("use %d: %q, want %q", i, code, want)
		}
		for _, name := range names {
			if _, ok := storage.value(name); ok && want != betterauth.KeyInvalid {
				t.Errorf("use %d: %s is left", i, name)
			}
		}
	}
	storage.down = errors.New("connection lost")
	if _, err := r.VerifyAPIKey(t.Context(), r.apiKey(alice, nil), nil); auth.CodeOf(err) != auth.CodeStoreUnavailable || strings.Contains(err.Error(), "lost") {
		t.Errorf("got %v", err)
	}
}

// A storage that cannot answer says nothing of a key.
func TestStoredKeyDown(t *testing.T) {
	r, storage := newKeyRig(t, betterauth.KeysInSecondary, nil)
	request := withHeader("X-Api-Key", r.storedKey(storage, r.user("alice"), nil))
	admitted(t, r.Backend, request)
	storage.down = errors.New("connection lost")
	refused(t, r.Backend, request, auth.CodeStoreUnavailable)
}

func TestKeyStorageConfig(t *testing.T) {
	db := openSQLite(t).DB
	for want, c := range map[string]betterauth.Config{
		"needs Config.Secondary": {Plugins: []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Storage: betterauth.KeysInSecondaryAndDatabase})}},
		"SwappingStorage": {Secondary: &betterauth.Secondary{Storage: newMemoryStorage()},
			Plugins: []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Storage: betterauth.KeysInSecondary})}},
		"no KeyStorage": {Plugins: []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Storage: 7})}},
	} {
		c.DB, c.Secret = db, auth.NewSecret(testSecret)
		if _, err := betterauth.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	storage := newSwappingStorage()
	r, _ := newKeyRig(t, betterauth.KeysInSecondary, func(c *betterauth.APIKeyConfig) { c.CustomStorage = storage })
	key := r.storedKey(storage, r.user("alice"), nil)
	for name, v := range maps.Clone(storage.values) { // a custom storage has no prefix
		delete(storage.values, name)
		storage.values[strings.TrimPrefix(name, "p:")] = v
	}
	admitted(t, r.Backend, withHeader("X-Api-Key", key))
}

// A configuration without an id takes keys of every id, as at the server (vector apikey/other-config). One that has an id
// takes its own.
func TestOtherConfigurations(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
	})
	alice := r.user("alice")
	with := func(configs ...betterauth.APIKeyConfig) *betterauth.Backend {
		c := r.config
		c.Plugins = []betterauth.Plugin{betterauth.APIKey(configs...)}
		return newBackend(t, c)
	}
	named := with(betterauth.APIKeyConfig{ConfigID: "default", Session: true})
	several := with(betterauth.APIKeyConfig{ConfigID: "default", Session: true}, betterauth.APIKeyConfig{ConfigID: "other"})
	for id, own := range map[string]bool{"default": true, "": true, "other": false, "Default": false, "default ": false} {
		request := withHeader("X-Api-Key", r.apiKey(alice, map[string]any{"configId": id}))
		admitted(t, r.Backend, request)
		for _, b := range []*betterauth.Backend{named, several} {
			if _, err := b.Authenticate(request); (err == nil) != own || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
}
