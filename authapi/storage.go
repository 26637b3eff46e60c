package authapi

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/redisstore"
	"github.com/netscript/auth/store/sqlstore"
)

// The values of NETSCRIPT_AUTH_KV.
const (
	kvRedis  = "redis"
	kvSQL    = "sql"
	kvMemory = "memory"
)

// sweepEvery is how often expired records are removed from a SQL table.
const (
	sweepEvery = 10 * time.Minute
	sweepBatch = 1000
)

// storageSettings say where the sessions of kv-oauth are kept.
type storageSettings struct {
	kind     string // empty: given by Options, or wrong
	redis    redisstore.Config
	database *databaseSettings
}

// readStorage decides on the store. Memory must be asked for by name: it forgets every session with the process.
func (e *environ) readStorage(o Options) storageSettings {
	const name = "NETSCRIPT_AUTH_KV"
	if o.KV != nil {
		return storageSettings{}
	}
	s := storageSettings{kind: e.choice(name, kvRedis, kvSQL, kvMemory)}
	switch {
	case s.kind != "" || e.has(name):
	case e.has("REDIS_URL"):
		s.kind = kvRedis
	case e.has("DATABASE_URL") || o.DB != nil:
		s.kind = kvSQL
	default:
		e.complain(name, "is missing, and so are REDIS_URL and DATABASE_URL", "set one of those two, or, for one instance whose users may be signed out by a restart, set it to memory")
	}
	switch s.kind {
	case kvRedis:
		s.redis = e.readRedis()
	case kvSQL:
		if o.DB == nil {
			s.database = e.readDatabase()
		}
	}
	return s
}

func (e *environ) readRedis() redisstore.Config {
	const name = "REDIS_URL"
	v := e.required(name, "set it to the address of Redis, as rediss://user:password@host:6379/0")
	if v == "" {
		return redisstore.Config{}
	}
	c, err := redisstore.ParseURL(v)
	if err != nil {
		e.complain(name, "is not an address of Redis", "write it as redis://user:password@host:6379/0, or rediss:// for TLS with a verified certificate")
		return redisstore.Config{}
	}
	redis, err := redisstore.New(c)
	if err != nil {
		e.complain(name, "is refused ("+err.Error()+")", "mend what it says")
		return c
	}
	redis.Close()
	return c
}

// storage is where sessions are kept, while the service runs.
type storage struct {
	kind  string
	kv    store.KV
	sql   *sqlstore.Store // nil: it is not SQL
	db    *gorm.DB        // nil: none
	close []func() error  // what is ours to close
}

func (s storageSettings) open(o Options) (*storage, error) {
	if o.KV != nil {
		return &storage{kind: "injected", kv: o.KV}, nil
	}
	opened := &storage{kind: s.kind}
	switch s.kind {
	case kvRedis:
		redis, err := redisstore.New(s.redis)
		if err != nil {
			return nil, err
		}
		opened.kv = redis
		opened.close = append(opened.close, func() error { redis.Close(); return nil })
	case kvMemory:
		memory, err := store.NewMemory(store.MemoryConfig{})
		if err != nil {
			return nil, err
		}
		opened.kv = memory
	default:
		return opened, opened.openSQL(o, s.database)
	}
	return opened, nil
}

func (s *storage) openSQL(o Options, settings *databaseSettings) error {
	s.db = o.DB
	if s.db == nil {
		db, err := settings.open()
		if err != nil {
			return err
		}
		s.db = db
		s.close = append(s.close, func() error { return closeDatabase(db) })
	}
	kv, err := sqlstore.New(s.db, sqlstore.Config{})
	if err != nil {
		return err
	}
	s.kv, s.sql = kv, kv
	return nil
}

// sweep removes expired records until ctx is done.
func (s *storage) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = s.sql.Sweep(ctx, sweepBatch) // the next one does what this one could not
		}
	}
}
