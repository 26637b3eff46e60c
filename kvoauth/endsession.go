package kvoauth

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/netscript/auth"
)

const (
	signOutCookieName = "ns_signout"
	signOutTime       = 10 * time.Minute // that a person may take at the provider
	// maxIDTokenHint keeps the address of the end-session endpoint below what servers accept, 8 KiB at many.
	maxIDTokenHint = 4 << 10
)

// endAtProvider makes redirect lead to the provider's end-session endpoint (OpenID Connect RP-Initiated Logout 1.0, section
// 2), which then sends the browser back and on to where redirect led. The session has ended: without the endpoint, or
// the metadata that names it, the sign-out is a local one and good.
func (b *Backend) endAtProvider(ctx context.Context, d digest, rec *record, redirect *auth.Redirect) {
	if rec == nil {
		return
	}
	rp, err := b.relyingParty(rec.ProviderID)
	if err != nil || rp.PostLogoutRedirectURL == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	m, err := rp.metadata.get(ctx)
	if err != nil || m.endSession == "" {
		return
	}
	state := newCredential()
	redirect.Cookies = append(redirect.Cookies, b.cfg.signOutCookie(b.sealSignOut.seal(state, []byte(redirect.Location))))
	redirect.Location, redirect.ProviderID, redirect.State = rp.endSessionURL(m, b.idTokenHint(d, rec, rp, m), state), rp.Provider.ID, state
}

// idTokenHint returns the session's ID token, or "" when there is none that the provider would know for its own or that a
// URL should carry.
func (b *Backend) idTokenHint(d digest, rec *record, rp *relyingParty, m *metadata) string {
	if rec.Tokens == nil {
		return ""
	}
	t, err := b.tokensOf(d, rec)
	if err != nil || t.Grantee != rp.grantee() || len(t.ID) > maxIDTokenHint {
		return ""
	}
	if claims, err := payloadOf(t.ID); err != nil || !rp.ownIssuer(m, claims.text("iss")) {
		return ""
	}
	return t.ID
}

// endSessionURL returns the logout request. A provider that has a parameter of its own for the return URL is of before
// the specification, and gets nothing else of it.
func (rp *relyingParty) endSessionURL(m *metadata, hint, state string) string {
	base, existing, _ := strings.Cut(m.endSession, "?")
	q := url.Values{"client_id": {rp.ClientID}}
	q.Set(cmp.Or(rp.Provider.LogoutRedirectParam, "post_logout_redirect_uri"), rp.PostLogoutRedirectURL)
	if rp.Provider.LogoutRedirectParam == "" {
		q.Set("state", state)
		if hint != "" {
			q.Set("id_token_hint", hint)
		}
	}
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	if existing != "" {
		query = existing + "&" + query
	}
	return base + "?" + query
}

// signOutCookie remembers where the browser goes after the provider. It is sealed for the state that the provider sends
// back, so that nobody can plant another destination; it has the attributes of a sign-in's cookie.
func (s *settings) signOutCookie(sealed []byte) *http.Cookie {
	return &http.Cookie{
		Name: s.signOutCookieName(), Value: base64.RawURLEncoding.EncodeToString(sealed), Path: "/",
		MaxAge: int(signOutTime / time.Second), HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	}
}

func (s *settings) signOutCookieName() string {
	if s.secure {
		return hostPrefix + signOutCookieName
	}
	return signOutCookieName
}

// SignOutReturn implements [auth.SignOutReturnPort].
func (b *Backend) SignOutReturn(r *http.Request, values url.Values) *auth.Redirect {
	redirect := &auth.Redirect{Location: b.cfg.DefaultReturnURL}
	cookies, states := r.CookiesNamed(b.cfg.signOutCookieName()), values["state"]
	if len(cookies) != 1 || len(states) != 1 || !wellFormed(states[0]) {
		return redirect
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cookies[0].Value)
	if err != nil {
		return redirect
	}
	to, err := b.sealSignOut.open(states[0], sealed)
	if err != nil {
		return redirect
	}
	if location, err := b.cfg.returnURL(string(to)); err == nil { // once more: what is allowed may have changed
		redirect.Location = location
	}
	cleared := b.cfg.signOutCookie(nil)
	cleared.MaxAge = -1
	redirect.Cookies = []*http.Cookie{cleared}
	return redirect
}
