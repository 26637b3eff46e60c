package bench

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store/redisstore"
)

const liveInRedis = 1000

// BenchmarkAuthenticateRedis asks who sent a request, with sessions of about 1 KiB in a Redis server on loopback, chosen
// at random. Warm, kvoauth answers from what the server has promised to tell about; cold, it asks every time, as scs does.
// x-warm and x-cold say how many times as long scs takes; commands/op is what the server executed.
func BenchmarkAuthenticateRedis(b *testing.B) {
	server := redistest.Start(b, redistest.Options{})
	warm := newKvOAuthRedis(b, "warm", redisstore.Config{Addresses: []string{server.Addr}, CacheTTL: time.Hour})
	cold := newKvOAuthRedis(b, "cold", redisstore.Config{Addresses: []string{server.Addr}, DisableCache: true})
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	b.Cleanup(func() { _ = client.Close() })
	systems := []system{
		warm, cold,
		newSCSRedis(b, "scs-goredisstore", goredisstore.NewWithPrefix(client, "goredis:")),
	}
	for _, s := range systems { // every session once, so that warm is warm
		for _, v := range s.values {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.AddCookie(&http.Cookie{Name: s.cookie, Value: v})
			if err := s.resolve(r); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, k := range []string{"warm:s:*", "goredis:*"} {
		key, _, _ := strings.Cut(server.Do("KEYS", k), "\n")
		b.Logf("a record of %s has %s bytes", k, server.Do("STRLEN", key))
	}
	for _, goroutines := range []int{1, 16, 64, 256} {
		var base [2]float64
		for i, s := range systems {
			b.Run(fmt.Sprintf("goroutines=%d/%s", goroutines, s.name), func(b *testing.B) {
				server.Do("CONFIG", "RESETSTAT")
				perOp := run(b, s, goroutines)
				if i < len(base) {
					base[i] = perOp
				}
				b.ReportMetric(perOp/base[0], "x-warm")
				b.ReportMetric(perOp/base[min(i, 1)], "x-cold")
				b.ReportMetric(float64(server.Calls("get"))/float64(b.N), "commands/op")
			})
		}
	}
}

// padding brings the record of a session in kvoauth to 1 KiB.
var padding = strings.Repeat("x", 730)

func newKvOAuthRedis(b *testing.B, name string, cfg redisstore.Config) system {
	b.Helper()
	cfg.Prefix = name
	cfg.ReadTimeout, cfg.WriteTimeout = time.Minute, time.Minute
	kv, err := redisstore.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(kv.Close)
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients: []kvoauth.Client{{
			Provider: providers.Provider{ID: "acme", Issuer: "https://idp.test"}, ClientID: "app",
		}},
		RedirectURL: "https://app.test/api/v1/auth/callback", KV: kv, Keys: []auth.Key{auth.GenerateKey()},
	})
	if err != nil {
		b.Fatal(err)
	}
	s := system{name: "kvoauth-" + name, cookie: "__Host-ns_session", resolve: func(r *http.Request) error {
		_, err := backend.Authenticate(r)
		return err
	}}
	for i := range liveInRedis {
		subject := fmt.Sprint("user-", i)
		c := claims(subject)
		c["bio"] = padding
		created, err := backend.CreateSession(context.Background(), auth.CreateSessionParams{Subject: subject, Scopes: scopes, Roles: roles, Claims: c})
		if err != nil {
			b.Fatal(err)
		}
		s.values = append(s.values, created.Cookies[0].Value)
	}
	return s
}

func newSCSRedis(b *testing.B, name string, kv scs.CtxStore) system {
	b.Helper()
	s := newSCS(b, 0)
	s.name = name
	m := scs.New()
	m.Store = kv
	s.resolve = func(r *http.Request) error {
		c, err := r.Cookie("session")
		if err != nil {
			return err
		}
		ctx, err := m.Load(r.Context(), c.Value)
		if err != nil {
			return err
		}
		if m.GetString(ctx, "subject") == "" || m.Get(ctx, "claims") == nil {
			return http.ErrNoCookie
		}
		return nil
	}
	for i := range liveInRedis {
		subject := fmt.Sprint("user-", i)
		c := claims(subject)
		c["bio"] = padding
		data, err := m.Codec.Encode(time.Now().Add(lifetime), map[string]any{
			"subject": subject, "scopes": scopes, "roles": roles, "claims": c,
		})
		if err != nil {
			b.Fatal(err)
		}
		token := auth.GenerateKey().Encode()
		if err := kv.CommitCtx(context.Background(), token, data, time.Now().Add(lifetime)); err != nil {
			b.Fatal(err)
		}
		s.values = append(s.values, token)
	}
	return s
}
