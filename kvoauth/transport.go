package kvoauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

// maxResponse is the largest answer of a provider that is read, in bytes after decompression.
const maxResponse = 1 << 20

// maxScope bounds the granted scope, in bytes of JSON: a session carries it.
const maxScope = 16 << 10

var (
	errRedirected  = errors.New("the provider answered with a redirect")
	errTooLarge    = errors.New("the provider's answer is too large")
	errNotJSON     = errors.New("the provider's answer is not acceptable JSON")
	errStatus      = errors.New("the provider answered with an unexpected status")
	errUnreachable = errors.New("the provider cannot be reached")
)

// newProviderClient returns the client for all requests to providers. It follows no redirect: one of the token endpoint
// would send the client's secret on, one of UserInfo the access token (RFC 9700, section 4.12).
func newProviderClient(base *http.Client) *http.Client {
	if base == nil {
		base = new(http.Client)
	}
	transport := base.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	c := &http.Client{Timeout: positive(base.Timeout, DefaultProviderTimeout), Transport: &boundedTransport{transport}}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return errRedirected }
	return c
}

// boundedTransport bounds the bodies of answers.
type boundedTransport struct{ next http.RoundTripper }

func (t *boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &boundedBody{res.Body, maxResponse}
	return res, nil
}

// boundedBody fails, rather than ends, where the bound is reached: a cut document must not look like a whole one.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// tokenTransport is for the token endpoint: it asks for JSON, and gives golang.org/x/oauth2, which decodes leniently,
// only an answer that is strict JSON.
type tokenTransport struct{ next http.RoundTripper }

func (t *tokenTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json") // GitHub answers a form otherwise
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, providerError("token request", err)
	}
	if busy(res) {
		return nil, &auth.Error{Code: auth.CodeProviderUnavailable, Backend: Name, Op: "token request", Err: errStatus}
	}
	members, err := strictjson.Object(body, maxResponse)
	if err != nil || !isJSON(res.Header) || !plausibleTokens(members) {
		return nil, &auth.Error{Code: auth.CodeProviderInvalid, Backend: Name, Op: "token request", Err: errNotJSON}
	}
	if body, err = json.Marshal(members); err != nil {
		return nil, &auth.Error{Code: auth.CodeProviderInvalid, Backend: Name, Op: "token request", Err: errNotJSON}
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// busy reports whether the provider says that it cannot answer now, in whatever form: what limits requests is often not the
// provider itself, and does not answer JSON.
func busy(res *http.Response) bool {
	return res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests
}

// tokenMembers are what golang.org/x/oauth2 reads.
var tokenMembers = [...]string{"access_token", "token_type", "refresh_token", "expires_in", "error", "error_description", "error_uri"}

// plausibleTokens reports whether the texts of a token answer can be what they should be (RFC 6749, appendix A), and
// removes members that encoding/json would take for one of tokenMembers although their names differ in case.
func plausibleTokens(members map[string]json.RawMessage) bool {
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(tokenMembers[:], func(known string) bool { return name != known && strings.EqualFold(name, known) })
	})
	for _, name := range []string{"access_token", "refresh_token"} {
		if strings.ContainsFunc(stringMember(members, name), func(r rune) bool { return r < ' ' || r > '~' }) {
			return false
		}
	}
	return len(members["scope"]) <= maxScope
}

func isJSON(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json") || t == "text/javascript") // Facebook says text/javascript
}

// getJSON fetches a document. token, if any, goes into the Authorization header and nowhere else.
func getJSON(ctx context.Context, c *http.Client, op, target, token string, header map[string]string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, &auth.Error{Code: auth.CodeProviderInvalid, Backend: Name, Op: op, Err: errors.New("endpoint is not a URL")}
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "netscript-auth")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	if token != "" {
		r.Header.Set("Authorization", authorization(ctx, token))
	}
	res, err := c.Do(r)
	if err != nil {
		return nil, providerError(op, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		code := auth.CodeProviderInvalid
		if busy(res) {
			code = auth.CodeProviderUnavailable
		}
		return nil, &auth.Error{Code: code, Backend: Name, Op: op, Err: errStatus}
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, providerError(op, err)
	}
	return body, nil
}

// providerError classifies an error of an HTTP exchange with a provider. What the transport said is kept without the
// URL, whose query can hold what was asked.
func providerError(op string, err error) error {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return e
	}
	code := auth.CodeProviderUnavailable
	if errors.Is(err, errRedirected) || errors.Is(err, errTooLarge) {
		code = auth.CodeProviderInvalid
	}
	cause := errUnreachable
	switch u, ok := errors.AsType[*url.Error](err); {
	case ok && code == auth.CodeProviderInvalid:
		cause = u.Err
	case ok && u.Timeout():
		cause = context.DeadlineExceeded
	case !ok && code == auth.CodeProviderInvalid:
		cause = err
	}
	return &auth.Error{Code: code, Backend: Name, Op: op, Err: cause}
}
