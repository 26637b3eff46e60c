package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"
)

// maxRemoteAnswer bounds the answer to a question, 1 MiB.
const maxRemoteAnswer = 1 << 20

// remoteMe is the answer of GET /me, as [Handler] writes it.
type remoteMe struct {
	Authenticated *bool        `json:"authenticated"`
	User          *userJSON    `json:"user"`
	Session       *sessionJSON `json:"session"`
}

// ask asks the auth-api who header's credential belongs to.
func (a *Remote) ask(ctx context.Context, header http.Header) (*Authentication, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.me, nil) //nolint:gosec // the configured address
	if err != nil {
		return nil, remoteError(CodeInternal, "the request cannot be made")
	}
	req.Header = header.Clone()
	req.Header.Set("Accept", "application/json")
	res, err := a.client.Do(req) //nolint:gosec // the same
	if err != nil {              // its text holds the URL, and may hold what a proxy said
		return nil, remoteError(CodeProviderUnavailable, "the auth-api does not answer")
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRemoteAnswer+1))
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, remoteError(CodeProviderUnavailable, "the auth-api answered with an error")
	case err != nil:
		return nil, remoteError(CodeProviderUnavailable, "the auth-api's answer broke off")
	case len(body) > maxRemoteAnswer:
		return nil, remoteError(CodeProviderInvalid, "the auth-api's answer is too long")
	}
	if media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || media != mediaJSON {
		return nil, remoteError(CodeProviderInvalid, "the auth-api's answer is not JSON")
	}
	return a.understand(body, a.ownCookies(res.Cookies()), req.Header.Get("Authorization") != "")
}

// understand reads the answer. One that is not plainly yes or no decides nothing.
func (a *Remote) understand(body []byte, cookies []*http.Cookie, bearer bool) (*Authentication, error) {
	var me remoteMe
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&me) != nil || dec.Decode(&struct{}{}) != io.EOF || me.Authenticated == nil {
		return nil, remoteError(CodeProviderInvalid, "the auth-api's answer is not understood")
	}
	if !*me.Authenticated {
		return nil, &Error{Code: CodeSessionNotFound, Op: "remote", Cookies: cookies}
	}
	if me.User == nil || me.User.ID == "" {
		return nil, remoteError(CodeProviderInvalid, "the auth-api's answer names nobody")
	}
	got := &Authentication{Cookies: cookies, Principal: Principal{Subject: me.User.ID, Claims: me.User.Claims, Scheme: SchemeCustom}}
	if bearer {
		got.Principal.Scheme = SchemeBearer
	}
	if me.Session == nil {
		return got, nil
	}
	got.Session = me.Session.session()
	if got.Session.State != SessionActive || !got.Session.ExpiresAt.After(a.now()) || got.Session.Subject == "" {
		return nil, remoteError(CodeProviderInvalid, "the auth-api answered with a session that is not live")
	}
	got.Principal.Subject = got.Session.Subject
	got.Principal.Scopes, got.Principal.Roles = got.Session.Scopes, got.Session.Roles
	return got, nil
}

// ownCookies are those of the session: nothing else that the auth-api sets is for the browser of this application.
func (a *Remote) ownCookies(set []*http.Cookie) []*http.Cookie {
	return slices.DeleteFunc(set, func(c *http.Cookie) bool { return !slices.Contains(a.cookies, c.Name) })
}

func remoteError(code Code, what string) error {
	return &Error{Code: code, Op: "remote", Err: errors.New(what)}
}

// session is the inverse of [Session.wire].
func (s *sessionJSON) session() *Session {
	value := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return *t
	}
	return &Session{
		ID: s.ID, UserID: s.UserID, ProviderID: s.ProviderID, State: s.State, Subject: s.Subject,
		Scopes: s.Scopes, Roles: s.Roles, Claims: s.Claims, IssuedAt: s.IssuedAt, ExpiresAt: s.ExpiresAt,
		LastUsedAt: value(s.LastUsedAt), RefreshedAt: value(s.RefreshedAt), RevokedAt: value(s.RevokedAt), UserAgent: s.UserAgent,
		IPAddress: s.IPAddress, AuthTime: value(s.AuthTime), ACR: s.ACR, AMR: s.AMR,
	}
}
