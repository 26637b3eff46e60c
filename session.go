package auth

import (
	"encoding/json"
	"time"
)

// SessionState says whether a session is live.
type SessionState string

// The states of a session. Only an active one authenticates.
const (
	SessionActive  SessionState = "active"
	SessionExpired SessionState = "expired"
	SessionRevoked SessionState = "revoked"
)

// Session is what may be known about a session. It never holds the credential.
type Session struct {
	// ID is a handle: it names the session and is safe to show. It does not authenticate.
	ID string
	// UserID identifies the user across sessions; it equals Principal.Subject unless the application maps users itself.
	UserID string
	// AccountID identifies the account at the provider: the provider's own subject.
	AccountID  string
	ProviderID string
	Subject    string
	State      SessionState
	Scopes     []string
	Roles      []string
	Claims     map[string]any
	IssuedAt   time.Time
	// ExpiresAt is when the session ends unless it is used before, never later than its absolute limit.
	ExpiresAt   time.Time
	LastUsedAt  time.Time // when it was last seen, as coarse as the backend writes it; zero if not known
	RefreshedAt time.Time // zero if never
	RevokedAt   time.Time // zero unless revoked
	UserAgent   string    // of the browser that signed in, cut to 256 bytes; empty if not known
	IPAddress   string    // that it signed in from; empty if not known
	// AuthTime is when the person last proved to the provider who they are, by the provider's own word (OpenID Connect Core
	// 1.0, section 2: auth_time). Zero if not known, as always with a plain OAuth provider: IssuedAt is no substitute, because
	// a provider may let somebody in who has not been asked for weeks.
	AuthTime time.Time
	// ACR and AMR are how they proved it, by the provider's own word: the authentication context class, and the methods
	// (RFC 8176). Empty if not known. Neither is ordered: compare for equality.
	ACR string
	AMR []string
}

// sessionJSON fixes the wire form: camelCase names, RFC 3339 UTC times, and lists that are never null.
type sessionJSON struct {
	ID          string         `json:"id"`
	UserID      string         `json:"userId"`
	ProviderID  string         `json:"providerId"`
	State       SessionState   `json:"state"`
	Subject     string         `json:"subject"`
	Scopes      []string       `json:"scopes"`
	Roles       []string       `json:"roles"`
	Claims      map[string]any `json:"claims"`
	IssuedAt    time.Time      `json:"issuedAt"`
	ExpiresAt   time.Time      `json:"expiresAt"`
	LastUsedAt  *time.Time     `json:"lastUsedAt,omitempty"`
	RefreshedAt *time.Time     `json:"refreshedAt,omitempty"`
	RevokedAt   *time.Time     `json:"revokedAt,omitempty"`
	UserAgent   string         `json:"userAgent,omitempty"`
	IPAddress   string         `json:"ipAddress,omitempty"`
	AuthTime    *time.Time     `json:"authTime,omitempty"`
	ACR         string         `json:"acr,omitempty"`
	AMR         []string       `json:"amr,omitempty"`
}

// MarshalJSON writes the wire form that the handler's routes use.
func (s Session) MarshalJSON() ([]byte, error) { return json.Marshal(s.wire()) }

func (s *Session) wire() sessionJSON {
	return sessionJSON{
		ID: s.ID, UserID: s.UserID, ProviderID: s.ProviderID, State: s.State, Subject: s.Subject,
		Scopes: list(s.Scopes), Roles: list(s.Roles), Claims: object(s.Claims),
		IssuedAt: s.IssuedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
		LastUsedAt: optional(s.LastUsedAt), RefreshedAt: optional(s.RefreshedAt), RevokedAt: optional(s.RevokedAt),
		UserAgent: s.UserAgent, IPAddress: s.IPAddress, AuthTime: optional(s.AuthTime), ACR: s.ACR, AMR: s.AMR,
	}
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func object(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
