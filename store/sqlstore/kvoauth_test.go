package sqlstore_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/sqlstore"
)

// application is a server with kvoauth whose sessions and users are in a database, and two providers.
type application struct {
	*testing.T
	db      *gorm.DB
	handler http.Handler
	idps    []*authtest.Provider
}

var globexPeople = []fakeop.User{
	{Subject: "alice", Name: "Another Alice", Email: "alice@example.test", EmailVerified: true},
	{Subject: "zoe", Name: "Zoe", Email: "zoe@example.test", EmailVerified: true},
}

func newApplication(t *testing.T, db *gorm.DB) *application {
	t.Helper()
	a := &application{T: t, db: db, idps: []*authtest.Provider{
		authtest.NewProvider(t, authtest.ProviderConfig{ID: "acme"}),
		authtest.NewProvider(t, authtest.ProviderConfig{
			ID: "globex", Issuer: "https://globex.test", RedirectURI: authtest.RedirectURI + "/globex",
			Configure: func(c *fakeop.Config) { c.Users = globexPeople },
		}),
	}}
	config := kvoauth.Config{
		RedirectURL: authtest.RedirectURI, Keys: []auth.Key{auth.GenerateKey()}, HTTPClient: authtest.ClientFor(a.idps...),
		KV: newStore(t, db, sqlstore.Config{}), Users: newUsers(t, db), PrimaryProvider: "acme",
	}
	for _, idp := range a.idps {
		config.Clients = append(config.Clients, kvoauth.Client{Provider: idp.Definition(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret})
	}
	backend, err := kvoauth.NewKvOAuthBackend(config)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(handler.Pattern(), handler)
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	a.handler = mux
	return a
}

func (a *application) browser() *authtest.Browser {
	return authtest.NewBrowser(a.T, a.handler, a.idps...)
}

// signedIn returns the user of a new browser in which somebody signs in at a provider.
func (a *application) signedIn(provider, subject string) (userID string, b *authtest.Browser) {
	a.Helper()
	b = a.browser()
	b.SignIn(subject, "providerId", provider)
	return a.userOf(b), b
}

func (a *application) userOf(b *authtest.Browser) string {
	a.Helper()
	var answer struct {
		Authenticated bool
		Session       struct{ UserID, Subject string }
	}
	b.GetJSON(auth.DefaultBasePath+"/session", &answer)
	if !answer.Authenticated || answer.Session.UserID == "" || answer.Session.UserID == answer.Session.Subject {
		a.Fatalf("session %+v; want a user that the database has made", answer)
	}
	return answer.Session.UserID
}

// link signs in at a provider to link that account to the user of b, and returns the error code.
func (a *application) link(b *authtest.Browser, provider, subject string) string {
	a.Helper()
	var started struct{ RedirectURL string }
	b.PostJSON(auth.DefaultBasePath+"/signin", map[string]any{"providerId": provider, "link": true}).JSON(a.T, &started)
	page := b.Finish(b.Authorize(started.RedirectURL, subject))
	if page.Status < 400 {
		return ""
	}
	if !strings.Contains(page.Body, string(auth.CodeAccountLinked)) {
		a.Errorf("linking: %d %s", page.Status, page.Body)
	}
	return string(auth.CodeAccountLinked)
}

func TestKvOAuth(t *testing.T) {
	for _, f := range fixtures() {
		t.Run(f.name, func(t *testing.T) {
			a := newApplication(t, f.migrated(t))
			t.Run("first and later sign-ins", a.signIns)
			t.Run("two at once", a.atOnce)
			t.Run("one address at two providers", a.sameAddress)
			t.Run("linking", a.linking)
			t.Run("tokens are sealed", a.sealed)
		})
	}
}

func (a *application) signIns(t *testing.T) {
	first, _ := a.signedIn("acme", "alice")
	second, _ := a.signedIn("acme", "alice")
	bob, _ := a.signedIn("acme", "bob")
	if first != second || bob == first {
		t.Errorf("alice is %q and %q, bob %q", first, second, bob)
	}
	user := row[sqlstore.User](t, a.db, "id = ?", first)
	if user.Name != "Alice Example" || user.Email == nil || !user.EmailVerified {
		t.Errorf("stored %+v", user)
	}
	carol, _ := a.signedIn("acme", "carol")
	if u := row[sqlstore.User](t, a.db, "id = ?", carol); u.EmailVerified {
		t.Error("carol's address counts as verified")
	}
}

func (a *application) atOnce(t *testing.T) {
	browsers := []*authtest.Browser{a.browser(), a.browser(), a.browser(), a.browser()}
	var wg sync.WaitGroup
	for _, b := range browsers {
		wg.Go(func() { b.SignIn("zoe", "providerId", "globex") })
	}
	wg.Wait()
	first := a.userOf(browsers[0])
	for _, b := range browsers[1:] {
		if id := a.userOf(b); id != first {
			t.Errorf("zoe is %q and %q", first, id)
		}
	}
}

// sameAddress signs in an alice whose provider vouches for the address of another alice.
func (a *application) sameAddress(t *testing.T) {
	acme, _ := a.signedIn("acme", "alice")
	globex, _ := a.signedIn("globex", "alice")
	if acme == globex {
		t.Fatal("an e-mail address linked two accounts")
	}
	wantEmail(t, a.db, acme, *row[sqlstore.User](t, a.db, "id = ?", acme).Email, true)
	wantEmail(t, a.db, globex, "", false)
}

func (a *application) linking(t *testing.T) {
	bob, browser := a.signedIn("acme", "bob")
	if code := a.link(browser, "globex", "alice"); code != string(auth.CodeAccountLinked) {
		t.Errorf("linking another user's account: %q", code)
	}
	if id := a.userOf(browser); id != bob {
		t.Errorf("after a refused link the browser is user %q, before %q", id, bob)
	}
	before := row[sqlstore.Account](t, a.db, "provider_id = ? AND account_id = ?", "globex", "alice").UserID
	if err := a.db.Delete(&sqlstore.User{ID: before}).Error; err != nil {
		t.Fatal(err)
	}
	if code := a.link(browser, "globex", "alice"); code != "" {
		t.Errorf("linking an account that is nobody's: %q", code)
	}
	if after, _ := a.signedIn("globex", "alice"); after != bob {
		t.Errorf("the linked account signs in as %q, want %q", after, bob)
	}
}

// sealed looks for the provider's tokens in everything that is stored.
func (a *application) sealed(t *testing.T) {
	var accounts []sqlstore.Account
	if err := a.db.Find(&accounts).Error; err != nil || len(accounts) < 3 {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	for _, stored := range accounts {
		for _, token := range []*string{stored.AccessToken, stored.RefreshToken, stored.IDToken} {
			if token == nil {
				t.Errorf("account %s of %s has no token", stored.AccountID, stored.ProviderID)
				continue
			}
			sealed, err := base64.RawURLEncoding.DecodeString(*token)
			if err != nil || strings.Count(*token, ".") == 2 || strings.Contains(string(sealed), "alice") {
				t.Errorf("a token is not sealed: %.20s..., %v", *token, err)
			}
		}
		if stored.AccessTokenExpiresAt == nil {
			t.Errorf("account %s of %s: no expiry", stored.AccountID, stored.ProviderID)
		}
	}
}

var _ store.UserStore = (*sqlstore.Users)(nil)
