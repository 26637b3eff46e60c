package auth_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

func TestSlogObserver(t *testing.T) {
	salt := testKey(t, material)
	mac := hmac.New(sha256.New, []byte(material))
	mac.Write([]byte("alice"))
	hash := hex.EncodeToString(mac.Sum(nil))
	full := auth.Event{Name: auth.EventSessionRevoked, Backend: "fake", ProviderID: "one", SessionID: "s1", Subject: auth.NewSecret("alice"), Count: 3}
	failed := auth.Event{Name: auth.EventSignInFailed, Backend: "fake", Code: auth.CodeAccessDenied}
	tests := []struct {
		name string
		e    auth.Event
		salt auth.Key
		want map[string]any
	}{
		{"success", full, salt, map[string]any{"level": "INFO", "msg": "auth.session.revoked", "backend": "fake", "provider": "one", "session": "s1", "subject_hash": hash, "count": 3.0}},
		{"no salt, no subject", full, auth.Key{}, map[string]any{"level": "INFO", "msg": "auth.session.revoked", "backend": "fake", "provider": "one", "session": "s1", "count": 3.0}},
		{"failure", failed, salt, map[string]any{"level": "WARN", "msg": "auth.signin.failed", "backend": "fake", "code": "access_denied"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			auth.SlogObserver(slog.New(slog.NewJSONHandler(&out, nil)), tt.salt).Observe(context.Background(), tt.e)
			if strings.Contains(out.String(), "alice") {
				t.Errorf("the subject is in %s", out.String())
			}
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "time")
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("record %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSubjectHashDependsOnTheSalt(t *testing.T) {
	e := auth.Event{Subject: auth.NewSecret("alice")}
	a, b := e.SubjectHash(auth.GenerateKey()), e.SubjectHash(auth.GenerateKey())
	if a == b || len(a) != 64 {
		t.Errorf("hashes %s and %s", a, b)
	}
	if got := (auth.Event{}).SubjectHash(auth.GenerateKey()); got != "" {
		t.Errorf("hash of nothing: %s", got)
	}
}
