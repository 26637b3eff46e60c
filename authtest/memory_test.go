package authtest_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
)

const (
	cookieName  = "__Host-memory"
	memoryName  = "memory"
	memoryKey   = "the-signing-key-of-the-memory-backend"
	memoryIDP   = "https://idp.test/authorize"
	memoryBound = "__Host-memory-txn"
)

// memory is a backend with every port, written for these tests: correct unless a fault is named.
type memory struct {
	key   auth.Secret
	idp   *authtest.Provider // nil: nobody finishes a sign-in
	fault string
	plain string // the key in clear, with the fault that shows it

	mu       sync.Mutex
	down     bool
	current  string
	sessions map[[32]byte]*auth.Session
	bound    map[string]transaction // sign-ins under way, by state
}

type transaction struct{ cookie, verifier, returnTo string }

var (
	_ auth.AuthBackendPort     = (*memory)(nil)
	_ auth.InteractiveFlowPort = (*memory)(nil)
	_ auth.SessionAdminPort    = (*memory)(nil)
)

func newMemory(fault string) *memory {
	m := &memory{key: auth.NewSecret(memoryKey), fault: fault, sessions: make(map[[32]byte]*auth.Session), bound: make(map[string]transaction)}
	if m.is("key in a field") {
		m.plain = memoryKey
	}
	return m
}

func (m *memory) is(fault string) bool { return m.fault == fault }

func (m *memory) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// open makes a session and returns its credential.
func (m *memory) open(subject string, roles []string, life time.Duration) (string, *auth.Session) {
	credential, now := rand.Text(), time.Now()
	s := &auth.Session{
		ID: "s-" + rand.Text(), UserID: subject, AccountID: subject, ProviderID: "fake", Subject: subject, State: auth.SessionActive,
		Roles: roles, IssuedAt: now, ExpiresAt: now.Add(life), Claims: map[string]any{"name": subject},
	}
	switch m.fault {
	case "handle is credential":
		s.ID = credential
	case "handle authenticates":
		m.sessions[sha256.Sum256([]byte(s.ID))] = s
	case "credential in claims":
		s.Claims["note"] = "signed in with " + credential
	case "state":
		s.State = ""
	case "times":
		s.ExpiresAt = time.Time{}
	case "empty subject":
		s.Subject = ""
	case "one subject":
		s.Subject = "everybody"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[sha256.Sum256([]byte(credential))] = s
	return credential, s
}

func (m *memory) Name() string {
	if m.is("no name") {
		return ""
	}
	return memoryName
}

func (m *memory) Providers() []auth.ProviderInfo {
	list := []auth.ProviderInfo{{ID: "fake", DisplayName: "Fake", Kind: "oidc", Capabilities: []string{"interactive"}}}
	switch m.fault {
	case "nil capabilities":
		list[0].Capabilities = nil
	case "provider twice":
		list = append(list, list[0])
	case "provider without kind":
		list[0].Kind = ""
	case "unstable providers":
		list[0].DisplayName = rand.Text()
	case "key in a provider":
		list[0].DisplayName = memoryKey
	}
	return list
}

func (m *memory) err(code auth.Code, op string) *auth.Error {
	return &auth.Error{Code: code, Backend: memoryName, Op: op}
}

// find is the heart of the backend: it keeps the three outcomes apart.
func (m *memory) find(r *http.Request, op string) (credential string, s *auth.Session, err error) {
	if m.is("changes requests") {
		r.Header.Set("X-Seen", "yes")
	}
	cookie, cookieErr := r.Cookie(cookieName)
	if cookieErr != nil {
		if m.is("nobody is undecided") {
			return "", nil, m.err(auth.CodeStoreUnavailable, op)
		}
		return "", nil, m.err(auth.CodeNoCredential, op)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return "", nil, m.outage(op, cookie.Value)
	}
	value := cookie.Value
	if m.is("prefix compare") && len(value) > 26 {
		value = value[:26]
	}
	s, ok := m.sessions[sha256.Sum256([]byte(value))]
	if !ok {
		e := m.err(auth.CodeSessionNotFound, op)
		e.Cookies = []*http.Cookie{clearing()}
		switch m.fault {
		case "credential in error":
			e.Err = fmt.Errorf("no session for %s", cookie.Value)
		case "credential in hidden cause":
			e.Err = quiet{fmt.Errorf("no session for %s", cookie.Value)}
		case "garbage is undecided":
			return "", nil, m.err(auth.CodeInternal, op)
		case "garbage is rejected":
			return "", nil, m.err(auth.CodeForbidden, op)
		}
		return "", nil, e
	}
	if !time.Now().Before(s.ExpiresAt) && !m.is("expiry ignored") && !s.ExpiresAt.IsZero() {
		return "", nil, m.err(auth.CodeSessionExpired, op)
	}
	return value, s, nil
}

// quiet does not say what it wraps.
type quiet struct{ cause error }

func (quiet) Error() string   { return "lookup failed" }
func (q quiet) Unwrap() error { return q.cause }

func (m *memory) outage(op, credential string) error {
	e := m.err(auth.CodeStoreUnavailable, op)
	switch m.fault {
	case "outage is anonymous":
		return m.err(auth.CodeSessionNotFound, op)
	case "outage is rejected":
		return m.err(auth.CodeForbidden, op)
	case "outage clears":
		e.Cookies = []*http.Cookie{clearing()}
	case "credential in outage":
		e.Err = errors.New("GET session:" + credential)
	}
	return e
}

func (m *memory) Authenticate(r *http.Request) (*auth.Authentication, error) {
	_, s, err := m.find(r, "authenticate")
	if err != nil {
		if m.is("nobody is a guest") && errors.Is(err, auth.ErrUnauthenticated) {
			return &auth.Authentication{Principal: auth.Principal{Subject: "guest", Scheme: auth.SchemeCustom}}, nil
		}
		return nil, err
	}
	p := auth.Principal{Subject: s.Subject, Roles: s.Roles, Scheme: auth.SchemeCustom, Claims: s.Claims}
	switch m.fault {
	case "random subject":
		p.Subject = rand.Text()
	case "no scheme":
		p.Scheme = ""
	case "roles lost":
		p.Roles = nil
	case "shared state":
		p.Subject = m.confuse(p.Subject)
	}
	return &auth.Authentication{Principal: p, Session: s}, nil
}

// confuse keeps the user of a request where other requests overwrite it.
func (m *memory) confuse(subject string) string {
	m.mu.Lock()
	m.current = subject
	m.mu.Unlock()
	time.Sleep(time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

func (m *memory) Session(r *http.Request) (*auth.Session, error) {
	_, s, err := m.find(r, "session")
	if err != nil {
		if m.is("nil session") && errors.Is(err, auth.ErrUnauthenticated) {
			return nil, nil
		}
		return nil, err
	}
	c := *s
	switch m.fault {
	case "session of another subject":
		c.Subject += "2"
	case "session with another id":
		c.ID += "2"
	}
	return &c, nil
}

func (m *memory) SessionID(r *http.Request) (string, bool) {
	_, s, err := m.find(r, "session id")
	if err != nil {
		return "", m.is("session id of nobody")
	}
	if m.is("wrong session id") {
		return s.ID + "2", true
	}
	return s.ID, true
}

func clearing() *http.Cookie {
	return &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

func setting(value string) *http.Cookie {
	c := clearing()
	c.Value, c.MaxAge = value, 0
	return c
}

func (m *memory) SignOut(r *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	d := &auth.Redirect{Location: "/", Cookies: []*http.Cookie{clearing()}}
	if m.is("sign-out keeps the cookie") {
		d.Cookies = nil
	}
	_, s, err := m.find(r, "signout")
	switch {
	case errors.Is(err, auth.ErrUnauthenticated) && p.SessionID == "":
		if m.is("sign-out of nobody fails") {
			return d, err
		}
		return d, nil
	case err != nil:
		if m.is("sign-out without redirect") {
			return nil, err
		}
		if m.is("sign-out pretends") {
			return d, nil
		}
		return d, err
	}
	return d, m.end(s, p)
}

func (m *memory) end(s *auth.Session, p auth.SignOutParams) error {
	ending := s.ID
	if p.SessionID != "" {
		ending = p.SessionID
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.owns(s.UserID, ending) {
		forbidden := m.err(auth.CodeForbidden, "signout")
		switch m.fault {
		case "another's session ends":
		case "another's session ends with an error":
			m.remove(func(o *auth.Session) bool { return o.ID == ending })
			return forbidden
		case "refusal ends the caller's":
			m.remove(func(o *auth.Session) bool { return o.ID == s.ID })
			return forbidden
		case "unknown session told apart":
			if !m.exists(ending) {
				return nil
			}
			return forbidden
		default:
			return forbidden
		}
	}
	switch {
	case m.is("sign-out does nothing"), m.is("sign-out by name does nothing") && p.SessionID != "":
	case m.is("everywhere is unsupported") && p.Everywhere:
		return auth.Unsupported(memoryName, "signout everywhere", "not here")
	case m.is("everywhere is badly unsupported") && p.Everywhere:
		return errors.ErrUnsupported
	case m.is("everywhere is here") && p.Everywhere:
		m.remove(func(o *auth.Session) bool { return o.ID == ending })
	case m.is("everywhere is everybody") && p.Everywhere:
		m.remove(func(*auth.Session) bool { return true })
	case p.Everywhere, m.is("sign-out ends all"):
		m.remove(func(o *auth.Session) bool { return o.UserID == s.UserID })
	default:
		m.remove(func(o *auth.Session) bool { return o.ID == ending })
	}
	return nil
}

func (m *memory) owns(user, id string) bool {
	for _, s := range m.sessions {
		if s.ID == id && s.UserID == user {
			return true
		}
	}
	return false
}

func (m *memory) exists(id string) bool {
	for _, s := range m.sessions {
		if s.ID == id {
			return true
		}
	}
	return false
}

func (m *memory) remove(which func(*auth.Session) bool) (n int) {
	for key, s := range m.sessions {
		if which(s) {
			delete(m.sessions, key)
			n++
		}
	}
	return n
}

// fixture surrounds a backend for the kit.
func (m *memory) fixture(testing.TB) *authtest.BackendFixture {
	expired, s := m.open("alice", nil, time.Hour)
	s.ExpiresAt = time.Now().Add(-time.Minute)
	request := func(credential string) *http.Request {
		r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, authtest.AppOrigin+"/", nil)
		r.AddCookie(&http.Cookie{Name: cookieName, Value: credential})
		return r
	}
	return &authtest.BackendFixture{
		Backend: m,
		SignIn: func(user string) *http.Request {
			credential, _ := m.open(user, nil, time.Hour)
			return request(credential)
		},
		Dead:           map[string]*http.Request{"expired": request(expired)},
		Garbage:        map[string]*http.Request{"of another system": request("eyJhbGciOiJub25lIn0.e30.")},
		SetStorageDown: m.setDown,
		Secrets:        []string{memoryKey},
	}
}

func suite(fault string) authtest.BackendSuite {
	return authtest.BackendSuite{New: func(t testing.TB) *authtest.BackendFixture { return newMemory(fault).fixture(t) }}
}

// returnAllowed knows paths only.
func (m *memory) returnAllowed(to string) bool {
	if m.is("open redirect") {
		return true
	}
	if m.is("prefix redirect") && strings.HasPrefix(to, authtest.AppOrigin) {
		return true
	}
	u, err := url.Parse(to)
	return to == "" || err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.ContainsAny(to, "\\\t\r\n")
}
