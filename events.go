package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"
)

// EventName names a step in the life of a sign-in or a session. Names are API.
type EventName string

// The events.
const (
	EventSignInStarted           EventName = "auth.signin.started"
	EventSignInFailed            EventName = "auth.signin.failed"
	EventSignInCompleted         EventName = "auth.signin.completed"
	EventOIDCCompleted           EventName = "auth.oidc.completed" // the provider's answer was verified; the session is not made yet
	EventTokenRefreshed          EventName = "auth.token.refreshed"
	EventRefreshFailed           EventName = "auth.token.refresh_failed"
	EventTokenRevoked            EventName = "auth.token.revoked"           // at the provider, after the session had ended
	EventTokenRevocationFailed   EventName = "auth.token.revocation_failed" // given up: the token is good until it expires
	EventSessionCreated          EventName = "auth.session.created"
	EventSessionRevoked          EventName = "auth.session.revoked"
	EventSessionExpired          EventName = "auth.session.expired"
	EventSessionRejected         EventName = "auth.session.rejected"             // a credential was presented that is malformed, doubled or unknown
	EventBackChannelLogout       EventName = "auth.backchannel_logout.completed" // a provider's logout token was obeyed
	EventBackChannelLogoutFailed EventName = "auth.backchannel_logout.failed"
	EventSignedOut               EventName = "auth.signout.completed"
)

// Event is one such step. It holds no credential; the subject is a [Secret] so that only an observer that asks for it
// records it.
type Event struct {
	Name       EventName
	Time       time.Time
	Backend    string
	ProviderID string
	SessionID  string // the session's handle
	Subject    Secret // if zero, not known
	Code       Code   // what failed; empty for a success
	Count      int    // sessions ended, for EventSessionRevoked; zero otherwise
}

// Observer is told of events. Observe is called on the request's path and beside it, from many goroutines: it must be quick, must not
// block and must not panic. It cannot change what happens.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// ObserverFunc is an Observer.
type ObserverFunc func(ctx context.Context, e Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, e Event) { f(ctx, e) }

// SlogObserver writes events as audit records to l: Info for a success, Warn for a failure. The subject is recorded as
// its HMAC-SHA-256 under salt, which the deployment owns: without the salt, hashes of known subjects could be compared.
// If salt is the zero Key, no subject is recorded.
func SlogObserver(l *slog.Logger, salt Key) Observer {
	return ObserverFunc(func(ctx context.Context, e Event) {
		level := slog.LevelInfo
		if e.Code != "" {
			level = slog.LevelWarn
		}
		attrs := make([]slog.Attr, 0, 6)
		add := func(key, value string) {
			if value != "" {
				attrs = append(attrs, slog.String(key, value))
			}
		}
		add("backend", e.Backend)
		add("provider", e.ProviderID)
		add("session", e.SessionID)
		add("subject_hash", e.SubjectHash(salt))
		add("code", string(e.Code))
		if e.Count != 0 {
			attrs = append(attrs, slog.Int("count", e.Count))
		}
		l.LogAttrs(ctx, level, string(e.Name), attrs...)
	})
}

// SubjectHash returns the hexadecimal HMAC-SHA-256 of the subject under salt, or "" when either is missing.
func (e Event) SubjectHash(salt Key) string {
	if salt.IsZero() || e.Subject.IsZero() {
		return ""
	}
	mac := hmac.New(sha256.New, salt.Bytes())
	mac.Write([]byte(e.Subject.Reveal()))
	return hex.EncodeToString(mac.Sum(nil))
}
