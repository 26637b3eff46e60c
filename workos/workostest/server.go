// Package workostest is a fake WorkOS API for tests and demonstrations of package workos: it answers for the signing keys,
// refreshes, and the sessions of a user. It knows no password and signs anybody in, so it must not be reachable by
// others.
package workostest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

const keySize = 2048

// Config configures a [Server]. The zero value is complete.
type Config struct {
	// ClientID is the WorkOS client. If empty, "client_test".
	ClientID string
	// APIKey is what requests must carry. If empty, "sk_test_fake".
	APIKey string
	// Lifetime is that of access tokens, in whole seconds. If zero, five minutes.
	Lifetime time.Duration
	// Key signs access tokens. If nil, NewServer makes one, which takes a moment.
	Key *rsa.PrivateKey
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
}

// Person is who signs in. What is empty is left out.
type Person struct {
	ID, Email, FirstName, LastName, Picture string
	OrganizationID                          string
	Role                                    string
	Permissions                             []string
}

// Server is an http.Handler that answers as WorkOS' API does. It is safe for concurrent use.
type Server struct {
	config Config

	mu       sync.Mutex
	requests map[string]int
	down     bool
	sessions map[string]*session // by id
	refresh  map[string]string   // refresh token to session id; a token is spent by its use
}

type session struct {
	id      string
	person  Person
	started time.Time
}

var _ http.Handler = (*Server)(nil)

// NewServer returns a server without sessions.
func NewServer(c Config) (*Server, error) {
	if c.ClientID == "" {
		c.ClientID = "client_test"
	}
	if c.APIKey == "" {
		c.APIKey = "sk_test_fake"
	}
	if c.Lifetime == 0 {
		c.Lifetime = 5 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Key == nil {
		key, err := rsa.GenerateKey(rand.Reader, keySize)
		if err != nil {
			return nil, err
		}
		c.Key = key
	}
	return &Server{config: c, requests: map[string]int{}, sessions: map[string]*session{}, refresh: map[string]string{}}, nil
}

// SignIn begins a session and returns what belongs into its cookie.
func (s *Server) SignIn(p Person) (workos.SessionData, error) {
	if p.ID == "" {
		return workos.SessionData{}, errors.New("workostest: the person has no ID")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &session{id: "session_" + rand.Text(), person: p, started: s.config.Now()}
	s.sessions[n.id] = n
	access, refresh, err := s.tokens(n)
	if err != nil {
		return workos.SessionData{}, err
	}
	return workos.SessionData{
		OrganizationID: p.OrganizationID, AccessToken: auth.NewSecret(access), RefreshToken: auth.NewSecret(refresh),
		AuthenticationMethod: "Password",
		User: map[string]any{
			"object": "user", "id": p.ID, "email": p.Email, "emailVerified": p.Email != "", "name": nil,
			"firstName": orNil(p.FirstName), "lastName": orNil(p.LastName), "profilePictureUrl": orNil(p.Picture),
			"externalId": nil, "metadata": map[string]any{},
		},
	}, nil
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// SetDown makes every request fail with 503, or work again.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// End ends a session, as an administrator at WorkOS would.
func (s *Server) End(sessionID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(sessionID)
}

func (s *Server) end(id string) {
	delete(s.sessions, id)
	maps.DeleteFunc(s.refresh, func(_, of string) bool { return of == id })
}

// Requests returns how often a path below the base URL was asked for, such as "/user_management/authenticate".
func (s *Server) Requests(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

// Sign returns an access token of claims.
func (s *Server) Sign(claims map[string]any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT","kid":"key_test"}`)) + "." + encode(body)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.config.Key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}

// tokens makes an access token and a refresh token of n.
func (s *Server) tokens(n *session) (access, refresh string, err error) {
	now, p := s.config.Now(), n.person
	claims := map[string]any{
		"iss": "https://api.workos.com/user_management/" + s.config.ClientID, "sub": p.ID, "sid": n.id, "jti": rand.Text(),
		"client_id": s.config.ClientID, "iat": now.Unix(), "exp": now.Add(s.config.Lifetime).Unix(),
	}
	for name, v := range map[string]string{"org_id": p.OrganizationID, "role": p.Role} {
		if v != "" {
			claims[name] = v
		}
	}
	if p.Permissions != nil {
		claims["permissions"] = p.Permissions
	}
	if access, err = s.Sign(claims); err != nil {
		return "", "", err
	}
	refresh = "rt_" + rand.Text()
	s.refresh[refresh] = n.id
	return access, refresh, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (s *Server) jwks() any {
	k := s.config.Key.PublicKey
	return map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "key_test",
		"n": encode(k.N.Bytes()), "e": encode(big.NewInt(int64(k.E)).Bytes()),
	}}}
}

// apiKey reports whether r carries the API key.
func (s *Server) apiKey(r *http.Request) bool {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && key == s.config.APIKey
}
