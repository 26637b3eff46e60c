package authapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/kvoauth"
)

// problems returns what New says is wrong with e, and checks what every such error has.
func problems(t testing.TB, e env) []authapi.Problem {
	t.Helper()
	s, err := authapi.New(t.Context(), options(t, e))
	if err == nil {
		_ = s.Close()
		return nil
	}
	config, ok := errors.AsType[*authapi.ConfigError](err)
	if !ok || len(config.Problems) == 0 || s != nil {
		t.Fatalf("New: %v, %v", s, err)
	}
	if !errors.Is(err, auth.ErrRejected) || auth.CodeOf(err) != auth.CodeConfigInvalid {
		t.Errorf("%v is not of config_invalid", err)
	}
	for _, p := range config.Problems {
		if p.Variable == "" || p.What == "" || p.Fix == "" || strings.Contains(p.Variable, "*") {
			t.Errorf("problem %+v", p)
		}
		if !strings.Contains(err.Error(), p.String()) {
			t.Errorf("%q is not in the message", p)
		}
	}
	return config.Problems
}

func variables(ps []authapi.Problem) []string {
	var names []string
	for _, p := range ps {
		names = append(names, p.Variable)
	}
	slices.Sort(names)
	return names
}

// keyFile returns a file with a private key, or with text.
func keyFile(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func workosEnv() env {
	return env{"NETSCRIPT_AUTH_BACKEND": "workos", "WORKOS_API_KEY": "sk_test_1", "WORKOS_CLIENT_ID": "client_1", "WORKOS_COOKIE_PASSWORD": cookieSecret}
}

func betterAuthEnv() env {
	return env{"NETSCRIPT_AUTH_BACKEND": "better-auth", "BETTER_AUTH_SECRET": cookieSecret, "DATABASE_URL": "postgres://u:canary-password@127.0.0.1:1/db", "DB_PROVIDER": "postgres"}
}

func TestGoodConfigurations(t *testing.T) {
	good := map[string]env{
		"kv-oauth": kvOAuthEnv(),
		"kv-oauth by name, with everything": kvOAuthEnv().with("NETSCRIPT_AUTH_BACKEND", "kv-oauth", "PORT", "0", "NETSCRIPT_AUTH_SCOPES", "openid email",
			"NETSCRIPT_AUTH_PROVIDER_ID", "corp", "NETSCRIPT_AUTH_PROVIDER_DISPLAY_NAME", "Corp", "NETSCRIPT_AUTH_COOKIE_NAME", "__Host-sid",
			"NETSCRIPT_AUTH_AUDIT_SALT", auth.GenerateKey().Encode(), "NETSCRIPT_AUTH_CORS_ORIGINS", "https://app.example,http://localhost:3000",
			"NETSCRIPT_AUTH_ERROR_URL", "https://app.example/login", "NETSCRIPT_AUTH_RATE_LIMIT", "30/m", "NETSCRIPT_AUTH_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "NETSCRIPT_AUTH_SESSION_POLICY", "aal2",
			"NETSCRIPT_AUTH_VERIFY_KEY", auth.GenerateKey().Encode()+","+auth.GenerateKey().Encode(), "NETSCRIPT_AUTH_VERIFY_CLAIMS", "name,email",
			"NETSCRIPT_AUTH_RETURN_ORIGINS", "https://app.example", "NETSCRIPT_AUTH_DEFAULT_RETURN_URL", "https://app.example/", "NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "false"),
		"a ring of keys":                   kvOAuthEnv().with("NETSCRIPT_AUTH_KV_OAUTH_KEY", auth.GenerateKey().Encode()+","+auth.GenerateKey().Encode()),
		"a preset":                         kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "github"),
		"a tenant's preset":                kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "okta", "NETSCRIPT_AUTH_PROVIDER_TENANT", "acme.okta.com,default"),
		"explicit endpoints":               kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_AUTHORIZATION_ENDPOINT", "https://id.example/a", "NETSCRIPT_AUTH_TOKEN_ENDPOINT", "https://id.example/t", "NETSCRIPT_AUTH_USERINFO_ENDPOINT", "https://id.example/u"),
		"a key":                            kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_CLIENT_KEY_FILE", keyFile(t, ""), "NETSCRIPT_AUTH_CLIENT_KEY_ID", "k1"),
		"pushed requests and bound tokens": kvOAuthEnv().with("NETSCRIPT_AUTH_PUSHED_AUTHORIZATION", "true", "NETSCRIPT_AUTH_DPOP", "true"),
		"a key, by its method": kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_CLIENT_KEY_FILE", keyFile(t, ""),
			"NETSCRIPT_AUTH_CLIENT_AUTH", "private_key_jwt"),
		"a secret that signs": kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", strings.Repeat("s3cret", 8), "NETSCRIPT_AUTH_CLIENT_AUTH", "client_secret_jwt"),
		"Apple": kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "apple", "NETSCRIPT_AUTH_PROVIDER_TENANT", "TEAM012345",
			"NETSCRIPT_AUTH_CLIENT_KEY_FILE", keyFile(t, ""), "NETSCRIPT_AUTH_CLIENT_KEY_ID", "ABC123DEFG"),
		"a public client": kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", ""),
		"insecure": kvOAuthEnv().with("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "true", "NETSCRIPT_AUTH_ISSUER", "http://127.0.0.1:9000",
			"NETSCRIPT_AUTH_REDIRECT_URI", "http://localhost:8094/api/v1/auth/callback"),
		"redis by its URL":          kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "", "REDIS_URL", "redis://:canary-password@127.0.0.1:1/2", "DATABASE_URL", "nonsense"),
		"SQL by its URL":            kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "", "DATABASE_URL", "mysql://u:canary-password@127.0.0.1:1/db"),
		"SQL Server":                kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "sqlserver://127.0.0.1:1;database=d;user=u;password=p", "DB_PROVIDER", "sqlserver"),
		"SQLite":                    kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "file:"+filepath.Join(t.TempDir(), "a.db"), "DB_PROVIDER", "sqlite"),
		"what others need is wrong": kvOAuthEnv().with("WORKOS_COOKIE_PASSWORD", "short", "BETTER_AUTH_SECRET", "short", "DB_PROVIDER", "oracle"),
		"several providers": kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDERS", "github,corp-two", "NETSCRIPT_AUTH_GITHUB_PROVIDER", "github", "NETSCRIPT_AUTH_GITHUB_CLIENT_ID", "g",
			"NETSCRIPT_AUTH_GITHUB_CLIENT_SECRET", "g", "NETSCRIPT_AUTH_CORP_TWO_ISSUER", "https://two.example", "NETSCRIPT_AUTH_CORP_TWO_CLIENT_ID", "c"),
		"workos":                      workosEnv(),
		"better-auth":                 betterAuthEnv(),
		"better-auth over plain HTTP": betterAuthEnv().with("BETTER_AUTH_URL", "http://localhost:3000", "NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "true"),
		"better-auth with plugins":    betterAuthEnv().with("NETSCRIPT_AUTH_BETTER_AUTH_PLUGINS", "admin,anonymous,api-key,bearer,jwt,multi-session,organization,two-factor,username", "BETTER_AUTH_URL", "https://app.example"),
	}
	for name, e := range good {
		t.Run(name, func(t *testing.T) {
			if ps := problems(t, e); ps != nil {
				t.Errorf("refused: %v", ps)
			}
		})
	}
}

func TestSeveralProviders(t *testing.T) {
	e := kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDERS", "github", "NETSCRIPT_AUTH_GITHUB_PROVIDER", "github", "NETSCRIPT_AUTH_GITHUB_CLIENT_ID", "g",
		"NETSCRIPT_AUTH_GITHUB_CLIENT_SECRET", "g", "NETSCRIPT_AUTH_PROVIDER_DISPLAY_NAME", "Corp")
	var got []string
	for _, p := range newService(t, options(t, e)).Backend().Providers() {
		got = append(got, p.ID+" "+p.DisplayName)
	}
	if want := []string{"default Corp", "github GitHub"}; !slices.Equal(got, want) {
		t.Errorf("providers %q, want %q", got, want)
	}
}

// TestBadConfigurations: one mistake each, and which variables it is reported under.
func TestBadConfigurations(t *testing.T) {
	const key = "NETSCRIPT_AUTH_KV_OAUTH_KEY"
	tests := []struct {
		name string
		env  env
		want []string
	}{
		{"nothing", env{}, []string{"NETSCRIPT_AUTH_CLIENT_ID", "NETSCRIPT_AUTH_ISSUER", "NETSCRIPT_AUTH_KV", key, "NETSCRIPT_AUTH_REDIRECT_URI"}},
		{"unknown backend", kvOAuthEnv().with("NETSCRIPT_AUTH_BACKEND", "clerk"), []string{"NETSCRIPT_AUTH_BACKEND"}},
		{"blank backend", kvOAuthEnv().with("NETSCRIPT_AUTH_BACKEND", "  "), []string{"NETSCRIPT_AUTH_BACKEND"}},
		{"another case", kvOAuthEnv().with("NETSCRIPT_AUTH_BACKEND", "KV-OAuth"), []string{"NETSCRIPT_AUTH_BACKEND"}},
		{"no client id", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_ID", ""), []string{"NETSCRIPT_AUTH_CLIENT_ID"}},
		{"blank client id", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_ID", "\t "), []string{"NETSCRIPT_AUTH_CLIENT_ID"}},
		{"white space before it", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_ID", " test-client"), []string{"NETSCRIPT_AUTH_CLIENT_ID"}},
		{"line break", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", clientSecret+"\n"), []string{"NETSCRIPT_AUTH_CLIENT_SECRET"}},
		{"control character", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", clientSecret+"\x00x"), []string{"NETSCRIPT_AUTH_CLIENT_SECRET"}},
		{"no redirect URI", kvOAuthEnv().with("NETSCRIPT_AUTH_REDIRECT_URI", ""), []string{"NETSCRIPT_AUTH_REDIRECT_URI"}},
		{"http redirect URI", kvOAuthEnv().with("NETSCRIPT_AUTH_REDIRECT_URI", "http://app.test/api/v1/auth/callback"), []string{"NETSCRIPT_AUTH_REDIRECT_URI"}},
		{"http redirect URI beyond loopback", kvOAuthEnv().with("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "true", "NETSCRIPT_AUTH_REDIRECT_URI", "http://app.test/api/v1/auth/callback"), []string{"NETSCRIPT_AUTH_REDIRECT_URI"}},
		{"redirect URI elsewhere", kvOAuthEnv().with("NETSCRIPT_AUTH_REDIRECT_URI", "https://app.test/login"), []string{"NETSCRIPT_AUTH_REDIRECT_URI"}},
		{"relative redirect URI", kvOAuthEnv().with("NETSCRIPT_AUTH_REDIRECT_URI", "/api/v1/auth/callback"), []string{"NETSCRIPT_AUTH_REDIRECT_URI"}},
		{"no issuer", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", ""), []string{"NETSCRIPT_AUTH_ISSUER"}},
		{"http issuer", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "http://idp.test"), []string{"NETSCRIPT_AUTH_ISSUER"}},
		{"issuer with a password", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "https://u:canary-password@idp.test"), []string{"NETSCRIPT_AUTH_ISSUER"}},
		{"issuer with a query", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "https://idp.test?x=1"), []string{"NETSCRIPT_AUTH_ISSUER"}},
		{"javascript endpoint", kvOAuthEnv().with("NETSCRIPT_AUTH_AUTHORIZATION_ENDPOINT", "javascript:alert(1)"), []string{"NETSCRIPT_AUTH_AUTHORIZATION_ENDPOINT"}},
		{"http endpoint", kvOAuthEnv().with("NETSCRIPT_AUTH_TOKEN_ENDPOINT", "http://idp.test/token"), []string{"NETSCRIPT_AUTH_TOKEN_ENDPOINT"}},
		{"one endpoint", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_TOKEN_ENDPOINT", "https://idp.test/token"), []string{"NETSCRIPT_AUTH_AUTHORIZATION_ENDPOINT", "NETSCRIPT_AUTH_USERINFO_ENDPOINT"}},
		{"unknown preset", kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDER", "myspace"), []string{"NETSCRIPT_AUTH_PROVIDER"}},
		{"preset without its tenant", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "okta"), []string{"NETSCRIPT_AUTH_PROVIDER"}},
		{"tenant without preset", kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDER_TENANT", "x"), []string{"NETSCRIPT_AUTH_PROVIDER_TENANT"}},
		{"preset that needs a secret", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "github", "NETSCRIPT_AUTH_CLIENT_SECRET", ""), []string{"NETSCRIPT_AUTH_CLIENT_SECRET"}},
		{"pushing to a provider without discovery", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_AUTHORIZATION_ENDPOINT", "https://id.example/a",
			"NETSCRIPT_AUTH_TOKEN_ENDPOINT", "https://id.example/t", "NETSCRIPT_AUTH_USERINFO_ENDPOINT", "https://id.example/u", "NETSCRIPT_AUTH_PUSHED_AUTHORIZATION", "true"), []string{"NETSCRIPT_AUTH_PUSHED_AUTHORIZATION"}},
		{"bound tokens, perhaps", kvOAuthEnv().with("NETSCRIPT_AUTH_DPOP", "1"), []string{"NETSCRIPT_AUTH_DPOP"}},
		{"pushing, perhaps", kvOAuthEnv().with("NETSCRIPT_AUTH_PUSHED_AUTHORIZATION", "maybe"), []string{"NETSCRIPT_AUTH_PUSHED_AUTHORIZATION"}},
		{"unknown method", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_AUTH", "tls_client_auth"), []string{"NETSCRIPT_AUTH_CLIENT_AUTH"}},
		{"method without its secret", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_AUTH", "client_secret_jwt", "NETSCRIPT_AUTH_CLIENT_SECRET", ""), []string{"NETSCRIPT_AUTH_CLIENT_SECRET"}},
		{"secret too short to sign with", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_AUTH", "client_secret_jwt"), []string{"NETSCRIPT_AUTH_CLIENT_SECRET"}},
		{"secret of a public client", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_AUTH", "none"), []string{"NETSCRIPT_AUTH_CLIENT_SECRET"}},
		{"method without its key", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_AUTH", "private_key_jwt", "NETSCRIPT_AUTH_CLIENT_SECRET", ""), []string{"NETSCRIPT_AUTH_CLIENT_KEY_FILE"}},
		{"key and secret", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_KEY_FILE", keyFile(t, "")), []string{"NETSCRIPT_AUTH_CLIENT_SECRET"}},
		{"key that signs nothing", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_KEY_FILE", keyFile(t, ""), "NETSCRIPT_AUTH_CLIENT_AUTH", "client_secret_post"), []string{"NETSCRIPT_AUTH_CLIENT_KEY_FILE"}},
		{"no such key file", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_CLIENT_KEY_FILE", "/canary-nowhere"), []string{"NETSCRIPT_AUTH_CLIENT_KEY_FILE"}},
		{"directory for a key file", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_CLIENT_KEY_FILE", t.TempDir()), []string{"NETSCRIPT_AUTH_CLIENT_KEY_FILE"}},
		{"key file of something else", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_CLIENT_KEY_FILE", keyFile(t, "canary")), []string{"NETSCRIPT_AUTH_CLIENT_KEY_FILE"}},
		{"key id without a key", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_KEY_ID", "canary"), []string{"NETSCRIPT_AUTH_CLIENT_KEY_ID"}},
		{"Apple without its key", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "apple", "NETSCRIPT_AUTH_PROVIDER_TENANT", "TEAM012345"),
			[]string{"NETSCRIPT_AUTH_CLIENT_KEY_FILE"}},
		{"Apple without its key id", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_SECRET", "", "NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "apple", "NETSCRIPT_AUTH_PROVIDER_TENANT", "TEAM012345",
			"NETSCRIPT_AUTH_CLIENT_KEY_FILE", keyFile(t, "")), []string{"NETSCRIPT_AUTH_CLIENT_KEY_FILE"}},
		{"Apple in another way", kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "apple", "NETSCRIPT_AUTH_PROVIDER_TENANT", "TEAM012345",
			"NETSCRIPT_AUTH_CLIENT_AUTH", "client_secret_post"), []string{"NETSCRIPT_AUTH_CLIENT_AUTH"}},
		{"provider id", kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDER_ID", "No Id"), []string{"NETSCRIPT_AUTH_PROVIDER_ID"}},
		{"scopes without openid", kvOAuthEnv().with("NETSCRIPT_AUTH_SCOPES", "email profile"), []string{"NETSCRIPT_AUTH_SCOPES"}},
		{"duplicate provider ids", kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDERS", "two", "NETSCRIPT_AUTH_TWO_ISSUER", "https://two.example", "NETSCRIPT_AUTH_TWO_CLIENT_ID", "c", "NETSCRIPT_AUTH_TWO_PROVIDER_ID", "default"), []string{"NETSCRIPT_AUTH_PROVIDER_ID"}},
		{"a further provider without anything", kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDERS", "two"), []string{"NETSCRIPT_AUTH_TWO_CLIENT_ID", "NETSCRIPT_AUTH_TWO_ISSUER"}},
		{"primary provider that there is not", kvOAuthEnv().with("NETSCRIPT_AUTH_PRIMARY_PROVIDER", "github"), []string{"NETSCRIPT_AUTH_PRIMARY_PROVIDER"}},
		{"no primary provider", kvOAuthEnv().with("NETSCRIPT_AUTH_CLIENT_ID", "", "NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDERS", "one,two", "NETSCRIPT_AUTH_ONE_ISSUER", "https://one.example", "NETSCRIPT_AUTH_ONE_CLIENT_ID", "c",
			"NETSCRIPT_AUTH_TWO_ISSUER", "https://two.example", "NETSCRIPT_AUTH_TWO_CLIENT_ID", "c"), []string{"NETSCRIPT_AUTH_PRIMARY_PROVIDER"}},
		{"name of a further provider", kvOAuthEnv().with("NETSCRIPT_AUTH_PROVIDERS", "t w"), []string{"NETSCRIPT_AUTH_PROVIDERS"}},
		{"no key", kvOAuthEnv().with(key, ""), []string{key}},
		{"short key", kvOAuthEnv().with(key, "c2hvcnQ"), []string{key}},
		{"long key", kvOAuthEnv().with(key, auth.GenerateKey().Encode()+"AAAA"), []string{key}},
		{"hexadecimal key", kvOAuthEnv().with(key, strings.Repeat("0123456789abcdef", 4)), []string{key}},
		{"base64 key of another alphabet", kvOAuthEnv().with(key, strings.Repeat("+/", 21)+"8"), []string{key}},
		{"key of zeroes", kvOAuthEnv().with(key, strings.Repeat("A", 43)), []string{key}},
		{"bad key in a ring", kvOAuthEnv().with(key, auth.GenerateKey().Encode()+",x"), []string{key}},
		{"empty part of a ring", kvOAuthEnv().with(key, auth.GenerateKey().Encode()+","), []string{key}},
		{"insecure flag", kvOAuthEnv().with("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "yes"), []string{"NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS"}},
		{"insecure flag in capitals", kvOAuthEnv().with("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "TRUE"), []string{"NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS"}},
		{"cookie name", kvOAuthEnv().with("NETSCRIPT_AUTH_COOKIE_NAME", "__Host-a;b"), []string{"NETSCRIPT_AUTH_COOKIE_NAME"}},
		{"cookie without prefix", kvOAuthEnv().with("NETSCRIPT_AUTH_COOKIE_NAME", "sid"), []string{"NETSCRIPT_AUTH_COOKIE_NAME"}},
		{"cookie with a weaker prefix", kvOAuthEnv().with("NETSCRIPT_AUTH_COOKIE_NAME", "__Secure-sid"), []string{"NETSCRIPT_AUTH_COOKIE_NAME"}},
		{"cookie prefix over http", kvOAuthEnv().with("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "true", "NETSCRIPT_AUTH_REDIRECT_URI", "http://localhost/api/v1/auth/callback", "NETSCRIPT_AUTH_COOKIE_NAME", "__Host-x"), []string{"NETSCRIPT_AUTH_COOKIE_NAME"}},
		{"return origin", kvOAuthEnv().with("NETSCRIPT_AUTH_RETURN_ORIGINS", "http://app.example"), []string{"NETSCRIPT_AUTH_RETURN_ORIGINS"}},
		{"default return URL", kvOAuthEnv().with("NETSCRIPT_AUTH_DEFAULT_RETURN_URL", "https://evil.example/"), []string{"NETSCRIPT_AUTH_DEFAULT_RETURN_URL"}},
		{"no store", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", ""), []string{"NETSCRIPT_AUTH_KV"}},
		{"unknown store", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "memcached"), []string{"NETSCRIPT_AUTH_KV"}},
		{"redis without its URL", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "redis"), []string{"REDIS_URL"}},
		{"redis URL", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "redis", "REDIS_URL", "http://:canary-password@h"), []string{"REDIS_URL"}},
		{"redis URL that turns verification off", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "redis", "REDIS_URL", "rediss://:canary-password@h?insecure=true"), []string{"REDIS_URL"}},
		{"SQL without its URL", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql"), []string{"DATABASE_URL"}},
		{"engine", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "postgres://h/d", "DB_PROVIDER", "mongodb"), []string{"DB_PROVIDER"}},
		{"no engine", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "host=h password=canary-password"), []string{"DB_PROVIDER"}},
		{"engine against URL", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "postgres://h/d", "DB_PROVIDER", "mysql"), []string{"DB_PROVIDER"}},
		{"database URL", kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "mysql://canary-password", "DB_PROVIDER", "mysql"), []string{"DATABASE_URL"}},
		{"port", kvOAuthEnv().with("PORT", "http"), []string{"PORT"}},
		{"port out of range", kvOAuthEnv().with("PORT", "65536"), []string{"PORT"}},
		{"port with a sign", kvOAuthEnv().with("PORT", "+80"), []string{"PORT"}},
		{"salt", kvOAuthEnv().with("NETSCRIPT_AUTH_AUDIT_SALT", "salt"), []string{"NETSCRIPT_AUTH_AUDIT_SALT"}},
		{"two salts", kvOAuthEnv().with("NETSCRIPT_AUTH_AUDIT_SALT", auth.GenerateKey().Encode()+","+auth.GenerateKey().Encode()), []string{"NETSCRIPT_AUTH_AUDIT_SALT"}},
		{"CORS wildcard", kvOAuthEnv().with("NETSCRIPT_AUTH_CORS_ORIGINS", "*"), []string{"NETSCRIPT_AUTH_CORS_ORIGINS"}},
		{"error URL", kvOAuthEnv().with("NETSCRIPT_AUTH_ERROR_URL", "http://app.example/"), []string{"NETSCRIPT_AUTH_ERROR_URL"}},
		{"rate", kvOAuthEnv().with("NETSCRIPT_AUTH_RATE_LIMIT", "30"), []string{"NETSCRIPT_AUTH_RATE_LIMIT"}},
		{"rate of nothing", kvOAuthEnv().with("NETSCRIPT_AUTH_RATE_LIMIT", "0/m"), []string{"NETSCRIPT_AUTH_RATE_LIMIT"}},
		{"session policy", kvOAuthEnv().with("NETSCRIPT_AUTH_SESSION_POLICY", "aal4"), []string{"NETSCRIPT_AUTH_SESSION_POLICY"}},
		{"session policy in capitals", kvOAuthEnv().with("NETSCRIPT_AUTH_SESSION_POLICY", "AAL2"), []string{"NETSCRIPT_AUTH_SESSION_POLICY"}},
		{"proxies", kvOAuthEnv().with("NETSCRIPT_AUTH_TRUSTED_PROXIES", "10.0.0.0/8,all"), []string{"NETSCRIPT_AUTH_TRUSTED_PROXIES"}},
		{"verify claims", kvOAuthEnv().with("NETSCRIPT_AUTH_VERIFY_CLAIMS", "name,,email"), []string{"NETSCRIPT_AUTH_VERIFY_CLAIMS"}},
		{"verify key", kvOAuthEnv().with("NETSCRIPT_AUTH_VERIFY_KEY", "x"), []string{"NETSCRIPT_AUTH_VERIFY_KEY"}},
		{"workos, nothing", env{"NETSCRIPT_AUTH_BACKEND": "workos"}, []string{"WORKOS_API_KEY", "WORKOS_CLIENT_ID", "WORKOS_COOKIE_PASSWORD"}},
		{"workos, short password", workosEnv().with("WORKOS_COOKIE_PASSWORD", "canary-short"), []string{"WORKOS_COOKIE_PASSWORD"}},
		{"workos, client id", workosEnv().with("WORKOS_CLIENT_ID", "a/b"), []string{"WORKOS_CLIENT_ID"}},
		{"better-auth, nothing", env{"NETSCRIPT_AUTH_BACKEND": "better-auth"}, []string{"BETTER_AUTH_SECRET", "DATABASE_URL"}},
		{"better-auth, short secret", betterAuthEnv().with("BETTER_AUTH_SECRET", "canary-short"), []string{"BETTER_AUTH_SECRET"}},
		{"better-auth, engine", betterAuthEnv().with("DB_PROVIDER", "cockroachdb"), []string{"DB_PROVIDER"}},
		{"better-auth, plain HTTP", betterAuthEnv().with("BETTER_AUTH_URL", "http://localhost:3000"), []string{"BETTER_AUTH_URL"}},
		{"better-auth, plugin", betterAuthEnv().with("NETSCRIPT_AUTH_BETTER_AUTH_PLUGINS", "bearer,stripe"), []string{"NETSCRIPT_AUTH_BETTER_AUTH_PLUGINS"}},
		{"everything at once", env{
			"NETSCRIPT_AUTH_CLIENT_SECRET": " ", "NETSCRIPT_AUTH_REDIRECT_URI": "ftp://x", "NETSCRIPT_AUTH_ISSUER": "http://x", key: "x", "NETSCRIPT_AUTH_COOKIE_NAME": "a b",
			"NETSCRIPT_AUTH_KV": "x", "PORT": "x", "NETSCRIPT_AUTH_RATE_LIMIT": "x", "NETSCRIPT_AUTH_AUDIT_SALT": "x", "NETSCRIPT_AUTH_SCOPES": "x",
		}, []string{"NETSCRIPT_AUTH_AUDIT_SALT", "NETSCRIPT_AUTH_CLIENT_ID", "NETSCRIPT_AUTH_CLIENT_SECRET", "NETSCRIPT_AUTH_COOKIE_NAME", "NETSCRIPT_AUTH_ISSUER",
			"NETSCRIPT_AUTH_KV", key, "NETSCRIPT_AUTH_RATE_LIMIT", "NETSCRIPT_AUTH_REDIRECT_URI", "NETSCRIPT_AUTH_SCOPES", "PORT"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ps := problems(t, tt.env)
			if got := variables(ps); !slices.Equal(got, tt.want) {
				t.Errorf("reported %q, want %q:\n%v", got, tt.want, ps)
			}
			said := fmt.Sprint(ps)
			for name, value := range tt.env {
				if len(value) > 5 && strings.Contains(said, value) && !strings.Contains(name, "PROVIDERS") && name != "NETSCRIPT_AUTH_BACKEND" || strings.Contains(said, "canary") {
					t.Errorf("the value of %s is in %v", name, ps)
				}
			}
		})
	}
}

func TestSettingsFile(t *testing.T) {
	tests := []struct {
		name, file string
		env        env
		want       []string // problems; nil: none
		cookie     string   // the backend that came of it is told by its cookie
	}{
		{"backend and environment", `{"auth":{"backend":"workos","environment":{"WORKOS_API_KEY":"k","WORKOS_CLIENT_ID":"client_1","WORKOS_COOKIE_PASSWORD":"` + cookieSecret + `"}}}`, env{}, nil, "workos"},
		{"capitals", `{"Auth":{"Backend":"workos","Environment":{"WORKOS_API_KEY":"k","WORKOS_CLIENT_ID":"client_1","WORKOS_COOKIE_PASSWORD":"` + cookieSecret + `"}}, "Other":1}`, env{}, nil, "workos"},
		{"the environment wins", `{"auth":{"backend":"workos","environment":{"NETSCRIPT_AUTH_BACKEND":"better-auth"}}}`, kvOAuthEnv().with("NETSCRIPT_AUTH_BACKEND", "kv-oauth"), nil, "kv-oauth"},
		{"the environment wins over a variable", `{"auth":{"environment":{"NETSCRIPT_AUTH_KV":"redis"}}}`, kvOAuthEnv(), nil, "kv-oauth"},
		{"nothing of ours", `{"logging":{}}`, kvOAuthEnv(), nil, "kv-oauth"},
		{"unknown backend", `{"auth":{"backend":"clerk"}}`, kvOAuthEnv(), []string{"NETSCRIPT_AUTH_BACKEND"}, ""},
		{"not JSON", `{`, kvOAuthEnv(), []string{"appsettings.json"}, ""},
		{"a list", `[]`, kvOAuthEnv(), []string{"appsettings.json"}, ""},
		{"repeated", `{"auth":{"backend":"workos","backend":"kv-oauth"}}`, kvOAuthEnv(), []string{"appsettings.json"}, ""},
		{"auth is a string", `{"auth":"kv-oauth"}`, kvOAuthEnv(), []string{"appsettings.json"}, ""},
		{"a number", `{"auth":{"environment":{"PORT":8094}}}`, kvOAuthEnv(), []string{"appsettings.json"}, ""},
		{"salt", `{"auth":{"audit":{"salt":"short"}}}`, kvOAuthEnv(), []string{"NETSCRIPT_AUTH_AUDIT_SALT"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options(t, tt.env)
			o.SettingsFile = filepath.Join(t.TempDir(), "appsettings.json")
			if err := os.WriteFile(o.SettingsFile, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := authapi.New(t.Context(), o)
			config, _ := errors.AsType[*authapi.ConfigError](err)
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				if s.Backend().Name() != tt.cookie {
					t.Errorf("backend %s, want %s", s.Backend().Name(), tt.cookie)
				}
				return
			}
			if config == nil {
				t.Fatalf("New: %v", err)
			}
			got := variables(config.Problems)
			for i := range got {
				got[i] = filepath.Base(got[i])
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("reported %v, want %v", config.Problems, tt.want)
			}
		})
	}
}

func TestDSN(t *testing.T) {
	tests := []struct{ engine, url, want string }{
		{"postgres", "postgres://u:p@h:5432/d?sslmode=verify-full", "postgres://u:p@h:5432/d?sslmode=verify-full"},
		{"postgres", "host=/run/postgresql dbname=d", "host=/run/postgresql dbname=d"},
		{"postgres", "postgres://", ""},
		{"mysql", "mysql://u:p%40ss@h/d", "u:p@ss@tcp(h:3306)/d?parseTime=true&timeout=5s"},
		{"mysql", "mariadb://u:p@h:3307/d?tls=true", "u:p@tcp(h:3307)/d?parseTime=true&timeout=5s&tls=true"},
		{"mysql", "u:p@tcp(h:3306)/d?timeout=1s", "u:p@tcp(h:3306)/d?parseTime=true&timeout=1s"},
		{"mysql", "mysql://h", ""},
		{"mysql", "nonsense", ""},
		{"mssql", "sqlserver://u:p@h:1433?database=d", "sqlserver://u:p@h:1433?database=d&encrypt=true"},
		{"mssql", "sqlserver://h:1433;database=d;user=u;password=p@ss;encrypt=true;trustServerCertificate=true", "sqlserver://u:p%40ss@h:1433?database=d&encrypt=true&trustServerCertificate=true"},
		{"mssql", "sqlserver://h;sharding=yes", ""},
		{"mssql", "h", ""},
		{"sqlite", "file:./a.db", "file:./a.db?_busy_timeout=4000&_foreign_keys=1&_journal_mode=WAL"},
		{"sqlite", "a.db?_journal_mode=DELETE", "file:a.db?_busy_timeout=4000&_foreign_keys=1&_journal_mode=DELETE"},
		{"sqlite", "file:", ""},
	}
	for _, tt := range tests {
		got, err := authapi.DSNOf(tt.engine, tt.url)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s %s: %q, %v; want %q", tt.engine, tt.url, got, err, tt.want)
		}
		if err != nil && len(tt.url) > 6 && strings.Contains(err.Error(), tt.url) {
			t.Errorf("%v quotes the URL", err)
		}
	}
}

// FuzzEnv is F-ENV: it gives any value to any variable: New does not panic, quotes no value, and never makes something weaker than it
// was asked for.
func FuzzEnv(f *testing.F) {
	names := slices.Sorted(maps.Keys(kvOAuthEnv().with("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "", "NETSCRIPT_AUTH_COOKIE_NAME", "", "NETSCRIPT_AUTH_PROVIDER", "",
		"NETSCRIPT_AUTH_PROVIDERS", "", "DATABASE_URL", "", "DB_PROVIDER", "", "REDIS_URL", "", "NETSCRIPT_AUTH_SCOPES", "", "PORT", "", "NETSCRIPT_AUTH_RATE_LIMIT", "",
		"NETSCRIPT_AUTH_TRUSTED_PROXIES", "", "NETSCRIPT_AUTH_ERROR_URL", "", "NETSCRIPT_AUTH_CORS_ORIGINS", "", "NETSCRIPT_AUTH_BACKEND", "")))
	for i := range names {
		for _, v := range []string{"", " ", "\x00", "http://idp.test", "https://idp.test", "true", "redis", "mysql://u:p@h/d", strings.Repeat("A", 43), "%zz", "*"} {
			f.Add(uint8(i), v)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		name := names[int(i)%len(names)]
		if name == "DATABASE_URL" || name == "DB_PROVIDER" {
			return // would make files
		}
		e := kvOAuthEnv().with(name, value)
		s, err := authapi.New(t.Context(), options(t, e))
		if err != nil {
			if len(value) > 12 && strings.Contains(err.Error(), value) && !strings.HasSuffix(name, "PROVIDERS") {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		defer func() { _ = s.Close() }()
		if name == "NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS" && value != "" && value != "true" && value != "false" {
			t.Errorf("%q was taken for a flag", value)
		}
		if b, ok := s.Backend().(*kvoauth.Backend); ok && (name == "NETSCRIPT_AUTH_ISSUER" || name == "NETSCRIPT_AUTH_REDIRECT_URI") && !strings.HasPrefix(strings.ToLower(value), "https://") {
			t.Errorf("%s %q was accepted: %s", name, value, b.Name())
		}
	})
}
