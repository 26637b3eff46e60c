package kvoauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

const configSecret = "s3cret-of-the-client"

func validConfig(t testing.TB) kvoauth.Config {
	t.Helper()
	kv, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return kvoauth.Config{
		Clients: []kvoauth.Client{{
			Provider: providers.Provider{ID: "idp", Issuer: "https://idp.test"}, ClientID: "id", ClientSecret: auth.NewSecret(configSecret),
		}},
		RedirectURL: "https://app.test/api/v1/auth/callback", KV: kv, Keys: []auth.Key{auth.GenerateKey()},
	}
}

func ecSigningKey(id string) kvoauth.SigningKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return kvoauth.SigningKey{}
	}
	k, _ := kvoauth.NewSigningKey(key, id, "")
	return k
}

var invalidConfigs = []struct {
	name  string
	spoil func(c *kvoauth.Config)
	says  []string // the field and the way out
}{
	{"no store", func(c *kvoauth.Config) { c.KV = nil }, []string{"KV", "required"}},
	{"no client", func(c *kvoauth.Config) { c.Clients = nil }, []string{"Clients", "at least one"}},
	{"no key", func(c *kvoauth.Config) { c.Keys = nil }, []string{"Keys", "auth.GenerateKey"}},
	{"zero key", func(c *kvoauth.Config) { c.Keys = append(c.Keys, auth.Key{}) }, []string{"Keys[1]", "zero"}},
	{"no redirect URL", func(c *kvoauth.Config) { c.RedirectURL = "" }, []string{"RedirectURL", "absolute URL"}},
	{"relative redirect URL", func(c *kvoauth.Config) { c.RedirectURL = "/callback" }, []string{"RedirectURL", "absolute URL"}},
	{"http redirect URL", func(c *kvoauth.Config) { c.RedirectURL = "http://app.test/callback" }, []string{"RedirectURL", "https", "InsecureAllowHTTP"}},
	{"http redirect URL that is not loopback", func(c *kvoauth.Config) {
		c.RedirectURL, c.InsecureAllowHTTP = "http://app.test/callback", true
	}, []string{"RedirectURL", "loopback"}},
	{"redirect URL of a script", func(c *kvoauth.Config) { c.RedirectURL = "javascript://app.test/%0a" }, []string{"RedirectURL", "https"}},
	{"redirect URL with a fragment", func(c *kvoauth.Config) { c.RedirectURL += "#" }, []string{"RedirectURL"}},
	{"redirect URL with a user", func(c *kvoauth.Config) { c.RedirectURL = "https://u:p@app.test/callback" }, []string{"RedirectURL"}},
	{"negative idle timeout", func(c *kvoauth.Config) { c.IdleTimeout = -1 }, []string{"IdleTimeout", "positive"}},
	{"idle over absolute", func(c *kvoauth.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Hour, time.Hour }, []string{"IdleTimeout", "AbsoluteTimeout"}},
	{"endless sessions", func(c *kvoauth.Config) { c.AbsoluteTimeout = 401 * 24 * time.Hour }, []string{"AbsoluteTimeout", "400 days"}},
	{"negative absolute timeout", func(c *kvoauth.Config) { c.AbsoluteTimeout = -1 }, []string{"AbsoluteTimeout"}},
	{"long sign-in", func(c *kvoauth.Config) { c.SignInTimeout = 2 * time.Hour }, []string{"SignInTimeout", "hour"}},
	{"negative sign-in", func(c *kvoauth.Config) { c.SignInTimeout = -1 }, []string{"SignInTimeout"}},
	{"large skew", func(c *kvoauth.Config) { c.ClockSkew = time.Hour }, []string{"ClockSkew", "five minutes"}},
	{"negative skew", func(c *kvoauth.Config) { c.ClockSkew = -1 }, []string{"ClockSkew"}},
	{"foreign default return URL", func(c *kvoauth.Config) { c.DefaultReturnURL = "https://evil.test/" }, []string{"DefaultReturnURL", "ReturnOrigins"}},
	{"return origin that is a URL", func(c *kvoauth.Config) { c.ReturnOrigins = []string{"https://www.app.test/x"} }, []string{"ReturnOrigins[0]", "https://"}},
	{"return origin with a wildcard scheme", func(c *kvoauth.Config) { c.ReturnOrigins = []string{"*"} }, []string{"ReturnOrigins[0]"}},
	{"return origin over http", func(c *kvoauth.Config) { c.ReturnOrigins = []string{"http://www.app.test"} }, []string{"ReturnOrigins[0]"}},
	{"return origin with a user", func(c *kvoauth.Config) { c.ReturnOrigins = []string{"https://app.test@evil.test"} }, []string{"ReturnOrigins[0]"}},
	{"malformed cookie name", func(c *kvoauth.Config) { c.CookieName = "__Host-a b" }, []string{"CookieName"}},
	{"cookie name of transactions", func(c *kvoauth.Config) { c.CookieName = "__Host-ns_txn_x" }, []string{"CookieName"}},
	{"prefixed cookie over http", func(c *kvoauth.Config) {
		c.RedirectURL, c.InsecureAllowHTTP, c.CookieName = "http://localhost/callback", true, "__host-x"
	}, []string{"CookieName", "https"}},
	{"cookie name without the prefix", func(c *kvoauth.Config) { c.CookieName = "sid" }, []string{"CookieName", "__Host-", "InsecureCookieName"}},
	{"several clients, none of them primary", func(c *kvoauth.Config) { c.Clients = append(c.Clients, second(c)) }, []string{"PrimaryProvider", "Clients"}},
	{"a shared redirect URL without iss", func(c *kvoauth.Config) {
		c.PrimaryProvider = c.Clients[0].Provider.ID
		other := second(c)
		other.RedirectURL = c.RedirectURL
		c.Clients = append(c.Clients, other)
	}, []string{"Clients[1]", "RedirectURL", "iss"}},
	{"two clients of one provider", func(c *kvoauth.Config) {
		c.PrimaryProvider, c.Clients = c.Clients[0].Provider.ID, append(c.Clients, c.Clients[0])
	}, []string{"Clients[1]", "twice"}},
	{"no client id", func(c *kvoauth.Config) { c.Clients[0].ClientID = "" }, []string{"Clients[0]", "ClientID"}},
	{"no provider", func(c *kvoauth.Config) { c.Clients[0].Provider = providers.Provider{} }, []string{"Clients[0]", "Provider", "ID", "Issuer"}},
	{"http issuer", func(c *kvoauth.Config) { c.Clients[0].Provider.Issuer = "http://idp.test" }, []string{"Clients[0]", "Issuer"}},
	{"NS-49 own parameters", func(c *kvoauth.Config) {
		c.Clients[0].Provider.AuthParams = map[string]string{"state": "x"}
	}, []string{"Clients[0]", "AuthParams"}},
	{"alg none", func(c *kvoauth.Config) { c.Clients[0].Provider.SigningAlgs = []string{"none"} }, []string{"SigningAlgs"}},
	{"alg HS256", func(c *kvoauth.Config) { c.Clients[0].Provider.SigningAlgs = []string{"HS256"} }, []string{"SigningAlgs"}},
	{"scopes without openid", func(c *kvoauth.Config) { c.Clients[0].Scopes = []string{"profile"} }, []string{"Clients[0]", "Scopes", "openid"}},
	{"two scopes in one", func(c *kvoauth.Config) { c.Clients[0].Scopes = []string{"openid", "a b"} }, []string{"Clients[0]", "Scopes", "one scope"}},
	{"two allowed scopes in one", func(c *kvoauth.Config) { c.AllowedScopes = []string{"a b"} }, []string{"AllowedScopes", "one scope"}},
	{"secret of a public client", func(c *kvoauth.Config) { c.Clients[0].Provider.ClientAuth = providers.ClientAuthNone }, []string{"ClientSecret", "none"}},
	{"basic without secret", func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].ClientSecret = providers.ClientSecretBasic, auth.Secret{}
	}, []string{"ClientSecret", "required", "none"}},
	{"post without secret", func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].ClientSecret = providers.ClientSecretPost, auth.Secret{}
	}, []string{"ClientSecret", "required"}},
	{"private_key_jwt without a key", func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].ClientSecret = providers.PrivateKeyJWT, auth.Secret{}
	}, []string{"SigningKeys", "at least one"}},
	{"private_key_jwt with a secret", func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].SigningKeys = providers.PrivateKeyJWT, []kvoauth.SigningKey{ecSigningKey("k1")}
	}, []string{"ClientSecret", "zero"}},
	{"signing keys and a secret", func(c *kvoauth.Config) { c.Clients[0].SigningKeys = []kvoauth.SigningKey{ecSigningKey("k1")} }, []string{"ClientSecret", "SigningKeys"}},
	{"signing keys that sign nothing", func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].SigningKeys = providers.ClientSecretPost, []kvoauth.SigningKey{ecSigningKey("k1")}
	}, []string{"SigningKeys", "private_key_jwt"}},
	{"zero signing key", func(c *kvoauth.Config) {
		c.Clients[0].ClientSecret, c.Clients[0].SigningKeys = auth.Secret{}, []kvoauth.SigningKey{ecSigningKey("k1"), {}}
	}, []string{"SigningKeys[1]", "zero"}},
	{"CONF-G11 two signing keys of one id", func(c *kvoauth.Config) {
		c.Clients[0].ClientSecret, c.Clients[0].SigningKeys = auth.Secret{}, []kvoauth.SigningKey{ecSigningKey("k1"), ecSigningKey("k1")}
	}, []string{"SigningKeys", "one id"}},
	{"client_secret_jwt without a secret", func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].ClientSecret = providers.ClientSecretJWT, auth.Secret{}
	}, []string{"ClientSecret", "required"}},
	{"client_secret_jwt with a short secret", func(c *kvoauth.Config) { c.Clients[0].Provider.ClientAuth = providers.ClientSecretJWT }, []string{"ClientSecret", "32 bytes"}},
	{"signed_secret without an issuer", func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].ClientSecret, c.Clients[0].SigningKeys = providers.SignedSecret, auth.Secret{}, []kvoauth.SigningKey{ecSigningKey("k1")}
	}, []string{"AssertionIssuer"}},
	{"signed_secret with a key that has no id", func(c *kvoauth.Config) {
		c.Clients[0].Provider.AssertionIssuer = "TEAM"
		c.Clients[0].Provider.ClientAuth, c.Clients[0].ClientSecret, c.Clients[0].SigningKeys = providers.SignedSecret, auth.Secret{}, []kvoauth.SigningKey{ecSigningKey("")}
	}, []string{"SigningKeys[0]", "key id"}},
	{"an audience of no kind", func(c *kvoauth.Config) { c.Clients[0].Provider.AssertionAudience = "https://victim.test" }, []string{"AssertionAudience"}},
	{"form_post over http", func(c *kvoauth.Config) {
		c.RedirectURL, c.InsecureAllowHTTP, c.Clients[0].Provider.ResponseMode = "http://localhost/callback", true, "form_post"
	}, []string{"Clients[0]", "form_post", "https"}},
	{"redirect URL of another origin", func(c *kvoauth.Config) { c.Clients[0].RedirectURL = "https://evil.test/callback" }, []string{"Clients[0]", "RedirectURL", "origin"}},
	{"redirect URL over http", func(c *kvoauth.Config) { c.Clients[0].RedirectURL = "http://app.test/callback" }, []string{"Clients[0]", "RedirectURL", "https"}},
}

// TestHostileConfig: every mistake is an error of the constructor that names the field and the way out (NS-10, ADV-59).
func TestHostileConfig(t *testing.T) {
	if _, err := kvoauth.NewKvOAuthBackend(validConfig(t)); err != nil {
		t.Fatalf("the valid configuration: %v", err)
	}
	for _, row := range invalidConfigs {
		t.Run(row.name, func(t *testing.T) {
			c := validConfig(t)
			row.spoil(&c)
			b, err := kvoauth.NewKvOAuthBackend(c)
			if err == nil || b != nil || auth.CodeOf(err) != auth.CodeConfigInvalid || !errors.Is(err, auth.ErrRejected) {
				t.Fatalf("backend %t, error %v", b != nil, err)
			}
			for _, word := range row.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			if n := strings.Count(err.Error(), "\n"); row.name != "no provider" && n > 0 {
				t.Errorf("one mistake makes %d complaints: %v", n+1, err)
			}
		})
	}
}

// TestHostileConfigAtOnce: all mistakes are reported together, so that a deployment is mended in one go.
func TestHostileConfigAtOnce(t *testing.T) {
	c := kvoauth.Config{
		Clients: []kvoauth.Client{
			{Provider: providers.Provider{ID: "a", Issuer: "http://a.test", ClientAuth: providers.ClientSecretPost}, Scopes: []string{"x y"}, RedirectURL: "ftp://x"},
			{Provider: providers.Provider{ID: "b", Issuer: "https://b.test"}, Scopes: []string{"x"}},
		},
		RedirectURL: "ftp://app.test", IdleTimeout: -1, SignInTimeout: -1, ClockSkew: -1, ReturnOrigins: []string{"x", "y"},
		AllowedScopes: []string{""},
	}
	_, err := kvoauth.NewKvOAuthBackend(c)
	for _, part := range []string{
		"KV", "Keys", "IdleTimeout", "SignInTimeout", "ClockSkew", "RedirectURL: must", "ReturnOrigins[0]", "ReturnOrigins[1]", "AllowedScopes",
		"PrimaryProvider", "Clients[0] (a): Provider", "Clients[0] (a): ClientID", "Clients[0] (a): ClientSecret", "Clients[0] (a): Scopes",
		"Clients[0] (a): RedirectURL", "Clients[1] (b): ClientID", "Clients[1] (b): Scopes",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not reported", part)
		}
	}
}

// TestHostileConfigPrinted: no verb and no log prints a key or a client secret, of the configuration or of the backend.
func TestHostileConfigPrinted(t *testing.T) {
	c := validConfig(t)
	b, err := kvoauth.NewKvOAuthBackend(c)
	if err != nil {
		t.Fatal(err)
	}
	key := c.Keys[0]
	forbidden := []string{configSecret, key.Encode(), string(key.Bytes()), fmt.Sprint(key.Bytes()), fmt.Sprintf("%x", key.Bytes()), fmt.Sprintf("%#v", key.Bytes())}
	var texts []string
	for _, v := range []any{c, &c, b, c.Clients, c.Clients[0], struct{ c kvoauth.Config }{c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		texts = append(texts, log.String())
	}
	for _, text := range texts {
		for _, f := range forbidden {
			if strings.Contains(text, f) {
				t.Fatalf("printed %q", f)
			}
		}
	}
}

// second returns a client of another provider.
func second(c *kvoauth.Config) kvoauth.Client {
	other := c.Clients[0]
	other.Provider.ID, other.Provider.Issuer = "second", "https://second.test"
	return other
}

// TestPrimaryProviderLeaves: the subjects of the others stay what they are when the primary provider is dropped, and the
// order of Clients, which is that of a sign-in page, decides nothing.
func TestPrimaryProviderLeaves(t *testing.T) {
	c := validConfig(t)
	first := c.Clients[0]
	c.Clients = []kvoauth.Client{second(&c), first}
	c.PrimaryProvider = first.Provider.ID
	for range 2 {
		b, err := kvoauth.NewKvOAuthBackend(c)
		if err != nil {
			t.Fatal(err)
		}
		created, err := b.CreateSession(t.Context(), auth.CreateSessionParams{ProviderID: "second", Subject: "alice"})
		if err != nil || created.Session.Subject != "urn:netscript:second:alice" {
			t.Errorf("subject of the second provider: %+v, %v", created, err)
		}
		c.Clients = c.Clients[:1]
	}
}
