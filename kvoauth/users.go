package kvoauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/store"
)

// userOf returns the application's user that p, signed in at providerID as account, is. Without a user store users are not
// kept, and the subject is the user. With link, the account is linked to that user instead.
func (b *Backend) userOf(ctx context.Context, providerID, account string, p *auth.Principal, t *tokenSet, link string) (string, error) {
	if b.cfg.Users == nil {
		return p.Subject, nil
	}
	a := b.account(providerID, account, p, t)
	if link != "" {
		linked, err := b.cfg.Users.Link(ctx, link, a)
		if err != nil {
			return "", storeError("link account", err)
		}
		if !linked {
			return "", fail(auth.CodeAccountLinked, "link account", errors.New("it is another user's"))
		}
		return link, nil
	}
	userID, err := b.cfg.Users.SignIn(ctx, a)
	if err == nil && userID == "" {
		err = errors.New("the user store returned no id")
	}
	if err != nil {
		return "", storeError("store user", err)
	}
	return userID, nil
}

// account describes the provider account of p for the user store, its tokens sealed.
func (b *Backend) account(providerID, account string, p *auth.Principal, t *tokenSet) store.Account {
	a := store.Account{
		ProviderID: providerID, AccountID: account, Name: p.Claim("name"), Email: p.Claim("email"), Image: p.Claim("picture"),
		Scope: strings.Join(p.Scopes, " "),
	}
	a.EmailVerified, _ = p.Claims["email_verified"].(bool)
	if t == nil {
		return a
	}
	seal := func(kind, token string) string {
		if token == "" {
			return ""
		}
		return base64.RawURLEncoding.EncodeToString(b.sealAccount.seal(kind+":"+providerID+":"+account, []byte(token)))
	}
	a.AccessToken, a.RefreshToken, a.IDToken = seal("access", t.Access), seal("refresh", t.Refresh), seal("id", t.ID)
	if t.life != 0 {
		a.AccessTokenExpiresAt = t.at.Add(t.life).UTC()
	}
	return a
}

// linkTarget returns the user that a sign-in with SignInParams.Link is to link an account to: the one that is signed in.
func (b *Backend) linkTarget(r *http.Request) (string, error) {
	if b.cfg.Users == nil {
		return "", auth.Unsupported(Name, "link account", "no user store is configured")
	}
	credential, ok := readCookie(r, b.cfg.CookieName)
	if ok != present {
		return "", fail(auth.CodeNoCredential, "link account", errors.New("only for who is signed in"))
	}
	e, err := b.live(r.Context(), digestOf(credential))
	if err != nil {
		return "", err
	}
	if !b.mayLink(e.record) {
		return "", fail(auth.CodeInsufficientAuthentication, "link account", errors.New("the sign-in is not as recent as LinkMaxAge wants it"))
	}
	return e.record.UserID, nil
}

func (b *Backend) mayLink(rec *record) bool {
	at := rec.authentication().at
	return b.cfg.LinkMaxAge == 0 || !at.IsZero() && b.cfg.Now().Sub(at) <= b.cfg.LinkMaxAge
}

// linker returns the session in which the user who links an account proved who they are: the one that started it, which
// must still be live. Whoever signed out in between does not link any more.
func (b *Backend) linker(ctx context.Context, t *transaction) (*record, error) {
	d, _ := parseHandle(t.Previous)
	e, err := b.live(ctx, d)
	if err == nil && e.record.UserID != t.Link || errors.Is(err, auth.ErrUnauthenticated) {
		err = fail(auth.CodeTransactionInvalid, "link account", errors.New("the user has signed out meanwhile"))
	}
	if err != nil {
		return nil, err
	}
	return e.record, nil
}
