package authtest_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
)

// SignIn implements auth.InteractiveFlowPort.
func (m *memory) SignIn(_ *http.Request, p auth.SignInParams) (*auth.Redirect, error) {
	if p.ProviderID != "" && p.ProviderID != "fake" && !m.is("any provider") {
		return nil, m.err(auth.CodeUnknownProvider, "signin")
	}
	if !m.returnAllowed(p.ReturnTo) {
		return nil, m.err(auth.CodeReturnURLRejected, "signin")
	}
	txn := transaction{cookie: rand.Text(), verifier: rand.Text() + rand.Text(), returnTo: p.ReturnTo}
	state := rand.Text()
	if m.is("one state") {
		state = "state"
	}
	m.mu.Lock()
	m.bound[state] = txn
	m.mu.Unlock()
	return m.leave(state, txn), nil
}

func (m *memory) leave(state string, txn transaction) *auth.Redirect {
	sum := sha256.Sum256([]byte(txn.verifier))
	query := url.Values{
		"client_id": {"test-client"}, "redirect_uri": {authtest.RedirectURI}, "response_type": {"code"}, "scope": {"openid profile email"},
		"state": {state}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	cookie := setting(txn.cookie)
	cookie.Name = memoryBound
	d := &auth.Redirect{ProviderID: "fake", State: state, Cookies: []*http.Cookie{cookie}}
	switch m.fault {
	case "form post":
		query.Set("response_mode", "form_post")
		cookie.SameSite = http.SameSiteNoneMode
	case "form post with a lax cookie":
		query.Set("response_mode", "form_post")
	case "flow without cookie":
		d.Cookies = nil
	case "flow cookie for scripts":
		cookie.HttpOnly = false
	case "flow cookie without Secure":
		cookie.Secure = false
	case "flow cookie without SameSite":
		cookie.SameSite = 0
	case "key in flow cookie":
		cookie.Value = memoryKey
	case "key in location":
		query.Set("x", memoryKey)
	case "another state":
		d.State += "2"
	case "provider unnamed":
		d.ProviderID = ""
	}
	d.Location = memoryIDP + "?" + query.Encode()
	if m.is("relative location") {
		d.Location = "/authorize?" + query.Encode()
	}
	return d
}

// HandleCallback implements auth.InteractiveFlowPort.
func (m *memory) HandleCallback(r *http.Request, p auth.CallbackParams) (*auth.CallbackResult, error) {
	state := p.Values.Get("state")
	if m.is("answer in error") {
		e := m.err(auth.CodeCallbackInvalid, "callback")
		e.Err = errors.New(p.Values.Encode())
		return nil, e
	}
	m.mu.Lock()
	txn, ok := m.bound[state]
	cookie, err := r.Cookie(memoryBound)
	bound := ok && err == nil && cookie.Value == txn.cookie && len(p.Values["state"]) == 1 || m.is("callback unbound")
	if bound {
		delete(m.bound, state)
	}
	m.mu.Unlock()
	if !bound {
		return nil, m.err(auth.CodeTransactionMissing, "callback")
	}
	if p.Values.Has("error") {
		return nil, m.err(auth.CodeAccessDenied, "callback")
	}
	subject := "nobody"
	if m.idp != nil {
		if subject, err = m.redeem(r.Context(), p.Values.Get("code"), txn.verifier); err != nil {
			return nil, m.err(auth.CodeCodeRejected, "callback")
		}
	}
	credential, s := m.open(subject, nil, time.Hour)
	to := txn.returnTo
	if to == "" {
		to = "/"
	}
	return &auth.CallbackResult{
		Redirect: &auth.Redirect{Location: to, Cookies: []*http.Cookie{setting(credential)}}, Session: s,
		Principal: auth.Principal{Subject: subject, Scheme: auth.SchemeCustom},
	}, nil
}

// redeem exchanges the code and asks who it is.
func (m *memory) redeem(ctx context.Context, code, verifier string) (string, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {authtest.RedirectURI}, "code_verifier": {verifier},
		"client_id": {m.idp.ClientID}, "client_secret": {m.idp.ClientSecret.Reveal()},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, authtest.Issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := m.exchange(r, &tokens); err != nil {
		return "", err
	}
	if r, err = http.NewRequestWithContext(ctx, http.MethodGet, authtest.Issuer+"/userinfo", nil); err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	var info struct {
		Subject string `json:"sub"`
	}
	err = m.exchange(r, &info)
	return info.Subject, err
}

func (m *memory) exchange(r *http.Request, v any) error {
	resp, err := m.idp.Client().Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// lookup reads a session by its handle.
func (m *memory) lookup(id, op string) (*auth.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down && !m.is("administration ignores the outage") {
		return nil, m.err(auth.CodeStoreUnavailable, op)
	}
	for _, s := range m.sessions {
		if s.ID == id && (s.ExpiresAt.IsZero() || time.Now().Before(s.ExpiresAt)) {
			return s, nil
		}
	}
	if m.is("unknown session is nil") {
		return nil, nil
	}
	return nil, m.err(auth.CodeSessionNotFound, op)
}

// CreateSession implements auth.SessionAdminPort.
func (m *memory) CreateSession(_ context.Context, p auth.CreateSessionParams) (*auth.CreatedSession, error) {
	switch {
	case m.is("administration is unsupported"):
		return nil, auth.Unsupported(memoryName, "create session", "not here")
	case m.is("administration is badly unsupported"):
		return nil, errors.ErrUnsupported
	case p.Subject == "" && !m.is("subject not required"):
		return nil, m.err(auth.CodeValidation, "create session")
	}
	life := p.Lifetime
	if m.is("lifetime ignored") {
		life = time.Hour
	}
	credential, s := m.open(p.Subject, p.Roles, life)
	return &auth.CreatedSession{Session: s, Cookies: []*http.Cookie{setting(credential)}}, nil
}

// SessionByID implements auth.SessionAdminPort.
func (m *memory) SessionByID(_ context.Context, id string) (*auth.Session, error) {
	if m.is("administration is unsupported") {
		return nil, auth.Unsupported(memoryName, "session by id", "not here")
	}
	return m.lookup(id, "session by id")
}

// RefreshSession implements auth.SessionAdminPort.
func (m *memory) RefreshSession(_ context.Context, id string) (*auth.Session, error) {
	if m.is("administration is unsupported") {
		return nil, auth.Unsupported(memoryName, "refresh session", "not here")
	}
	s, err := m.lookup(id, "refresh session")
	if err == nil && m.is("refresh changes the id") {
		c := *s
		c.ID += "2"
		return &c, nil
	}
	return s, err
}

// RevokeSession implements auth.SessionAdminPort.
func (m *memory) RevokeSession(_ context.Context, id string) error {
	if m.is("administration is unsupported") {
		return auth.Unsupported(memoryName, "revoke session", "not here")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down && !m.is("revocation ignores the outage") {
		return m.err(auth.CodeStoreUnavailable, "revoke session")
	}
	if m.is("revocation does nothing") {
		return nil
	}
	n := m.remove(func(s *auth.Session) bool { return s.ID == id })
	if n == 0 && m.is("revocation of none fails") {
		return m.err(auth.CodeSessionNotFound, "revoke session")
	}
	return nil
}

// ListSessions implements auth.SessionAdminPort.
func (m *memory) ListSessions(_ context.Context, user string) ([]*auth.Session, error) {
	if m.is("administration is unsupported") {
		return nil, auth.Unsupported(memoryName, "list sessions", "not here")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, m.err(auth.CodeStoreUnavailable, "list sessions")
	}
	if m.is("list is empty") {
		return nil, nil
	}
	var list []*auth.Session
	for _, s := range m.sessions {
		if s.UserID == user || m.is("list of everybody") {
			list = append(list, s)
		}
	}
	return list, nil
}

// RevokeSessions implements auth.SessionAdminPort.
func (m *memory) RevokeSessions(_ context.Context, user string) (int, error) {
	if m.is("administration is unsupported") {
		return 0, auth.Unsupported(memoryName, "revoke sessions", "not here")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return 0, m.err(auth.CodeStoreUnavailable, "revoke sessions")
	}
	now := time.Now()
	m.remove(func(s *auth.Session) bool { return s.UserID == user && !now.Before(s.ExpiresAt) })
	n := m.remove(func(s *auth.Session) bool { return s.UserID == user || m.is("revokes everybody") })
	if m.is("revocation is not counted") {
		return 0, nil
	}
	return n, nil
}
