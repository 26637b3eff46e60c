package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/netscript/auth"
)

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "key")
	first, used, err := readOrMakeKey(path)
	if err != nil || used != path || first.IsZero() {
		t.Fatalf("%v, %s", err, used)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	again, _, err := readOrMakeKey(path)
	if err != nil || !again.Equal(first) {
		t.Errorf("the second start has another key: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v beside the key, %v", entries, err)
	}
}

func TestKeyFileInTheUsualPlace(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData"} {
		t.Setenv(name, dir)
	}
	_, path, err := readOrMakeKey("")
	if err != nil || !strings.HasPrefix(path, dir) || !strings.HasSuffix(path, filepath.Join("netscript-auth", "quickstart.key")) {
		t.Errorf("%s, %v", path, err)
	}
}

// TestKeyFileRefused expects that a file which is no good stays as it is.
func TestKeyFileRefused(t *testing.T) {
	good := auth.GenerateKey().Encode()
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"others read it", good, 0o644, "chmod 600"},
		{"the group reads it", good, 0o640, "chmod 600"},
		{"others write it", good, 0o602, "chmod 600"},
		{"empty", "", 0o600, "key must be 32 bytes"},
		{"short", good[:40], 0o600, "key must be 32 bytes"},
		{"two keys", good + "\n" + good, 0o600, "key must be 32 bytes"},
		{"long", strings.Repeat("secret", 100), 0o600, "key must be 32 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil { // WriteFile obeys the umask
				t.Fatal(err)
			}
			_, _, err := readOrMakeKey(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the path in it", err, tt.want)
			}
			if err != nil && tt.text != "" && strings.Contains(err.Error(), tt.text[:10]) {
				t.Errorf("the error quotes the key: %v", err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != tt.text {
				t.Errorf("the file is now %d bytes, %v", len(text), err)
			}
		})
	}
}

// TestKeyFileRace starts several instances at once where there is no key yet.
func TestKeyFileRace(t *testing.T) {
	const instances = 8
	for range 20 {
		path := filepath.Join(t.TempDir(), "key")
		var keys [instances]auth.Key
		var errs [instances]error
		var wait sync.WaitGroup
		for i := range instances {
			wait.Go(func() { keys[i], _, errs[i] = readOrMakeKey(path) })
		}
		wait.Wait()
		for i := range instances {
			if errs[i] != nil || !keys[i].Equal(keys[0]) {
				t.Fatalf("instance %d has another key, or none: %v", i, errs[i])
			}
		}
	}
}
