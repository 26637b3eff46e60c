package bench

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/gob"
	"net/http"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// BenchmarkSignIn completes sign-ins: the application's sign-in route and its callback, which exchanges the code, verifies
// the ID token, asks UserInfo and makes a session. What the person does at the provider's page is not counted; what the
// provider does for the application (signing a token, most of all) is, and is the same for both.
func BenchmarkSignIn(b *testing.B) {
	byHand := 0.0
	for _, app := range []struct {
		name string
		make func(*testing.B, *authtest.Provider) http.Handler
	}{{"by-hand", newByHand}, {"kvoauth", newApplication}} {
		b.Run(app.name, func(b *testing.B) {
			idp := authtest.NewProvider(b, authtest.ProviderConfig{})
			handler := app.make(b, idp)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				person := authtest.NewBrowser(b, handler, idp)
				b.StartTimer()
				target := person.StartSignIn()
				b.StopTimer()
				answer := person.Authorize(target, "alice")
				b.StartTimer()
				if page := person.Finish(answer); page.Status != http.StatusOK {
					b.Fatalf("status %d", page.Status)
				}
			}
			perOp := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if app.name == "by-hand" {
				byHand = perOp
			}
			b.ReportMetric(perOp/byHand, "x-by-hand")
		})
	}
}

func newApplication(b *testing.B, idp *authtest.Provider) http.Handler {
	b.Helper()
	kv, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		b.Fatal(err)
	}
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:     []kvoauth.Client{{Provider: idp.Definition(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret}},
		RedirectURL: authtest.RedirectURI, KV: kv, Keys: []auth.Key{auth.GenerateKey()}, HTTPClient: idp.Client(),
	})
	if err != nil {
		b.Fatal(err)
	}
	handler, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	return withHome(handler.Pattern(), handler)
}

func withHome(pattern string, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pattern, h)
	mux.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// byHand is a sign-in as the documentation of go-oidc and scs shows it.
type byHand struct {
	sessions *scs.SessionManager
	client   *http.Client
	config   oauth2.Config
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
}

func newByHand(b *testing.B, idp *authtest.Provider) http.Handler {
	b.Helper()
	gob.Register(map[string]any{})
	client := idp.Client()
	provider, err := oidc.NewProvider(oidc.ClientContext(context.Background(), client), idp.Issuer())
	if err != nil {
		b.Fatal(err)
	}
	h := &byHand{sessions: scs.New(), client: client, provider: provider, verifier: provider.Verifier(&oidc.Config{ClientID: idp.ClientID})}
	h.sessions.Store = memstore.NewWithCleanupInterval(0)
	h.config = oauth2.Config{
		ClientID: idp.ClientID, ClientSecret: idp.ClientSecret.Reveal(), Endpoint: provider.Endpoint(),
		RedirectURL: authtest.RedirectURI, Scopes: []string{"openid", "profile", "email"},
	}
	h.config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+auth.DefaultBasePath+"/signin", h.signIn)
	mux.HandleFunc("GET "+auth.DefaultBasePath+"/callback", h.callback)
	return h.sessions.LoadAndSave(withHome(auth.DefaultBasePath+"/", mux))
}

func (h *byHand) signIn(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	h.sessions.Put(r.Context(), "state", state)
	h.sessions.Put(r.Context(), "nonce", nonce)
	h.sessions.Put(r.Context(), "verifier", verifier)
	http.Redirect(w, r, h.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)), http.StatusFound)
}

func (h *byHand) callback(w http.ResponseWriter, r *http.Request) {
	ctx := oidc.ClientContext(r.Context(), h.client)
	state := h.sessions.PopString(ctx, "state")
	if state == "" || subtle.ConstantTimeCompare([]byte(state), []byte(r.FormValue("state"))) != 1 {
		http.Error(w, "state", http.StatusBadRequest)
		return
	}
	token, err := h.config.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(h.sessions.PopString(ctx, "verifier")))
	if err != nil {
		http.Error(w, "exchange", http.StatusBadGateway)
		return
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := h.verifier.Verify(ctx, raw)
	if err != nil || idToken.Nonce != h.sessions.PopString(ctx, "nonce") {
		http.Error(w, "ID token", http.StatusBadGateway)
		return
	}
	claims := map[string]any{}
	if err := idToken.Claims(&claims); err != nil {
		http.Error(w, "claims", http.StatusBadGateway)
		return
	}
	info, err := h.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != idToken.Subject || info.Claims(&claims) != nil {
		http.Error(w, "UserInfo", http.StatusBadGateway)
		return
	}
	if err := h.sessions.RenewToken(ctx); err != nil {
		http.Error(w, "session", http.StatusInternalServerError)
		return
	}
	h.sessions.Put(ctx, "subject", idToken.Subject)
	h.sessions.Put(ctx, "claims", claims)
	h.sessions.Put(ctx, "refresh", token.RefreshToken)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
