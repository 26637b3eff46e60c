package kvoauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/returnurl"
	"github.com/netscript/auth/internal/strictjson"
)

const (
	dpopAlgorithm = jose.ES256
	maxNonce      = 1024 // bytes
	maxOrigins    = 16   // of one provider, whose nonces are kept
)

// dpopKey is the key that a session's tokens are bound to (RFC 9449): the private scalar of a P-256 key, made at the
// sign-in, and stored sealed with the transaction and the tokens. nil is none. It is never sent anywhere.
type dpopKey []byte

func newDPoPKey() (dpopKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fail(auth.CodeInternal, "DPoP", errors.New("no key could be made"))
	}
	return private.Bytes()
}

func (k dpopKey) private() (*ecdsa.PrivateKey, error) {
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), k)
	if err != nil {
		return nil, fail(auth.CodeInternal, "DPoP", errors.New("the stored key is none"))
	}
	return private, nil
}

// thumbprint returns what names the key in an authorization request (RFC 9449, section 10).
func (k dpopKey) thumbprint() (string, error) {
	private, err := k.private()
	if err != nil {
		return "", err
	}
	sum, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fail(auth.CodeInternal, "DPoP", errors.New("the key has no thumbprint"))
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// dpopContextKey is the context key of the dpopKey that requests are made with.
type dpopContextKey struct{}

// withDPoP returns a context whose requests to the provider prove possession of key; without one, ctx itself.
func withDPoP(ctx context.Context, key dpopKey) context.Context {
	if key == nil {
		return ctx
	}
	return context.WithValue(ctx, dpopContextKey{}, key)
}

func dpopOf(ctx context.Context) dpopKey {
	key, _ := ctx.Value(dpopContextKey{}).(dpopKey)
	return key
}

// authorization returns the Authorization header for an access token, by how it is bound (RFC 9449, section 7.1).
func authorization(ctx context.Context, token string) string {
	if dpopOf(ctx) != nil {
		return "DPoP " + token
	}
	return "Bearer " + token
}

// bindKey gives t a key of its own if this client uses DPoP. That the provider does not say that it does, where it says
// anything, is an error: its tokens would be good for whoever gets hold of them.
func (rp *relyingParty) bindKey(m *metadata, t *transaction) (err error) {
	if !rp.DPoP {
		return nil
	}
	if m.discovered && !m.dpop {
		return fail(auth.CodeProviderInvalid, "DPoP", errors.New("dpop_signing_alg_values_supported has no ES256"))
	}
	if t.DPoPKey, err = newDPoPKey(); err != nil {
		return err
	}
	t.thumbprint, err = t.DPoPKey.thumbprint()
	return err
}

// dpopTransport adds to requests whose context has a key the proof that this client holds it (RFC 9449, section 4). When
// the provider asks for a nonce, the request is sent a second time with it, and not a third: a challenge comes before
// anything is used up (section 8), so that also a code may be sent again.
type dpopTransport struct {
	rp   *relyingParty
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *dpopTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	key := dpopOf(r.Context())
	if key == nil {
		return t.next.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	res, err := t.send(r, body, key)
	if err != nil {
		return nil, err
	}
	again, err := t.challenged(r, res)
	if err != nil || !again {
		return res, err
	}
	res.Body.Close()
	if res, err = t.send(r, body, key); err != nil {
		return nil, err
	}
	t.rp.nonces.learn(r.URL, res.Header)
	return res, nil
}

// send sends r once, with a proof of its own.
func (t *dpopTransport) send(r *http.Request, body []byte, key dpopKey) (*http.Response, error) {
	proof, err := t.proof(r, key)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	if r.Body != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody = nil
	}
	r.Header.Set("DPoP", proof)
	return t.next.RoundTrip(r)
}

// proof returns a DPoP proof for one request (RFC 9449, section 4.2).
func (t *dpopTransport) proof(r *http.Request, key dpopKey) (string, error) {
	private, err := key.private()
	if err != nil {
		return "", err
	}
	target := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}
	claims := map[string]any{"jti": rand.Text(), "htm": r.Method, "htu": target.String(), "iat": t.rp.Now().Unix()}
	if nonce := t.rp.nonces.get(r.URL); nonce != "" {
		claims["nonce"] = nonce
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP "); ok {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	proof, err := signJWT(jose.SigningKey{Algorithm: dpopAlgorithm, Key: private}, claims, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		return "", fail(auth.CodeInternal, "DPoP", err)
	}
	return proof, nil
}

// challenged learns the nonce that comes with res, and reports whether res asks for the request to be made again with it:
// an error of the authorization server (RFC 9449, section 8) or a challenge of a resource (section 9).
func (t *dpopTransport) challenged(r *http.Request, res *http.Response) (bool, error) {
	if !t.rp.nonces.learn(r.URL, res.Header) || res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusUnauthorized {
		return false, nil
	}
	for _, challenge := range res.Header.Values("WWW-Authenticate") {
		if strings.Contains(strings.ToLower(challenge), "dpop ") && strings.Contains(challenge, `"use_dpop_nonce"`) {
			return true, nil
		}
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return false, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	members, err := strictjson.Object(body, maxResponse)
	return err == nil && stringMember(members, "error") == "use_dpop_nonce", nil
}

// dpopNonces are the latest nonces of a provider's servers, by origin (RFC 9449, section 8.2).
type dpopNonces struct {
	mu     sync.Mutex
	latest map[string]string
}

func (n *dpopNonces) get(server *url.URL) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.latest[returnurl.Origin(server)]
}

// learn keeps the nonce in h, and reports whether there is one: exactly one, of the form of section 8.1.
func (n *dpopNonces) learn(server *url.URL, h http.Header) bool {
	values := h.Values("DPoP-Nonce")
	if len(values) != 1 || values[0] == "" || len(values[0]) > maxNonce || strings.ContainsFunc(values[0], notNonce) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	origin := returnurl.Origin(server)
	if _, known := n.latest[origin]; n.latest == nil || !known && len(n.latest) >= maxOrigins {
		n.latest = make(map[string]string)
	}
	n.latest[origin] = values[0]
	return true
}

func notNonce(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
