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
