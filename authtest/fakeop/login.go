package fakeop

import (
	"net/http"
	"slices"
)

// loginPage shows who can sign in. The request waits at the provider, under an id that only this page has.
func (p *Provider) loginPage(a *authRequest) *Response {
	id := newToken()
	p.mu.Lock()
	p.sweep(p.cfg.Now())
	p.grants.interactions[id] = a
	p.mu.Unlock()

	users := make([]pageUser, 0, len(p.cfg.Users))
	for i := range p.cfg.Users {
		u := &p.cfg.Users[i]
		entry := pageUser{Subject: u.Subject, Name: u.Name, Email: u.Email, Picture: p.avatarURL(u)}
		if entry.Name == "" {
			entry.Name = u.Subject
		}
		if a.loginHint != "" && u.matches(a.loginHint) {
			entry.Hinted = true
			users = slices.Insert(users, 0, entry)
			continue
		}
		users = append(users, entry)
	}
	return p.page(http.StatusOK, "login.html", a.client.origins(), pageData{
		Title: "Sign in", Client: a.client.displayName(), Action: p.base + pathLogin, Interaction: id, Users: users, Scopes: a.scopes,
	})
}

// login takes the choice made on the login page. A page is good for one choice.
func (p *Provider) login(c *call) *Response {
	id := c.form.Get("interaction")
	p.mu.Lock()
	a, ok := p.grants.interactions[id]
	delete(p.grants.interactions, id)
	p.mu.Unlock()
	if !ok || !p.cfg.Now().Before(a.expires) {
		return p.message(http.StatusBadRequest, "This page has expired", "Go back to the application and sign in again.")
	}
	if c.form.Has("deny") {
		return p.deny(c, a, authError{"access_denied", "the person said no"})
	}
	user, ok := p.user(c.form.Get("user"))
	if !ok {
		return p.message(http.StatusBadRequest, "Unknown user", "There is no such user here.")
	}
	s := &session{user: user, authTime: p.cfg.Now(), acr: p.acr(a), sid: newToken()}
	cookie := p.remember(s)
	resp := p.grantCode(c, a, s)
	resp.Header.Add("Set-Cookie", cookie.String())
	return resp
}

// cookieName differs by scheme: a browser takes __Host- cookies over https only.
func (p *Provider) cookieName() string {
	if p.secure {
		return "__Host-fakeop"
	}
	return "fakeop_session"
}

func (p *Provider) cookie(value string) *http.Cookie {
	return &http.Cookie{Name: p.cookieName(), Value: value, Path: "/", Secure: p.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

func (p *Provider) remember(s *session) *http.Cookie {
	value := newToken()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grants.sessions[value] = s
	return p.cookie(value)
}

// session returns the session of a browser at the provider, or nil.
func (p *Provider) session(r *http.Request) *session {
	cookie, err := r.Cookie(p.cookieName())
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grants.sessions[cookie.Value]
}
