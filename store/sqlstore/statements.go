package sqlstore

// statements are all that a Store sends. Each is one round trip and, without a transaction around it, atomic.
type statements struct {
	get, set, cas, delete, sweep *statement

	// create is CompareAndSwap for an absent key. MySQL has no insertion that looks at the row it meets and then tells what
	// it did, so there reuse comes first: it takes over the row of an expired record. An insertion that then meets a row
	// meets a live one, or one that was live when reuse ran.
	create, reuse *statement

	// take removes a record and returns it. MySQL has no DELETE that returns rows; there takeSeen removes a record that has
	// been read, if it still has the version that was read.
	take, takeSeen *statement
}

// now is the time of the database in whole milliseconds, rounded down. Every instance of an application reads the same
// clock by that, whatever its own says.
func (e engine) now() string {
	switch e {
	case postgres:
		return "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
	case mysql:
		return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000"
	case sqlserver:
		return "DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME())"
	default:
		return "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
	}
}

// expiry is the time of the database rounded up, and the ttl: nothing expires early.
func (e engine) expiry() string {
	switch e {
	case postgres:
		return "ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint + {ttl}"
	case mysql:
		return "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + 999) DIV 1000 + {ttl}"
	case sqlserver:
		return "(DATEDIFF_BIG(MICROSECOND, '19700101', SYSUTCDATETIME()) + 999) / 1000 + {ttl}"
	default:
		return e.now() + " + 1 + {ttl}"
	}
}

const (
	// The id comes back to be compared in Go: a table whose collation ignores case would answer with another's record.
	getSQL = `SELECT id, version, CASE WHEN version = {seen} THEN NULL ELSE value END FROM {table} WHERE id = {id} AND expires_at > {now}`

	casSQL    = `UPDATE {table} SET value = {value}, version = {version}, expires_at = {expiry} WHERE id = {id} AND value = {prev} AND expires_at > {now}`
	deleteSQL = `DELETE FROM {table} WHERE id = {id}`
	insertSQL = `INSERT INTO {table} (id, value, version, expires_at) VALUES ({id}, {value}, {version}, {expiry})`

	insertAsSQL = `INSERT INTO {table} AS t (id, value, version, expires_at) VALUES ({id}, {value}, {version}, {expiry})` + onConflictSQL

	onConflictSQL = ` ON CONFLICT (id) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`

	takeReturningSQL = `DELETE FROM {table} WHERE id = {id} AND expires_at > {now} RETURNING id, value`

	// MERGE needs HOLDLOCK, or two of them insert the same key. Binary values that differ in trailing zero bytes only are
	// equal to SQL Server, hence the lengths.
	mergeSQL = `MERGE INTO {table} WITH (HOLDLOCK) AS t ` +
		`USING (SELECT {id} AS id, {value} AS value, {version} AS version, {expiry} AS expires_at) AS s ON t.id = s.id `
	mergeUpdateSQL = `THEN UPDATE SET value = s.value, version = s.version, expires_at = s.expires_at ` +
		`WHEN NOT MATCHED THEN INSERT (id, value, version, expires_at) VALUES (s.id, s.value, s.version, s.expires_at);`
)

func newStatements(e engine, table string) *statements {
	of := func(template string) *statement { return newStatement(e, table, template) }
	s := &statements{get: of(getSQL), cas: of(casSQL), delete: of(deleteSQL)}
	switch e {
	case postgres:
		s.set = of(insertAsSQL)
		s.create = of(insertAsSQL + ` WHERE t.expires_at <= {now}`)
		s.take = of(takeReturningSQL)
		// The subselect around the clock makes it one value, for which the index can be used.
		s.sweep = of(`DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE expires_at <= (SELECT {now}) ` +
			`ORDER BY expires_at LIMIT {batch} FOR UPDATE SKIP LOCKED)`)
	case sqlite:
		s.set = of(insertAsSQL)
		s.create = of(insertAsSQL + ` WHERE t.expires_at <= {now}`)
		s.take = of(takeReturningSQL)
		s.sweep = of(`DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT {batch})`)
	case mysql:
		s.set = of(insertSQL + ` ON DUPLICATE KEY UPDATE value = VALUES(value), version = VALUES(version), expires_at = VALUES(expires_at)`)
		s.create = of(insertSQL)
		s.reuse = of(`UPDATE {table} SET value = {value}, version = {version}, expires_at = {expiry} WHERE id = {id} AND expires_at <= {now}`)
		s.takeSeen = of(`DELETE FROM {table} WHERE id = {id} AND version = {version} AND expires_at > {now}`)
		s.sweep = of(`DELETE FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT {batch}`)
	case sqlserver:
		s.set = of(mergeSQL + `WHEN MATCHED ` + mergeUpdateSQL)
		s.create = of(mergeSQL + `WHEN MATCHED AND t.expires_at <= {now} ` + mergeUpdateSQL)
		s.cas = of(casSQL + ` AND DATALENGTH(value) = {prevlen}`)
		s.take = of(`DELETE FROM {table} OUTPUT DELETED.id, DELETED.value WHERE id = {id} AND expires_at > {now}`)
		s.sweep = of(`DELETE TOP ({batch}) FROM {table} WHERE expires_at <= {now}`)
	}
	return s
}
