package authtest_test

import (
	"slices"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
)

func TestTheKitAcceptsACorrectBackend(t *testing.T) {
	authtest.TestBackend(t, suite(""))
}

func TestTheKitAcceptsABackendWithoutOptionalPorts(t *testing.T) {
	s := suite("")
	bare := authtest.BackendSuite{New: func(t testing.TB) *authtest.BackendFixture {
		f := s.New(t)
		f.Backend = struct{ auth.AuthBackendPort }{f.Backend}
		f.SetStorageDown, f.Dead = nil, nil
		return f
	}}
	failed, skipped := authtest.FailedChecks(t, bare)
	if len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	for _, name := range []string{"sign-out ends the session", "administration reads sessions", "sign-in leads to the provider", "storage down is undecided"} {
		if skipped[name] == "" {
			t.Errorf("%q is not left out, or without a reason", name)
		}
	}
}

func TestTheKitAcceptsWhatIsUnsupportedAndSaysSo(t *testing.T) {
	for _, fault := range []string{"everywhere is unsupported", "administration is unsupported"} {
		if failed, _ := authtest.FailedChecks(t, suite(fault)); len(failed) > 0 {
			t.Errorf("%s: %v", fault, failed)
		}
	}
}

func TestTheKitAcceptsALocalSignOut(t *testing.T) {
	s := suite("sign-out does nothing")
	local := authtest.BackendSuite{New: func(t testing.TB) *authtest.BackendFixture {
		f := s.New(t)
		f.SignOutIsLocal = "the credential is a signed token"
		return f
	}}
	if failed, _ := authtest.FailedChecks(t, local); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
}

// Each fault is one broken sentence of a contract, and the check that has to notice.
var faults = []struct{ fault, check string }{
	{"no name", "name is stable"},
	{"nil capabilities", "providers are listed"},
	{"provider twice", "providers are listed"},
	{"provider without kind", "providers are listed"},
	{"unstable providers", "providers are listed"},
	{"nobody is undecided", "anonymous is unauthenticated"},
	{"nobody is a guest", "anonymous is unauthenticated"},
	{"nil session", "anonymous is unauthenticated"},
	{"nobody is a guest", "garbage is unauthenticated"},
	{"garbage is undecided", "garbage is unauthenticated"},
	{"garbage is rejected", "garbage is unauthenticated"},
	{"prefix compare", "garbage is unauthenticated"},
	{"expiry ignored", "dead credentials are unauthenticated"},
	{"random subject", "principal is stable"},
	{"empty subject", "principal is stable"},
	{"one subject", "principal is stable"},
	{"no scheme", "principal is stable"},
	{"session of another subject", "session agrees with authenticate"},
	{"session with another id", "session agrees with authenticate"},
	{"state", "session agrees with authenticate"},
	{"times", "session agrees with authenticate"},
	{"handle is credential", "session id is a handle"},
	{"handle authenticates", "session id is a handle"},
	{"changes requests", "requests stay as they are"},
	{"outage is anonymous", "storage down is undecided"},
	{"outage is rejected", "storage down is undecided"},
	{"outage clears", "storage down is undecided"},
	{"sign-out without redirect", "sign-out while storage is down clears the cookies"},
	{"sign-out keeps the cookie", "sign-out while storage is down clears the cookies"},
	{"sign-out pretends", "sign-out while storage is down clears the cookies"},
	{"administration ignores the outage", "administration while storage is down is undecided"},
	{"revocation ignores the outage", "administration while storage is down is undecided"},
	{"credential in error", "errors hold no secret"},
	{"credential in hidden cause", "errors hold no secret"},
	{"credential in outage", "errors hold no secret"},
	{"credential in claims", "values hold no secret"},
	{"key in a field", "values hold no secret"},
	{"key in a provider", "values hold no secret"},
	{"sign-out does nothing", "sign-out ends the session"},
	{"sign-out keeps the cookie", "sign-out ends the session"},
	{"sign-out ends all", "sign-out ends the session"},
	{"everywhere is here", "sign-out everywhere ends all sessions"},
	{"everywhere is everybody", "sign-out everywhere ends all sessions"},
	{"everywhere is badly unsupported", "sign-out everywhere ends all sessions"},
	{"sign-out of nobody fails", "sign-out of nobody succeeds"},
	{"another's session ends", "sign-out of another's session is forbidden"},
	{"another's session ends with an error", "sign-out of another's session is forbidden"},
	{"refusal ends the caller's", "sign-out of another's session is forbidden"},
	{"unknown session told apart", "sign-out of another's session is forbidden"},
	{"sign-out by name does nothing", "sign-out of an own session by name"},
	{"unknown session is nil", "administration reads sessions"},
	{"list is empty", "administration reads sessions"},
	{"list of everybody", "administration reads sessions"},
	{"revocation does nothing", "administration revokes a session"},
	{"revocation of none fails", "administration revokes a session"},
	{"revocation is not counted", "administration revokes all sessions of a user"},
	{"revokes everybody", "administration revokes all sessions of a user"},
	{"administration is badly unsupported", "administration creates a session"},
	{"subject not required", "administration creates a session"},
	{"lifetime ignored", "administration creates a session"},
	{"roles lost", "administration creates a session"},
	{"refresh changes the id", "administration refreshes a session"},
	{"unknown session is nil", "administration refreshes a session"},
	{"flow without cookie", "sign-in leads to the provider"},
	{"flow cookie for scripts", "sign-in leads to the provider"},
	{"flow cookie without Secure", "sign-in leads to the provider"},
	{"flow cookie without SameSite", "sign-in leads to the provider"},
	{"key in flow cookie", "sign-in leads to the provider"},
	{"key in location", "sign-in leads to the provider"},
	{"one state", "sign-in leads to the provider"},
	{"another state", "sign-in leads to the provider"},
	{"provider unnamed", "sign-in leads to the provider"},
	{"relative location", "sign-in leads to the provider"},
	{"open redirect", "sign-in refuses what it must"},
	{"prefix redirect", "sign-in refuses what it must"},
	{"any provider", "sign-in refuses what it must"},
	{"callback unbound", "callback needs the browser's cookie"},
	{"answer in error", "callback needs the browser's cookie"},
	{"wrong session id", "session id of a request"},
	{"session id of nobody", "session id of a request"},
	{"shared state", "concurrent requests are not mixed up"},
	{"nobody is undecided", "handler answers for nobody"},
	{"nobody is a guest", "handler answers for nobody"},
	{"credential in claims", "handler answers for a user"},
	{"outage is anonymous", "handler answers 503 while storage is down"},
	{"key in a provider", "handler describes without secrets"},
}

func TestTheKitFlagsBrokenBackends(t *testing.T) {
	for _, tt := range faults {
		t.Run(tt.fault+"/"+tt.check, func(t *testing.T) {
			if failed, _ := authtest.FailedChecks(t, suite(tt.fault), tt.check); failed[tt.check] == nil {
				t.Error("not noticed")
			}
		})
	}
}

func TestEveryCheckCanFail(t *testing.T) {
	for _, name := range authtest.CheckNames() {
		if name == "ports are found through wrappers" {
			continue // below: what it checks is auth.As, which no backend can break
		}
		if !slices.ContainsFunc(faults, func(f struct{ fault, check string }) bool { return f.check == name }) {
			t.Errorf("no broken backend is shown to fail %q", name)
		}
	}
	m := newMemory("")
	if authtest.SeenThrough(m, struct{ auth.AuthBackendPort }{m}) == nil {
		t.Error("a wrapper that hides a port is not noticed")
	}
}
