package betterauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netscript/auth/betterauth"
)

// BenchmarkAuthenticate asks about sessions in PostgreSQL: the real server over HTTP and in its process, the same join by
// hand with pgx and with database/sql, and this library without any memory, with the cookie cache, and with a local cache. x-http and x-process
// are how many times as many answers this library gives as the server over HTTP and in its process; the server's process
// is measured with one request at a time, as all others are. AUTH_BENCH_SESSIONS is how many rows the table has.
func BenchmarkAuthenticate(b *testing.B) {
	rows := 1000
	if text := os.Getenv("AUTH_BENCH_SESSIONS"); text != "" {
		rows, _ = strconv.Atoi(text)
	}
	w := newWorld(b, place{engine: "postgres"}, 1)
	browser := w.signUp()
	fill(b, w, browser.person.id, rows)
	header := browser.header()
	request := w.request("GET", header)

	overHTTP := benchHTTP(b, w, header)
	inProcess := benchProcess(b, w, header)
	withPgx, withSQL := byHand(b, w, browser.token())
	measure(b, "by hand with pgx", withPgx)
	measure(b, "by hand with database_sql", withSQL)
	for name, change := range map[string]func(*betterauth.Config){
		"backend": nil, "cookie cache": func(c *betterauth.Config) { c.CookieCache = &betterauth.CookieCache{Write: true} },
		"local cache": func(c *betterauth.Config) { c.Cache.TTL = time.Minute },
	} {
		b.Run(name, func(b *testing.B) {
			c := w.config
			c.Plugins = nil
			if change != nil {
				change(&c)
			}
			backend, err := betterauth.New(c)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background()) // as a server's requests have it
			defer cancel()
			r := request.Clone(ctx)
			a, err := backend.Authenticate(r)
			if err != nil {
				b.Fatal(err)
			}
			for _, cookie := range a.Cookies {
				r.Header.Set("Cookie", r.Header.Get("Cookie")+"; "+cookie.Name+"="+cookie.Value)
			}
			b.ReportAllocs()
			defer reportCPU(b)()
			n, start := 0, time.Now()
			for b.Loop() {
				if _, err := backend.Authenticate(r); err != nil {
					b.Fatal(err)
				}
				n++
			}
			each := time.Since(start).Seconds() / float64(n)
			b.ReportMetric(overHTTP/each, "x-http")
			b.ReportMetric(inProcess/each, "x-process")
		})
	}
}

// reportCPU measures the CPU time of this process, which does not depend on what else the machine does.
func reportCPU(b *testing.B) func() {
	began := cpuTime(b)
	return func() { b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op") }
}

func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// fill makes sessions of other users.
func fill(b *testing.B, w *world, userID string, rows int) {
	w.exec(`INSERT INTO [session] ([id], [expiresAt], [token], [createdAt], [updatedAt], [userId])
		SELECT 'filler-' || n, now() + interval '7 days', md5(n::text), now(), now(), ? FROM generate_series(1, ?::int) n`, userID, rows)
	w.exec("ANALYZE")
}

// benchHTTP returns the seconds that the server takes for one GET /get-session.
func benchHTTP(b *testing.B, w *world, header http.Header) float64 {
	var each float64
	b.Run("server over HTTP", func(b *testing.B) {
		n, start := 0, time.Now()
		for b.Loop() {
			if v, _ := w.theirs(header); !v.valid {
				b.Fatal("no session")
			}
			n++
		}
		each = time.Since(start).Seconds() / float64(n)
	})
	return each
}

// benchProcess returns the seconds that auth.api.getSession takes in the server's process.
func benchProcess(b *testing.B, w *world, header http.Header) float64 {
	var result struct{ N, WallMilliseconds, CPUMilliseconds float64 }
	for range 2 { // the first lets the server's code get warm
		w.server.control("bench", map[string]any{"headers": map[string]string{"cookie": header.Get("Cookie")}, "milliseconds": 2000}, &result)
	}
	each := result.WallMilliseconds / 1e3 / result.N
	b.Run("server in its process", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(each*1e9, "ns/op")
		b.ReportMetric(result.CPUMilliseconds*1e6/result.N, "cpu-ns/op")
	})
	return each
}

// BenchmarkSideBySide takes turns between the join by hand, with pgx and with database/sql, and this library, so that what
// else the machine does weighs on all alike, and reports the CPU time of each, and how many times those by hand it is.
func BenchmarkSideBySide(b *testing.B) {
	w := newWorld(b, place{engine: "postgres"}, 1)
	browser := w.signUp()
	fill(b, w, browser.person.id, 1000)
	c := w.config
	c.Plugins = nil
	backend, err := betterauth.New(c)
	if err != nil {
		b.Fatal(err)
	}
	pgx, database := byHand(b, w, browser.token())
	ctx, cancel := context.WithCancel(context.Background()) // as a request's
	defer cancel()
	request := w.request("GET", browser.header()).Clone(ctx)
	asks := []func(context.Context) error{pgx, database, func(context.Context) error { _, err := backend.Authenticate(request); return err }}
	const batch = 50
	var used [3]int64
	n := 0
	for b.Loop() {
		for i, ask := range asks {
			began := cpuTime(b)
			for range batch {
				if err := ask(ctx); err != nil {
					b.Fatal(err)
				}
			}
			used[i] += cpuTime(b) - began
		}
		n += batch
	}
	b.ReportMetric(float64(used[0])/float64(n), "pgx-cpu-ns")
	b.ReportMetric(float64(used[1])/float64(n), "sql-cpu-ns")
	b.ReportMetric(float64(used[2])/float64(n), "backend-cpu-ns")
	b.ReportMetric(float64(used[2])/float64(used[0]), "x-pgx")
	b.ReportMetric(float64(used[2])/float64(used[1]), "x-sql")
}

// byHand is the least that a session costs: the join alone, with pgx, and with database/sql over pgx, which is what gorm has.
func byHand(b *testing.B, w *world, token string) (withPgx, withSQL func(context.Context) error) {
	var name string
	if err := w.db.Raw("SELECT current_database()").Scan(&name).Error; err != nil {
		b.Fatal(err)
	}
	server := databases.Postgres(b)
	pool, err := pgxpool.New(context.Background(), server.DSN(name, ""))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	db, err := sql.Open("pgx", server.DSN(name, ""))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	statement, err := db.Prepare(handStatement())
	if err != nil {
		b.Fatal(err)
	}
	withPgx = func(ctx context.Context) error {
		rows, err := pool.Query(ctx, handStatement(), token)
		if err != nil {
			return err
		}
		defer rows.Close()
		if !rows.Next() {
			return errors.New("no session")
		}
		_, err = rows.Values()
		return err
	}
	withSQL = func(ctx context.Context) error {
		rows, err := statement.QueryContext(ctx, token)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		if !rows.Next() {
			return errors.New("no session")
		}
		values := make([]any, handColumns)
		targets := make([]any, handColumns)
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		return rows.Err()
	}
	return withPgx, withSQL
}

const handColumns = 15

func handStatement() string {
	var u, s []string
	for _, c := range strings.Fields("id name email emailVerified image createdAt updatedAt") {
		u = append(u, fmt.Sprintf("u.%q", c))
	}
	for _, c := range strings.Fields("id expiresAt token createdAt updatedAt ipAddress userAgent userId") {
		s = append(s, fmt.Sprintf("s.%q", c))
	}
	return "SELECT " + strings.Join(append(s, u...), ", ") + ` FROM "session" s JOIN "user" u ON u."id" = s."userId" WHERE s."token" = $1`
}

func measure(b *testing.B, name string, ask func(ctx context.Context) error) {
	b.Run(name, func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background()) // as a request's
		defer cancel()
		b.ReportAllocs()
		defer reportCPU(b)()
		for b.Loop() {
			if err := ask(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}
