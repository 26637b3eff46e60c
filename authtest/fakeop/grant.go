package fakeop

import (
	"slices"
	"time"
)

// grants is what the provider remembers. Provider.mu guards all of it.
type grants struct {
	interactions map[string]*authRequest
	pushed       map[string]*authRequest // by request_uri
	sessions     map[string]*session     // by cookie value
	codes        map[string]*code
	access       map[string]*accessToken
	refresh      map[string]*refreshToken
	seen         map[string]bool // identifiers that are good once
}

// session is a browser that has signed in at the provider.
type session struct {
	user     *User
	authTime time.Time
	acr      string // empty: none
	sid      string
}

// grant is what a user allowed a client in one sign-in: the family of all tokens that come of it.
type grant struct {
	client   *Client
	user     *User
	scopes   []string
	authTime time.Time
	acr      string
	sid      string
	revoked  bool
	issued   bool   // tokens, once
	jkt      string // the thumbprint of the key that they are bound to; empty: none
}

type code struct {
	grant       *grant
	redirectURI string
	challenge   string
	jkt         string // what the authorization request has named; empty: nothing
	nonce       string
	expires     time.Time
	used        bool
}

type accessToken struct {
	grant   *grant
	scopes  []string
	expires time.Time
}

type refreshToken struct {
	grant   *grant
	expires time.Time // zero: never
	used    bool
}

func newGrants() grants {
	return grants{
		interactions: make(map[string]*authRequest),
		pushed:       make(map[string]*authRequest),
		sessions:     make(map[string]*session),
		codes:        make(map[string]*code),
		access:       make(map[string]*accessToken),
		refresh:      make(map[string]*refreshToken),
		seen:         make(map[string]bool),
	}
}

func (g *grant) has(scope string) bool { return slices.Contains(g.scopes, scope) }

// RevokeGrants revokes every token of a user, as an administrator of the provider would. The next refresh is answered
// with invalid_grant.
func (p *Provider) RevokeGrants(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.grants.refresh {
		if t.grant.user.Subject == subject {
			t.grant.revoked = true
		}
	}
	for _, t := range p.grants.access {
		if t.grant.user.Subject == subject {
			t.grant.revoked = true
		}
	}
}

// RefreshTokens returns how many refresh tokens of a user are good now.
func (p *Provider) RefreshTokens(subject string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, t := range p.grants.refresh {
		if t.grant.user.Subject == subject && t.live(p.cfg.Now()) {
			n++
		}
	}
	return n
}

func (t *refreshToken) live(now time.Time) bool {
	return !t.grant.revoked && !t.used && (t.expires.IsZero() || now.Before(t.expires))
}

// sweep forgets what has expired, so that a demonstration can run for long. A used or revoked token stays, since its
// reuse must be noticed.
func (p *Provider) sweep(now time.Time) {
	for id, a := range p.grants.interactions {
		if !now.Before(a.expires) {
			delete(p.grants.interactions, id)
		}
	}
	for uri, a := range p.grants.pushed {
		if !now.Before(a.expires) {
			delete(p.grants.pushed, uri)
		}
	}
	for id, c := range p.grants.codes {
		if !now.Before(c.expires.Add(time.Hour)) {
			delete(p.grants.codes, id)
		}
	}
	for id, t := range p.grants.access {
		if !now.Before(t.expires) {
			delete(p.grants.access, id)
		}
	}
	for id, t := range p.grants.refresh {
		if !t.expires.IsZero() && !now.Before(t.expires) {
			delete(p.grants.refresh, id)
		}
	}
}
