package authapi

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"github.com/netscript/auth/store/sqlstore"
)

// ErrNoMigrations says that there is nothing to migrate: the configuration keeps its sessions elsewhere, or the tables are
// those of a better-auth server, which migrates them itself.
var ErrNoMigrations = errors.New("this configuration has no tables of its own")

// Migrate brings the tables of kv-oauth in the configured database to this version. It is safe to run from several
// instances at once. It needs DATABASE_URL and DB_PROVIDER, and nothing else of the configuration.
func Migrate(ctx context.Context, o Options) error {
	return withDatabase(o, func(db *gorm.DB) error { return sqlstore.Migrate(ctx, db) })
}

// MigrationStatus says which migrations the configured database has.
func MigrationStatus(ctx context.Context, o Options) (sqlstore.Status, error) {
	var status sqlstore.Status
	err := withDatabase(o, func(db *gorm.DB) (err error) {
		status, err = sqlstore.ReadStatus(ctx, db)
		return err
	})
	return status, err
}

func withDatabase(o Options, f func(*gorm.DB) error) error {
	o = o.withDefaults()
	e := o.environ()
	if e.backendName() != backendKvOAuth && len(e.problems) == 0 {
		return ErrNoMigrations
	}
	if kind := e.choice("NETSCRIPT_AUTH_KV", kvRedis, kvSQL, kvMemory); kind != "" && kind != kvSQL {
		return ErrNoMigrations
	}
	db := o.DB
	if db == nil {
		settings := e.readDatabase()
		if err := e.err(); err != nil {
			return err
		}
		opened, err := settings.open()
		if err != nil {
			return err
		}
		defer func() { _ = closeDatabase(opened) }()
		db = opened
	}
	return f(db)
}
