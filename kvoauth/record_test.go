package kvoauth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/netscript/auth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// newInside returns a backend for tests of internals, which no provider is needed for.
func newInside(t testing.TB, change func(*Config)) *Backend {
	t.Helper()
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := auth.NewKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Clients: []Client{{
			Provider: providers.Provider{ID: "fake", DisplayName: "Fake", Kind: providers.OIDC, Issuer: "https://idp.test"},
			ClientID: "client", ClientSecret: auth.NewSecret("secret"),
		}},
		RedirectURL: "https://app.test/api/v1/auth/callback", KV: memory, Keys: []auth.Key{key},
	}
	if change != nil {
		change(&c)
	}
	b, err := NewKvOAuthBackend(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordRoundTrip(t *testing.T) {
	b := newInside(t, nil)
	d := digestOf(newCredential())
	claims := map[string]any{
		"text": "ü\u2028", "int": int64(-5), "large": int64(1<<63 - 1), "float": 0.5, "bool": true, "null": nil,
		"list": []any{"a", int64(1), map[string]any{"k": "v"}}, "object": map[string]any{"deep": map[string]any{"er": []any{}}},
	}
	rec := newRecord(time.UnixMilli(1_700_000_000_123), b.cfg, "fake", "alice", "user", &auth.Principal{
		Subject: "alice", Scopes: []string{"a"}, Roles: []string{"b"}, Claims: claims,
	})
	rec.UserAgent, rec.IndexPage = "agent", 3
	rec.AuthTime, rec.ACR, rec.AMR, rec.IPAddress = 1, "gold", []string{"pwd"}, "192.0.2.1"
	sealed, err := b.sealRecord(d, nil, rec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.openRecord(d, sealed)
	if err != nil || !reflect.DeepEqual(got, rec) {
		t.Errorf("%+v\n%+v\n%v", got, rec, err)
	}
}

// TestRecordNumbers: what the provider sent as a number is one, exactly as long as 64 bits hold it.
func TestRecordNumbers(t *testing.T) {
	in := map[string]any{"a": json.Number("9007199254740993"), "b": json.Number("1.5"), "c": []any{json.Number("-1")}, "d": json.Number("1e999")}
	want := map[string]any{"a": int64(9007199254740993), "b": 1.5, "c": []any{int64(-1)}, "d": "1e999"}
	if got := storable(in); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestRecordOfAnotherFormat seals what this version does not write: it is no session, and never an error of ours.
func TestRecordOfAnotherFormat(t *testing.T) {
	b := newInside(t, nil)
	d := digestOf(newCredential())
	good := newRecord(time.Now(), b.cfg, "fake", "alice", "alice", &auth.Principal{Subject: "alice"})
	fields := map[int]any{1: 1, 2: "fake", 3: "alice", 4: "alice", 8: 1, 9: 1, 10: 1 << 50, 11: 1 << 50, 16: "alice"}
	with := func(change map[int]any) any {
		m := map[int]any{}
		for k, v := range fields {
			m[k] = v
		}
		for k, v := range change {
			m[k] = v
		}
		return m
	}
	encode := func(v any) []byte {
		plain, err := cbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return plain
	}
	repeated := append(encode(with(nil)), 1, 1) // the version once more
	repeated[0]++                               // and one member more
	if _, err := b.openRecord(d, b.sealSession.seal(d.handle(), encode(with(nil)))); err != nil {
		t.Fatalf("the base of the cases does not open: %v", err)
	}
	for name, plain := range map[string][]byte{
		"empty": {}, "null": encode(nil), "a number": encode(7), "a list": encode([]int{1, 2}), "text": []byte(`{"subject":"alice"}`),
		"no version": encode(with(map[int]any{1: nil})), "future version": encode(with(map[int]any{1: recordVersion + 1})),
		"unknown member": encode(with(map[int]any{99: 1})), "wrong type": encode(with(map[int]any{4: 1})), "time as text": encode(with(map[int]any{11: "never"})),
		"no subject": encode(with(map[int]any{4: ""})), "no user": encode(with(map[int]any{16: ""})), "no end": encode(with(map[int]any{11: 0})),
		"cut": encode(good)[:20], "longer": append(encode(good), 0),
		"repeated member": repeated, "indefinite": {0xbf, 0x01, 0x01, 0xff}, "tagged": append([]byte{0xd9, 0xd9, 0xf7}, encode(good)...),
		"a token set": encode(&tokenSet{Access: "a", Refresh: "r"}), "a transaction": encode(&transaction{ProviderID: "fake"}), "an index": encode(indexPage{Entries: []indexEntry{{Digest: d, EndsAt: 1}}}),
		"deep": append(append([]byte{0xa1, 0x07}, []byte(strings.Repeat("\x81", 100_000))...), 0),
	} {
		rec, err := b.openRecord(d, b.sealSession.seal(d.handle(), plain))
		if auth.CodeOf(err) != auth.CodeSessionInvalid || rec != nil || !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRecordLivesByItsClock: a session without an idle limit has none to live by (NS-23).
func TestRecordLivesByItsClock(t *testing.T) {
	now := time.Now()
	for _, rec := range []*record{{}, {AbsoluteAt: 1 << 50}, {IdleAt: now.UnixMilli()}, {IdleAt: -1, AbsoluteAt: 1 << 50}} {
		if !rec.expired(now) {
			t.Errorf("%+v is live", rec)
		}
	}
	if (&record{IdleAt: now.UnixMilli() + 1, AbsoluteAt: 1 << 50}).expired(now) {
		t.Error("a session with a millisecond left has expired")
	}
}

// TestTokensAreBound: the tokens of one session are not another's, and no session's record.
func TestTokensAreBound(t *testing.T) {
	b := newInside(t, nil)
	d, other := digestOf("a"), digestOf("b")
	rec := new(record)
	set := &tokenSet{Access: "a", Refresh: "r", ID: "i", Scopes: []string{"s"}}
	if err := b.setTokens(d, rec, set); err != nil {
		t.Fatal(err)
	}
	got, err := b.tokensOf(d, rec)
	if err != nil || !reflect.DeepEqual(got, set) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := b.tokensOf(other, rec); auth.CodeOf(err) != auth.CodeSessionInvalid {
		t.Errorf("another session's: %v", err)
	}
	if _, err := b.openRecord(d, rec.Tokens); auth.CodeOf(err) != auth.CodeSessionInvalid {
		t.Errorf("as a session: %v", err)
	}
}

// TestTokensThatDoNotOpen end their session: nobody could tell whether the provider still stands behind it.
func TestTokensThatDoNotOpen(t *testing.T) {
	b := newInside(t, nil)
	credential := newCredential()
	d := digestOf(credential)
	rec := newRecord(time.Now(), b.cfg, "fake", "alice", "alice", &auth.Principal{Subject: "alice"})
	rec.Tokens, rec.RefreshAt = b.sealTokens.seal("another", []byte("x")), 1
	sealed, err := b.sealRecord(d, nil, rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.kv.Set(t.Context(), d.key(sessionKeyPrefix), sealed, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, want := range []auth.Code{auth.CodeSessionRevoked, auth.CodeSessionNotFound} {
		r := newRequest(b, credential)
		if _, err := b.Authenticate(r); auth.CodeOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// FuzzRecord is F-REC: whatever was sealed, and whatever is stored.
func FuzzRecord(f *testing.F) {
	b := newInside(f, nil)
	d := digestOf("credential")
	rec := newRecord(time.UnixMilli(1), b.cfg, "fake", "alice", "alice", &auth.Principal{Subject: "alice", Claims: map[string]any{"a": "b"}})
	plain, err := cbor.Marshal(rec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(plain[:len(plain)/2])
	f.Add([]byte{0xa1, 0x01, 0x01})
	f.Add(b.sealSession.seal("another", plain))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := b.openRecord(d, data); auth.CodeOf(err) != auth.CodeSessionInvalid {
			t.Errorf("a record that is not sealed: %v", err)
		}
		got, err := b.openRecord(d, b.sealSession.seal(d.handle(), data))
		if err != nil {
			if auth.CodeOf(err) != auth.CodeSessionInvalid {
				t.Errorf("%v", err)
			}
			return
		}
		if got.Subject == "" || got.Version != recordVersion {
			t.Errorf("accepted without subject or of another version: %+v", got)
		}
		again, err := b.sealRecord(d, nil, got)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := b.openRecord(d, again); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}

func newRequest(b *Backend, credential string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.test/", nil)
	r.AddCookie(&http.Cookie{Name: b.cfg.CookieName, Value: credential})
	return r
}
