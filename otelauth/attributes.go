package otelauth

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/netscript/auth"
)

// The attributes, by the names of the TypeScript original where it has one.
const (
	attrProvider    = attribute.Key("auth.provider")
	attrBackend     = attribute.Key("auth.backend")
	attrMethod      = attribute.Key("auth.method")
	attrOutcome     = attribute.Key("auth.outcome")
	attrErrorCode   = attribute.Key("auth.error_code")
	attrSubjectHash = attribute.Key("auth.subject_hash")
	attrSessionID   = attribute.Key("auth.session_id")
	attrScopes      = attribute.Key("auth.principal.scopes_count")
	attrRoles       = attribute.Key("auth.principal.roles_count")
	attrOperation   = attribute.Key("auth.operation")
	attrEvent       = attribute.Key("auth.event")
	attrCount       = attribute.Key("auth.count")
)

// outcomeOf classifies a code. The names are API.
func outcomeOf(code auth.Code) string {
	switch code {
	case "":
		return "success"
	case auth.CodeNoCredential, auth.CodeSessionNotFound:
		return "unauthenticated"
	case auth.CodeCredentialMalformed, auth.CodeSessionInvalid, auth.CodeTokenInvalid:
		return "failed_bad_credentials"
	case auth.CodeSessionExpired, auth.CodeSessionRevoked, auth.CodeTokenExpired:
		return "failed_session_expired"
	case auth.CodeProviderUnavailable, auth.CodeProviderInvalid, auth.CodeProviderRefused, auth.CodeClientRejected, auth.CodeUnsupported:
		return "failed_provider_error"
	case auth.CodeForbidden, auth.CodeInsufficientScope, auth.CodeInsufficientRole, auth.CodeCrossOrigin, auth.CodeValidation,
		auth.CodeUnknownProvider, auth.CodeReturnURLRejected, auth.CodeScopeNotAllowed, auth.CodeSignInDenied, auth.CodeAccountLinked:
		return "failed_rejected"
	}
	if code.Class() == auth.ErrRejected { //nolint:errorlint // Class returns the sentinel itself
		return "failed_callback_invalid"
	}
	return "failed_unavailable"
}

func eventAttributes(e auth.Event) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 4)
	attrs = append(attrs, attrEvent.String(string(e.Name)), attrBackend.String(e.Backend))
	if e.ProviderID != "" {
		attrs = append(attrs, attrProvider.String(e.ProviderID))
	}
	if e.Code != "" {
		attrs = append(attrs, attrErrorCode.String(string(e.Code)))
	}
	return attrs
}

func spanEventAttributes(e auth.Event, salt auth.Key) []attribute.KeyValue {
	attrs := eventAttributes(e)[1:] // the event's name is the span event's
	if e.SessionID != "" {
		attrs = append(attrs, attrSessionID.String(e.SessionID))
	}
	if hash := e.SubjectHash(salt); hash != "" {
		attrs = append(attrs, attrSubjectHash.String(hash))
	}
	if e.Count != 0 {
		attrs = append(attrs, attrCount.Int(e.Count))
	}
	return attrs
}

// attributeSets remembers the attributes of the metrics of a request, of which there are few: making a set sorts it.
type attributeSets struct{ m sync.Map } // of requestKind to metric.RecordOption

type requestKind struct {
	operation, backend string
	code               auth.Code
}

func (s *attributeSets) of(k requestKind) metric.RecordOption {
	if opt, ok := s.m.Load(k); ok {
		return opt.(metric.RecordOption)
	}
	attrs := []attribute.KeyValue{attrOperation.String(k.operation), attrBackend.String(k.backend), attrOutcome.String(outcomeOf(k.code))}
	if k.code != "" {
		attrs = append(attrs, attrErrorCode.String(string(k.code)))
	}
	opt := metric.WithAttributeSet(attribute.NewSet(attrs...))
	s.m.Store(k, opt)
	return opt
}
