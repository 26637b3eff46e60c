package kvoauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/netscript/auth"
)

// SignOut implements [auth.SignOutPort]. The session is ended before anything else is answered, and only then its
// provider is asked to end its own, if Client.PostLogoutRedirectURL is set; its tokens are revoked beside the request. A return URL that is not
// allowed is replaced by the default one: signing out never fails for it.
func (b *Backend) SignOut(r *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	location, err := b.cfg.returnURL(p.ReturnTo)
	if err != nil {
		location = b.cfg.DefaultReturnURL
	}
	redirect := &auth.Redirect{Location: location}
	credential, ok := readCookie(r, b.cfg.CookieName)
	if ok != present {
		redirect.Cookies = []*http.Cookie{b.cfg.clearSessionCookie()}
		return redirect, b.signOutNobody(p)
	}
	own := digestOf(credential)
	if p.SessionID != "" && p.SessionID != own.handle() {
		err := b.endOther(r.Context(), own, p.SessionID)
		if errors.Is(err, auth.ErrUnauthenticated) {
			redirect.Cookies = []*http.Cookie{b.cfg.clearSessionCookie()}
		}
		if err != nil || !p.Everywhere {
			return redirect, err
		}
	}
	redirect.Cookies = []*http.Cookie{b.cfg.clearSessionCookie()}
	end := b.end
	if p.Everywhere {
		end = b.endEverywhere
	}
	rec, err := end(r.Context(), own)
	if err != nil {
		return redirect, err
	}
	b.observe(r.Context(), auth.Event{Name: auth.EventSignedOut, SessionID: own.handle()})
	if !p.Local {
		b.endAtProvider(r.Context(), own, rec, redirect)
	}
	return redirect, nil
}

// signOutNobody answers a request without a usable credential: there is nothing to end, and nobody else's session may be.
func (b *Backend) signOutNobody(p auth.SignOutParams) error {
	if p.SessionID != "" || p.Everywhere {
		return fail(auth.CodeNoCredential, "sign out", errors.New("only for who is signed in"))
	}
	return nil
}

// endEverywhere ends all sessions of the user whose session own is, and returns what that one was.
func (b *Backend) endEverywhere(ctx context.Context, own digest) (*record, error) {
	mine, err := b.live(ctx, own)
	if err != nil {
		return nil, err
	}
	if _, err := b.endAll(ctx, mine.record.UserID); err != nil {
		return nil, err
	}
	_, err = b.end(ctx, own) // should the store have lost the index
	return mine.record, err
}

// endOther ends the session called id on behalf of the holder of own. Whether it does not exist or is somebody else's,
// the answer is the same.
func (b *Backend) endOther(ctx context.Context, own digest, id string) error {
	mine, err := b.live(ctx, own)
	if err != nil {
		return err
	}
	forbidden := fail(auth.CodeForbidden, "sign out", errors.New("not a session of this user"))
	other, ok := parseHandle(id)
	if !ok {
		return forbidden
	}
	theirs, err := b.live(ctx, other)
	if errors.Is(err, auth.ErrUnauthenticated) || err == nil && theirs.record.UserID != mine.record.UserID {
		return forbidden
	}
	if err != nil {
		return err
	}
	_, err = b.end(ctx, other)
	return err
}
