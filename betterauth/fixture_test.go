package betterauth_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth/betterauth"
)

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// testKeys sign as the jwt plugin does.
type testKeys struct {
	id      string
	private ed25519.PrivateKey
}

func newTestKeys(t testing.TB) *testKeys {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &testKeys{"key-1", private}
}

// row is the key as the table has it.
func (k *testKeys) row(now time.Time) map[string]any {
	public, _ := k.private.Public().(ed25519.PublicKey)
	jwk, _ := json.Marshal(map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)})
	return map[string]any{"id": k.id, "publicKey": string(jwk), "privateKey": `"00"`, "createdAt": now}
}

func (k *testKeys) sign(t testing.TB, typ string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", k.id)
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.private}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// newStoredRig is a rig whose sessions are in a secondary storage.
func newStoredRig(t testing.TB, change func(*betterauth.Config)) (*rig, *memoryStorage) {
	t.Helper()
	storage := newMemoryStorage()
	return newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Secondary = &betterauth.Secondary{Storage: storage}
		if change != nil {
			change(c)
		}
	}), storage
}

// storedSession makes a session as the server writes it to the storage.
func (r *rig) storedSession(storage *memoryStorage, name string) *http.Request {
	r.t.Helper()
	userID := r.user(name)
	r.next++
	now := r.clock.now().UTC()
	token := "Stored" + strconv.Itoa(r.next) + "AbCdEfGhIjKlMnOpQrStUv"
	iso := func(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }
	session := map[string]any{"id": "session-" + strconv.Itoa(r.next), "token": token, "userId": userID, "expiresAt": iso(now.Add(7 * 24 * time.Hour)),
		"createdAt": iso(now), "updatedAt": iso(now), "ipAddress": "", "userAgent": "rig/1.0"}
	user := map[string]any{"id": userID, "name": name, "email": name + "@example.test", "emailVerified": true, "createdAt": iso(now), "updatedAt": iso(now)}
	value, _ := json.Marshal(map[string]any{"session": session, "user": user})
	storage.mu.Lock()
	defer storage.mu.Unlock()
	storage.values[token] = stored{string(value), 7 * 24 * 3600}
	var list []map[string]any
	_ = json.Unmarshal([]byte(storage.values["active-sessions-"+userID].Value), &list)
	text, _ := json.Marshal(append(list, map[string]any{"token": token, "expiresAt": now.Add(7 * 24 * time.Hour).UnixMilli()}))
	storage.values["active-sessions-"+userID] = stored{string(text), 7 * 24 * 3600}
	return cookied(token)
}

func contains(s, part string) bool { return strings.Contains(s, part) }
