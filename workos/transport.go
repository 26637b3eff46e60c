package workos

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/netscript/auth"
)

const (
	maxResponse = 1 << 20 // bytes of an answer, after decompression
	userAgent   = "netscript-auth"
)

var (
	errTooLarge    = errors.New("WorkOS' answer is too large")
	errStatus      = errors.New("WorkOS answered with an unexpected status")
	errNotJSON     = errors.New("WorkOS answered with something that is not the expected JSON")
	errUnreachable = errors.New("WorkOS cannot be reached")
)

// newClient returns the client for all requests to WorkOS. It follows no redirect, which would send the API key on: a
// redirect is an unexpected status.
func newClient(base *http.Client) *http.Client {
	c := &http.Client{Timeout: DefaultAPITimeout, Transport: http.DefaultTransport}
	if base != nil {
		if base.Timeout > 0 {
			c.Timeout = base.Timeout
		}
		if base.Transport != nil {
			c.Transport = base.Transport
		}
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// code is the code of an error for an answer that is not the expected one.
func (a *answer) code() auth.Code {
	if a.temporary() {
		return auth.CodeProviderUnavailable
	}
	return auth.CodeProviderInvalid
}

// temporary reports whether the same request may succeed later.
func (a *answer) temporary() bool {
	return a.status >= 500 || a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout
}

// exchange sends r and reads the answer, but not more of it than the limit.
func exchange(c *http.Client, r *http.Request, op string) (*answer, error) {
	r.Header.Set("User-Agent", userAgent)
	res, err := c.Do(r) //nolint:gosec // G704: the same
	if err != nil {
		return nil, fail(auth.CodeProviderUnavailable, op, withoutURL(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err != nil {
		return nil, fail(auth.CodeProviderUnavailable, op, errUnreachable)
	}
	if len(body) > maxResponse {
		return nil, fail(auth.CodeProviderInvalid, op, errTooLarge)
	}
	return &answer{res.StatusCode, res.Header, body}, nil
}

// withoutURL says whether it took too long or did not work, and not what the transport said: it may quote the request.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok && u.Timeout() {
		return context.DeadlineExceeded
	}
	return errUnreachable
}
