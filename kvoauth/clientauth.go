package kvoauth

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/netscript/auth/providers"
)

// clientTransport is for the endpoints at which the client authenticates (RFC 6749, section 2.3). It adds to a form what
// proves that it comes from this client, in the way that the provider's definition names and no other.
type clientTransport struct {
	rp   *relyingParty
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *clientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	t.rp.authenticate(r, form)
	encoded := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
	r.GetBody = nil // a code and a rotating refresh token are sent once
	return t.next.RoundTrip(r)
}

// authenticate adds the client's credentials to the form that r will carry.
func (rp *relyingParty) authenticate(r *http.Request, form url.Values) {
	switch {
	case rp.ClientSecret.IsZero(): // a public client
		form.Set("client_id", rp.ClientID)
	case rp.Provider.ClientAuth == providers.ClientSecretPost:
		form.Set("client_id", rp.ClientID)
		form.Set("client_secret", rp.ClientSecret.Reveal())
	default:
		form.Del("client_id")
		// Both are form-encoded before they are joined (RFC 6749, section 2.3.1).
		r.SetBasicAuth(url.QueryEscape(rp.ClientID), url.QueryEscape(rp.ClientSecret.Reveal()))
	}
}
