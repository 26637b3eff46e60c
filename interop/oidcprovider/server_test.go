package oidcprovider_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/netscript/auth/interop/oidcprovider"
)

const redirectURI = "http://127.0.0.1:1/callback"

// app is an OAuth client written by hand, to know that the provider works
// without the library under test.
type app struct {
	server   *oidcprovider.Server
	provider *oidc.Provider
	config   oauth2.Config
	http     *http.Client
}

func newApp(t *testing.T, server *oidcprovider.Server, clientID string) *app {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), server.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	client := server.Client(clientID)
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if client.AuthMethod != "client_secret_basic" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &app{
		server:   server,
		provider: provider,
		config: oauth2.Config{
			ClientID:     client.ID,
			ClientSecret: client.Secret,
			RedirectURL:  client.RedirectURIs[0],
			Endpoint:     endpoint,
			Scopes:       []string{"openid", "profile", "email"},
		},
		http: &http.Client{Jar: jar, Timeout: 10 * time.Second},
	}
}

func (a *app) signIn(t *testing.T, user string, extra ...oauth2.AuthCodeOption) (*oidcprovider.Callback, *oauth2.Token) {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	extra = append(extra, oauth2.S256ChallengeOption(verifier), oidc.Nonce("a-nonce"))
	callback := a.server.Login(t, a.http, a.config.AuthCodeURL("a-state", extra...), user)
	if e := callback.Response.Get("error"); e != "" {
		t.Fatalf("callback with error %q: %s", e, callback.Response.Get("error_description"))
	}
	token, err := a.config.Exchange(t.Context(), callback.Response.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return callback, token
}

func (a *app) idToken(t *testing.T, token *oauth2.Token) (*oidc.IDToken, map[string]any) {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	idToken, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := idToken.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return idToken, claims
}

func TestSignIn(t *testing.T) {
	server := oidcprovider.Start(t, oidcprovider.Options{Clients: oidcprovider.DefaultClients(redirectURI)})
	tests := []struct {
		client, mode, method string
	}{
		{"basic", "", http.MethodGet},
		{"post", "query", http.MethodGet},
		{"public", "form_post", http.MethodPost},
	}
	for _, tt := range tests {
		t.Run(tt.client, func(t *testing.T) {
			a := newApp(t, server, tt.client)
			var extra []oauth2.AuthCodeOption
			if tt.mode != "" {
				extra = append(extra, oauth2.SetAuthURLParam("response_mode", tt.mode))
			}
			callback, token := a.signIn(t, "alice", extra...)
			if callback.Method != tt.method || !strings.HasPrefix(callback.URL.String(), redirectURI) {
				t.Errorf("callback is %s %s, want %s %s", callback.Method, callback.URL, tt.method, redirectURI)
			}
			if got := callback.Response.Get("state"); got != "a-state" {
				t.Errorf("state = %q", got)
			}
			// RFC 9207, section 2.
			if got := callback.Response.Get("iss"); got != server.Issuer {
				t.Errorf("iss = %q, want %q", got, server.Issuer)
			}
			idToken, claims := a.idToken(t, token)
			if idToken.Subject != "alice" || idToken.Nonce != "a-nonce" {
				t.Errorf("ID token: subject %q, nonce %q", idToken.Subject, idToken.Nonce)
			}
			for _, name := range []string{"name", "email"} {
				if claims[name] != nil {
					t.Errorf("ID token has %q, which only UserInfo should", name)
				}
			}
			if token.RefreshToken == "" {
				t.Error("no refresh token")
			}
		})
	}
}

func TestDiscovery(t *testing.T) {
	server := oidcprovider.Start(t, oidcprovider.Options{Clients: oidcprovider.DefaultClients(redirectURI)})
	provider, err := oidc.NewProvider(t.Context(), server.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	var metadata map[string]any
	if err := provider.Claims(&metadata); err != nil {
		t.Fatal(err)
	}
	if metadata["authorization_response_iss_parameter_supported"] != true || metadata["backchannel_logout_supported"] != true {
		t.Errorf("iss or back-channel logout not announced: %v", metadata)
	}
	for _, name := range []string{"revocation_endpoint", "introspection_endpoint", "end_session_endpoint", "userinfo_endpoint"} {
		if s, _ := metadata[name].(string); !strings.HasPrefix(s, server.Issuer+"/") {
			t.Errorf("%s = %v", name, metadata[name])
		}
	}
}

func TestUserInfo(t *testing.T) {
	server := oidcprovider.Start(t, oidcprovider.Options{
		Clients: oidcprovider.DefaultClients(redirectURI),
		Users:   map[string]map[string]any{"mallory": {"email": "alice@example.com", "email_verified": false}},
	})
	tests := []struct {
		user string
		want map[string]any
	}{
		{"alice", map[string]any{"sub": "alice", "name": "User alice", "email": "alice@example.com", "email_verified": true}},
		{"mallory", map[string]any{"sub": "mallory", "name": "User mallory", "email": "alice@example.com", "email_verified": false}},
	}
	for _, tt := range tests {
		t.Run(tt.user, func(t *testing.T) {
			a := newApp(t, server, "basic")
			_, token := a.signIn(t, tt.user)
			info, err := a.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := info.Claims(&got); err != nil {
				t.Fatal(err)
			}
			if picture, _ := got["picture"].(string); !strings.HasPrefix(picture, server.Issuer) {
				t.Errorf("picture = %q", picture)
			}
			maps.DeleteFunc(got, func(name string, _ any) bool { return tt.want[name] == nil })
			if !maps.Equal(got, tt.want) {
				t.Errorf("UserInfo = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	tests := []struct {
		name    string
		options oidcprovider.Options
		again   bool // the first refresh token works twice
	}{
		{"rotating", oidcprovider.Options{AccessTokenTTL: 90 * time.Second}, false},
		{"kept", oidcprovider.Options{AccessTokenTTL: 90 * time.Second, KeepRefreshTokens: true}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Clients = oidcprovider.DefaultClients(redirectURI)
			a := newApp(t, oidcprovider.Start(t, tt.options), "basic")
			_, token := a.signIn(t, "alice")
			if left := time.Until(token.Expiry); left > 90*time.Second || left < 60*time.Second {
				t.Errorf("access token lives %s, want 90 s", left)
			}
			stale := &oauth2.Token{RefreshToken: token.RefreshToken}
			fresh, err := a.config.TokenSource(t.Context(), stale).Token()
			if err != nil {
				t.Fatal(err)
			}
			if rotated := fresh.RefreshToken != token.RefreshToken; rotated == tt.again {
				t.Errorf("rotated = %v", rotated)
			}
			_, err = a.config.TokenSource(t.Context(), stale).Token()
			var refused *oauth2.RetrieveError
			if tt.again && err != nil || !tt.again && (!errors.As(err, &refused) || refused.ErrorCode != "invalid_grant") {
				t.Errorf("second use of the refresh token: %v", err)
			}
		})
	}
}

func TestPKCE(t *testing.T) {
	tests := []struct {
		name     string
		optional bool
		client   string
		want     string
	}{
		{"required", false, "basic", "invalid_request"},
		{"optional", true, "basic", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := oidcprovider.Start(t, oidcprovider.Options{
				Clients: oidcprovider.DefaultClients(redirectURI), OptionalPKCE: tt.optional,
			})
			a := newApp(t, server, tt.client)
			callback := server.Login(t, a.http, a.config.AuthCodeURL("a-state"), "alice")
			if got := callback.Response.Get("error"); got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}

// A second login in the same browser meets the provider's session, and one in
// another browser does not.
func TestSingleSignOn(t *testing.T) {
	server := oidcprovider.Start(t, oidcprovider.Options{Clients: oidcprovider.DefaultClients(redirectURI)})
	a := newApp(t, server, "basic")
	a.signIn(t, "alice")
	_, token := a.signIn(t, "bob") // no login page asks for bob
	if idToken, _ := a.idToken(t, token); idToken.Subject != "alice" {
		t.Errorf("same browser: subject %q, want alice", idToken.Subject)
	}
	b := newApp(t, server, "basic")
	_, token = b.signIn(t, "bob")
	if idToken, _ := b.idToken(t, token); idToken.Subject != "bob" {
		t.Errorf("other browser: subject %q, want bob", idToken.Subject)
	}
}

func TestSigningAlgorithm(t *testing.T) {
	server := oidcprovider.Start(t, oidcprovider.Options{Clients: []oidcprovider.Client{
		{ID: "es", Secret: "es-secret", RedirectURIs: []string{redirectURI}, IDTokenAlg: "ES256"},
	}})
	a := newApp(t, server, "es")
	_, token := a.signIn(t, "alice")
	raw, _ := token.Extra("id_token").(string)
	verifier := a.provider.Verifier(&oidc.Config{ClientID: "es", SupportedSigningAlgs: []string{oidc.ES256}})
	if _, err := verifier.Verify(t.Context(), raw); err != nil {
		t.Error(err)
	}
}

// RP-initiated logout ends the provider's session and tells the application's
// back channel.
func TestLogout(t *testing.T) {
	tokens := make(chan string, 1)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens <- r.FormValue("logout_token")
	}))
	defer back.Close()
	const after = "http://127.0.0.1:1/bye"
	server := oidcprovider.Start(t, oidcprovider.Options{Clients: []oidcprovider.Client{{
		ID: "app", Secret: "secret", RedirectURIs: []string{redirectURI},
		PostLogoutRedirectURIs: []string{after}, BackchannelLogoutURI: back.URL,
	}}})
	a := newApp(t, server, "app")
	_, token := a.signIn(t, "alice")
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := a.provider.Claims(&metadata); err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	query := url.Values{"id_token_hint": {raw}, "post_logout_redirect_uri": {after}, "state": {"s"}}
	callback := server.Logout(t, a.http, metadata.EndSession+"?"+query.Encode())
	if got := callback.URL.String(); got != after+"?state=s" {
		t.Errorf("after logout at %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case raw := <-tokens:
		if _, err := a.provider.Verifier(&oidc.Config{ClientID: "app", SkipExpiryCheck: true}).Verify(ctx, raw); err != nil {
			t.Errorf("logout token: %v", err)
		}
	case <-ctx.Done():
		t.Error("no logout token came")
	}
}

func TestStop(t *testing.T) {
	server := oidcprovider.Start(t, oidcprovider.Options{Clients: oidcprovider.DefaultClients(redirectURI)})
	resp, err := http.Get(server.Issuer + "/jwks")
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	err = json.NewDecoder(resp.Body).Decode(&set)
	_ = resp.Body.Close()
	if err != nil || len(set.Keys) != 2 || slices.ContainsFunc(set.Keys, func(k map[string]any) bool { return k["d"] != nil }) {
		t.Errorf("%d keys, or a private one: %v", len(set.Keys), err)
	}
	server.Stop()
	server.Stop()
	if resp, err := http.Get(server.Issuer + "/jwks"); err == nil {
		_ = resp.Body.Close()
		t.Error("a stopped provider answers")
	}
}
