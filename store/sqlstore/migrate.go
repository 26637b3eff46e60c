package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"gorm.io/gorm"
)

// migrations are the steps to the present schema, a folder for each engine and a file for each version. A version that has
// been released is never changed.
//
//go:embed migrations
var migrations embed.FS

// migrationsTable is where the versions that a database has are noted.
const migrationsTable = "auth_migrations"

// ErrAhead is what [Migrate] returns, wrapped, when a newer version of this package has migrated the database. This one does
// not know what that means, and does nothing.
var ErrAhead = errors.New("the database has been migrated by a newer version of sqlstore; upgrade this program")

// Status tells where the schema of a database is.
type Status struct {
	Version int64   // the newest version that the database has; 0 if none
	Latest  int64   // the newest version that this package has
	Pending []int64 // versions that Migrate would apply, in order
}

// Ahead reports whether the database has a version that this package does not know.
func (s Status) Ahead() bool { return s.Version > s.Latest }

// Migrate brings the schema of db to the latest version. It is safe to call from several instances at once: one migrates, the
// others wait for it, as long as ctx lets them. When there is nothing to do it writes nothing. Run it where the user of db may
// create tables, before the instances that need them; New and NewUsers never do.
//
// Each version is applied in a transaction together with the note of it. MySQL and MariaDB cannot do that: there it is one
// statement that can be repeated, and a table of the same name that was there before is taken for ours. When one fails,
// those before it stay, the error names it, and the next call goes on there. A database that is ahead of this package is
// [ErrAhead].
//
// The files are under migrations/ in the source of this package. A database administrator who prefers to may apply them by
// hand and insert the versions into auth_migrations.
func Migrate(ctx context.Context, db *gorm.DB) error {
	m, err := newMigrator(db, migrations)
	if err != nil {
		return err
	}
	return m.migrate(ctx)
}

// ReadStatus returns the status of db's schema. It changes nothing, and a database that was never migrated is no error.
func ReadStatus(ctx context.Context, db *gorm.DB) (Status, error) {
	m, err := newMigrator(db, migrations)
	if err != nil {
		return Status{}, err
	}
	return m.status(ctx)
}

type migrator struct {
	db       *sql.DB
	engine   engine
	versions versionTable
	provider *goose.Provider
}

func newMigrator(db *gorm.DB, files fs.FS) (*migrator, error) {
	e, conns, err := engineOf(db)
	if err != nil {
		return nil, err
	}
	folder, err := fs.Sub(files, "migrations/"+string(e))
	if err != nil {
		return nil, err
	}
	m := &migrator{db: conns, engine: e, versions: versionTable{e}}
	s, err := database.NewStoreFromQuerier(migrationsTable, m.versions)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithStore(s), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	if lock := lockOf(e); lock != nil {
		options = append(options, goose.WithSessionLocker(lock))
	}
	m.provider, err = goose.NewProvider(goose.DialectCustom, conns, folder, options...)
	return m, err
}

func (m *migrator) migrate(ctx context.Context) error {
	before, err := m.status(ctx)
	if err != nil {
		return err
	}
	for _, version := range before.Pending {
		if before.Ahead() {
			break
		}
		if err := m.apply(ctx, version); err != nil {
			return err
		}
	}
	after, err := m.status(ctx) // a newer program may have started meanwhile
	if err == nil && after.Ahead() {
		return fmt.Errorf("sqlstore: migrate: database at version %d, package at %d: %w", after.Version, after.Latest, ErrAhead)
	}
	return err
}

// apply takes the lock, looks whether another instance has applied the version, and applies it.
func (m *migrator) apply(ctx context.Context, version int64) error {
	_, err := m.provider.ApplyVersion(ctx, version, true)
	if err == nil || errors.Is(err, goose.ErrAlreadyApplied) {
		return nil
	}
	// SQLite has no lock that outlives a transaction and needs none: its transactions undo CREATE TABLE too, so of two
	// instances one fails as a whole.
	if m.engine == sqlite {
		if now, statusErr := m.status(ctx); statusErr == nil && !slices.Contains(now.Pending, version) {
			return nil
		}
	}
	return fmt.Errorf("sqlstore: migrate: version %d was not applied: %w", version, err)
}

func (m *migrator) status(ctx context.Context) (Status, error) {
	var s Status
	applied, err := m.versions.read(ctx, m.db)
	if err != nil {
		return s, fmt.Errorf("sqlstore: read the versions of the schema: %w", err)
	}
	for _, source := range m.provider.ListSources() {
		s.Latest = max(s.Latest, source.Version)
		if !applied[source.Version] {
			s.Pending = append(s.Pending, source.Version)
		}
	}
	for version := range applied {
		s.Version = max(s.Version, version)
	}
	return s, nil
}
