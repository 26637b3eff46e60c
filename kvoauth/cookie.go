package kvoauth

import (
	"net/http"
	"strings"
	"time"
)

const (
	hostPrefix            = "__Host-"
	transactionCookieName = "ns_txn_"
	transactionTagLength  = 12 // of the state, in the name of its cookie: tells parallel sign-ins apart
	maxCookieName         = 256
	maxTransactionCookies = 8 // of one browser; more are abandoned sign-ins
)

// sessionCookie carries a session's credential. Max-Age repeats the server's own limit for the browser's sake; what
// counts is the record.
func (s *settings) sessionCookie(credential string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: s.CookieName, Value: credential, Path: "/", MaxAge: max(1, int(lifetime/time.Second)),
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	}
}

// clearSessionCookie has the attributes of sessionCookie, without which browsers keep the old one.
func (s *settings) clearSessionCookie() *http.Cookie {
	c := s.sessionCookie("", 0)
	c.MaxAge = -1
	return c
}

func (s *settings) transactionPrefix() string {
	if s.secure {
		return hostPrefix + transactionCookieName
	}
	return transactionCookieName
}

// transactionCookie binds a sign-in to this browser. Each has a cookie of its own, so that several tabs can sign in at
// once. The provider's form_post is a cross-site POST, which carries only SameSite=None cookies.
func (s *settings) transactionCookie(state, secret string, formPost bool) *http.Cookie {
	c := &http.Cookie{
		Name: s.transactionPrefix() + state[:transactionTagLength], Value: secret, Path: "/",
		MaxAge: int(s.SignInTimeout / time.Second), HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	}
	if formPost {
		c.SameSite = http.SameSiteNoneMode
	}
	return c
}

func (s *settings) clearTransactionCookie(state string, formPost bool) *http.Cookie {
	c := s.transactionCookie(state, "", formPost)
	c.MaxAge = -1
	return c
}

// clearAbandoned returns cookies that remove the oldest transactions of r, so that with a new one there are no more than
// a browser may have open: abandoned sign-ins must not fill the Cookie header. Browsers send the oldest first (RFC 6265,
// section 5.4).
func (s *settings) clearAbandoned(r *http.Request) (clear []*http.Cookie) {
	var tags []string
	for _, c := range r.Cookies() {
		if tag, ok := strings.CutPrefix(c.Name, s.transactionPrefix()); ok && len(tag) == transactionTagLength {
			tags = append(tags, tag)
		}
	}
	for _, tag := range tags[:max(0, len(tags)-maxTransactionCookies+1)] {
		clear = append(clear, s.clearTransactionCookie(tag, false))
	}
	return clear
}
