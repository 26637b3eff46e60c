package workos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/netscript/auth"
)

// api is WorkOS' user management API, as far as sessions need it.
type api struct {
	base, clientID string
	key            auth.Secret
	client         *http.Client
}

// send sends a request with the API key. body nil sends none.
func (a *api) send(ctx context.Context, op, method, path string, body any, header map[string]string) (*answer, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fail(auth.CodeInternal, op, errNotJSON)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(text)) //nolint:gosec // G704: the configured address
	if err != nil {
		return nil, fail(auth.CodeInternal, op, errors.New("not a URL"))
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+a.key.Reveal())
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return exchange(a.client, r, op)
}

// refreshRequest is the body of a refresh (RFC 6749, section 6, with WorkOS' additions).
type refreshRequest struct {
	GrantType      string `json:"grant_type"`
	ClientID       string `json:"client_id"`
	ClientSecret   string `json:"client_secret"`
	RefreshToken   string `json:"refresh_token"`
	OrganizationID string `json:"organization_id,omitempty"`
}

// refresh spends a refresh token once. attempt is the same for all attempts with one token.
func (a *api) refresh(ctx context.Context, refreshToken, organization, attempt string) (SessionData, *refreshFailure) {
	const op = "refresh"
	res, err := a.send(ctx, op, http.MethodPost, "/user_management/authenticate", refreshRequest{
		GrantType: "refresh_token", ClientID: a.clientID, ClientSecret: a.key.Reveal(),
		RefreshToken: refreshToken, OrganizationID: organization,
	}, map[string]string{"Idempotency-Key": attempt})
	if err != nil {
		return SessionData{}, &refreshFailure{err: err, temporary: auth.CodeOf(err) == auth.CodeProviderUnavailable}
	}
	if res.status != http.StatusOK {
		return SessionData{}, refusal(res)
	}
	d, ok := parseSession(res.body)
	if !ok {
		return SessionData{}, &refreshFailure{err: fail(auth.CodeProviderInvalid, op, errNotJSON)}
	}
	return d, nil
}

// refreshFailure is why there is no new token. What WorkOS wrote is not in it.
type refreshFailure struct {
	err       error
	temporary bool          // the same request may succeed later
	after     time.Duration // when WorkOS said to ask again; zero if it did not
}

// refusal classifies an answer that is not 200 by its status and its error code.
func refusal(res *answer) *refreshFailure {
	const op = "refresh"
	if res.temporary() {
		return &refreshFailure{err: fail(auth.CodeProviderUnavailable, op, errStatus), temporary: true, after: retryAfter(res.header)}
	}
	var body map[string]any
	_ = json.Unmarshal(res.body, &body) // not JSON: no code
	code, _ := body["error"].(string)
	detail, _ := body["code"].(string)
	switch {
	case res.status == http.StatusBadRequest && code == "invalid_grant":
		return &refreshFailure{err: fail(auth.CodeSessionRevoked, op, errors.New("WorkOS has ended the session"))}
	case res.status == http.StatusUnauthorized, code == "invalid_client", code == "unauthorized_client":
		return &refreshFailure{err: fail(auth.CodeClientRejected, op, errors.New("WorkOS does not accept the API key or the client"))}
	case res.status == http.StatusForbidden && (stepUp(code) || stepUp(detail)):
		return &refreshFailure{err: fail(auth.CodeLoginRequired, op, errors.New("WorkOS wants the person to sign in again"))}
	}
	return &refreshFailure{err: fail(auth.CodeProviderInvalid, op, errStatus)}
}

// stepUp reports whether a code of WorkOS asks for a further step of the person. A refusal without one, such as a
// firewall's, says nothing about the session.
func stepUp(code string) bool {
	switch code {
	case "sso_required", "mfa_enrollment", "mfa_challenge", "email_verification_required", "organization_selection_required",
		"organization_authentication_methods_required", "passkey_progressive_enrollment", "radar_challenge", "application_consent_required":
		return true
	}
	return false
}

// retryAfter reads the header of RFC 9110, section 10.2.3, in both its forms.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s >= 0 && s < 1<<20 {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// parseSession reads the answer to a refresh.
func parseSession(body []byte) (SessionData, bool) {
	var m payload
	if json.Unmarshal(body, &m) != nil {
		return SessionData{}, false
	}
	user, ok := m["user"].(map[string]any)
	d := SessionData{
		OrganizationID: m.text("organization_id"), User: camelUser(user),
		AccessToken: auth.NewSecret(m.text("access_token")), RefreshToken: auth.NewSecret(m.text("refresh_token")),
		AuthenticationMethod: m.text("authentication_method"),
	}
	if who, ok := m["impersonator"].(map[string]any); ok {
		d.Impersonator = map[string]any{"email": who["email"], "reason": who["reason"]}
	}
	return d, ok && !d.AccessToken.IsZero() && !d.RefreshToken.IsZero()
}

// camelUser turns a user of the API into one of the SDK, which is what a cookie holds.
func camelUser(api map[string]any) map[string]any {
	user := map[string]any{"externalId": nil, "metadata": map[string]any{}}
	for name, to := range map[string]string{
		"object": "object", "id": "id", "email": "email", "email_verified": "emailVerified", "name": "name",
		"first_name": "firstName", "last_name": "lastName", "profile_picture_url": "profilePictureUrl",
		"last_sign_in_at": "lastSignInAt", "locale": "locale", "created_at": "createdAt", "updated_at": "updatedAt",
		"external_id": "externalId", "metadata": "metadata",
	} {
		if v, ok := api[name]; ok && (v != nil || to != "metadata") {
			user[to] = v
		}
	}
	return user
}
