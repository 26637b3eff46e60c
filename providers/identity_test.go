package providers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/netscript/auth/providers"
)

// recorded is one answer in the form in which the provider gives it, and what must come of it.
type recorded struct {
	Name    string
	Doc     json.RawMessage
	Emails  json.RawMessage
	Subject string
	Claims  map[string]any
	Error   string
}

func readRecorded(t testing.TB, preset string) []recorded {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "userinfo", preset+".json"))
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	var cases []recorded
	if err := dec.Decode(&cases); err != nil || len(cases) == 0 {
		t.Fatal(preset, len(cases), err)
	}
	return cases
}

func TestIdentityOfPresets(t *testing.T) {
	for preset, p := range presets(t) {
		for _, tt := range readRecorded(t, preset) {
			t.Run(preset+"/"+tt.Name, func(t *testing.T) {
				got, err := p.Identity(tt.Doc, tt.Emails)
				if tt.Error != "" {
					if want := map[string]error{"tenant": providers.ErrTenant}[tt.Error]; want == nil || !errors.Is(err, want) {
						t.Fatalf("err = %v, want %s", err, tt.Error)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got.Subject != tt.Subject || tt.Subject == "" {
					t.Errorf("subject %q, want %q", got.Subject, tt.Subject)
				}
				if claims := roundTrip(t, got.Claims); !reflect.DeepEqual(claims, tt.Claims) {
					t.Errorf("claims\n%v, want\n%v", claims, tt.Claims)
				}
			})
		}
	}
}

func roundTrip(t testing.TB, v map[string]any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// idOf is a provider whose subject is the member id.
func idOf(t testing.TB) providers.Provider {
	p := oauth()
	p.Mapping.Subject = "id"
	return must(t)(providers.Define(p))
}

func TestSubject(t *testing.T) {
	p, oidc := idOf(t), must(t)(providers.Define(oidc()))
	tests := []struct {
		value       string
		oauth, oidc string // "" is a refusal
	}{
		{`"a"`, "a", "a"},
		{`1`, "1", ""},
		{`"1"`, "1", "1"},
		{`9007199254740993`, "9007199254740993", ""},
		{`"9007199254740993"`, "9007199254740993", "9007199254740993"},
		{`18446744073709551615`, "18446744073709551615", ""},
		{`99999999999999999999999999`, "99999999999999999999999999", ""},
		{`"auth0|A b"`, "auth0|A b", "auth0|A b"},
		{`"\u00e9"`, "é", "é"},
		{`"007"`, "007", "007"},
		{`0`, "", ""},
		{`"0"`, "", "0"},
		{`-0`, "", ""},
		{`-1`, "", ""},
		{`1.0`, "", ""},
		{`1.5`, "", ""},
		{`1e3`, "", ""},
		{`1E400`, "", ""},
		{`1.2345678e+07`, "", ""},
		{`null`, "", ""},
		{`true`, "", ""},
		{`false`, "", ""},
		{`{}`, "", ""},
		{`{"id":1}`, "", ""},
		{`[1]`, "", ""},
		{`["a"]`, "", ""},
		{`""`, "", ""},
		{`" "`, "", ""},
		{`"\u00a0"`, "", ""},
		{`" a"`, "", " a"},
		{`"a\n"`, "", ""},
		{`"a\u0000b"`, "", ""},
		{`"\u0085x"`, "", ""},
		{`"\u007f"`, "", ""},
		{`"` + strings.Repeat("a", 255) + `"`, strings.Repeat("a", 255), strings.Repeat("a", 255)},
		{`"` + strings.Repeat("a", 256) + `"`, "", ""},
		{`"` + strings.Repeat("é", 128) + `"`, "", ""},
		{strings.Repeat("1", 256), "", ""},
	}
	check := func(t *testing.T, p providers.Provider, doc, want string) {
		t.Helper()
		got, err := p.Identity([]byte(doc), nil)
		if want == "" {
			if !errors.Is(err, providers.ErrSubject) || got.Subject != "" || got.Claims != nil {
				t.Errorf("%s %.60s: %+v, %v; want ErrSubject", p.Kind, doc, got, err)
			}
			return
		}
		if err != nil || got.Subject != want || got.Claims["sub"] != want {
			t.Errorf("%s %.60s: %+v, %v; want %q", p.Kind, doc, got, err, want)
		}
	}
	for _, tt := range tests {
		check(t, p, `{"id":`+tt.value+`}`, tt.oauth)
		check(t, oidc, `{"sub":`+tt.value+`}`, tt.oidc)
	}
	for _, doc := range []string{`{}`, `{"ID":"a","Id":"b","sub ":"c"}`, `{"email":"a@b.example","login":"a"}`} {
		check(t, p, doc, "")
		check(t, oidc, strings.ReplaceAll(doc, "ID", "SUB"), "")
	}
	// Without a mapping an OAuth provider is read like OpenID Connect's UserInfo.
	check(t, must(t)(providers.Define(oauth())), `{"sub":"a","id":"b"}`, "a")
	check(t, must(t)(providers.Define(oauth())), `{"id":"b"}`, "")
}

func TestSubjectPath(t *testing.T) {
	for doc, want := range map[string]string{
		`{"data":{"id":"1"}}`:              "1",
		`{"data":[{"id":"1"}]}`:            "",
		`{"data.id":"1"}`:                  "",
		`{"data":{"Id":"1"}}`:              "",
		`{"data":"id"}`:                    "",
		`{"data":null}`:                    "",
		`{"id":"1"}`:                       "",
		`{"errors":[{"title":"x"}]}`:       "",
		`{"data":{"id":"1"},"errors":[1]}`: "1",
	} {
		got, err := providers.Twitter().Identity([]byte(doc), nil)
		if got.Subject != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", doc, got.Subject, err, want)
		}
	}
}

func TestIdentityRefusesDocuments(t *testing.T) {
	docs := map[string]string{
		"nothing":             ``,
		"array":               `[{"id":"a","sub":"a"}]`,
		"string":              `"a"`,
		"null":                `null`,
		"two documents":       `{"id":"a","sub":"a"}{"id":"b","sub":"b"}`,
		"trailing garbage":    `{"id":"a","sub":"a"} x`,
		"HTML":                `<html>`,
		"duplicate":           `{"id":"a","sub":"a","id":"b","sub":"b"}`,
		"duplicate elsewhere": `{"id":"a","sub":"a","x":{"y":1,"y":2}}`,
		"invalid UTF-8":       "{\"id\":\"a\xff\",\"sub\":\"a\xff\"}",
		"lone surrogate":      `{"id":"a\ud800","sub":"a\ud800"}`,
		"deep":                `{"id":"a","sub":"a","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
		"depth bomb":          `{"id":"a","sub":"a","x":` + strings.Repeat("[", 500_000),
		"large":               `{"id":"a","sub":"a","x":"` + strings.Repeat("x", providers.MaxDocument) + `"}`,
		"large by blanks":     `{"id":"a","sub":"a"}` + strings.Repeat(" ", providers.MaxDocument),
	}
	for name, doc := range docs {
		for _, p := range []providers.Provider{idOf(t), must(t)(providers.Define(oidc()))} {
			got, err := p.Identity([]byte(doc), nil)
			if !errors.Is(err, providers.ErrDocument) || got.Subject != "" {
				t.Errorf("%s, %s: %+v, %v; want ErrDocument", p.Kind, name, got.Subject, err)
			}
		}
	}
	unknown := oauth()
	unknown.Kind = "saml"
	if _, err := unknown.Identity([]byte(`{"sub":"a","id":"a"}`), nil); err == nil {
		t.Error("unknown kind: accepted")
	}
}

func TestEmailVerified(t *testing.T) {
	p := must(t)(providers.Define(oidc()))
	for value, want := range map[string]bool{
		`true`: true, `false`: false, `"true"`: false, `"false"`: false, `"1"`: false, `1`: false, `null`: false,
		`[true]`: false, `{"true":true}`: false, `"yes"`: false,
	} {
		got, err := p.Identity([]byte(`{"sub":"a","email":"a@b.example","email_verified":`+value+`}`), nil)
		if err != nil || got.Claims["email"] != "a@b.example" || got.Claims["email_verified"] != want {
			t.Errorf("email_verified %s: %v, %v", value, got.Claims, err)
		}
	}
	// Neither half comes alone, and no other spelling counts.
	got, err := p.Identity([]byte(`{"sub":"a","email_verified":true}`), nil)
	if _, ok := got.Claims["email_verified"]; err != nil || ok {
		t.Errorf("verified without an address: %v, %v", got.Claims, err)
	}
	got, err = p.Identity([]byte(`{"sub":"a","email":"a@b.example","Email_Verified":true}`), nil)
	if err != nil || got.Claims["email_verified"] != false {
		t.Errorf("another spelling of email_verified: %v, %v", got.Claims, err)
	}
}

func TestEmailSyntax(t *testing.T) {
	p := must(t)(providers.Define(oidc()))
	for address, want := range map[string]bool{
		"a@b.example":                      true,
		"a+b.c_d-e@sub.b-c.example":        true,
		"o'neil!#$%&*/=?^`{|}~@b.example":  true,
		"jörg@b.example":                   true,
		"a@xn--bcher-kva.example":          true,
		"root@localhost":                   true,
		"":                                 false,
		"a":                                false,
		"@":                                false,
		"@b.example":                       false,
		"a@":                               false,
		"a@evil.example@corp.example":      false,
		"a\uff20evil.example@corp.example": false,
		"a\ufe6bevil.example@corp.example": false,
		"a\uff20corp.example":              false,
		"a@corp.example\uff20x":            false,
		"a@b.example,c@d.example":          false,
		"a,b@c.example":                    false,
		"<a@b.example>":                    false,
		"A <a@b.example>":                  false,
		"a@b.example>":                     false,
		"a@b.example\n":                    false,
		"a\r\nBcc: x@b.example":            false,
		"a\x00@b.example":                  false,
		"a\u200b@b.example":                false,
		"a\u202e@b.example":                false,
		"a b@c.example":                    false,
		" a@b.example":                     false,
		"a\u00a0@b.example":                false,
		`"a"@b.example`:                    false,
		"a@[127.0.0.1]":                    false,
		"a@b..example":                     false,
		"a@.b.example":                     false,
		"a@b.example.":                     false,
		"a@-b.example":                     false,
		"a@b-.example":                     false,
		"a@b_c.example":                    false,
		"a@b.example/x":                    false,
		"a@c\uff4frp.example":              false,
		"a@corp\u3002example":              false,
		"a@\u212aorp.example":              false,
		strings.Repeat("a", 310) + "@b.co": true,
		strings.Repeat("a", 320) + "@b.co": false,
		"a@" + strings.Repeat("b.", 200):   false,
		"mailto:a@b.example":               false,
		"a;b@c.example":                    false,
		"a(comment)@c.example":             false,
		`a\@b.example`:                     false,
	} {
		doc, _ := json.Marshal(map[string]any{"sub": "s", "email": address, "email_verified": true})
		got, err := p.Identity(doc, nil)
		if err != nil {
			t.Fatal(err)
		}
		email, ok := got.Claims["email"]
		verified, both := got.Claims["email_verified"]
		if ok != want || both != want || want && (email != address || verified != true) {
			t.Errorf("%q: email %v, email_verified %v; want accepted: %t", address, email, verified, want)
		}
	}
	for _, value := range []string{`1`, `null`, `["a@b.example"]`, `{"a":"a@b.example"}`, `true`} {
		got, err := p.Identity([]byte(`{"sub":"s","email":`+value+`,"email_verified":true}`), nil)
		if err != nil || got.Claims["email"] != nil || got.Claims["email_verified"] != nil {
			t.Errorf("email %s: %v, %v", value, got.Claims, err)
		}
	}
}

func TestEmailList(t *testing.T) {
	tests := []struct{ name, emails, want string }{
		{"primary and verified", `[{"email":"a@b.example","primary":true,"verified":true}]`, "a@b.example"},
		{"first of two", `[{"email":"a@b.example","primary":true,"verified":true},{"email":"c@d.example","primary":true,"verified":true}]`, "a@b.example"},
		{"after others", `[{"email":"x@b.example","primary":false,"verified":true},7,null,"a@b.example",{"email":"c@d.example","primary":true,"verified":true}]`, "c@d.example"},
		{"empty", `[]`, ""},
		{"not verified", `[{"email":"a@b.example","primary":true,"verified":false}]`, ""},
		{"not primary", `[{"email":"a@b.example","primary":false,"verified":true}]`, ""},
		{"verified as a string", `[{"email":"a@b.example","primary":true,"verified":"true"}]`, ""},
		{"primary as a number", `[{"email":"a@b.example","primary":1,"verified":true}]`, ""},
		{"flags in another case", `[{"email":"a@b.example","Primary":true,"Verified":true}]`, ""},
		{"bad address, then a good one", `[{"email":"a@b@c","primary":true,"verified":true},{"email":"c@d.example","primary":true,"verified":true}]`, "c@d.example"},
		{"address as a list", `[{"email":["a@b.example"],"primary":true,"verified":true}]`, ""},
	}
	doc := []byte(`{"id":1,"login":"a","email":"public@b.example","email_verified":true}`)
	for _, tt := range tests {
		got, err := providers.GitHub().Identity(doc, []byte(tt.emails))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		email, _ := got.Claims["email"].(string)
		verified, has := got.Claims["email_verified"]
		if email != tt.want || has != (tt.want != "") || has && verified != true {
			t.Errorf("%s: email %q, email_verified %v; want %q", tt.name, email, verified, tt.want)
		}
	}
	for name, emails := range map[string]string{
		"empty":     ``,
		"object":    `{"message":"Not Found"}`,
		"null":      `null`,
		"trailing":  `[] []`,
		"duplicate": `[{"email":"a@b.example","verified":false,"primary":true,"verified":true}]`,
		"encoding":  "[\"\xff\"]",
		"deep":      strings.Repeat("[", 100_000),
		"large":     `[]` + strings.Repeat(" ", providers.MaxDocument),
	} {
		if _, err := providers.GitHub().Identity(doc, []byte(emails)); !errors.Is(err, providers.ErrDocument) {
			t.Errorf("%s: err = %v, want ErrDocument", name, err)
		}
	}
	// With an e-mail endpoint nothing in the profile is an address, also when the list was not fetched.
	p := idOf(t)
	p.EmailEndpoint = "https://id.acme.com/emails"
	if got, err := p.Identity(doc, nil); err != nil || got.Claims["email"] != nil || got.Claims["email_verified"] != nil {
		t.Errorf("profile's address: %v, %v", got.Claims, err)
	}
	// A provider without an e-mail endpoint does not read the list.
	if got, err := providers.Discord().Identity([]byte(`{"id":"1","username":"a"}`), []byte(tests[0].emails)); err != nil || got.Claims["email"] != nil {
		t.Errorf("Discord with a list: %v, %v", got.Claims, err)
	}
}

func TestClaimValues(t *testing.T) {
	p := must(t)(providers.Define(oidc()))
	tests := []struct {
		claim, value string
		want         any // nil: left out
	}{
		{"picture", `"https://a.example/x.png"`, "https://a.example/x.png"},
		{"picture", `"http://a.example/x.png"`, nil},
		{"picture", `"javascript:alert(1)"`, nil},
		{"picture", `"data:image/png;base64,AA"`, nil},
		{"picture", `"https:a.example"`, nil},
		{"picture", `"https:///x.png"`, nil},
		{"picture", `"https://:443/x.png"`, nil},
		{"picture", `"https://u@a.example/"`, nil},
		{"picture", `"//a.example/x.png"`, nil},
		{"picture", `"https://a.example/\" onerror=x"`, nil},
		{"picture", `"https://a.example\\@b.example/"`, nil},
		{"picture", `{"url":"https://a.example"}`, nil},
		{"profile", `"https://a.example/me"`, "https://a.example/me"},
		{"profile", `"javascript:alert(1)"`, nil},
		{"website", `"http://a.example"`, "http://a.example"},
		{"website", `"javascript://a.example/%0aalert(1)"`, nil},
		{"name", `"Jörg"`, "Jörg"},
		{"name", `"a\nb"`, nil},
		{"name", `"\u001b[31m"`, nil},
		{"name", `""`, nil},
		{"name", `{"first":"a"}`, nil},
		{"preferred_username", `7`, nil},
		{"locale", `"de-DE"`, "de-DE"},
		{"hd", `"example.com"`, "example.com"},
		{"roles", `["a",1,true,null]`, []any{"a", int64(1), true, nil}},
		{"n", `9007199254740993`, int64(9007199254740993)},
		{"n", `-9223372036854775808`, int64(-9223372036854775808)},
		{"n", `9223372036854775808`, json.Number("9223372036854775808")},
		{"n", `1.50`, json.Number("1.50")},
		{"n", `1e2`, json.Number("1e2")},
		{"o", `{"n":[1]}`, map[string]any{"n": []any{int64(1)}}},
		{"b", `false`, false},
		{"x", `null`, nil},
		{"sessionId", `"x"`, nil},
		{"providerId", `"x"`, nil},
	}
	for _, tt := range tests {
		got, err := p.Identity([]byte(`{"sub":"s","`+tt.claim+`":`+tt.value+`}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		value, ok := got.Claims[tt.claim]
		if !reflect.DeepEqual(value, tt.want) || ok != (tt.want != nil) {
			t.Errorf("%s %s: %#v (there: %t), want %#v", tt.claim, tt.value, value, ok, tt.want)
		}
	}
}

// What an OAuth provider sends beyond the mapping stays outside.
func TestOAuthClaimsAreListed(t *testing.T) {
	p := idOf(t)
	got, err := p.Identity([]byte(`{"id":1,"name":"A","roles":["admin"],"sub":"other","sessionId":"x","token":"t"}`), nil)
	want := map[string]any{"sub": "1", "name": "A"}
	if err != nil || !reflect.DeepEqual(got.Claims, want) {
		t.Errorf("standard claims: %v, %v; want %v", got.Claims, err, want)
	}
	p.Mapping.Claims = map[string][]string{"name": {"nick", "name"}, "org": {"orgs.1.id"}}
	got, err = p.Identity([]byte(`{"id":1,"name":"A","nick":"","orgs":[{"id":1},{"id":2}],"email":"a@b.example"}`), nil)
	want = map[string]any{"sub": "1", "name": "A", "org": int64(2)}
	if err != nil || !reflect.DeepEqual(got.Claims, want) {
		t.Errorf("mapped claims: %v, %v; want %v", got.Claims, err, want)
	}
	p.Mapping.Claims["org"] = []string{"orgs.-1.id", "orgs.x.id", "orgs.2.id"}
	if got, err := p.Identity([]byte(`{"id":1,"orgs":[{"id":1},{"id":2}]}`), nil); err != nil || got.Claims["org"] != nil {
		t.Errorf("bad indexes: %v, %v", got.Claims, err)
	}
	p.Mapping.Claims["org"] = []string{"orgs.1.id"}
	for _, doc := range []string{`{"id":1,"orgs":[{"id":1}]}`, `{"id":1,"orgs":{"1":7}}`, `{"id":1,"orgs":[0,{"id":null}]}`} {
		if got, err := p.Identity([]byte(doc), nil); err != nil || got.Claims["org"] != nil {
			t.Errorf("%s: %v, %v", doc, got.Claims, err)
		}
	}
}
