package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth/store"
)

// Defaults of [Config].
const (
	DefaultTable   = "auth_kv"
	DefaultTimeout = 5 * time.Second
)

// Config configures a [Store]. The zero value is ready to use.
type Config struct {
	// Table is the table of the records, which may have a schema before it: letters, digits, underscores and a dot. If
	// empty, DefaultTable is used, which [Migrate] makes; any other is yours to make, in the form of DefaultTable.
	Table string

	// Timeout bounds each call, the wait for a free connection included. A context with an earlier deadline wins. If zero,
	// DefaultTimeout is used.
	Timeout time.Duration
}

// Store is a [store.KV] and [store.ConditionalGetter] in a table of a SQL database. It may be shared by any number of
// processes.
//
// Whether a record has expired is decided by the clock of the database and by no other: instances whose clocks differ
// agree. After a failover to a server whose clock differs by d, records live longer or shorter by d. Setting the clock of
// the database has the same effect. Expired records are not found from the moment they expire and stay in the table
// until they are overwritten or [Store.Sweep] is called.
//
// A call is one statement outside any transaction, sent once; on MySQL and MariaDB, Take and CompareAndSwap with a nil prev
// are two, of which the second is the one that counts. Only what the database says it has rolled back, such as the victim
// of a deadlock, is tried again within the call. Statements bypass gorm's callbacks and logger, so no log and no plugin
// sees a value.
//
// Keys other than those that [store.KV] allows are refused. Errors of the database are of type *[Error].
//
// A Store is safe for concurrent use. There is nothing to close: connections belong to the gorm.DB.
type Store struct {
	db      *sql.DB
	engine  engine
	table   string
	timeout time.Duration
	prepare bool
	sql     *statements
}

var (
	_ store.KV                = (*Store)(nil)
	_ store.ConditionalGetter = (*Store)(nil)
)

// New returns a Store over the connections of db, which the caller keeps owning. It sends nothing to the database.
func New(db *gorm.DB, cfg Config) (*Store, error) {
	e, conns, err := engineOf(db)
	if err != nil {
		return nil, err
	}
	table := cmp.Or(cfg.Table, DefaultTable)
	if err := checkTable(table); err != nil {
		return nil, err
	}
	if cfg.Timeout < 0 {
		return nil, errNegativeTimeout
	}
	return &Store{
		db: conns, engine: e, table: table, timeout: cmp.Or(cfg.Timeout, DefaultTimeout), prepare: e.prepares(),
		sql: newStatements(e, table),
	}, nil
}

var (
	errNegativeTimeout = errors.New("sqlstore: Timeout must not be negative")
	errTTL             = errors.New("sqlstore: ttl must be greater than zero")
	errKey             = errors.New("sqlstore: key must be 1 to 200 bytes of printable ASCII without spaces")
)

// Get implements [store.KV].
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool, error) {
	value, _, found, err := s.GetIfChanged(ctx, key, 0)
	return value, found, err
}

// GetIfChanged implements [store.ConditionalGetter]. A version is 63 random bits, new with every write; a value whose version
// is seen does not leave the database.
func (s *Store) GetIfChanged(ctx context.Context, key string, seen uint64) (value []byte, version uint64, found bool, err error) {
	a := &arguments{id: key, seen: int64(seen)} //nolint:gosec // what is not one of ours matches nothing
	err = s.call(ctx, "get", key, func(ctx context.Context) error {
		value, version, found, err = s.get(ctx, a)
		return err
	})
	if err != nil {
		return nil, 0, false, err
	}
	return value, version, found, nil
}

func (s *Store) get(ctx context.Context, a *arguments) ([]byte, uint64, bool, error) {
	var id string
	var version int64
	var value blob
	found, err := s.sql.get.query(ctx, s.db, s.prepare, a, &id, &version, &value)
	switch {
	case err != nil || !found:
		return nil, 0, false, err
	case id != a.id:
		return nil, 0, false, errOtherID
	case version == a.seen && version != 0:
		return nil, uint64(version), true, nil //nolint:gosec // positive
	case version <= 0 || value == nil:
		return nil, 0, false, errUnreadable
	}
	return value, uint64(version), true, nil
}

// Set implements [store.KV].
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	a, err := writing(key, value, ttl)
	if err != nil {
		return err
	}
	return s.call(ctx, "set", key, func(ctx context.Context) error {
		_, err := s.sql.set.exec(ctx, s.db, s.prepare, a)
		return err
	})
}

// writing returns the arguments of a write, with a version that no other write has.
func writing(key string, value []byte, ttl time.Duration) (*arguments, error) {
	if ttl <= 0 {
		return nil, errTTL
	}
	ms := int64((ttl-1)/time.Millisecond) + 1
	return &arguments{id: key, value: notNil(value), version: newVersion(), ttl: ms}, nil
}

func newVersion() int64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if v := int64(binary.BigEndian.Uint64(b[:]) >> 1); v != 0 {
			return v
		}
	}
}

func notNil(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// Delete implements [store.KV].
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.call(ctx, "delete", key, func(ctx context.Context) error {
		_, err := s.sql.delete.exec(ctx, s.db, s.prepare, &arguments{id: key})
		return err
	})
}

// call runs do within the time there is, again if the database has rolled it back.
func (s *Store) call(ctx context.Context, op, key string, do func(context.Context) error) error {
	if !validKey(key) {
		return errKey
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.wrap(ctx, op, repeatRolledBack(ctx, do))
}

func validKey(key string) bool {
	for i := range len(key) {
		if key[i] < '!' || key[i] > '~' {
			return false
		}
	}
	return len(key) > 0 && len(key) <= 200
}
