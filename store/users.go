package store

import (
	"context"
	"time"
)

// UserStore keeps an application's users and the provider accounts that are linked to them. A backend that signs people
// in calls it once in every completed sign-in; kvoauth.Config.Users takes one, and store/sqlstore has one.
//
// An account is known by ProviderID and AccountID and by nothing else. An e-mail address never links it to a user: two
// providers may assert the same address for two people, and one of them may be wrong.
//
// An error means that it could not be done; the sign-in then fails as unavailable. Methods are safe for concurrent use.
type UserStore interface {
	// SignIn returns the id of the user that a is linked to, and notes what a says now. If a is new, so is the user. Two
	// first sign-ins of one account at the same moment make one user.
	SignIn(ctx context.Context, a Account) (userID string, err error)

	// Link links a to an existing user and notes what a says now. linked is false, and nothing has changed, when a is
	// another user's or there is no such user. Linking again is not an error.
	Link(ctx context.Context, userID string, a Account) (linked bool, err error)
}

// Account is an account at an identity provider, as a completed sign-in found it.
type Account struct {
	ProviderID string // the provider's id in this application
	AccountID  string // the provider's own subject
	Name       string // if empty, not known; so for the next three
	Email      string
	// EmailVerified is whether the provider vouches for Email.
	EmailVerified bool
	Image         string // an https URL
	Scope         string // granted scopes, separated by spaces
	// AccessToken, RefreshToken and IDToken are sealed by the caller; a store keeps them as opaque text. Empty means none.
	AccessToken  string
	RefreshToken string
	IDToken      string
	// AccessTokenExpiresAt is zero when it is not known.
	AccessTokenExpiresAt time.Time
}
