package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The defaults of [RemoteConfig].
const (
	DefaultRemoteStaleness = 5 * time.Second
	DefaultRemoteTimeout   = 5 * time.Second
	DefaultRemoteEntries   = 10_000
	DefaultRemoteCookie    = "__Host-ns_session"
)

// RemoteConfig configures [NewRemote].
type RemoteConfig struct {
	// URL is where the auth-api's routes lie, as https://auth.example.com/api/v1/auth. Required.
	URL string
	// CookieNames are the cookies that carry a session; no other cookie is passed on. If nil, "__Host-ns_session". An
	// empty list passes bearer tokens alone.
	CookieNames []string
	// Staleness is how long an answer "yes" is believed without asking again: a session that is ended elsewhere is noticed
	// that much later. Other answers are never kept. If zero, five seconds; negative asks for every request. At most a
	// minute.
	Staleness time.Duration
	// MaxEntries bounds the answers that are kept. If zero, 10,000.
	MaxEntries int
	// Timeout bounds a question. If zero, five seconds.
	Timeout time.Duration
	// HTTPClient reaches the auth-api: its Transport is used. If nil, http.DefaultTransport. Redirects are never followed.
	HTTPClient *http.Client
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
	// InsecureAllowHTTP permits an http URL: whoever can read the traffic takes over sessions, and whoever can change it
	// decides who a request is from. For loopback and for networks that encrypt by themselves.
	InsecureAllowHTTP bool
}

// Remote authenticates requests by asking an auth-api who sent them: it passes the request's session cookie or bearer
// token on to GET /me, and nothing else of the request. When it gets no clear answer it does not decide
// ([CodeProviderUnavailable], [CodeProviderInvalid]), and the request is refused. Cookies that the auth-api sets, because
// it has renewed the session, are in [Authentication.Cookies] of the request that asked.
//
// Concurrent requests with one credential ask once. It is safe for concurrent use.
type Remote struct {
	me      string
	cookies []string
	timeout time.Duration
	client  *http.Client
	now     func() time.Time
	answers *remoteAnswers // nil: none are kept
	flights remoteFlights
}

var (
	_ AuthenticatorPort = (*Remote)(nil)
	_ SessionReaderPort = (*Remote)(nil)
)

// NewRemote returns an authenticator for c. It asks nobody yet. An error is of [CodeConfigInvalid].
func NewRemote(c RemoteConfig) (*Remote, error) {
	base, err := parseRemoteURL(c)
	if err != nil {
		return nil, configError("remote", err)
	}
	a := &Remote{me: base + "/me", cookies: slices.Clone(c.CookieNames), timeout: c.Timeout, now: c.Now}
	if c.CookieNames == nil {
		a.cookies = []string{DefaultRemoteCookie}
	}
	if a.timeout == 0 {
		a.timeout = DefaultRemoteTimeout
	}
	if a.now == nil {
		a.now = time.Now
	}
	staleness, entries := c.Staleness, c.MaxEntries
	if staleness == 0 {
		staleness = DefaultRemoteStaleness
	}
	if entries == 0 {
		entries = DefaultRemoteEntries
	}
	if staleness > time.Minute || a.timeout < 0 || entries < 0 {
		return nil, configError("remote", errors.New("Staleness is at most a minute, and Timeout and MaxEntries are positive"))
	}
	if staleness > 0 {
		a.answers = newRemoteAnswers(staleness, entries)
	}
	a.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c.HTTPClient != nil {
		a.client.Transport = c.HTTPClient.Transport
	}
	return a, nil
}

func parseRemoteURL(c RemoteConfig) (string, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return "", errors.New("URL must be the absolute URL of the auth-api's routes, as https://auth.example.com/api/v1/auth")
	case u.Scheme == "http" && !c.InsecureAllowHTTP, u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("URL must be https (InsecureAllowHTTP permits http)")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Authenticate implements [AuthenticatorPort].
func (a *Remote) Authenticate(r *http.Request) (*Authentication, error) {
	header, err := a.credential(r)
	if err != nil {
		return nil, err
	}
	key := credentialKey(header)
	if got, ok := a.answers.get(key, a.now()); ok {
		return got, nil
	}
	return a.flights.do(r.Context(), key, func(ctx context.Context) (*Authentication, error) {
		ctx, cancel := context.WithTimeout(ctx, a.timeout)
		defer cancel()
		asked := a.now()
		got, err := a.ask(ctx, header)
		if err == nil {
			a.answers.put(key, got, asked)
		}
		return got, err
	})
}

// Session implements [SessionReaderPort]. A credential without a session, such as an API key, is
// [CodeSessionNotFound].
func (a *Remote) Session(r *http.Request) (*Session, error) {
	got, err := a.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if got.Session == nil {
		return nil, &Error{Code: CodeSessionNotFound, Op: "remote"}
	}
	return got.Session, nil
}

// credential returns what of r is passed on. Both a token and a cookie may be there: the auth-api decides.
func (a *Remote) credential(r *http.Request) (http.Header, error) {
	header := http.Header{}
	token, found, err := bearerToken(r)
	if err != nil {
		return nil, err
	}
	if found {
		header.Set("Authorization", "Bearer "+token)
	}
	var pairs []string
	for _, c := range r.Cookies() {
		if slices.Contains(a.cookies, c.Name) {
			pairs = append(pairs, (&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted}).String())
		}
	}
	if len(pairs) > 0 {
		header.Set("Cookie", strings.Join(pairs, "; ")) // one that comes twice is passed on twice, to be refused there
	}
	if len(header) == 0 {
		return nil, &Error{Code: CodeNoCredential, Op: "remote"}
	}
	return header, nil
}

// credentialKey names the credential without being one: it stays in memory as long as the answer.
func credentialKey(h http.Header) [sha256.Size]byte {
	return sha256.Sum256([]byte(h.Get("Authorization") + "\x00" + h.Get("Cookie")))
}
