package providers_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/netscript/auth/providers"
)

func apple(t testing.TB) providers.Provider {
	return must(t)(providers.Apple("TEAM012345"))
}

func TestPostedClaims(t *testing.T) {
	jane := map[string]any{"given_name": "Jane", "family_name": "Doe", "name": "Jane Doe", "name_verified": false}
	long := strings.Repeat("x", 130)
	for _, tt := range []struct {
		name, user string
		want       map[string]any
	}{
		{"whole", `{"name":{"firstName":"Jane","lastName":"Doe"},"email":"jane@example.com"}`, jane},
		{"without e-mail", `{"name":{"firstName":" Jane ","lastName":"Doe"}}`, jane},
		{"one name", `{"name":{"firstName":"Jane"}}`, map[string]any{"given_name": "Jane", "name": "Jane", "name_verified": false}},
		{"a null", `{"name":{"firstName":null,"lastName":"Doe"}}`, map[string]any{"family_name": "Doe", "name": "Doe", "name_verified": false}},
		{"other scripts", `{"name":{"firstName":"Žofie","lastName":"中村"}}`, map[string]any{"given_name": "Žofie", "family_name": "中村", "name": "Žofie 中村", "name_verified": false}},
		{"claims beside the name", `{"sub":"victim","email_verified":true,"roles":["admin"],"name":{"firstName":"Jane","lastName":"Doe","sub":"victim"}}`, jane},
		{"nothing", ``, nil},
		{"no name", `{"email":"victim@example.com"}`, nil},
		{"empty names", `{"name":{"firstName":"","lastName":" "}}`, nil},
		{"a text for a name", `{"name":"Jane Doe"}`, nil},
		{"a list for a name", `{"name":["Jane"]}`, nil},
		{"numbers", `{"name":{"firstName":1,"lastName":true}}`, nil},
		{"not JSON", `Jane`, nil},
		{"a list", `[{"name":{"firstName":"Jane"}}]`, nil},
		{"two names", `{"name":{"firstName":"Jane"},"name":{"firstName":"Joan"}}`, nil},
		{"two first names", `{"name":{"firstName":"Jane","firstName":"Joan"}}`, nil},
		{"trailing data", `{"name":{"firstName":"Jane"}}{}`, nil},
		{"half a character", `{"name":{"firstName":"\ud800"}}`, nil},
		{"a line break", `{"name":{"firstName":"Jane\r\nBcc: x"}}`, nil},
		{"a direction override", `{"name":{"firstName":"\u202eenaJ"}}`, nil},
		{"a line separator", `{"name":{"firstName":"Jane\u2028x"}}`, nil},
		{"too long a name", `{"name":{"firstName":"` + long + `","lastName":"` + long + `"}}`, nil},
		{"too long a field", `{"x":"` + strings.Repeat("x", 4096) + `","name":{"firstName":"Jane"}}`, nil},
		{"too deep", `{"name":` + strings.Repeat(`{"name":`, 80) + `1` + strings.Repeat(`}`, 81), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := apple(t).PostedClaims(tt.user); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	if got := providers.Google().PostedClaims(`{"name":{"firstName":"Jane"}}`); got != nil {
		t.Errorf("another provider: %v", got)
	}
}

func TestAppleTeam(t *testing.T) {
	for _, id := range []string{"", "TEAM", "TEAM01234Z5", "team012345", "TEAM01234/", "TEAM01234 "} {
		if _, err := providers.Apple(id); err == nil {
			t.Errorf("the team %q is accepted", id)
		}
	}
}

func FuzzPostedClaims(f *testing.F) {
	p := apple(f)
	f.Add(`{"name":{"firstName":"Jane","lastName":"Doe"},"email":"jane@example.com"}`)
	f.Add(`{"name":{"firstName":"\u202e"}}`)
	f.Add(`{"name":{"firstName":"a","firstName":"b"}}`)
	f.Fuzz(func(t *testing.T, user string) {
		claims := p.PostedClaims(user)
		if claims == nil {
			return
		}
		if claims["name_verified"] != false || claims["name"] == nil {
			t.Fatalf("%v", claims)
		}
		for name, v := range claims {
			switch name {
			case "name", "given_name", "family_name":
				s := fmt.Sprint(v)
				if s == "" || len(s) > 255 || strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsAny(s, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") {
					t.Fatalf("%s is %q", name, s)
				}
			case "name_verified":
			default:
				t.Fatalf("the claim %s", name)
			}
		}
	})
}
