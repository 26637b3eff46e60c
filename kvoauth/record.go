package kvoauth

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/clientaddr"
	"github.com/netscript/auth/internal/strictjson"
)

const (
	sessionKeyPrefix = "s:"
	recordVersion    = 1
	maxUserAgent     = 256
	maxNesting       = strictjson.MaxDepth + 4 // claims as deep as they are accepted, within the record
)

// record is a session as it is stored: in CBOR (RFC 8949), sealed for its own handle, so that the bytes of one session
// never pass for another's, whatever the store mixes up.
type record struct {
	Version     int            `cbor:"1,keyasint"`
	ProviderID  string         `cbor:"2,keyasint"`
	Account     string         `cbor:"3,keyasint"`
	Subject     string         `cbor:"4,keyasint"`
	Scopes      []string       `cbor:"5,keyasint"`
	Roles       []string       `cbor:"6,keyasint"`
	Claims      map[string]any `cbor:"7,keyasint"`
	IssuedAt    int64          `cbor:"8,keyasint"` // Unix milliseconds, as all times here
	UsedAt      int64          `cbor:"9,keyasint"`
	IdleAt      int64          `cbor:"10,keyasint"` // it ends then unless it is used before
	AbsoluteAt  int64          `cbor:"11,keyasint"` // it ends then
	RefreshedAt int64          `cbor:"12,keyasint,omitempty"`
	UserAgent   string         `cbor:"13,keyasint,omitempty"`
	// RefreshAt is when the provider's tokens should be renewed; zero if they cannot or need not be.
	RefreshAt int64 `cbor:"14,keyasint,omitempty"`
	// Tokens is a tokenSet, sealed apart: reading a session does not open it.
	Tokens []byte `cbor:"15,keyasint,omitempty"`
	// UserID is the application's user; IndexPage is the page of the user's index that lists the session.
	UserID    string `cbor:"16,keyasint"`
	IndexPage int    `cbor:"17,keyasint,omitempty"`
	// SID is the session at the provider in which this one began; AccountPage is like IndexPage.
	SID         string `cbor:"18,keyasint,omitempty"`
	AccountPage int    `cbor:"19,keyasint,omitempty"`
	// What follows is not in the records of older versions: it is then not known.
	AuthTime  int64    `cbor:"20,keyasint,omitempty"`
	ACR       string   `cbor:"21,keyasint,omitempty"`
	AMR       []string `cbor:"22,keyasint,omitempty"`
	IPAddress string   `cbor:"23,keyasint,omitempty"`
	// Epoch is the one in which the sign-in began. A session that follows this one is of it too: nobody has signed in anew.
	Epoch int64 `cbor:"24,keyasint,omitempty"`
}

// strictDecoding refuses what this version did not write: repeated keys, indefinite lengths, unknown members, deep nesting.
func strictDecoding() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, IntDec: cbor.IntDecConvertSignedOrFail, MaxNestedLevels: maxNesting,
		DefaultMapType: reflect.TypeFor[map[string]any](),
	}.DecMode()
}

// newRecord returns the record of a session that starts at now.
func newRecord(now time.Time, s *settings, providerID, account, userID string, p *auth.Principal) *record {
	rec := &record{
		Version: recordVersion, ProviderID: providerID, Account: account, Subject: p.Subject, UserID: userID, Scopes: p.Scopes, Roles: p.Roles,
		Claims: storable(p.Claims), IssuedAt: now.UnixMilli(),
		AbsoluteAt: now.Add(s.AbsoluteTimeout).UnixMilli(),
	}
	rec.touch(now, s.IdleTimeout)
	return rec
}

// authenticated notes when and how the person proved who they are, at the sign-in: a refresh, for which nobody has to be
// there, never changes it.
func (rec *record) authenticated(a authentication) {
	if !a.at.IsZero() {
		rec.AuthTime = a.at.UnixMilli()
	}
	rec.ACR, rec.AMR = a.acr, a.amr
}

func (rec *record) authentication() authentication {
	return authentication{at: optionalTime(rec.AuthTime), acr: rec.ACR, amr: rec.AMR}
}

// touch notes that the session is used at now.
func (rec *record) touch(now time.Time, idle time.Duration) {
	rec.UsedAt = now.UnixMilli()
	rec.IdleAt = min(now.Add(idle).UnixMilli(), rec.AbsoluteAt)
}

// lifetime is how long the session lives from now unless it is used. The store keeps the record so long.
func (rec *record) lifetime(now time.Time) time.Duration {
	return time.Duration(rec.IdleAt-now.UnixMilli()) * time.Millisecond
}

// expired is decided by this clock alone; the store's removal of the record only saves space.
func (rec *record) expired(now time.Time) bool { return rec.lifetime(now) <= 0 }

// storable returns a copy of claims in which numbers of encoding/json, which CBOR would write as text, are numbers.
func storable(claims map[string]any) map[string]any {
	out := make(map[string]any, len(claims))
	for name, v := range claims {
		out[name] = storableValue(v)
	}
	return out
}

func storableValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
		return v.String()
	case map[string]any:
		return storable(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = storableValue(v[i])
		}
		return out
	}
	return v
}

// sealRecord seals rec for d. A session keeps the key of its first record, prev's, for life: when a key is dropped from
// the ring, all sessions that began under it end, and none of them outlives the index it is listed in.
func (b *Backend) sealRecord(d digest, prev []byte, rec *record) ([]byte, error) {
	plain, err := cbor.Marshal(rec)
	if err != nil {
		return nil, fail(auth.CodeInternal, "store session", errors.New("claims do not encode"))
	}
	return b.sealSession.sealLike(prev, d.handle(), plain), nil
}

// openRecord returns the record sealed for d. One that does not open, or that another version wrote, is no session.
func (b *Backend) openRecord(d digest, sealed []byte) (*record, error) {
	plain, err := b.sealSession.open(d.handle(), sealed)
	if err != nil {
		return nil, fail(auth.CodeSessionInvalid, "read session", err)
	}
	rec := new(record)
	if err := b.decode.Unmarshal(plain, rec); err != nil || rec.Version != recordVersion || rec.Subject == "" || rec.UserID == "" || rec.AbsoluteAt == 0 {
		return nil, fail(auth.CodeSessionInvalid, "read session", errors.New("unknown format"))
	}
	rec.limit(b.cfg)
	return rec, nil
}

// limit holds a session to the timeouts of today, where they are shorter than those that it began under.
func (rec *record) limit(s *settings) {
	rec.AbsoluteAt = min(rec.AbsoluteAt, time.UnixMilli(rec.IssuedAt).Add(s.AbsoluteTimeout).UnixMilli())
	rec.IdleAt = min(rec.IdleAt, time.UnixMilli(rec.UsedAt).Add(s.IdleTimeout).UnixMilli(), rec.AbsoluteAt)
}

func (b *Backend) setTokens(d digest, rec *record, t *tokenSet) error {
	plain, err := cbor.Marshal(t)
	if err != nil {
		return fail(auth.CodeInternal, "store tokens", err)
	}
	rec.Tokens = b.sealTokens.seal(d.handle(), plain)
	rec.RefreshAt = refreshTime(t)
	return nil
}

func (b *Backend) tokensOf(d digest, rec *record) (*tokenSet, error) {
	plain, err := b.sealTokens.open(d.handle(), rec.Tokens)
	if err != nil {
		return nil, fail(auth.CodeSessionInvalid, "read tokens", err)
	}
	t := new(tokenSet)
	if err := b.decode.Unmarshal(plain, t); err != nil {
		return nil, fail(auth.CodeSessionInvalid, "read tokens", errors.New("unknown format"))
	}
	return t, nil
}

// session returns what may be shown of rec.
func (rec *record) session(d digest) *auth.Session {
	return &auth.Session{
		ID: d.handle(), UserID: rec.UserID, AccountID: rec.Account, ProviderID: rec.ProviderID, Subject: rec.Subject,
		State: auth.SessionActive, Scopes: rec.Scopes, Roles: rec.Roles, Claims: rec.Claims,
		IssuedAt: time.UnixMilli(rec.IssuedAt).UTC(), ExpiresAt: time.UnixMilli(rec.IdleAt).UTC(),
		LastUsedAt: time.UnixMilli(rec.UsedAt).UTC(), RefreshedAt: optionalTime(rec.RefreshedAt), UserAgent: rec.UserAgent,
		IPAddress: rec.IPAddress, AuthTime: optionalTime(rec.AuthTime), ACR: rec.ACR, AMR: rec.AMR,
	}
}

func optionalTime(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// userAgent returns the request's, without what a page or a log should not be handed.
func userAgent(r *http.Request) string {
	ua := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, r.UserAgent())
	return ua[:min(len(ua), maxUserAgent)]
}

// ipAddress returns the address that r came from, or "".
func (s *settings) ipAddress(r *http.Request) string {
	if addr := clientaddr.Of(r, s.TrustedProxies, s.ForwardedHeader); addr.IsValid() {
		return addr.String()
	}
	return ""
}
