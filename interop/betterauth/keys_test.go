package betterauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/betterauth"
)

// apiKey is a key as the server gave it.
type apiKey struct{ ID, Key string }

func (w *world) newKey(body map[string]any) apiKey {
	w.t.Helper()
	var k apiKey
	w.server.control("createKey", body, &k)
	return k
}

func (k apiKey) hash() string {
	sum := sha256.Sum256([]byte(k.Key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// useThere lets the server check a key, and returns its code of the refusal, or "".
func (w *world) useThere(key string) string {
	w.t.Helper()
	var body struct {
		Valid bool
		Error struct{ Code string }
	}
	w.server.control("verifyKey", map[string]any{"key": key}, &body)
	if body.Valid != (body.Error.Code == "") {
		w.t.Fatalf("the server answers %+v", body)
	}
	return body.Error.Code
}

func (w *world) useHere(key string) string {
	w.t.Helper()
	_, err := w.backend.VerifyAPIKey(context.Background(), key, nil)
	if refused, ok := errors.AsType[*betterauth.APIKeyError](err); ok {
		return refused.Code
	} else if err != nil {
		w.t.Fatal(err)
	}
	return ""
}

// stored is what Redis holds under a name, with its time to live.
type stored struct {
	value map[string]any // nil: nothing
	names []string       // of the members, in their order
	ttl   int
}

func (w *world) stored(name string) stored {
	w.t.Helper()
	text := w.redis.Do("GET", "better-auth:"+name)
	if text == "" {
		return stored{}
	}
	s := stored{value: map[string]any{}}
	if err := json.Unmarshal([]byte(text), &s.value); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	d := json.NewDecoder(strings.NewReader(text))
	_, _ = d.Token()
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		_ = d.Decode(&value)
		s.names = append(s.names, name.(string)) //nolint:forcetypeassert // a member has one
	}
	s.ttl, _ = strconv.Atoi(w.redis.Do("TTL", "better-auth:"+name))
	return s
}

// sameStored compares what Redis has of two keys that are alike. Times may differ by how long the test takes.
func (w *world) sameStored(step string, theirs, ours stored) {
	w.t.Helper()
	if (theirs.value == nil) != (ours.value == nil) || !slices.Equal(theirs.names, ours.names) || theirs.ttl-ours.ttl > 60 || ours.ttl-theirs.ttl > 60 {
		w.t.Fatalf("%s: the server leaves %v, we leave %v", step, theirs, ours)
	}
	for name, want := range theirs.value {
		got := ours.value[name]
		switch name {
		case "id", "key", "start":
			continue
		case "createdAt", "updatedAt", "lastRequest", "lastRefillAt", "expiresAt":
			at, isTime := want.(string)
			if text, ok := got.(string); ok && isTime {
				x, err := time.Parse("2006-01-02T15:04:05.000Z", at)
				y, err2 := time.Parse("2006-01-02T15:04:05.000Z", text)
				if errors.Join(err, err2) == nil && x.Sub(y).Abs() < time.Minute {
					continue
				}
			}
		}
		x, _ := json.Marshal(want)
		if y, _ := json.Marshal(got); string(x) != string(y) {
			w.t.Fatalf("%s: %s is %s there and %s here", step, name, x, y)
		}
	}
}

// edit changes members of a key in Redis, as time would.
func (w *world) edit(k apiKey, change map[string]any) {
	w.t.Helper()
	for _, name := range []string{"api-key:" + k.hash(), "api-key:by-id:" + k.ID} {
		s := w.stored(name)
		if s.value == nil {
			continue
		}
		maps.Copy(s.value, change)
		text, err := json.Marshal(s.value)
		if err != nil {
			w.t.Fatal(err)
		}
		w.redis.Do("SET", "better-auth:"+name, string(text), "KEEPTTL")
	}
}

// keysAlike are settings of keys, and how many uses of one to compare.
func keysAlike(userID string) map[string]map[string]any {
	limits := map[string]map[string]any{
		"unlimited":    {"rateLimitEnabled": false},
		"default":      {},
		"rate limit":   {"rateLimitMax": 3, "rateLimitTimeWindow": 600000, "rateLimitEnabled": true},
		"remaining":    {"remaining": 3, "rateLimitEnabled": false},
		"refill":       {"remaining": 2, "refillAmount": 2, "refillInterval": 3600000, "rateLimitEnabled": false},
		"expiring":     {"expiresIn": 86400 * 2, "permissions": map[string]any{"files": []string{"read"}}, "metadata": map[string]any{"a": "<é>", "b": []int{1}}},
		"both, prefix": {"remaining": 4, "rateLimitMax": 2, "rateLimitTimeWindow": 600000, "prefix": "pk_", "name": "Ключ \"x\""},
	}
	for _, body := range limits {
		body["userId"] = userID
	}
	return limits
}

// TestStoredKeys uses keys that are alike on either side, and compares the answers and what is left in Redis.
func TestStoredKeys(t *testing.T) {
	w := newWorld(t, place{engine: "sqlite", redis: true, inDB: true, keys: betterauth.KeysInSecondary}, 1)
	b := w.signUp()
	same := func(step string, theirs, ours apiKey) {
		t.Helper()
		there, here := w.useThere(theirs.Key), w.useHere(ours.Key)
		if there != here {
			t.Fatalf("%s: %q there, %q here", step, there, here)
		}
		w.sameStored(step, w.stored("api-key:"+theirs.hash()), w.stored("api-key:"+ours.hash()))
		w.sameStored(step+", by id", w.stored("api-key:by-id:"+theirs.ID), w.stored("api-key:by-id:"+ours.ID))
	}
	for name, body := range keysAlike(b.person.id) {
		theirs, ours := w.newKey(body), w.newKey(body)
		for i := range 5 {
			same(name+", use "+strconv.Itoa(i+1), theirs, ours)
		}
		past := time.Now().UTC().Add(-48 * time.Hour).Format("2006-01-02T15:04:05.000Z")
		for _, k := range []apiKey{theirs, ours} {
			w.edit(k, map[string]any{"createdAt": past, "lastRefillAt": past, "lastRequest": past})
		}
		for i := range 4 {
			same(name+", two days later, use "+strconv.Itoa(i+1), theirs, ours)
		}
		for _, k := range []apiKey{theirs, ours} {
			w.edit(k, map[string]any{"enabled": false})
		}
		same(name+", disabled", theirs, ours)
		for _, k := range []apiKey{theirs, ours} {
			w.edit(k, map[string]any{"enabled": true, "expiresAt": past})
		}
		same(name+", expired", theirs, ours)
		same(name+", gone", theirs, ours)
	}
	var left struct{ Total int }
	w.server.control("listKeys", map[string]any{"headers": map[string]string{"cookie": b.header().Get("Cookie")}}, &left)
	if left.Total != 0 {
		t.Errorf("the server lists %d keys that are gone", left.Total)
	}
}

// TestSharedKeys uses one key on both sides in turn: what one counts the other knows.
func TestSharedKeys(t *testing.T) {
	for _, keys := range []betterauth.KeyStorage{betterauth.KeysInDatabase, betterauth.KeysInSecondary, betterauth.KeysInSecondaryAndDatabase} {
		w := newWorld(t, place{engine: "sqlite", redis: true, inDB: true, keys: keys}, 1)
		b := w.signUp()
		for name, want := range map[string]string{"remaining": betterauth.KeyUsedUp, "rate limit": betterauth.KeyRateLimited} {
			t.Run(w.place.String()+" "+name, func(t *testing.T) {
				w.t = t
				sides := []func(string) string{w.useHere, w.useThere, w.useHere, w.useThere, w.useHere}
				for first := range 2 {
					k := w.newKey(keysAlike(b.person.id)[name])
					for i := range 3 {
						if code := sides[first+i](k.Key); code != "" {
							t.Fatalf("use %d: %s", i+1, code)
						}
					}
					if code := sides[first+3](k.Key); code != want {
						t.Errorf("got %q, want %q", code, want)
					}
				}
			})
		}
		k := w.newKey(map[string]any{"userId": b.person.id, "rateLimitEnabled": false})
		header := http.Header{"X-Api-Key": {k.Key}}
		for range 2 {
			if v, _, _ := w.ours(header); v.user != b.person.id {
				t.Errorf("%s: a key is of %q", w.place, v.user)
			}
			if v, _ := w.theirs(header); v.user != b.person.id {
				t.Errorf("%s: the server says of %q", w.place, v.user)
			}
		}
		w.server.control("updateKey", map[string]any{"keyId": k.ID, "userId": b.person.id, "enabled": false}, nil)
		if code := w.useHere(k.Key); code != betterauth.KeyDisabled {
			t.Errorf("%s: after the server has disabled the key: %q", w.place, code)
		}
	}
}
