package workos

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/netscript/auth"
)

// The forms of WorkOS' ids for what a person's session is about. Tokens of Connect applications and of machines have
// others.
const (
	userPrefix    = "user_"
	sessionPrefix = "session_"
)

var (
	errBearerShape = errors.New("not one bearer token")
	errBearerUser  = errors.New("not the token of a user's session")
)

// BearerConfig is the configuration of a [Bearer]. It is validated and copied by [NewBearer].
type BearerConfig struct {
	// ClientID is the WorkOS client, "client_...". Required. A token whose client_id is another is refused, unless
	// AllowApplications.
	ClientID string
	// BaseURL is where WorkOS' API answers. If empty, "https://api.workos.com".
	BaseURL string
	// Issuers are the acceptable values of iss, compared exactly. If nil, iss is not checked. An empty list is an error.
	Issuers []string
	// Audiences are the acceptable values of aud, one of which the token must then have. If nil, aud is not checked: by
	// default WorkOS' session tokens have none. An empty list is an error.
	Audiences []string
	// AllowApplications takes also tokens that are not of a user's own session: those of Connect applications, which act
	// for a user, and of machines. Audiences is then required, so that a token for somebody else is not taken for one
	// for this service. If false, only users' session tokens.
	AllowApplications bool
	// HTTPClient is that of [Config].
	HTTPClient *http.Client
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
	// InsecureAllowHTTP permits an http BaseURL on a loopback address: whoever can change the traffic chooses the keys. For
	// loopback development only.
	InsecureAllowHTTP bool
}

// Bearer authenticates requests by an AuthKit access token in the Authorization header (RFC 6750, section 2.1), for
// clients that have no cookie. It is immutable and safe for concurrent use.
//
// The claims of the principal are those of the verified token, and ours as from a cookie, which a claim of the token
// never overwrites.
type Bearer struct {
	tokens       *verifier
	applications bool
}

var _ auth.AuthenticatorPort = (*Bearer)(nil)

// NewBearer returns an authenticator for c. It does not ask WorkOS. An error names everything that is wrong with c and
// matches [auth.ErrRejected] with the code config_invalid.
func NewBearer(c BearerConfig) (*Bearer, error) {
	var errs problems
	errs.add(checkClientID(c.ClientID), parseBaseURL(&c.BaseURL, c.InsecureAllowHTTP))
	errs.add(checkList("Issuers", c.Issuers), checkList("Audiences", c.Audiences))
	if c.AllowApplications && c.Audiences == nil {
		errs.add(errors.New("AllowApplications needs Audiences"))
	}
	if len(errs) > 0 {
		return nil, configError(errs)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	b := &Bearer{
		tokens: &verifier{
			keys:    newKeySet(c.BaseURL, c.ClientID, newClient(c.HTTPClient), c.Now),
			issuers: slices.Clone(c.Issuers), audiences: slices.Clone(c.Audiences), sessions: !c.AllowApplications, now: c.Now,
		},
		applications: c.AllowApplications,
	}
	if !c.AllowApplications {
		b.tokens.clientID = c.ClientID
	}
	return b, nil
}

// Authenticate implements [auth.AuthenticatorPort]. The Session is the user's session at WorkOS, nil for an application's
// token.
func (b *Bearer) Authenticate(r *http.Request) (*auth.Authentication, error) {
	raw, err := bearerToken(r.Header)
	if err != nil {
		return nil, err
	}
	c, err := b.tokens.verify(r.Context(), raw, fromClient)
	if err != nil {
		return nil, err
	}
	user := strings.HasPrefix(c.text("sub"), userPrefix) && strings.HasPrefix(c.text("sid"), sessionPrefix)
	if !user && !b.applications {
		return nil, invalidToken(errBearerUser)
	}
	s := sessionOf(c)
	p := principalOf(s)
	p.Scheme, p.Claims = auth.SchemeBearer, bearerClaims(c, p.Claims)
	if !user {
		s = nil
	}
	return &auth.Authentication{Principal: p, Session: s}, nil
}

// bearerToken returns the token of the one Authorization header. "Bearer", in any case, spaces and a token are all that
// it may hold (RFC 9110, section 11.4): the original also takes a tab, and ignores further words.
func bearerToken(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", fail(auth.CodeNoCredential, "authenticate", nil)
	}
	scheme, raw, _ := strings.Cut(values[0], " ")
	if len(values) == 1 && !strings.EqualFold(scheme, "Bearer") {
		return "", fail(auth.CodeNoCredential, "authenticate", nil)
	}
	raw = strings.TrimLeft(raw, " ")
	if len(values) > 1 || raw == "" || len(raw) > maxToken || strings.ContainsFunc(raw, func(c rune) bool { return !token68(c) }) {
		return "", fail(auth.CodeCredentialMalformed, "authenticate", errBearerShape)
	}
	return raw, nil
}

// token68 is a character of RFC 9110 section 11.2, without the padding that no JWT has.
func token68(c rune) bool { return plainIDRune(c) || c == '~' || c == '+' || c == '/' }

// bearerClaims are the token's claims under ours. One of the token's under a name of ours is dropped also where we have
// nothing to say.
func bearerClaims(c claims, ours map[string]any) map[string]any {
	all := maps.Clone(map[string]any(c))
	for _, name := range [...]string{claimOrganization, claimSession, claimMethod, claimEntitlements, claimFlags, claimImpersonator, claimUser, claimToken} {
		delete(all, name)
	}
	maps.Copy(all, ours)
	return all
}
