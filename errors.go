package auth

import (
	"errors"
	"fmt"
	"net/http"
)

// The classes of errors, for errors.Is. An error of neither class, and not [errors.ErrUnsupported], means "could not
// tell": a store or a provider failed, and the request is refused without a decision about its credential.
var (
	// ErrUnauthenticated: the request carries no credential, or one that is not valid now. It does not mean that the
	// person does not exist or may not sign in.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrRejected: the request was understood and refused; the same request will be refused again.
	ErrRejected = errors.New("rejected")
)

// Code says what went wrong. Codes are API: they are stable, safe to show, and what metrics should count.
type Code string

// Codes of class [ErrUnauthenticated].
const (
	CodeNoCredential        Code = "no_credential"
	CodeCredentialMalformed Code = "credential_malformed" // also when it is sent twice
	CodeSessionNotFound     Code = "session_not_found"
	CodeSessionExpired      Code = "session_expired"
	CodeSessionRevoked      Code = "session_revoked"
	CodeSessionInvalid      Code = "session_invalid" // the stored record is not one of ours
	CodeTokenInvalid        Code = "token_invalid"
	CodeTokenExpired        Code = "token_expired"
)

// Codes of class [ErrRejected].
const (
	CodeForbidden         Code = "forbidden"
	CodeInsufficientScope Code = "insufficient_scope" // RFC 6750, section 3.1
	CodeInsufficientRole  Code = "insufficient_role"
	// CodeInsufficientAuthentication: who is asking is known, and must prove it again, more recently or more strongly (RFC
	// 9470, section 3).
	CodeInsufficientAuthentication Code = "insufficient_user_authentication"
	CodeCrossOrigin                Code = "cross_origin"
	CodeValidation                 Code = "validation"
	CodeUnknownProvider            Code = "unknown_provider"
	CodeReturnURLRejected          Code = "return_url_rejected"
	CodeScopeNotAllowed            Code = "scope_not_allowed"
	CodeParameterDuplicated        Code = "parameter_duplicated"
	CodeCallbackInvalid            Code = "callback_invalid" // a parameter is missing, malformed or came by the wrong way
	CodeTransactionMissing         Code = "transaction_missing"
	CodeTransactionInvalid         Code = "transaction_invalid" // expired, used, or of another browser
	CodeIssuerMismatch             Code = "issuer_mismatch"
	CodeAccessDenied               Code = "access_denied"  // the person or the provider said no
	CodeLoginRequired              Code = "login_required" // login_required, interaction_required, consent_required
	// CodeUnmetAuthentication: the provider did not do, or does not say that it did, what MaxAge or ACRValues asked for
	// (OpenID Connect Core 1.0, section 3.1.3.7, steps 12 and 13; OpenID Connect Core Error Code
	// unmet_authentication_requirements 1.0).
	CodeUnmetAuthentication Code = "unmet_authentication_requirements"
	CodeUserMismatch        Code = "user_mismatch"    // a step-up came back as another user
	CodeProviderRefused     Code = "provider_refused" // another error parameter in the provider's answer
	CodeAccountLinked       Code = "account_linked"   // the provider account is another user's
	CodeSignInDenied        Code = "sign_in_denied"   // the application's own mapping said no
	CodeCodeRejected        Code = "code_rejected"    // the token endpoint refused the code (invalid_grant)
	CodeIDTokenInvalid      Code = "id_token_invalid" // signature, iss, aud, azp, exp, iat, at_hash, ...
	CodeNonceMismatch       Code = "nonce_mismatch"
	CodeSubjectMismatch     Code = "subject_mismatch" // UserInfo or a refreshed token speaks of someone else
	CodeIdentityInvalid     Code = "identity_invalid" // no stable, acceptable subject
	CodeConfigInvalid       Code = "config_invalid"   // a constructor's configuration
	CodeLogoutTokenInvalid  Code = "logout_token_invalid"
	CodeClientRejected      Code = "client_rejected" // invalid_client, unauthorized_client: the client is set up wrongly
)

// Codes of neither class: it could not be decided.
const (
	CodeStoreUnavailable    Code = "store_unavailable"
	CodeStoreFull           Code = "store_full"
	CodeProviderUnavailable Code = "provider_unavailable" // down, slow, or answered with a server error
	CodeProviderInvalid     Code = "provider_invalid"     // answered something that its protocol does not allow
	CodeInternal            Code = "internal"
)

// CodeUnsupported is the code of errors that match [errors.ErrUnsupported].
const CodeUnsupported Code = "unsupported"

// Error is the error of this module. Values are never changed after they were returned.
type Error struct {
	Code    Code
	Backend string // name of the backend; may be empty
	Op      string // what was being done, such as "callback"
	// Err is the cause. It never holds a credential, and never text that a client or provider sent: it is logged. The
	// handler and the guards go by the outermost Code alone, errors.Is also finds the class of an Error in here: do not
	// wrap one of another class.
	Err error
	// Cookies are set on the response that reports the error: they remove a credential that is dead.
	Cookies []*http.Cookie
	// Fields names invalid inputs for [CodeValidation]: field name to complaint.
	Fields map[string]string
}

// Error returns a message for logs. It is not API.
func (e *Error) Error() string {
	prefix := "auth"
	if e.Backend != "" {
		prefix += ": " + e.Backend
	}
	if e.Op != "" {
		prefix += ": " + e.Op
	}
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", prefix, e.Code)
	}
	return fmt.Sprintf("%s: %s: %v", prefix, e.Code, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the class of e's code.
func (e *Error) Is(target error) bool {
	return target != nil && target == e.Code.Class()
}

// Class returns [ErrUnauthenticated], [ErrRejected] or [errors.ErrUnsupported], or nil for a code that says that it
// could not be decided. A code that this version does not know is of no class.
func (c Code) Class() error {
	switch c {
	case CodeNoCredential, CodeCredentialMalformed, CodeSessionNotFound, CodeSessionExpired, CodeSessionRevoked,
		CodeSessionInvalid, CodeTokenInvalid, CodeTokenExpired:
		return ErrUnauthenticated
	case CodeForbidden, CodeInsufficientScope, CodeInsufficientRole, CodeInsufficientAuthentication,
		CodeUnmetAuthentication, CodeUserMismatch, CodeCrossOrigin, CodeValidation,
		CodeUnknownProvider, CodeReturnURLRejected, CodeScopeNotAllowed, CodeParameterDuplicated, CodeCallbackInvalid,
		CodeTransactionMissing, CodeTransactionInvalid, CodeIssuerMismatch, CodeAccessDenied, CodeLoginRequired,
		CodeProviderRefused, CodeAccountLinked, CodeSignInDenied, CodeCodeRejected, CodeIDTokenInvalid, CodeNonceMismatch,
		CodeSubjectMismatch, CodeIdentityInvalid, CodeConfigInvalid, CodeLogoutTokenInvalid, CodeClientRejected:
		return ErrRejected
	case CodeUnsupported:
		return errors.ErrUnsupported
	}
	return nil
}

// CodeOf returns the code of the first [*Error] in err's tree, "" for nil, and [CodeInternal] for other errors.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
