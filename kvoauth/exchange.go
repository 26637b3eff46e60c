package kvoauth

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/netscript/auth"
)

const (
	maxTokenLife = 365 * 24 * time.Hour // a longer one is a mistake of the provider
	maxToken     = 64 << 10             // bytes; larger ones would make the session record unwieldy
)

// tokenSet is what the token endpoint granted. It is stored sealed and never leaves the backend.
type tokenSet struct {
	Access  string   `cbor:"1,keyasint"`
	Refresh string   `cbor:"2,keyasint"`
	ID      string   `cbor:"3,keyasint"`
	Scopes  []string `cbor:"4,keyasint,omitempty"` // what the provider said that it granted; nil if it said nothing
	Grantee string   `cbor:"5,keyasint"`           // to whom, and by whom: see relyingParty.grantee
	DPoPKey dpopKey  `cbor:"6,keyasint,omitempty"` // what the tokens are bound to; nil if nothing
	// life and at say when the access token was got and for how long it is good; life zero is not known.
	life time.Duration
	at   time.Time
}

// exchange redeems code at the token endpoint, once (RFC 6749, section 4.1.3).
func (rp *relyingParty) exchange(ctx context.Context, code string, t *transaction) (*tokenSet, error) {
	m, err := rp.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(withDPoP(ctx, t.DPoPKey), oauth2.HTTPClient, rp.token)
	tok, err := rp.oauth2(m, t.RedirectURL).Exchange(ctx, code, oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return nil, tokenError("exchange code", err)
	}
	return rp.accept(tok, t.DPoPKey)
}

// accept checks a token response (RFC 6749, section 5.1). Tokens that were to be bound to key must be (RFC 9449, section 5).
func (rp *relyingParty) accept(tok *oauth2.Token, key dpopKey) (*tokenSet, error) {
	kind := "Bearer"
	if key != nil {
		kind = "DPoP"
	}
	if !strings.EqualFold(tok.TokenType, kind) {
		return nil, fail(auth.CodeProviderInvalid, "token response", errors.New("token_type is not "+kind))
	}
	id, isText := tok.Extra("id_token").(string)
	if len(tok.AccessToken) > maxToken || len(tok.RefreshToken) > maxToken || tok.Extra("id_token") != nil && !isText {
		return nil, fail(auth.CodeProviderInvalid, "token response", errors.New("a token is malformed or too long"))
	}
	set := &tokenSet{Access: tok.AccessToken, Refresh: tok.RefreshToken, ID: id, Grantee: rp.grantee(), DPoPKey: key, at: rp.Now()}
	if tok.ExpiresIn > 0 {
		set.life = min(time.Duration(tok.ExpiresIn)*time.Second, maxTokenLife)
	}
	if scope, ok := tok.Extra("scope").(string); ok {
		set.Scopes = rp.splitScope(scope)
	}
	return set, nil
}

// splitScope returns the scopes of a token response. Without one, nothing was said to be granted.
func (rp *relyingParty) splitScope(scope string) []string {
	separator := rp.Provider.ScopeSeparator
	return strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' || separator != "" && strings.ContainsRune(separator, r) })
}

// tokenError classifies an error of the token endpoint. The provider's description goes nowhere; invalid_grant is the
// one answer that says that the grant is gone.
func tokenError(op string, err error) error {
	retrieve, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		if _, ours := errors.AsType[*auth.Error](err); ours || isTransport(err) {
			return providerError(op, err)
		}
		return fail(auth.CodeProviderInvalid, op, errors.New("not a token response"))
	}
	switch retrieve.ErrorCode {
	case "invalid_grant", "bad_verification_code", "bad_refresh_token": // the latter two are GitHub's
		return fail(auth.CodeCodeRejected, op, errors.New("invalid_grant"))
	}
	return endpointError(op, retrieve.ErrorCode)
}
