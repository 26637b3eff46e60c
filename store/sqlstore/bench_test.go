package sqlstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netscript/auth/store/sqlstore"
)

// BenchmarkPostgresGet reads records of 1 KiB from PostgreSQL, with a Store and with the same query by hand over pgx, which
// prepares it once for each connection. Both take turns within one run, so their ratios hold on a machine that is busy.
// The CPU time is this process's, without the server's.
func BenchmarkPostgresGet(b *testing.B) {
	for _, rows := range []int{1_000, 1_000_000} {
		server := servers.Postgres(b)
		dsn := server.DSN(server.Database(b), "")
		db := onPostgres.connect(b, dsn)
		if err := sqlstore.Migrate(b.Context(), db); err != nil {
			b.Fatal(err)
		}
		const fill = `INSERT INTO auth_kv SELECT 's/' || n, decode(repeat(md5(n::text), 32), 'hex') || decode(repeat(md5(n::text), 32), 'hex'), n, 4102444800000
			FROM generate_series(1, ?) AS n`
		if err := db.Exec(fill, rows).Error; err != nil {
			b.Fatal(err)
		}
		if err := db.Exec("VACUUM ANALYZE auth_kv").Error; err != nil {
			b.Fatal(err)
		}
		pool, err := pgxpool.New(b.Context(), dsn+"&pool_max_conns=16")
		if err != nil {
			b.Fatal(err)
		}
		s := newStore(b, db, sqlstore.Config{})
		for _, goroutines := range []int{1, 16} {
			b.Run(fmt.Sprintf("rows=%d/goroutines=%d", rows, goroutines), func(b *testing.B) {
				compare(b, goroutines, func(ctx context.Context) error { return getByStore(ctx, s, rows) },
					func(ctx context.Context) error { return getByHand(ctx, pool, rows) })
			})
		}
		pool.Close()
	}
}

func someKey(rows int) string { return fmt.Sprint("s/", 1+rand.IntN(rows)) }

func getByStore(ctx context.Context, s *sqlstore.Store, rows int) error {
	value, found, err := s.Get(ctx, someKey(rows))
	if err == nil && (!found || len(value) != 1024) {
		return fmt.Errorf("found %t, %d bytes", found, len(value))
	}
	return err
}

const byHandSQL = `SELECT id, version, CASE WHEN version = $1 THEN NULL ELSE value END FROM auth_kv
	WHERE id = $2 AND expires_at > floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

func getByHand(ctx context.Context, pool *pgxpool.Pool, rows int) error {
	ctx, cancel := context.WithTimeout(ctx, sqlstore.DefaultTimeout)
	defer cancel()
	var id string
	var version int64
	var value []byte
	err := pool.QueryRow(ctx, byHandSQL, 0, someKey(rows)).Scan(&id, &version, &value)
	if err == nil && len(value) != 1024 {
		return fmt.Errorf("%d bytes", len(value))
	}
	return err
}

// cost is what calls took.
type cost struct{ wall, cpu time.Duration }

// compare makes calls of ours and of theirs in turns.
func compare(b *testing.B, goroutines int, ours, theirs func(context.Context) error) {
	b.Helper()
	const turn = 256
	var costs [2]cost
	calls := 0
	for b.Loop() {
		calls++
		if calls%turn != 1 {
			continue // a turn is that many calls of each
		}
		for i, call := range []func(context.Context) error{ours, theirs} {
			c := measure(b, goroutines, turn/goroutines, call)
			costs[i].wall += c.wall
			costs[i].cpu += c.cpu
		}
	}
	n := float64((calls + turn - 1) / turn * turn)
	b.ReportMetric(float64(costs[0].wall)/n, "ns/get")
	b.ReportMetric(float64(costs[1].wall)/n, "ns/byhand")
	b.ReportMetric(float64(costs[0].wall)/float64(costs[1].wall), "wall-ratio")
	b.ReportMetric(float64(costs[0].cpu)/float64(costs[1].cpu), "cpu-ratio")
	b.ReportMetric(float64(costs[0].cpu)/n, "cpu-ns/get")
	b.ReportMetric(0, "ns/op") // is about both
}

func measure(b *testing.B, goroutines, each int, call func(context.Context) error) cost {
	b.Helper()
	start, cpu := time.Now(), cpuTime(b)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				if err := call(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return cost{time.Since(start), cpuTime(b) - cpu}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
