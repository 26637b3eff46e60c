// Package sqlstore keeps sessions, users and provider accounts in a SQL database, over a gorm.DB of the application:
// PostgreSQL (14 or later), MySQL (8.0 or later) and MariaDB (10.6 or later), SQL Server (2016 or later), and SQLite (3.35
// or later).
//
//	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{})
//	...
//	if err := sqlstore.Migrate(ctx, db); err != nil { ... }
//	kv, err := sqlstore.New(db, sqlstore.Config{})             // a store.KV, for kvoauth.Config.KV
//	users, err := sqlstore.NewUsers(db, sqlstore.UsersConfig{}) // a store.UserStore, for kvoauth.Config.Users
//
// [Store] is a key-value store for those who have no Redis. [Users] keeps who has signed in, in tables that [User],
// [Session], [Account] and [Verification] describe. [Migrate] makes the tables, from SQL files that can be read and run by
// hand under migrations/; nothing else ever changes a schema.
//
// # Drivers
//
// The package knows engines by the name of the gorm dialector and imports no gorm driver, so a program links the one it
// opens its database with. gorm.io/driver/sqlite needs cgo. gorm.io/driver/sqlserver asks for an older
// github.com/microsoft/go-mssqldb than is safe: require 1.11 or later, because earlier ones go on outside a transaction
// that the server has ended.
//
// # What a database must be told
//
//   - MySQL and MariaDB: parseTime=true&loc=UTC in the DSN.
//   - SQL Server: encrypt=true in the DSN; without it only the password is encrypted on its way. And the server option
//     "optimize for ad hoc workloads": the driver declares parameters by their length, so there is a plan for each length of
//     a key and a value, and most are used once.
//   - SQLite: _foreign_keys=1 in the DSN, or deleting a user leaves its accounts; and _busy_timeout below
//     [Config].Timeout, since a call that waits for a lock cannot be interrupted. With more than one connection also
//     _journal_mode=WAL: with the rollback journal, readers and writers keep each other waiting until hardly any call gets
//     through. A database in memory exists once for each connection: allow one connection only.
//   - Everywhere: the primary. A replica that lags shows sessions that have been revoked. With gorm's dbresolver plugin,
//     [Store] and [Migrate] use the database that gorm.Open was given, past the plugin, and [Users] never reads from a
//     replica. Leave Sources of the plugin empty for the tables of this package: it would send the statements of [Users] to
//     those, transactions excepted.
//   - PgBouncer in transaction mode: QueryExecModeExec or simple protocol in the DSN, and [Migrate] over a direct
//     connection, because its lock belongs to the connection.
package sqlstore
