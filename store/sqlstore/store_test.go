package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/sqlstore"
	"github.com/netscript/auth/store/storetest"
)

func TestConformance(t *testing.T) {
	for _, f := range fixtures() {
		t.Run(f.name, func(t *testing.T) {
			db := f.migrated(t)
			s := newStore(t, db, sqlstore.Config{Timeout: 30 * time.Second})
			exercise(t, s)
			var o storetest.Options
			if f.name == onSQLite.name || f.name == onSQLiteMemory.name { // exercise has waited there
				o.Advance = func(d time.Duration) { age(t, db, d) }
			}
			storetest.TestKVWith(t, o, func(*testing.T) store.KV { return s })
		})
	}
}

// onRepeatableRead is PostgreSQL with the isolation that an application may have chosen for its own transactions: there
// whoever comes second is rolled back, where it would wait elsewhere.
var onRepeatableRead = fixture{
	name: "postgres, repeatable read", open: onPostgres.open,
	dsn: func(t testing.TB) string {
		return onPostgres.dsn(t) + "&default_transaction_isolation=repeatable%20read"
	},
}

// TestRepeatableRead runs the kit, and many writers of one record, where contention is an error that the package has to hide.
func TestRepeatableRead(t *testing.T) {
	db := onRepeatableRead.migrated(t)
	var isolation string
	if err := db.Raw("SHOW transaction_isolation").Scan(&isolation).Error; err != nil || isolation != "repeatable read" {
		t.Fatalf("isolation %q, %v", isolation, err)
	}
	s, u := newStore(t, db, sqlstore.Config{Timeout: 30 * time.Second}), newUsers(t, db)
	for _, statement := range []string{ // a disk that takes its time: all others meet the one who waits for it
		"CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(0.003); RETURN NULL; END $$ LANGUAGE plpgsql",
		"CREATE TRIGGER slow AFTER UPDATE ON auth_kv FOR EACH ROW WHEN (NEW.id = 'hot') EXECUTE FUNCTION slow()",
		"CREATE TRIGGER slow AFTER UPDATE ON auth_accounts FOR EACH ROW EXECUTE FUNCTION slow()",
	} {
		if err := db.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
	t.Run("writes of one record", func(t *testing.T) {
		atOnce(t, func() error { return s.Set(t.Context(), "hot", []byte("v"), time.Hour) })
	})
	t.Run("sign-ins of one account", func(t *testing.T) {
		ada := signIn(t, u, account("p", "ada"))
		atOnce(t, func() error {
			id, err := u.SignIn(t.Context(), account("p", "ada"))
			if err == nil && id != ada {
				return fmt.Errorf("user %q, want %q", id, ada)
			}
			return err
		})
	})
	storetest.TestKV(t, func(*testing.T) store.KV { return s })
}

// atOnce makes a call from many goroutines, some times from each.
func atOnce(t *testing.T, call func() error) {
	t.Helper()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 3 {
				if err := call(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// age makes all records older than they are.
func age(t *testing.T, db *gorm.DB, by time.Duration) {
	t.Helper()
	if err := db.Exec("UPDATE auth_kv SET expires_at = expires_at - ?", by.Milliseconds()).Error; err != nil {
		t.Error(err)
	}
}

// TestDSNOptions uses settings of drivers and servers that change what a write says it did.
func TestDSNOptions(t *testing.T) {
	for _, test := range []struct {
		f      fixture
		option string
	}{
		{onMariaDB, "&clientFoundRows=true&loc=Local"},
		{onMariaDB, "&interpolateParams=true"},
		{onMariaDB, "&tx_isolation=%27SERIALIZABLE%27"},
		{onPostgres, "&default_query_exec_mode=exec"},
		{onPostgres, "&default_query_exec_mode=simple_protocol"},
		{onPostgres, "&default_transaction_isolation=serializable"},
	} {
		t.Run(test.f.name+test.option, func(t *testing.T) {
			db := test.f.connect(t, test.f.dsn(t)+test.option)
			if err := sqlstore.Migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			exercise(t, newStore(t, db, sqlstore.Config{Timeout: 30 * time.Second}))
		})
	}
}

// exercise goes once through every statement and its two answers. The kit does it thoroughly.
func exercise(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	const zeros = "v\x00\xff"
	swap := func(prev, next string, want bool) {
		t.Helper()
		before := []byte(prev)
		if prev == "" {
			before = nil
		}
		if ok, err := s.CompareAndSwap(t.Context(), "k", before, []byte(next), time.Hour); ok != want || err != nil {
			t.Errorf("CompareAndSwap(%q, %q): %t, %v; want %t", prev, next, ok, err, want)
		}
	}
	swap("x", "y", false)
	swap("", zeros, true)
	swap("", zeros, false)
	swap(zeros, zeros, true)
	swap(zeros+"\x00", "y", false)
	if value, found, err := s.Get(t.Context(), "k"); string(value) != zeros || !found || err != nil {
		t.Errorf("Get: %q, %t, %v", value, found, err)
	}
	for _, want := range []bool{true, false} {
		if value, found, err := s.Take(t.Context(), "k"); found != want || err != nil || want != (string(value) == zeros) {
			t.Errorf("Take: %q, %t, %v; want %t", value, found, err, want)
		}
	}
	set(t, s, "k", "v", time.Millisecond)
	time.Sleep(10 * time.Millisecond)
	swap("v", "y", false)
	swap("", "w", true)
	set(t, s, "k", "x", time.Hour)
	swap("x", "y", true)
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 8 {
		wg.Go(func() {
			for i := range 10 {
				ok, err := s.CompareAndSwap(t.Context(), fmt.Sprint(i), nil, nil, time.Hour)
				if err != nil {
					t.Error(err)
				}
				if ok {
					won.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if won.Load() != 10 {
		t.Errorf("%d calls created 10 keys", won.Load())
	}
}

func TestNewRefuses(t *testing.T) {
	db := onSQLiteMemory.connect(t, onSQLiteMemory.dsn(t))
	tx := db.Begin()
	t.Cleanup(func() { tx.Rollback() })
	failed := db.Session(&gorm.Session{})
	_ = failed.AddError(errors.New("hunter2"))
	for _, test := range []struct {
		name string
		db   *gorm.DB
		cfg  sqlstore.Config
		want string
	}{
		{"nil", nil, sqlstore.Config{}, "db is nil"},
		{"not opened", &gorm.DB{}, sqlstore.Config{}, "not opened"},
		{"in a transaction", tx, sqlstore.Config{}, "transaction"},
		{"failed before", failed, sqlstore.Config{}, "earlier statement"},
		{"negative timeout", db, sqlstore.Config{Timeout: -1}, "Timeout"},
		{"table with quotes", db, sqlstore.Config{Table: `auth"kv`}, "Table"},
		{"table with blanks", db, sqlstore.Config{Table: "auth kv"}, "Table"},
		{"table of three parts", db, sqlstore.Config{Table: "a.b.c"}, "Table"},
		{"table with a newline", db, sqlstore.Config{Table: "auth\n"}, "Table"},
		{"table that starts with a digit", db, sqlstore.Config{Table: "1kv"}, "Table"},
		{"long table", db, sqlstore.Config{Table: strings.Repeat("a", 64)}, "Table"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := sqlstore.New(test.db, test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want an error about %q", err, test.want)
			}
		})
	}
	if _, err := sqlstore.NewUsers(db, sqlstore.UsersConfig{Timeout: -1}); err == nil {
		t.Error("NewUsers takes a negative timeout")
	}
	if _, err := sqlstore.NewUsers(tx, sqlstore.UsersConfig{}); err == nil {
		t.Error("NewUsers takes a transaction")
	}
}

func TestArguments(t *testing.T) {
	s := newStore(t, onSQLiteMemory.migrated(t), sqlstore.Config{})
	for _, key := range []string{"", "a b", "ä", "a\x00", "a\n", strings.Repeat("k", 201)} {
		if _, _, err := s.Get(t.Context(), key); err == nil {
			t.Errorf("Get takes the key %q", key)
		}
		if _, _, err := s.Take(t.Context(), key); err == nil {
			t.Errorf("Take takes the key %q", key)
		}
		if err := s.Set(t.Context(), key, nil, time.Hour); err == nil || key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("Set(%q): %v", key, err)
		}
	}
	if _, err := s.Sweep(t.Context(), 0); err == nil {
		t.Error("Sweep takes a batch of zero")
	}
}

// TestTable uses a table of another name, in a schema where the engine has them.
func TestTable(t *testing.T) {
	for _, test := range []struct {
		f      fixture
		name   string
		create []string
	}{
		{onPostgres, "elsewhere.Sessions", []string{
			`CREATE SCHEMA elsewhere`, `CREATE TABLE elsewhere."Sessions" (LIKE auth_kv INCLUDING ALL)`,
		}},
		{onMariaDB, "order", []string{"CREATE TABLE `order` LIKE auth_kv"}},
		{onSQLite, "main.order", []string{`CREATE TABLE "order" (id text PRIMARY KEY, value blob NOT NULL, version int NOT NULL, expires_at int NOT NULL)`}},
	} {
		t.Run(test.f.name, func(t *testing.T) {
			db := test.f.migrated(t)
			s := newStore(t, db, sqlstore.Config{Table: test.name})
			if _, _, err := s.Get(t.Context(), "k"); !errors.Is(err, sqlstore.ErrMissingTable) || !strings.Contains(err.Error(), test.name) {
				t.Errorf("without the table: %v", err)
			}
			for _, statement := range test.create {
				if err := db.Exec(statement).Error; err != nil {
					t.Fatal(err)
				}
			}
			exercise(t, s)
			var n int64
			if err := db.Table("auth_kv").Count(&n).Error; err != nil || n != 0 {
				t.Errorf("%d rows in auth_kv, %v", n, err)
			}
		})
	}
}

func TestMissingTable(t *testing.T) {
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite} {
		t.Run(f.name, func(t *testing.T) {
			db := f.connect(t, f.dsn(t))
			s := newStore(t, db, sqlstore.Config{})
			calls := map[string]func() error{
				"Get":            func() error { _, _, err := s.Get(t.Context(), "k"); return err },
				"Set":            func() error { return s.Set(t.Context(), "k", nil, time.Hour) },
				"Take":           func() error { _, _, err := s.Take(t.Context(), "k"); return err },
				"CompareAndSwap": func() error { _, err := s.CompareAndSwap(t.Context(), "k", nil, nil, time.Hour); return err },
				"Delete":         func() error { return s.Delete(t.Context(), "k") },
				"Sweep":          func() error { _, err := s.Sweep(t.Context(), 10); return err },
			}
			for name, call := range calls {
				err := call()
				if !errors.Is(err, sqlstore.ErrMissingTable) || !strings.Contains(err.Error(), "auth_kv") || !strings.Contains(err.Error(), "Migrate") {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := sqlstore.Migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			for name, call := range calls {
				if err := call(); err != nil {
					t.Errorf("%s after Migrate: %v", name, err)
				}
			}
		})
	}
}

// TestSweep removes what has expired, in batches, and nothing else.
func TestSweep(t *testing.T) {
	for _, f := range fixtures() {
		t.Run(f.name, func(t *testing.T) {
			db := f.migrated(t)
			s := newStore(t, db, sqlstore.Config{})
			for i := range 25 {
				set(t, s, fmt.Sprintf("short%d", i), "v", time.Millisecond)
				set(t, s, fmt.Sprintf("long%d", i), "v", time.Hour)
			}
			time.Sleep(20 * time.Millisecond)
			wantRows(t, db, 50)
			set(t, s, "short0", "again", time.Hour)
			if n, err := s.Sweep(t.Context(), 10); n != 24 || err != nil {
				t.Errorf("Sweep: %d, %v; want 24", n, err)
			}
			wantRows(t, db, 26)
			if n, err := s.Sweep(t.Context(), 10); n != 0 || err != nil {
				t.Errorf("second Sweep: %d, %v; want 0", n, err)
			}
			if value, found, err := s.Get(t.Context(), "short0"); string(value) != "again" || !found || err != nil {
				t.Errorf("a record that was overwritten after it had expired: %q, %t, %v", value, found, err)
			}
		})
	}
}

// TestSweepAmongWriters lets sweeps run into calls that reuse the same keys.
func TestSweepAmongWriters(t *testing.T) {
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite} {
		t.Run(f.name, func(t *testing.T) {
			s := newStore(t, f.migrated(t), sqlstore.Config{Timeout: 30 * time.Second})
			var wg sync.WaitGroup
			for worker := range 6 {
				wg.Go(func() {
					for i := range 40 {
						key := fmt.Sprintf("k%d", i%5)
						value := fmt.Appendf(nil, "%d %d", worker, i)
						_, err := s.CompareAndSwap(t.Context(), key, nil, value, time.Millisecond)
						if err == nil && worker == 0 {
							_, err = s.Sweep(t.Context(), 2)
						}
						if err == nil && worker == 1 {
							_, _, err = s.Take(t.Context(), key)
						}
						if err != nil {
							t.Errorf("worker %d: %v", worker, err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestCreateAmongSweeps swaps in a key whose expired record is being removed: it is absent all the time, so one must win.
func TestCreateAmongSweeps(t *testing.T) {
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite} {
		t.Run(f.name, func(t *testing.T) {
			s := newStore(t, f.migrated(t), sqlstore.Config{Timeout: 30 * time.Second})
			for i := range 30 {
				key := fmt.Sprintf("k%d", i)
				set(t, s, key, "old", time.Millisecond)
				time.Sleep(3 * time.Millisecond)
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := s.Sweep(t.Context(), 100); err != nil {
						t.Error(err)
					}
				})
				if ok, err := s.CompareAndSwap(t.Context(), key, nil, []byte("new"), time.Hour); !ok || err != nil {
					t.Errorf("round %d: %t, %v", i, ok, err)
				}
				wg.Wait()
			}
		})
	}
}

// TestClock moves nothing but the time zone: what counts is the clock of the database, in UTC.
func TestClock(t *testing.T) {
	for _, test := range []struct {
		f         fixture
		statement string
	}{
		{onPostgres, "SET TIME ZONE 'Pacific/Kiritimati'"},
		{onMariaDB, "SET time_zone = '+13:00'"},
	} {
		t.Run(test.f.name, func(t *testing.T) {
			db := test.f.migrated(t)
			pool, err := db.DB()
			if err != nil {
				t.Fatal(err)
			}
			pool.SetMaxOpenConns(1)
			s := newStore(t, db, sqlstore.Config{})
			set(t, s, "before", "v", time.Minute)
			if err := db.Exec(test.statement).Error; err != nil {
				t.Fatal(err)
			}
			set(t, s, "after", "v", time.Minute)
			for _, key := range []string{"before", "after"} {
				if _, found, err := s.Get(t.Context(), key); !found || err != nil {
					t.Errorf("%s: %t, %v", key, found, err)
				}
			}
			var expires []int64
			if err := db.Table("auth_kv").Pluck("expires_at", &expires).Error; err != nil {
				t.Fatal(err)
			}
			for _, ms := range expires { // the server is on this machine, so its clock is ours
				if d := time.Until(time.UnixMilli(ms)); d < 30*time.Second || d > 61*time.Second {
					t.Errorf("expires in %v, want a minute", d)
				}
			}
		})
	}
}

// TestRowsOfOthers has rows in the table that this package does not write.
func TestRowsOfOthers(t *testing.T) {
	const secret = "hunter2"
	for _, test := range []struct {
		name    string
		f       fixture
		prepare []string
	}{
		{"NULL value", onPostgres, []string{"ALTER TABLE auth_kv ALTER value DROP NOT NULL", "UPDATE auth_kv SET value = NULL"}},
		{"version zero", onPostgres, []string{"UPDATE auth_kv SET version = 0"}},
		{"negative version", onMariaDB, []string{"UPDATE auth_kv SET version = -1"}},
		{"version of another type", onPostgres, []string{"ALTER TABLE auth_kv ALTER version TYPE text USING 'hunter2'"}},
		{"value of another type", onPostgres, []string{"ALTER TABLE auth_kv ALTER value TYPE bigint USING 1"}},
		{"no column version", onPostgres, []string{"ALTER TABLE auth_kv DROP version"}},
		{"no column version", onMariaDB, []string{"ALTER TABLE auth_kv DROP version"}},
		{"version of another type", onSQLite, []string{"UPDATE auth_kv SET version = 'hunter2'"}},
		{"NULL value", onMariaDB, []string{"ALTER TABLE auth_kv MODIFY value longblob NULL", "UPDATE auth_kv SET value = NULL"}},
		{"collation that folds case", onMariaDB, []string{"ALTER TABLE auth_kv MODIFY id varchar(200) COLLATE utf8mb4_general_ci"}},
	} {
		t.Run(test.f.name+", "+test.name, func(t *testing.T) {
			db := test.f.migrated(t)
			s := newStore(t, db, sqlstore.Config{})
			set(t, s, "KEY", secret, time.Hour)
			for _, statement := range test.prepare {
				if err := db.Exec(statement).Error; err != nil {
					t.Fatal(err)
				}
			}
			key := "KEY"
			if strings.HasPrefix(test.name, "collation") {
				key = "key"
			}
			value, found, err := s.Get(t.Context(), key)
			var asError *sqlstore.Error
			if value != nil || found || !errors.As(err, &asError) {
				t.Fatalf("%q, %t, %v; want an error", value, found, err)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) || strings.Contains(text, `"KEY"`) {
				t.Errorf("the error tells data: %s", text)
			}
			t.Log(err)
		})
	}
}

// TestQuiet fails calls with a logger that prints everything: nothing of ours may reach it.
func TestQuiet(t *testing.T) {
	var log bytes.Buffer
	db := onPostgres.migrated(t)
	db.Logger = logger.New(printer{&log}, logger.Config{LogLevel: logger.Info})
	s := newStore(t, db, sqlstore.Config{})
	users, err := sqlstore.NewUsers(db, sqlstore.UsersConfig{})
	if err != nil {
		t.Fatal(err)
	}
	set(t, s, "key-hunter2", "value-hunter2", time.Hour)
	signIn(t, users, account("acme", "hunter2"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Get(ctx, "key-hunter2"); err == nil {
		t.Error("no error")
	}
	if err := db.Migrator().DropTable("auth_accounts"); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	_, err = users.SignIn(t.Context(), account("acme", "hunter2"))
	if !errors.Is(err, sqlstore.ErrMissingTable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("without the table: %v", err)
	}
	if log.Len() > 0 {
		t.Errorf("logged:\n%s", log.String())
	}
}

type printer struct{ w *bytes.Buffer }

func (p printer) Printf(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }

func set(t testing.TB, s store.KV, key, value string, ttl time.Duration) {
	t.Helper()
	if err := s.Set(t.Context(), key, []byte(value), ttl); err != nil {
		t.Fatal(err)
	}
}

func wantRows(t *testing.T, db *gorm.DB, want int64) {
	t.Helper()
	var n int64
	if err := db.Table("auth_kv").Count(&n).Error; err != nil || n != want {
		t.Errorf("%d rows, %v; want %d", n, err, want)
	}
}
