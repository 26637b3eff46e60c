package auth_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/netscript/auth"
)

// declaredCodes reads the constants of type Code from the source, so that a new one cannot be forgotten below.
func declaredCodes(t *testing.T) map[auth.Code]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := make(map[auth.Code]string)
	for _, d := range file.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}
		for _, s := range decl.Specs {
			spec := s.(*ast.ValueSpec)
			if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Code" {
				t.Fatalf("constant %s has no type Code", spec.Names[0].Name)
			}
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			if codes[auth.Code(text)] != "" {
				t.Errorf("code %q is declared twice", text)
			}
			codes[auth.Code(text)] = spec.Names[0].Name
		}
	}
	return codes
}

// codes is what every code means: its class, and its answer on the wire.
var codes = map[auth.Code]struct {
	class  error
	status int
}{
	auth.CodeNoCredential:        {auth.ErrUnauthenticated, 401},
	auth.CodeCredentialMalformed: {auth.ErrUnauthenticated, 401},
	auth.CodeSessionNotFound:     {auth.ErrUnauthenticated, 401},
	auth.CodeSessionExpired:      {auth.ErrUnauthenticated, 401},
	auth.CodeSessionRevoked:      {auth.ErrUnauthenticated, 401},
	auth.CodeSessionInvalid:      {auth.ErrUnauthenticated, 401},
	auth.CodeTokenInvalid:        {auth.ErrUnauthenticated, 401},
	auth.CodeTokenExpired:        {auth.ErrUnauthenticated, 401},
	auth.CodeForbidden:           {auth.ErrRejected, 403},
	auth.CodeInsufficientScope:   {auth.ErrRejected, 403},
	auth.CodeInsufficientRole:    {auth.ErrRejected, 403},
	auth.CodeCrossOrigin:         {auth.ErrRejected, 403},

	auth.CodeInsufficientAuthentication: {auth.ErrRejected, 401},
	auth.CodeUnmetAuthentication:        {auth.ErrRejected, 400},
	auth.CodeUserMismatch:               {auth.ErrRejected, 400},

	auth.CodeSignInDenied:        {auth.ErrRejected, 403},
	auth.CodeValidation:          {auth.ErrRejected, 422},
	auth.CodeUnknownProvider:     {auth.ErrRejected, 422},
	auth.CodeReturnURLRejected:   {auth.ErrRejected, 422},
	auth.CodeScopeNotAllowed:     {auth.ErrRejected, 422},
	auth.CodeParameterDuplicated: {auth.ErrRejected, 400},
	auth.CodeCallbackInvalid:     {auth.ErrRejected, 400},
	auth.CodeTransactionMissing:  {auth.ErrRejected, 400},
	auth.CodeTransactionInvalid:  {auth.ErrRejected, 400},
	auth.CodeIssuerMismatch:      {auth.ErrRejected, 400},
	auth.CodeAccessDenied:        {auth.ErrRejected, 400},
	auth.CodeAccountLinked:       {auth.ErrRejected, 400},
	auth.CodeLoginRequired:       {auth.ErrRejected, 400},
	auth.CodeCodeRejected:        {auth.ErrRejected, 400},
	auth.CodeIDTokenInvalid:      {auth.ErrRejected, 400},
	auth.CodeNonceMismatch:       {auth.ErrRejected, 400},
	auth.CodeSubjectMismatch:     {auth.ErrRejected, 400},
	auth.CodeIdentityInvalid:     {auth.ErrRejected, 400},
	auth.CodeProviderRefused:     {auth.ErrRejected, 502},
	auth.CodeClientRejected:      {auth.ErrRejected, 502},
	auth.CodeLogoutTokenInvalid:  {auth.ErrRejected, 400},
	auth.CodeConfigInvalid:       {auth.ErrRejected, 503},
	auth.CodeUnsupported:         {errors.ErrUnsupported, 502},
	auth.CodeProviderUnavailable: {nil, 502},
	auth.CodeProviderInvalid:     {nil, 502},
	auth.CodeStoreUnavailable:    {nil, 503},
	auth.CodeStoreFull:           {nil, 503},
	auth.CodeInternal:            {nil, 503},
}

func TestEveryCode(t *testing.T) {
	declared := declaredCodes(t)
	for _, code := range slices.Sorted(maps.Keys(declared)) {
		want, ok := codes[code]
		if !ok {
			t.Errorf("%s: say in the table what its class and its answer are", declared[code])
			continue
		}
		if got := code.Class(); !errors.Is(got, want.class) {
			t.Errorf("%s: class %v, want %v", declared[code], got, want.class)
		}
		err := fmt.Errorf("wrapped: %w", &auth.Error{Code: code})
		for _, class := range []error{auth.ErrUnauthenticated, auth.ErrRejected, errors.ErrUnsupported} {
			if got := errors.Is(err, class); got != errors.Is(class, want.class) {
				t.Errorf("%s: errors.Is(err, %v) = %v", declared[code], class, got)
			}
		}
		b := working()
		b.callback = func(auth.CallbackParams) (*auth.CallbackResult, error) { return nil, err }
		if w := do(newHandler(t, b, auth.HandlerConfig{}), request("GET", base+"/callback", "")); w.Code != want.status {
			t.Errorf("%s: status %d, want %d", declared[code], w.Code, want.status)
		}
	}
	for code := range codes {
		if declared[code] == "" {
			t.Errorf("%q is in the table but not declared", code)
		}
	}
}

func TestUnknownCodeHasNoClass(t *testing.T) {
	err := &auth.Error{Code: "from_the_future"}
	for _, class := range []error{auth.ErrUnauthenticated, auth.ErrRejected, errors.ErrUnsupported, nil} {
		if errors.Is(err, class) {
			t.Errorf("matches %v", class)
		}
	}
}

func TestCodeOf(t *testing.T) {
	cause := errors.New("cause")
	err := &auth.Error{Code: auth.CodeStoreFull, Backend: "fake", Op: "callback", Err: cause}
	for _, tt := range []struct {
		err  error
		want auth.Code
	}{{nil, ""}, {cause, auth.CodeInternal}, {err, auth.CodeStoreFull}, {errors.Join(cause, fmt.Errorf("x: %w", err)), auth.CodeStoreFull}} {
		if got := auth.CodeOf(tt.err); got != tt.want {
			t.Errorf("CodeOf(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	for _, tt := range []struct {
		err  *auth.Error
		want string
	}{
		{err, "auth: fake: callback: store_full: cause"},
		{&auth.Error{Code: auth.CodeInternal}, "auth: internal"},
		{&auth.Error{Code: auth.CodeInternal, Op: "x"}, "auth: x: internal"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
}

func TestUnsupported(t *testing.T) {
	err := auth.Unsupported("workos", "signin", "sessions are made elsewhere")
	if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, auth.ErrUnauthenticated) || auth.CodeOf(err) != auth.CodeUnsupported {
		t.Errorf("%v", err)
	}
}

func TestAs(t *testing.T) {
	full := working()
	if flow, ok := auth.As[auth.InteractiveFlowPort](wrapped{wrapped{full}}); !ok || flow != auth.InteractiveFlowPort(full) {
		t.Error("a port behind two wrappers was not found")
	}
	var b auth.AuthBackendPort = wrapped{full}
	if _, ok := b.(auth.InteractiveFlowPort); ok {
		t.Error("the wrapper hides nothing: the test proves nothing")
	}
	if flow, ok := auth.As[auth.InteractiveFlowPort](wrapped{&fakeCore{}}); ok || flow != nil {
		t.Error("a port was found that is not there")
	}
	if _, ok := auth.As[auth.SignOutPort](nil); ok {
		t.Error("a port was found on nothing")
	}
	if _, ok := auth.As[auth.SignOutPort](wrapped{}); ok {
		t.Error("a port was found on a wrapper of nothing")
	}
	// The outermost implementation wins: a wrapper may replace a port.
	replacing := replacingSignOut{wrapped{full}}
	if port, _ := auth.As[auth.SignOutPort](wrapped{replacing}); port != auth.SignOutPort(replacing) {
		t.Error("the wrapper's own port was passed over")
	}
}

type replacingSignOut struct{ wrapped }

func (replacingSignOut) SignOut(*http.Request, auth.SignOutParams) (*auth.Redirect, error) {
	return nil, nil
}
