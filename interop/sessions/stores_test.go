// Package sessions tests the sessions of kvoauth over every store that outlives a process.
package sessions

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/internal/sqltest"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/redisstore"
	"github.com/netscript/auth/store/sqlstore"
)

var servers sqltest.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	servers.Close()
	os.Exit(code)
}

// patience is how long a call of a store may take. These tests are not about slow stores, and run on slow machines.
const patience = 20 * time.Second

// place starts a store and returns what opens a client of it, and what closes that before the test ends.
type place func(t testing.TB) (connect func() (store.KV, func()))

func onRedis(t testing.TB) func() (store.KV, func()) {
	return redisClients(t, redisstore.Config{Addresses: []string{redistest.Start(t, redistest.Options{}).Addr}})
}

// onRedisUncached is Redis without a cache, which is never behind.
func onRedisUncached(t testing.TB) func() (store.KV, func()) {
	return redisClients(t, redisstore.Config{Addresses: []string{redistest.Start(t, redistest.Options{}).Addr}, DisableCache: true})
}

func onCluster(t testing.TB) func() (store.KV, func()) {
	cfg := redisstore.Config{Cluster: true}
	for _, s := range redistest.StartCluster(t, 3, redistest.Options{}) {
		cfg.Addresses = append(cfg.Addresses, s.Addr)
	}
	return redisClients(t, cfg)
}

func redisClients(t testing.TB, cfg redisstore.Config) func() (store.KV, func()) {
	cfg.ReadTimeout, cfg.WriteTimeout, cfg.DialTimeout = patience, patience, patience
	return func() (store.KV, func()) {
		s, err := redisstore.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s, s.Close
	}
}

func onPostgres(t testing.TB) func() (store.KV, func()) {
	s := servers.Postgres(t)
	return sqlClients(t, postgres.Open(s.DSN(s.Database(t), "")))
}

func onMariaDB(t testing.TB) func() (store.KV, func()) {
	s := servers.MariaDB(t)
	return sqlClients(t, mysql.Open(s.DSN(s.Database(t), "")))
}

func onSQLite(t testing.TB) func() (store.KV, func()) {
	path := filepath.Join(t.TempDir(), "auth.db")
	return sqlClients(t, sqlite.Open("file:"+path+"?_foreign_keys=1&_busy_timeout=10000&_journal_mode=WAL&_synchronous=OFF"))
}

// sqlClients makes the tables and returns what opens a pool of connections.
func sqlClients(t testing.TB, dialector gorm.Dialector) func() (store.KV, func()) {
	open := func() (*gorm.DB, func()) {
		db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
		if err != nil {
			t.Fatal(err)
		}
		pool, err := db.DB()
		if err != nil {
			t.Fatal(err)
		}
		pool.SetMaxIdleConns(16)
		pool.SetMaxOpenConns(16)
		end := func() { _ = pool.Close() }
		t.Cleanup(end)
		return db, end
	}
	first, end := open()
	if err := sqlstore.Migrate(context.WithoutCancel(t.Context()), first); err != nil {
		t.Fatal(err)
	}
	end()
	return func() (store.KV, func()) {
		db, end := open()
		kv, err := sqlstore.New(db, sqlstore.Config{Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		return kv, end
	}
}
