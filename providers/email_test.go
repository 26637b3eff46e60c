package providers_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/netscript/auth/providers"
)

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
