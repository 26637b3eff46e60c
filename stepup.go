package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netscript/auth/internal/returnurl"
)

// authTimeSkew is how far in the future an AuthTime may be for the difference of two clocks.
const authTimeSkew = time.Minute

// RequireRecentAuth lets an authenticated request through only when the person proved who they are to the provider no
// longer than maxAge ago. It is Guard{}.RequireRecentAuth.
func RequireRecentAuth(maxAge time.Duration) func(http.Handler) http.Handler {
	return Guard{}.RequireRecentAuth(maxAge)
}

// RequireACR lets an authenticated request through only when its session has one of the authentication context classes
// values. It is Guard{}.RequireACR.
func RequireACR(values ...string) func(http.Handler) http.Handler {
	return Guard{}.RequireACR(values...)
}

// RequireRecentAuth is the middleware that the function [RequireRecentAuth] describes. It belongs inside
// [Guard.RequireAuth].
//
// What counts is [Session.AuthTime]. When it is not known, as in sessions of plain OAuth providers and of backends whose
// sessions are made elsewhere, or when there is no session, as with an API key, the request is never recent enough. It
// gets 401 with [CodeInsufficientAuthentication] and the challenge of RFC 9470, section 3; a browser that navigates is
// sent to [Guard.SignInPath], if there is one, to sign in again and come back.
//
// maxAge is in whole seconds. With less than one, which no request could satisfy, every request gets 503. Below a
// minute, a provider whose clock is behind may make the person sign in again and again.
func (g Guard) RequireRecentAuth(maxAge time.Duration) func(http.Handler) http.Handler {
	d := demand{strength: strength{maxAge: maxAge}}
	if maxAge < time.Second {
		d.misfit = errors.New("maxAge is below a second")
	}
	return func(next http.Handler) http.Handler { return d.middleware(g, next) }
}

// RequireACR is the middleware that the function [RequireACR] describes: [Guard.RequireRecentAuth] for [Session.ACR].
// Values are compared for equality and not ordered, so that a stronger class has to be listed too. An unknown one is in no
// list. With no values, or one that is none, every request gets 503.
func (g Guard) RequireACR(values ...string) func(http.Handler) http.Handler {
	d := demand{strength: strength{acr: slices.Clone(values)}}
	if len(values) == 0 || !validACRValues(values) {
		d.misfit = errors.New("not a list of authentication context classes")
	}
	return func(next http.Handler) http.Handler { return d.middleware(g, next) }
}

// strength is how recent and how strong the authentication behind a request must be.
type strength struct {
	maxAge time.Duration // zero: any
	acr    []string      // nil: any
}

// met reports whether the session is as recent and as strong. What is not known is neither.
func (s strength) met(session *Session, now time.Time) bool {
	if s.maxAge != 0 && (session == nil || !recent(session.AuthTime, now, s.maxAge)) {
		return false
	}
	return s.acr == nil || session != nil && session.ACR != "" && slices.Contains(s.acr, session.ACR)
}

func recent(at, now time.Time, maxAge time.Duration) bool {
	age := now.Sub(at)
	return !at.IsZero() && age <= maxAge && age >= -authTimeSkew
}

// seconds is maxAge as the protocols write it, or "".
func (s strength) seconds() string {
	if s.maxAge == 0 {
		return ""
	}
	return strconv.FormatInt(int64(s.maxAge/time.Second), 10)
}

// signInQuery asks the sign-in route for a step-up that leads back to target.
func (s strength) signInQuery(target string) string {
	q := url.Values{}
	if s.maxAge != 0 {
		q.Set("maxAge", s.seconds())
		q.Set("prompt", PromptLogin)
	}
	if s.acr != nil {
		q.Set("acrValues", strings.Join(s.acr, " "))
	}
	if _, ok := (returnurl.Origins{}).Accept(target); ok {
		q.Set("returnTo", target)
	}
	return "?" + q.Encode()
}

// challenge is the value of WWW-Authenticate (RFC 9470, section 3). The values were checked to need no escaping.
func (s strength) challenge() string {
	value := `Bearer error="` + string(CodeInsufficientAuthentication) + `"`
	if s.maxAge != 0 {
		value += `, max_age="` + s.seconds() + `"`
	}
	if s.acr != nil {
		value += `, acr_values="` + strings.Join(s.acr, " ") + `"`
	}
	return value
}

// data tells a program what to ask of the sign-in route.
func (s strength) data(into map[string]any) {
	if s.maxAge != 0 {
		into["maxAge"] = int64(s.maxAge / time.Second)
	}
	if s.acr != nil {
		into["acrValues"] = s.acr
	}
}
