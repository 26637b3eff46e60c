package quickstart_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/netscript/auth/internal/redistest"
)

// TestKeptSessions kills the program and starts it again: where sessions are kept nobody notices, and elsewhere everybody
// is signed out.
func TestKeptSessions(t *testing.T) {
	exe := build(t)
	tests := []struct {
		name  string
		flags func(t *testing.T) []string
		kept  bool
	}{
		{"memory", func(*testing.T) []string { return nil }, false},
		{"Redis", func(t *testing.T) []string {
			return []string{"-redis", redistest.Start(t, redistest.Options{}).Addr}
		}, true},
		{"SQLite", func(t *testing.T) []string {
			return []string{"-db", filepath.Join(t.TempDir(), "sessions.db")}
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			flags := tt.flags(t)
			if tt.kept {
				flags = append(flags, "-key-file", filepath.Join(t.TempDir(), "key"))
			}
			first := start(t, exe, flags...)
			ada, gus := newVisitor(t, first.url), newVisitor(t, first.url)
			ada.signIn(acme, "ada")
			gus.signIn(globex, "1042")
			gus.sees("#name", "Gus Tanaka")
			ada.sees("#name", "Ada Lindqvist")
			first.kill(t)

			second := start(t, exe, flags...)
			ada.visit(second.url)
			gus.visit(second.url)
			if !tt.kept {
				ada.isSignedOut()
				gus.isSignedOut()
				return
			}
			gus.isAt("/")
			gus.sees("#name", "Gus Tanaka")
			ada.isSignedInStill()
		})
	}
}

// TestKeptSessionsNeedTheKey starts the program anew with another key: the sessions of before are nobody's.
func TestKeptSessionsNeedTheKey(t *testing.T) {
	exe, key := build(t), filepath.Join(t.TempDir(), "key")
	flags := []string{"-db", filepath.Join(t.TempDir(), "sessions.db"), "-key-file", key}
	first := start(t, exe, flags...)
	ada := newVisitor(t, first.url)
	ada.signIn(acme, "ada")
	first.stop(t)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	ada.visit(start(t, exe, flags...).url)
	ada.isSignedOut()
}

// isSignedInStill looks at what Ada sees after a restart, and ends her session.
func (v *visitor) isSignedInStill() {
	v.t.Helper()
	v.isAt("/")
	v.sees("#name", "Ada Lindqvist")
	v.reads("#roles", "admin")
	if !v.pictureLoaded() {
		v.t.Error("the picture is broken: the provider is at another address now")
	}
	if n := v.count(".sessions li"); n != 1 {
		v.t.Errorf("%d sessions, want the one of before", n)
	}
	v.Follow("#signout")
	v.isAt("/?done=signed-out")
	v.isSignedOut()
	v.signIn(acme, "ada")
	v.sees("#name", "Ada Lindqvist")
}

// visit goes to the site at url, which may be the same one at another port: cookies know no ports.
func (v *visitor) visit(url string) {
	v.t.Helper()
	v.url = url
	v.Open(url + "/")
}
