package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/netscript/auth/internal/faultproxy"
	"github.com/netscript/auth/internal/sqltest"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/sqlstore"
)

// rig is a database with a proxy before its server, a store that goes through the proxy, and one that does not.
type rig struct {
	*testing.T
	server  *sqltest.Server
	proxy   *faultproxy.Proxy
	f       fixture
	dsn     string // over the proxy
	db      *gorm.DB
	store   *sqlstore.Store
	users   *sqlstore.Users
	direct  *sqlstore.Store
	dbCount string // counts the connections to the database
}

// callTimeout is what the store under test has for a call. Its slack is for a machine that is busy with other tests.
const (
	callTimeout = 300 * time.Millisecond
	slack       = 15 * time.Second
)

// eachServer runs a test on a PostgreSQL and a MariaDB that it may stop, and then counts what is left of it.
func eachServer(t *testing.T, test func(r *rig)) {
	t.Helper()
	for _, engine := range []struct {
		name  string
		start func(*sqltest.Shared, testing.TB) *sqltest.Server
		open  func(string) gorm.Dialector
		count string
	}{
		{"postgres", (*sqltest.Shared).Postgres, postgres.Open, "SELECT count(*) FROM pg_stat_activity WHERE datname = '%s'"},
		{"mariadb", (*sqltest.Shared).MariaDB, mysql.Open, "SELECT count(*) FROM information_schema.processlist WHERE db = '%s'"},
	} {
		t.Run(engine.name, func(t *testing.T) {
			server := engine.start(&faulty, t)
			name := server.Database(t)
			proxy, err := faultproxy.Start(server.Addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = proxy.Close() })
			f := fixture{name: engine.name, open: engine.open}
			r := &rig{
				T: t, server: server, proxy: proxy, f: f, dsn: server.DSN(name, proxy.Addr()), dbCount: fmt.Sprintf(engine.count, name),
			}
			other := f.connect(t, server.DSN(name, ""))
			if err := sqlstore.Migrate(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			r.direct = newStore(t, other, sqlstore.Config{Timeout: 30 * time.Second})
			r.wantNothingLeft(func() {
				r.db = f.connect(t, r.dsn)
				r.store = newStore(t, r.db, sqlstore.Config{Timeout: callTimeout})
				if r.users, err = sqlstore.NewUsers(r.db, sqlstore.UsersConfig{Timeout: callTimeout}); err != nil {
					t.Fatal(err)
				}
				r.heals()
				test(r)
			})
		})
	}
}

// wantNothingLeft runs do and waits until its goroutines and connections are gone.
func (r *rig) wantNothingLeft(do func()) {
	r.Helper()
	before, connections := runtime.NumGoroutine(), r.server.Int(r.T, r.dbCount)
	do()
	pool, err := r.db.DB()
	if err != nil {
		r.Fatal(err)
	}
	if inUse := pool.Stats().InUse; inUse != 0 {
		r.Errorf("%d connections are still in use", inUse)
	}
	_ = pool.Close()
	r.proxy.Cut()
	r.eventually(func() string {
		if n := r.server.Int(r.T, r.dbCount); n > connections+1 { // the direct store may have opened another one
			return fmt.Sprintf("%d connections, before %d", n, connections)
		}
		if n := runtime.NumGoroutine(); n > before+2 { // likewise
			stacks := make([]byte, 1<<20)
			return fmt.Sprintf("%d goroutines, before %d:\n%s", n, before, stacks[:runtime.Stack(stacks, true)])
		}
		return ""
	})
}

// eventually waits until wrong has nothing to say.
func (r *rig) eventually(wrong func() string) {
	r.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text := wrong()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			r.Error(text)
			return
		}
	}
}

// fails makes every call and wants each to fail in time, with nothing that could be taken for an answer.
func (r *rig) fails(within time.Duration) {
	r.Helper()
	ctx := r.Context()
	calls := map[string]func() (bool, error){
		"Get":                 func() (bool, error) { v, found, err := r.store.Get(ctx, "k"); return v != nil || found, err },
		"Set":                 func() (bool, error) { return false, r.store.Set(ctx, "other", []byte("v"), time.Hour) },
		"Take":                func() (bool, error) { v, found, err := r.store.Take(ctx, "k"); return v != nil || found, err },
		"CompareAndSwap(nil)": func() (bool, error) { return r.store.CompareAndSwap(ctx, "other", nil, nil, time.Hour) },
		"CompareAndSwap":      func() (bool, error) { return r.store.CompareAndSwap(ctx, "k", []byte("v"), nil, time.Hour) },
		"Delete":              func() (bool, error) { return false, r.store.Delete(ctx, "other") },
		"Sweep":               func() (bool, error) { n, err := r.store.Sweep(ctx, 10); return n != 0, err },
		"SignIn":              func() (bool, error) { id, err := r.users.SignIn(ctx, account("acme", "1")); return id != "", err },
		"Link":                func() (bool, error) { return r.users.Link(ctx, "u", account("acme", "1")) },
	}
	var wg sync.WaitGroup
	for name, call := range calls {
		wg.Go(func() {
			start := time.Now()
			answer, err := call()
			if answer || err == nil {
				r.Errorf("%s: answer %t, error %v; want an error", name, answer, err)
			}
			if d := time.Since(start); d > within+slack {
				r.Errorf("%s took %v", name, d)
			}
			if e, ok := errors.AsType[*sqlstore.Error](err); !ok || strings.Contains(err.Error(), "errorString") {
				r.Errorf("%s: %v", name, err)
			} else if within == callTimeout && !errors.Is(e, context.DeadlineExceeded) {
				r.Errorf("%s: %v, want the deadline", name, err)
			}
		})
	}
	wg.Wait()
}

// warm gives the store connections, and a record.
func (r *rig) warm() {
	r.Helper()
	r.heals()
	set(r.T, r.direct, "k", "v", time.Hour)
}

// heals wants the same store to work again without anybody's help, at the latest after all broken connections are used up.
func (r *rig) heals() {
	r.Helper()
	r.eventually(func() string {
		for _, s := range []*sqlstore.Store{r.store, r.direct} {
			if err := s.Set(r.Context(), "probe", []byte("v"), time.Hour); err != nil {
				return "does not heal: " + err.Error()
			}
		}
		if id, err := r.users.SignIn(r.Context(), account("acme", "healthy")); err != nil || id == "" {
			return fmt.Sprintf("SignIn does not heal: %q, %v", id, err)
		}
		return ""
	})
}

// wantValue reads past the proxy.
func (r *rig) wantValue(key, want string) {
	r.Helper()
	if value, found, err := r.direct.Get(r.Context(), key); string(value) != want || !found || err != nil {
		r.Errorf("%s: %q, %t, %v; want %q", key, value, found, err, want)
	}
}

func TestFaultSlow(t *testing.T) {
	eachServer(t, func(r *rig) {
		r.warm()
		r.proxy.Delay(10 * time.Millisecond)
		if value, found, err := r.store.Get(r.Context(), "k"); string(value) != "v" || !found || err != nil {
			r.Errorf("slow: %q, %t, %v", value, found, err)
		}
		r.proxy.Delay(10 * time.Second)
		r.fails(callTimeout)
		r.proxy.Delay(0)
		r.heals()
	})
}

func TestFaultHang(t *testing.T) {
	eachServer(t, func(r *rig) {
		r.warm()
		r.server.Pause(r.T)
		r.fails(callTimeout)
		r.server.Resume(r.T)
		r.heals()
	})
}

func TestFaultBlackHole(t *testing.T) {
	eachServer(t, func(r *rig) {
		r.warm()
		r.proxy.BlackHole(true)
		r.fails(callTimeout)
		r.proxy.BlackHole(false)
		r.heals()
	})
}

func TestFaultRefused(t *testing.T) {
	eachServer(t, func(r *rig) {
		r.warm()
		if err := r.proxy.Refuse(true); err != nil {
			r.Fatal(err)
		}
		r.fails(0)
		if err := r.proxy.Refuse(false); err != nil {
			r.Fatal(err)
		}
		r.heals()
		r.wantValue("k", "v")
	})
}

// TestFaultCut breaks the connection after each byte of the replies to a read and to a take.
func TestFaultCut(t *testing.T) {
	value := strings.Repeat("0123456789", 20)
	eachServer(t, func(r *rig) {
		pool, err := r.db.DB()
		if err != nil {
			r.Fatal(err)
		}
		pool.SetMaxOpenConns(1)
		whole := 0
		for n := 0; whole < 2 && n < 2000; n += 3 {
			set(r.T, r.direct, "k", value, time.Hour)
			r.eventually(func() string {
				if _, found, err := r.store.Get(r.Context(), "k"); err != nil || !found {
					return fmt.Sprintf("does not heal: %t, %v", found, err)
				}
				return ""
			})
			call, take := r.store.Get, n%2 == 1
			if take {
				call = r.store.Take
			}
			r.proxy.CutAfter(n)
			got, found, err := call(r.Context(), "k")
			r.proxy.CutAfter(-1)
			switch {
			case err == nil && found && string(got) == value:
				whole++
			case err == nil:
				r.Fatalf("cut after %d bytes (take %t): %q, %t, no error", n, take, got, found)
			default:
				whole = 0
			}
		}
		if whole < 2 {
			r.Error("no reply ever came through")
		}
		r.heals()
	})
}

// TestFaultReplyLost lets each write arrive and throws its reply away, by a cut or until the time is over. It must be an
// error, and happen once.
func TestFaultReplyLost(t *testing.T) {
	type call func(ctx context.Context, s *sqlstore.Store, key string) (bool, error)
	calls := map[string]struct {
		call call
		want string // the value afterwards; empty for none
	}{
		"Set": {func(ctx context.Context, s *sqlstore.Store, key string) (bool, error) {
			return false, s.Set(ctx, key, []byte("new"), time.Hour)
		}, "new"},
		"Delete": {func(ctx context.Context, s *sqlstore.Store, key string) (bool, error) {
			return false, s.Delete(ctx, key)
		}, ""},
		"Take": {func(ctx context.Context, s *sqlstore.Store, key string) (bool, error) {
			value, found, err := s.Take(ctx, key)
			return value != nil || found, err
		}, ""},
		"CompareAndSwap": {func(ctx context.Context, s *sqlstore.Store, key string) (bool, error) {
			return s.CompareAndSwap(ctx, key, []byte("old"), []byte("new"), time.Hour)
		}, "new"},
	}
	eachServer(t, func(r *rig) {
		pool, err := r.db.DB()
		if err != nil {
			r.Fatal(err)
		}
		pool.SetMaxOpenConns(1)                                         // so that what is prepared stays prepared
		s := newStore(r.T, r.db, sqlstore.Config{Timeout: time.Minute}) // never reached: the caller gives up
		for name, c := range calls {
			for _, ending := range []string{"cut", "given up"} {
				r.heals()
				for _, key := range []string{"warm", "k"} {
					set(r.T, r.direct, key, "old", time.Hour)
				}
				if _, err := c.call(r.Context(), s, "warm"); err != nil {
					r.Fatal(err)
				}
				lose := r.loseNextReply
				if name == "Take" && r.f.name == "mariadb" {
					lose = r.loseSecondReply
				}
				ctx, cancel := context.WithCancel(r.Context())
				end := r.proxy.Cut
				if ending == "given up" {
					end = cancel
				}
				var answer bool
				lose(end, c.want, func() { answer, err = c.call(ctx, s, "k") })
				cancel()
				if answer || err == nil {
					r.Errorf("%s, %s: answer %t, error %v; want an error", name, ending, answer, err)
				}
			}
		}
		r.heals()
	})
}

// loseNextReply lets call send its statement, waits until k has the value want, and ends the wait for the reply.
func (r *rig) loseNextReply(end func(), want string, call func()) {
	r.Helper()
	r.proxy.DropReplies(true)
	var wg sync.WaitGroup
	wg.Go(call)
	r.eventually(func() string {
		if value, found, err := r.direct.Get(r.Context(), "k"); err != nil || found != (want != "") || string(value) != want {
			return fmt.Sprintf("not applied: %q, %t, %v", value, found, err)
		}
		return ""
	})
	end()
	wg.Wait()
	r.proxy.DropReplies(false)
	r.proxy.Cut()
}

// loseSecondReply does the same with the second statement of a Take on MySQL: the first one is answered while the second
// one waits for a lock.
func (r *rig) loseSecondReply(end func(), want string, call func()) {
	r.Helper()
	locker := r.f.connect(r.T, strings.Replace(r.dsn, r.proxy.Addr(), r.server.Addr, 1))
	tx := locker.Begin()
	if err := tx.Exec("SELECT 1 FROM auth_kv WHERE id = 'k' FOR UPDATE").Error; err != nil {
		r.Fatal(err)
	}
	r.loseNextReplyAfter(func() {
		r.eventually(func() string {
			if r.server.Int(r.T, "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'DELETE FROM%version%'") != 1 {
				return "the second statement does not wait"
			}
			return ""
		})
		r.proxy.DropReplies(true)
		if err := tx.Commit().Error; err != nil {
			r.Error(err)
		}
	}, end, want, call)
	if pool, err := locker.DB(); err == nil {
		_ = pool.Close()
	}
}

// loseNextReplyAfter starts call, lets before happen, and loses the reply that follows.
func (r *rig) loseNextReplyAfter(before, end func(), want string, call func()) {
	r.Helper()
	var wg sync.WaitGroup
	wg.Go(call)
	before()
	r.loseNextReply(end, want, wg.Wait)
}

// TestFaultKilled kills the server under writers. What was acknowledged is there afterwards, and nothing else than what was
// asked for.
func TestFaultKilled(t *testing.T) {
	eachServer(t, func(r *rig) {
		const writers = 6
		var acknowledged, unknown [writers]int
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				key := fmt.Sprint("counter", w)
				for value := 0; ; {
					select {
					case <-stop:
						return
					default:
					}
					var prev []byte
					if value > 0 {
						prev = []byte(strconv.Itoa(value))
					}
					ok, err := r.store.CompareAndSwap(r.Context(), key, prev, []byte(strconv.Itoa(value+1)), time.Hour)
					switch {
					case err != nil:
						unknown[w]++
						return
					case !ok:
						r.Errorf("writer %d: an acknowledged value is gone", w)
						return
					}
					value++
					acknowledged[w] = value
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		r.server.Kill()
		wg.Wait()
		close(stop)
		r.fails(0)
		r.server.Restart(r.T)
		r.heals()
		for w := range writers {
			value, found, err := r.direct.Get(r.Context(), fmt.Sprint("counter", w))
			n, _ := strconv.Atoi(string(value))
			if err != nil || found != (n > 0) || n < acknowledged[w] || n > acknowledged[w]+unknown[w] {
				r.Errorf("writer %d: %d acknowledged, %d unknown; found %q, %t, %v", w, acknowledged[w], unknown[w], value, found, err)
			}
		}
	})
}

// TestFaultLocked has the table locked by somebody else's transaction.
func TestFaultLocked(t *testing.T) {
	eachServer(t, func(r *rig) {
		r.warm()
		locker := r.f.connect(r.T, strings.Replace(r.dsn, r.proxy.Addr(), r.server.Addr, 1))
		pool, err := locker.DB()
		if err != nil {
			r.Fatal(err)
		}
		conn, err := pool.Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		lock := []string{"BEGIN", "LOCK TABLE auth_kv, auth_accounts IN ACCESS EXCLUSIVE MODE"}
		if r.f.name == "mariadb" {
			lock = []string{"LOCK TABLES auth_kv WRITE, auth_accounts WRITE"}
		}
		for _, statement := range lock {
			if _, err := conn.ExecContext(r.Context(), statement); err != nil {
				r.Fatal(err)
			}
		}
		r.fails(callTimeout)
		_ = conn.Close()
		_ = pool.Close()
		r.heals()
	})
}

// TestFaultExhausted has all connections of the pool in use.
func TestFaultExhausted(t *testing.T) {
	eachServer(t, func(r *rig) {
		r.warm()
		pool, err := r.db.DB()
		if err != nil {
			r.Fatal(err)
		}
		pool.SetMaxOpenConns(1)
		conn, err := pool.Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		r.fails(callTimeout)
		_ = conn.Close()
		r.heals()
		r.wantValue("k", "v")
	})
}

// TestFaultReadOnly has a database that can be read: reads go on, writes fail.
func TestFaultReadOnly(t *testing.T) {
	eachServer(t, func(r *rig) {
		r.warm()
		code := "25006"
		var db *gorm.DB
		if r.f.name == "postgres" {
			db = r.f.connect(r.T, r.dsn+"&default_transaction_read_only=on")
		} else {
			code = "1290"
			for _, statement := range []string{
				"CREATE USER limited@'%'", "GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO limited@'%'", "SET GLOBAL read_only = ON",
			} {
				r.server.Exec(r.T, statement)
			}
			db = r.f.connect(r.T, strings.Replace(r.dsn, "root@", "limited@", 1))
		}
		s := newStore(r.T, db, sqlstore.Config{})
		if value, found, err := s.Get(r.Context(), "k"); string(value) != "v" || !found || err != nil {
			r.Errorf("Get: %q, %t, %v", value, found, err)
		}
		for name, call := range map[string]func() error{
			"Set":            func() error { return s.Set(r.Context(), "k", nil, time.Hour) },
			"Take":           func() error { _, _, err := s.Take(r.Context(), "k"); return err },
			"Delete":         func() error { return s.Delete(r.Context(), "k") },
			"CompareAndSwap": func() error { _, err := s.CompareAndSwap(r.Context(), "k", []byte("v"), nil, time.Hour); return err },
			"create":         func() error { _, err := s.CompareAndSwap(r.Context(), "new", nil, nil, time.Hour); return err },
			"Sweep":          func() error { _, err := s.Sweep(r.Context(), 10); return err },
			"SignIn":         func() error { _, err := newUsers(r.T, db).SignIn(r.Context(), account("acme", "1")); return err },
		} {
			if e, ok := errors.AsType[*sqlstore.Error](call()); !ok || e.Code != code {
				r.Errorf("%s: %v, want code %s", name, e, code)
			}
		}
		r.wantValue("k", "v")
		if r.f.name == "mariadb" {
			r.server.Exec(r.T, "SET GLOBAL read_only = OFF")
			set(r.T, s, "k", "w", time.Hour)
		}
		if pool, err := db.DB(); err == nil {
			_ = pool.Close()
		}
	})
}

// TestFaultSQLite locks the file, fills it, and opens it for reading only.
func TestFaultSQLite(t *testing.T) {
	dsn := onSQLite.dsn(t)
	db := onSQLite.connect(t, strings.Replace(dsn, "_busy_timeout=4000", "_busy_timeout=50", 1))
	if err := sqlstore.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, db, sqlstore.Config{})
	set(t, s, "k", "v", time.Hour)

	locker := onSQLite.connect(t, dsn+"&_txlock=exclusive")
	tx := locker.Begin()
	wantCode(t, s, "5")
	if err := tx.Rollback().Error; err != nil {
		t.Fatal(err)
	}
	set(t, s, "k", "v", time.Hour)

	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1) // a limit belongs to a connection
	for _, pragma := range []string{"PRAGMA max_page_count = 1"} {
		if err := db.Exec(pragma).Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set(t.Context(), "big", make([]byte, 1<<20), time.Hour); codeOf(err) != "13" {
		t.Errorf("Set: %v, want code 13", err)
	}
	if value, found, err := s.Get(t.Context(), "k"); string(value) != "v" || !found || err != nil {
		t.Errorf("Get in a full file: %q, %t, %v", value, found, err)
	}
	if err := db.Exec("PRAGMA max_page_count = 100000").Error; err != nil {
		t.Fatal(err)
	}
	set(t, s, "big", strings.Repeat("x", 1<<20), time.Hour)

	readOnly := newStore(t, onSQLite.connect(t, dsn+"&mode=ro"), sqlstore.Config{})
	wantCode(t, readOnly, "8")
	if _, found, err := readOnly.Get(t.Context(), "k"); !found || err != nil {
		t.Errorf("Get of a read-only file: %t, %v", found, err)
	}
}

func wantCode(t *testing.T, s store.KV, code string) {
	t.Helper()
	if err := s.Set(t.Context(), "k", nil, time.Hour); codeOf(err) != code {
		t.Errorf("Set: %v, want code %s", err, code)
	}
	if value, found, err := s.Take(t.Context(), "k"); value != nil || found || codeOf(err) != code {
		t.Errorf("Take: %q, %t, %v; want code %s", value, found, err, code)
	}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*sqlstore.Error](err); ok {
		return e.Code
	}
	return ""
}
