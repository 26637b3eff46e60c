package workos

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/netscript/auth"
)

// Limits of the list of a user's sessions.
const (
	pageSize = 100
	maxPages = 50
)

const (
	noAPIKey     = "no API key is configured"
	maxUserAgent = 256 // bytes
)

var (
	errManyPages = errors.New("WorkOS lists more sessions than are read")
	errAPIKey    = errors.New("WorkOS does not accept the API key")
)

// revoke ends a session. One that does not exist is ended.
func (a *api) revoke(ctx context.Context, sessionID string) error {
	const op = "revoke session"
	if a.key.IsZero() {
		return auth.Unsupported(Name, op, noAPIKey)
	}
	res, err := a.send(ctx, op, http.MethodPost, "/user_management/sessions/revoke", map[string]string{"session_id": sessionID}, nil)
	switch {
	case err != nil:
		return err
	case res.status >= 200 && res.status < 300, res.status == http.StatusNotFound:
		return nil
	case res.status == http.StatusUnauthorized || res.status == http.StatusForbidden:
		return fail(auth.CodeClientRejected, op, errAPIKey)
	}
	return fail(res.code(), op, errStatus)
}

// list returns the active sessions of a user, the newest first.
func (a *api) list(ctx context.Context, userID string) ([]*auth.Session, error) {
	const op = "list sessions"
	if a.key.IsZero() {
		return nil, auth.Unsupported(Name, op, noAPIKey)
	}
	sessions, after := []*auth.Session{}, ""
	if !usableID(userID) || userID == "." || userID == ".." { // a dot segment leads to another path (RFC 3986, section 5.2.4)
		return sessions, nil
	}
	for range maxPages {
		q := url.Values{"limit": {strconv.Itoa(pageSize)}, "order": {"desc"}}
		if after != "" {
			q.Set("after", after)
		}
		res, err := a.send(ctx, op, http.MethodGet, "/user_management/users/"+url.PathEscape(userID)+"/sessions?"+q.Encode(), nil, nil)
		if err != nil {
			return nil, err
		}
		switch {
		case res.status == http.StatusNotFound:
			return sessions, nil // no such user
		case res.status == http.StatusUnauthorized || res.status == http.StatusForbidden:
			return nil, fail(auth.CodeClientRejected, op, errAPIKey)
		case res.status != http.StatusOK:
			return nil, fail(res.code(), op, errStatus)
		}
		page, next, ok := parseSessions(res.body, userID)
		if !ok {
			return nil, fail(auth.CodeProviderInvalid, op, errNotJSON)
		}
		if sessions = append(sessions, page...); next == "" || next == after {
			return sessions, nil
		}
		after = next
	}
	return nil, fail(auth.CodeProviderInvalid, op, errManyPages)
}

// parseSessions reads a page of the list. Only active sessions of the user are taken from it.
func parseSessions(body []byte, userID string) (page []*auth.Session, after string, ok bool) {
	var m payload
	if json.Unmarshal(body, &m) != nil {
		return nil, "", false
	}
	data, ok := m["data"].([]any)
	if !ok {
		return nil, "", false
	}
	for _, v := range data {
		e, _ := v.(map[string]any)
		if s := listedSession(e); s != nil && s.UserID == userID {
			page = append(page, s)
		}
	}
	meta, _ := m["list_metadata"].(map[string]any)
	return page, payload(meta).text("after"), true
}

func listedSession(m payload) *auth.Session {
	id, user := m.text("id"), m.text("user_id")
	if m.text("status") != "active" || !usableID(id) || !usableID(user) {
		return nil
	}
	s := &auth.Session{
		ID: id, UserID: user, AccountID: user, Subject: user, ProviderID: Name, State: auth.SessionActive,
		Claims: map[string]any{claimSession: id}, UserAgent: shortUserAgent(m.text("user_agent")),
	}
	s.IssuedAt, _ = time.Parse(time.RFC3339, m.text("created_at"))
	s.ExpiresAt, _ = time.Parse(time.RFC3339, m.text("expires_at"))
	for name, to := range map[string]string{"organization_id": claimOrganization, "auth_method": claimMethod, "ip_address": "ipAddress"} {
		if v := m.text(name); v != "" {
			s.Claims[to] = v
		}
	}
	if who, ok := m["impersonator"].(map[string]any); ok {
		s.Claims[claimImpersonator] = who
	}
	return s
}

// shortUserAgent cuts the text at a whole character.
func shortUserAgent(s string) string {
	if len(s) <= maxUserAgent {
		return s
	}
	return strings.ToValidUTF8(s[:maxUserAgent], "")
}
