package kvoauth

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

// maxClaims bounds what a session keeps of a provider's claims, in bytes of JSON.
const maxClaims = 32 << 10

// identity is who the provider says has signed in.
type identity struct {
	subject string // application-wide
	account string // the provider's own
	sid     string // of the session at the provider; empty if it says nothing of one
	claims  map[string]any
	authentication
}

// identify turns tokens into an identity: from the verified ID token and UserInfo of an OpenID provider, from UserInfo
// alone of an OAuth one.
func (rp *relyingParty) identify(ctx context.Context, tokens *tokenSet, t *transaction) (*identity, error) {
	ctx = withDPoP(ctx, tokens.DPoPKey)
	if !rp.isOIDC() {
		info, err := rp.userInfo(ctx, tokens.Access)
		if err != nil {
			return nil, err
		}
		emails, err := rp.emails(ctx, tokens.Access)
		if err != nil {
			return nil, err
		}
		return rp.identityOf(info, emails)
	}
	claims, err := rp.verifyIDToken(ctx, tokens.ID, t.Nonce, tokens.Access)
	if err != nil {
		return nil, err
	}
	how := rp.authenticationOf(claims)
	if err := rp.checkAuthentication(how, t); err != nil {
		return nil, err
	}
	if claims, err = rp.addUserInfo(ctx, claims, tokens.Access); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(claims)
	if err != nil {
		return nil, fail(auth.CodeInternal, "identity", errors.New("claims do not encode"))
	}
	user, err := rp.identityOf(doc, nil)
	if err != nil {
		return nil, err
	}
	user.authentication = how
	if sid := claims.text("sid"); len(sid) <= maxSID {
		user.sid = sid
	}
	return user, nil
}

// addUserInfo adds what UserInfo says to claims, which it never changes. UserInfo must speak of the same subject
// (OpenID Connect Core 1.0, section 5.3.2).
func (rp *relyingParty) addUserInfo(ctx context.Context, claims claimSet, accessToken string) (claimSet, error) {
	m, err := rp.metadata.get(ctx)
	if err != nil || m.userInfo == "" {
		return claims, err
	}
	body, err := rp.userInfo(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	members, err := strictjson.Object(body, maxResponse)
	if err != nil {
		return nil, fail(auth.CodeProviderInvalid, "UserInfo", errNotJSON)
	}
	info := claimSet(members)
	if info.text("sub") != claims.text("sub") {
		return nil, fail(auth.CodeSubjectMismatch, "UserInfo", errors.New("it speaks of another subject than the ID token"))
	}
	return rp.merge(claims, info), nil
}

// merge returns the claims of both sources. Where both have one it is the ID token's, and claims of the protocol, which
// some providers repeat in UserInfo, are the ID token's alone.
func (rp *relyingParty) merge(idToken, info claimSet) claimSet {
	idToken, info = maps.Clone(idToken), maps.Clone(info)
	maps.DeleteFunc(info, func(name string, _ json.RawMessage) bool { return protocolClaim(name) })
	for _, v := range rp.vouchers() {
		other := idToken
		if v.hasClaim(idToken) {
			other = info
		} else if !v.hasClaim(info) {
			continue
		}
		delete(other, v.verified)
		for _, name := range v.claim {
			delete(other, name)
		}
	}
	maps.Copy(info, idToken)
	return info
}

// voucher is a claim and what says that it is verified. They are taken from one source: that the address in the ID token
// is verified says nothing about the one in UserInfo.
type voucher struct {
	claim    []string // where it may be
	verified string
}

func (rp *relyingParty) vouchers() []voucher {
	email := voucher{[]string{"email"}, "email_verified"}
	for _, path := range rp.Provider.Mapping.Claims["email"] {
		name, _, _ := strings.Cut(path, ".")
		email.claim = append(email.claim, name)
	}
	if path := rp.Provider.Mapping.EmailVerified; path != "" {
		email.verified, _, _ = strings.Cut(path, ".")
	}
	return []voucher{email, {[]string{"phone_number"}, "phone_number_verified"}}
}

func (v voucher) hasClaim(c claimSet) bool {
	return slices.ContainsFunc(v.claim, func(name string) bool { return c[name] != nil && string(c[name]) != "null" })
}

// protocolClaim reports whether name speaks of the token or the authentication and not of the person.
func protocolClaim(name string) bool {
	switch name {
	case "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "azp", "auth_time", "acr",
		"amr", "sid", "tid", "typ", "_claim_names", "_claim_sources":
		return true
	}
	return false
}

// transient reports whether a claim is of no use once the token is verified. Aggregated and distributed claims (OpenID
// Connect Core 1.0, section 5.6.2) are neither verified nor fetched, so they are not kept.
func transient(name string) bool {
	switch name {
	case "aud", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "azp", "_claim_names", "_claim_sources":
		return true
	}
	return false
}

// userInfo fetches the UserInfo document. The access token goes into the Authorization header only.
func (rp *relyingParty) userInfo(ctx context.Context, accessToken string) ([]byte, error) {
	m, err := rp.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	return getJSON(ctx, rp.http, "UserInfo", m.userInfo, accessToken, rp.Provider.UserInfoHeader)
}

// emails makes the second call of providers that keep verified addresses apart.
func (rp *relyingParty) emails(ctx context.Context, accessToken string) ([]byte, error) {
	if rp.Provider.EmailEndpoint == "" {
		return nil, nil
	}
	return getJSON(ctx, rp.http, "e-mail addresses", rp.Provider.EmailEndpoint, accessToken, rp.Provider.UserInfoHeader)
}

// identityOf maps the provider's document and qualifies its subject.
func (rp *relyingParty) identityOf(doc, emails []byte) (*identity, error) {
	if len(doc) > maxClaims {
		return nil, fail(auth.CodeIdentityInvalid, "identity", errors.New("too many claims"))
	}
	id, err := rp.Provider.Identity(doc, emails)
	if err != nil {
		return nil, fail(auth.CodeIdentityInvalid, "identity", err)
	}
	subject, ok := rp.subject(id.Subject)
	if !ok {
		return nil, fail(auth.CodeIdentityInvalid, "identity", errors.New("subject is empty or reserved"))
	}
	maps.DeleteFunc(id.Claims, func(name string, _ any) bool { return transient(name) })
	// What this module says about a session under these names is not the provider's to say.
	delete(id.Claims, "sessionId")
	id.Claims["providerId"] = rp.Provider.ID
	return &identity{subject: subject, account: id.Subject, claims: id.Claims}, nil
}
