package redisstore_test

import (
	"strings"
	"testing"

	"github.com/netscript/auth/store/redisstore"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		url, addr, user, password string
		database                  int
		tls                       bool
	}{
		{"redis://localhost", "localhost:6379", "", "", 0, false},
		{"redis://localhost/", "localhost:6379", "", "", 0, false},
		{"redis://[::1]:7000/3", "[::1]:7000", "", "", 3, false},
		{"rediss://app:p%40ss%2F@redis.internal:6380/1", "redis.internal:6380", "app", "p@ss/", 1, true},
		{"rediss://:pw@redis.internal", "redis.internal:6379", "", "pw", 0, true},
		{"REDISS://h", "h:6379", "", "", 0, true},
	}
	for _, tt := range tests {
		cfg, err := redisstore.ParseURL(tt.url)
		if err != nil || len(cfg.Addresses) != 1 {
			t.Errorf("%s: %v, %v", tt.url, cfg, err)
			continue
		}
		if cfg.Addresses[0] != tt.addr || cfg.Username != tt.user || cfg.Password.Reveal() != tt.password || cfg.Database != tt.database {
			t.Errorf("%s: %+v, password %q", tt.url, cfg, cfg.Password.Reveal())
		}
		if (cfg.TLS != nil) != tt.tls || tt.tls && (cfg.TLS.InsecureSkipVerify || cfg.TLS.MinVersion < 0x303) {
			t.Errorf("%s: TLS %+v", tt.url, cfg.TLS)
		}
		if _, err := redisstore.New(cfg); err != nil {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"", "localhost:6379", "http://:canary@h", "redis:canary", "redis://", "redis://:canary@", "redis://:canary@/0",
		"redis://:canary@h/x", "redis://:canary@h/-1", "redis://:canary@h/0/1", "redis://:canary@h:port", "redis://:can ary@h",
		"rediss://:canary@h?skip_verify=true", "rediss://:canary@h?", "rediss://:canary@h#f", "redis://:canary%zz@h", "unix:///canary",
		"redis://:canary@h/99999999999999999999",
	} {
		cfg, err := redisstore.ParseURL(u)
		if err == nil {
			t.Errorf("%s: %+v", u, cfg)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error is %v", u, err)
		}
	}
}

// FuzzParseURL is F-ENV for a store's address: what is parsed can be used, and is never weaker than what was asked for.
func FuzzParseURL(f *testing.F) {
	for _, u := range []string{"redis://localhost", "rediss://a:b@[::1]:1/2", "rediss://:p@h?skip_verify=1", "redis://h:99999", "redis://]", "redis://[::1"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, u string) {
		cfg, err := redisstore.ParseURL(u)
		if err != nil {
			return
		}
		if strings.HasPrefix(strings.ToLower(u), "rediss") != (cfg.TLS != nil) || cfg.TLS != nil && cfg.TLS.InsecureSkipVerify {
			t.Errorf("%q: TLS %+v", u, cfg.TLS)
		}
		if _, err := redisstore.New(cfg); err != nil {
			t.Errorf("%q was parsed and is refused: %v", u, err)
		}
	})
}
