package providers_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/netscript/auth/internal/strictjson"
	"github.com/netscript/auth/providers"
)

// FuzzIdentity is F-UI: it feeds every preset: what is accepted has a proper subject and the same one each time, and no
// message depends on the document.
func FuzzIdentity(f *testing.F) {
	all := presets(f)
	for name := range all {
		for _, r := range readRecorded(f, name) {
			f.Add([]byte(r.Doc), []byte(r.Emails))
		}
	}
	for _, doc := range []string{
		`{"id":1,"id":2}`, `{"sub":""}`, `{"id":0}`, `{"id":1e3}`, `{"id":null}`, `{"data":{"id":9007199254740993}}`,
		`{"sub":"a","email":"a@b@c","email_verified":"true","tid":"` + tenantID + `"}`, `[`, `{"id":"\ud800"}`,
	} {
		f.Add([]byte(doc), []byte(`[{"email":"a@b.example","primary":true,"verified":true}]`))
	}
	f.Fuzz(func(t *testing.T, doc, emails []byte) {
		for name, p := range all {
			id, err := p.Identity(doc, emails)
			again, err2 := p.Identity(doc, emails)
			if !reflect.DeepEqual(id, again) || (err == nil) != (err2 == nil) {
				t.Fatalf("%s: not deterministic", name)
			}
			if err != nil {
				checkMessage(t, p, err)
				continue
			}
			checkIdentity(t, name, id)
			// The same user with the subject in the other JSON type, or nothing, but never another user.
			if !strings.Contains(string(doc), id.Subject) && !strings.ContainsRune(string(doc), '\\') {
				t.Fatalf("%s: subject %q is not in the document", name, id.Subject)
			}
		}
	})
}

func checkIdentity(t *testing.T, name string, id providers.Identity) {
	t.Helper()
	if id.Subject == "" || len(id.Subject) > 255 || strings.ContainsFunc(id.Subject, unicode.IsControl) || id.Claims["sub"] != id.Subject {
		t.Fatalf("%s: subject %q", name, id.Subject)
	}
	email, has := id.Claims["email"]
	_, verified := id.Claims["email_verified"].(bool)
	if has != verified {
		t.Fatalf("%s: email %v without email_verified, or the reverse", name, email)
	}
	if address, _ := email.(string); has && (strings.Count(address, "@") != 1 || strings.ContainsAny(address, "\uff20\ufe6b\r\n ,;<>")) {
		t.Fatalf("%s: e-mail %q", name, address)
	}
	if picture, ok := id.Claims["picture"]; ok && !strings.HasPrefix(strings.ToLower(picture.(string)), "https://") {
		t.Fatalf("%s: picture %q", name, picture)
	}
}

// checkMessage: every possible message is known beforehand, hence free of document bytes.
func checkMessage(t *testing.T, p providers.Provider, err error) {
	t.Helper()
	prefix := `provider "` + p.ID + `": `
	if errors.Is(err, providers.ErrSubject) && err.Error() == prefix+providers.ErrSubject.Error() ||
		errors.Is(err, providers.ErrTenant) && err.Error() == prefix+providers.ErrTenant.Error() {
		return
	}
	for _, reason := range []error{
		strictjson.ErrTooLarge, strictjson.ErrSyntax, strictjson.ErrNotObject, strictjson.ErrDuplicate, strictjson.ErrDepth,
		strictjson.ErrEncoding, errors.New("e-mail addresses are not a list"),
	} {
		if err.Error() == prefix+providers.ErrDocument.Error()+": "+reason.Error() {
			return
		}
	}
	t.Fatalf("unexpected message %q", err)
}
