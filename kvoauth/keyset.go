package kvoauth

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

const (
	unknownKeyCooldown = 5 * time.Minute
	unknownKeyRetry    = 10 * time.Second // after a fetch that failed
	maxKeys            = 100
	minRSABits         = 2048
)

var (
	errNoKey        = errors.New("no key fits the token, and the provider was asked for new ones a short while ago")
	errKeysNotAsked = fmt.Errorf("%w: not again yet", errNoKey)
	errBadSignature = errors.New("signature does not verify")
)

// keySet is a provider's signing keys. A token whose key is not among them makes it ask the provider again, at most once
// in five minutes: forged tokens must not become requests to the provider, while a rotation is noticed at once.
type keySet struct {
	*fetched[[]jose.JSONWebKey]
	algs []jose.SignatureAlgorithm

	mu    sync.Mutex
	asked time.Time // when an unknown key last made us ask
}

var _ oidc.KeySet = (*keySet)(nil)

// apart returns the same keys, with asking for unknown ones counted on its own: for tokens that anybody can send, which
// must not keep those that the provider sent from being verified.
func (s *keySet) apart() *keySet { return &keySet{fetched: s.fetched, algs: s.algs} }

// VerifySignature implements oidc.KeySet.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, s.algs)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errBadSignature
	}
	keys, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Header
	fitting := candidates(keys, header)
	if payload, ok := verify(jws, fitting); ok {
		return payload, nil
	}
	if header.KeyID != "" && len(fitting) > 0 {
		return nil, errBadSignature
	}
	// The key may be newer than what is known; of a token that names none nothing else can be said.
	keys, asked, err := s.again(ctx)
	if err != nil {
		return nil, err
	}
	fitting = candidates(keys, header)
	if payload, ok := verify(jws, fitting); ok {
		return payload, nil
	}
	if len(fitting) == 0 && !asked {
		return nil, errKeysNotAsked
	}
	if len(fitting) == 0 {
		return nil, errNoKey
	}
	return nil, errBadSignature
}

func verify(jws *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	for i := range keys {
		if payload, err := jws.Verify(&keys[i]); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// again returns the keys as they are now: asked for once more, unless that was done a short while ago. Who comes while
// they are being fetched waits for them, which the fetch's own timeout bounds: at a rotation everybody comes at once.
func (s *keySet) again(ctx context.Context) (keys []jose.JSONWebKey, asked bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked.IsZero() && s.now().Sub(s.asked) < unknownKeyCooldown {
		keys, err = s.get(ctx)
		return keys, false, err
	}
	s.asked = s.now()
	if keys, err = s.renew(ctx); err != nil {
		s.asked = s.asked.Add(unknownKeyRetry - unknownKeyCooldown)
	}
	return keys, true, err
}

// candidates returns the keys that may have signed a token with header h: those with its key id or, for a token without
// one, the only key of its algorithm (OpenID Connect Core 1.0, section 10.1).
func candidates(keys []jose.JSONWebKey, h jose.Header) (fitting []jose.JSONWebKey) {
	for _, k := range keys {
		if fits(&k, h.Algorithm) && (h.KeyID == "" || k.KeyID == h.KeyID) {
			fitting = append(fitting, k)
		}
	}
	if h.KeyID == "" && len(fitting) > 1 {
		return nil
	}
	return fitting
}

// fits reports whether k may verify alg: by its own alg (RFC 7517, section 4.4) or else by its type.
func fits(k *jose.JSONWebKey, alg string) bool {
	if k.Algorithm != "" {
		return k.Algorithm == alg
	}
	switch k.Key.(type) {
	case *rsa.PublicKey:
		return alg[0] == 'R' || alg[0] == 'P'
	default:
		return alg[0] == 'E'
	}
}

// fetchKeys returns the usable keys of a JWK set. An entry that cannot be used is ignored, as RFC 7517 section 5 says;
// symmetric keys never are usable, or the client secret's holder could sign.
func fetchKeys(ctx context.Context, c *http.Client, target string) ([]jose.JSONWebKey, error) {
	body, err := getJSON(ctx, c, "fetch keys", target, "", nil)
	if err != nil {
		return nil, err
	}
	var raw []json.RawMessage
	set, err := strictjson.Object(body, maxResponse)
	if err == nil {
		err = json.Unmarshal(set["keys"], &raw)
	}
	if err != nil || len(raw) > maxKeys {
		return nil, &auth.Error{Code: auth.CodeProviderInvalid, Backend: Name, Op: "fetch keys", Err: errors.New("not a JWK set")}
	}
	var keys []jose.JSONWebKey
	for _, r := range raw {
		var k jose.JSONWebKey
		if usableKey(r, &k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func usableKey(raw json.RawMessage, k *jose.JSONWebKey) bool {
	if k.UnmarshalJSON(raw) != nil || !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
		return false
	}
	var ops struct {
		KeyOps []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &ops) != nil || ops.KeyOps != nil && !slices.Contains(ops.KeyOps, "verify") {
		return false
	}
	if key, ok := k.Key.(*rsa.PublicKey); ok {
		return key.N.BitLen() >= minRSABits && key.E >= 3 && key.E%2 == 1
	}
	return true
}
