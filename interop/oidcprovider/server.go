// Package oidcprovider runs the npm package oidc-provider, a certified OpenID
// provider that shares no code with this library, for tests.
//
// Identities are made up: every login name is an account whose subject is that
// name. As OpenID Connect Core section 5.4 asks, name and e-mail address come
// from UserInfo only.
package oidcprovider

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth/interop/internal/testenv"
)

const startTimeout = 30 * time.Second

// Options configure a Server.
type Options struct {
	// Clients are the registered clients. DefaultClients makes one of each kind.
	Clients []Client
	// Users replaces claims of the accounts named by the keys.
	Users map[string]map[string]any
	// AccessTokenTTL is in whole seconds. If zero, an hour.
	AccessTokenTTL time.Duration
	// IDTokenTTL is in whole seconds. If zero, an hour.
	IDTokenTTL time.Duration
	// RefreshTokenTTL is in whole seconds. If zero, a day.
	RefreshTokenTTL time.Duration
	// KeepRefreshTokens turns rotation off. If false, every refresh replaces the
	// refresh token, and presenting the old one again revokes the whole grant.
	KeepRefreshTokens bool
	// ACRValues are the authentication context classes that a login can have. If
	// nil, none.
	ACRValues []string
	// OptionalPKCE lets confidential clients do without PKCE.
	OptionalPKCE bool
	// RequirePAR refuses authorization requests that were not pushed (RFC 9126).
	RequirePAR bool
	// DPoPNonce refuses DPoP proofs without a nonce of the server (RFC 9449, section 8).
	DPoPNonce bool
	// FAPI2 holds every client to the FAPI 2.0 Security Profile.
	FAPI2 bool
}

// settings is what server.mjs reads.
type settings struct {
	Clients             []Client                  `json:"clients"`
	Users               map[string]map[string]any `json:"users"`
	RotateRefreshTokens bool                      `json:"rotateRefreshTokens"`
	RequirePKCE         bool                      `json:"requirePKCE"`
	ACRValues           []string                  `json:"acrValues"`
	RequirePAR          bool                      `json:"requirePAR"`
	DPoPNonce           bool                      `json:"dpopNonce"`
	FAPI2               bool                      `json:"fapi2"`
	TTL                 ttl                       `json:"ttl"`
}

type ttl struct {
	AccessToken  int `json:"accessToken"`
	IDToken      int `json:"idToken"`
	RefreshToken int `json:"refreshToken"`
}

func (o Options) settings() settings {
	s := settings{
		Clients:             make([]Client, len(o.Clients)),
		Users:               o.Users,
		RotateRefreshTokens: !o.KeepRefreshTokens,
		RequirePKCE:         !o.OptionalPKCE,
		ACRValues:           append([]string{}, o.ACRValues...),
		RequirePAR:          o.RequirePAR,
		DPoPNonce:           o.DPoPNonce,
		FAPI2:               o.FAPI2,
		TTL: ttl{
			AccessToken:  seconds(o.AccessTokenTTL, time.Hour),
			IDToken:      seconds(o.IDTokenTTL, time.Hour),
			RefreshToken: seconds(o.RefreshTokenTTL, 24*time.Hour),
		},
	}
	for i, c := range o.Clients {
		s.Clients[i] = c.withDefaults()
	}
	if s.Users == nil {
		s.Users = map[string]map[string]any{}
	}
	return s
}

func seconds(d, ifZero time.Duration) int {
	return int(cmp.Or(d, ifZero) / time.Second)
}

// Server is a running provider.
type Server struct {
	// Issuer is the provider's issuer identifier, an http URL on loopback.
	Issuer string

	clients []Client
	stdin   io.Closer
	cmd     *exec.Cmd
	log     *log
	stop    sync.Once
}

// Start starts a provider and waits until it answers. It stops when the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		testenv.Missing(t, "node")
	}
	interop := testenv.Interop(t)
	if _, err := os.Stat(filepath.Join(interop, "node_modules", "oidc-provider")); err != nil {
		testenv.Missing(t, "the npm package oidc-provider")
	}
	config := o.settings()
	argument, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{clients: config.Clients, log: &log{}}
	s.cmd = exec.Command(node, filepath.Join(interop, "oidcprovider", "server.mjs"), string(argument))
	s.cmd.Stderr = s.log
	if err := s.start(); err != nil {
		t.Fatalf("oidc-provider did not start: %v\n%s", err, s.log)
	}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("oidc-provider said:\n%s", s.log)
		}
	})
	return s
}

func (s *Server) start() error {
	var err error
	// The process ends when this pipe closes, also when the test is killed.
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, s)
		}
		ready <- err
	}()
	select {
	case err = <-ready:
	case <-time.After(startTimeout):
		err = errors.New("no answer in time")
	}
	if err != nil {
		s.Stop()
	}
	return err
}

// Stop ends the provider at once, as a crash would. It may be called more than once.
func (s *Server) Stop() {
	s.stop.Do(func() {
		_ = s.stdin.Close()
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // reports the kill
	})
}

// Client returns the registered client with the given id, and an empty one if
// there is none.
func (s *Server) Client(id string) Client {
	for _, c := range s.clients {
		if c.ID == id {
			return c
		}
	}
	return Client{}
}

// log keeps the first part of what the provider writes to standard error.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	const most = 64 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := most - l.buf.Len(); room > 0 {
		l.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
