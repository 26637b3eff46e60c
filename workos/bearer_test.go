package workos_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

func newBearer(t testing.TB, change func(*workos.BearerConfig)) *workos.Bearer {
	c := workos.BearerConfig{ClientID: testClient, HTTPClient: &http.Client{Transport: newKeyServer(t)}, Now: func() time.Time { return testNow }}
	if change != nil {
		change(&c)
	}
	b, err := workos.NewBearer(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBearerTokens(t *testing.T) {
	key := newTestKeys(t)["main"]
	applications := func(c *workos.BearerConfig) { c.AllowApplications, c.Audiences = true, []string{"https://api.test"} }
	machine := map[string]any{"sub": "client_app", "sid": nil, "client_id": "client_app", "aud": "https://api.test"}
	tests := []struct {
		name   string
		change func(*workos.BearerConfig)
		claims map[string]any
		code   auth.Code
	}{
		{"user", nil, nil, ""},
		{"user without client_id", nil, map[string]any{"client_id": nil}, ""},
		{"another client", nil, map[string]any{"client_id": "client_2"}, auth.CodeTokenInvalid},
		{"client_id a list", nil, map[string]any{"client_id": []string{testClient}}, auth.CodeTokenInvalid},
		{"machine", nil, machine, auth.CodeTokenInvalid},
		{"machine with a session", nil, map[string]any{"sub": "client_app"}, auth.CodeTokenInvalid},
		{"application acting for a user", nil, map[string]any{"sid": "app_consent_1"}, auth.CodeTokenInvalid},
		{"machine, allowed", applications, machine, ""},
		{"machine, allowed, for another", applications, with(machine, map[string]any{"aud": "https://other.test"}), auth.CodeTokenInvalid},
		{"machine, allowed, no subject", applications, with(machine, map[string]any{"sub": ""}), auth.CodeTokenInvalid},
		{"user, allowed, without audience", applications, nil, auth.CodeTokenInvalid},
		{"expired", nil, map[string]any{"exp": testNow.Unix()}, auth.CodeTokenExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := newBearer(t, tt.change).Authenticate(bearerRequest("Bearer " + key.sign(t, nil, with(baseClaims(testNow), tt.claims))))
			wantCode(t, err, tt.code, false)
			if err != nil {
				return
			}
			machine := strings.HasPrefix(a.Principal.Subject, "client_")
			if (a.Session == nil) != machine || a.Principal.Scheme != auth.SchemeBearer || machine && a.Principal.Claims["sessionId"] != nil {
				t.Errorf("%+v", a)
			}
		})
	}
}

// A claim of the token under one of our names is dropped, also where we have nothing to say.
func TestBearerClaims(t *testing.T) {
	key := newTestKeys(t)["main"]
	ours := []string{"organizationId", "sessionId", "authenticationMethod", "entitlements", "featureFlags", "impersonator", "workosUser", "accessTokenClaims"}
	change := map[string]any{"org_id": nil, "plan": "gold", "email": "ada@example.com"}
	for _, name := range ours {
		change[name] = "evil"
	}
	a, err := newBearer(t, nil).Authenticate(bearerRequest("Bearer " + key.sign(t, nil, with(baseClaims(testNow), change))))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range ours {
		if a.Principal.Claims[name] == "evil" {
			t.Errorf("%s is the token's", name)
		}
	}
	if c := a.Principal.Claims; c["plan"] != "gold" || c["email"] != "ada@example.com" || c["sessionId"] != testSession || c["sub"] != testUser {
		t.Errorf("%v", c)
	}
}

func TestBearerHeader(t *testing.T) {
	token := newTestKeys(t)["main"].sign(t, nil, baseClaims(testNow))
	tests := []struct {
		name    string
		headers []string
		code    auth.Code
	}{
		{"ordinary", []string{"Bearer " + token}, ""},
		{"any case", []string{"bEARER " + token}, ""},
		{"more spaces", []string{"Bearer    " + token}, ""},
		{"none", nil, auth.CodeNoCredential},
		{"empty", []string{""}, auth.CodeNoCredential},
		{"another scheme", []string{"Basic dTpw"}, auth.CodeNoCredential},
		{"tab, which the original takes", []string{"Bearer\t" + token}, auth.CodeNoCredential},
		{"two tokens, of which the original takes one", []string{"Bearer " + token + " x"}, auth.CodeCredentialMalformed},
		{"space behind", []string{"Bearer " + token + " "}, auth.CodeCredentialMalformed},
		{"scheme only", []string{"Bearer"}, auth.CodeCredentialMalformed},
		{"two headers", []string{"Bearer " + token, "Bearer " + token}, auth.CodeCredentialMalformed},
		{"two headers, one of another scheme", []string{"Basic dTpw", "Bearer " + token}, auth.CodeCredentialMalformed},
		{"comma", []string{"Bearer " + token + ",Bearer x"}, auth.CodeCredentialMalformed},
		{"quoted", []string{`Bearer "` + token + `"`}, auth.CodeCredentialMalformed},
		{"padded", []string{"Bearer " + token + "="}, auth.CodeCredentialMalformed},
		{"percent-encoded", []string{"Bearer " + strings.Replace(token, ".", "%2E", 1)}, auth.CodeCredentialMalformed},
		{"not ASCII", []string{"Bearer " + token + "é"}, auth.CodeCredentialMalformed},
		{"1 MiB", []string{"Bearer " + strings.Repeat("A", 1<<20)}, auth.CodeCredentialMalformed},
		{"10,000 dots", []string{"Bearer " + strings.Repeat(".", 10_000)}, auth.CodeTokenInvalid},
		{"no JWT", []string{"Bearer abc"}, auth.CodeTokenInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "https://api.test/", nil)
			r.Header["Authorization"] = tt.headers
			_, err := newBearer(t, nil).Authenticate(r)
			wantCode(t, err, tt.code, false)
		})
	}
}

// FuzzAuthorization is F-AUTHZ: what is accepted is one scheme, spaces, and the token.
func FuzzAuthorization(f *testing.F) {
	token := newTestKeys(f)["main"].sign(f, nil, baseClaims(testNow))
	for _, s := range []string{"Bearer TOKEN", "bearer  TOKEN", "Bearer\tTOKEN", "Bearer TOKEN x", " Bearer TOKEN", "Bearer %TOKEN", "TOKEN"} {
		f.Add(s)
	}
	b := newBearer(f, nil)
	f.Fuzz(func(t *testing.T, header string) {
		_, err := b.Authenticate(bearerRequest(strings.Replace(header, "TOKEN", token, 1)))
		rest, ok := strings.CutSuffix(header, "TOKEN")
		want := ok && strings.EqualFold(strings.TrimRight(rest, " "), "bearer") && strings.HasSuffix(rest, " ") && !strings.Contains(rest, "TOKEN")
		if (err == nil) != want {
			t.Errorf("%q: %v", header, err)
		}
	})
}

func TestBearerConfig(t *testing.T) {
	for name, c := range map[string]workos.BearerConfig{
		"nothing":                       {},
		"client with a slash":           {ClientID: "a/b"},
		"http":                          {ClientID: "c", BaseURL: "http://127.0.0.1"},
		"empty issuers":                 {ClientID: "c", Issuers: []string{}},
		"empty audiences":               {ClientID: "c", Audiences: []string{}},
		"applications without audience": {ClientID: "c", AllowApplications: true},
	} {
		if _, err := workos.NewBearer(c); auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
