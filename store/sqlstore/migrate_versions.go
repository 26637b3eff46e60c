package sqlstore

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3/database/dialect"
)

// versionTable is the table of applied versions, as goose wants to be told. Its versions are unique, unlike in goose's own:
// where there is no lock, that is what keeps two instances from applying the same one.
type versionTable struct{ engine engine }

var _ dialect.QuerierExtender = versionTable{}

// CreateTable implements dialect.Querier.
func (v versionTable) CreateTable(table string) string {
	columns := map[engine]string{
		postgres:  "version_id bigint NOT NULL PRIMARY KEY, is_applied boolean NOT NULL, tstamp timestamptz NOT NULL DEFAULT now()",
		mysql:     "version_id bigint NOT NULL PRIMARY KEY, is_applied boolean NOT NULL, tstamp datetime NOT NULL DEFAULT CURRENT_TIMESTAMP",
		sqlserver: "version_id bigint NOT NULL PRIMARY KEY, is_applied bit NOT NULL, tstamp datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME()",
		sqlite:    "version_id bigint NOT NULL PRIMARY KEY, is_applied boolean NOT NULL, tstamp datetime NOT NULL DEFAULT (datetime('now'))",
	}
	return "CREATE TABLE " + table + " (" + columns[v.engine] + ")"
}

// InsertVersion implements dialect.Querier.
func (v versionTable) InsertVersion(table string) string {
	return "INSERT INTO " + table + " (version_id, is_applied) VALUES (" + v.engine.placeholder(1) + ", " + v.engine.placeholder(2) + ")"
}

// DeleteVersion implements dialect.Querier.
func (v versionTable) DeleteVersion(table string) string {
	return "DELETE FROM " + table + " WHERE version_id = " + v.engine.placeholder(1)
}

// GetMigrationByVersion implements dialect.Querier.
func (v versionTable) GetMigrationByVersion(table string) string {
	return "SELECT tstamp, is_applied FROM " + table + " WHERE version_id = " + v.engine.placeholder(1)
}

// ListMigrations implements dialect.Querier.
func (v versionTable) ListMigrations(table string) string {
	return "SELECT version_id, is_applied FROM " + table + " ORDER BY version_id DESC"
}

// GetLatestVersion implements dialect.Querier.
func (v versionTable) GetLatestVersion(table string) string {
	return "SELECT MAX(version_id) FROM " + table
}

// TableExists implements dialect.QuerierExtender. It looks where an unqualified name would be looked up.
func (v versionTable) TableExists(table string) string {
	switch v.engine {
	case postgres:
		return "SELECT to_regclass('" + table + "') IS NOT NULL"
	case mysql:
		return "SELECT count(*) > 0 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '" + table + "'"
	case sqlserver:
		return "SELECT CASE WHEN OBJECT_ID('" + table + "', 'U') IS NULL THEN 0 ELSE 1 END"
	default:
		return "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = '" + table + "'"
	}
}

// read returns the versions that the database has.
func (v versionTable) read(ctx context.Context, db *sql.DB) (map[int64]bool, error) {
	var exists bool
	if err := db.QueryRowContext(ctx, v.TableExists(migrationsTable)).Scan(&exists); err != nil || !exists {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, v.ListMigrations(migrationsTable))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	applied := make(map[int64]bool)
	for rows.Next() {
		var version int64
		var isApplied bool
		if err := rows.Scan(&version, &isApplied); err != nil {
			return nil, err
		}
		if isApplied {
			applied[version] = true
		}
	}
	return applied, rows.Err()
}
