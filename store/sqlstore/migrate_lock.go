package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/pressly/goose/v3/lock"
)

// migrationLock is a lock of the database that a connection holds until it lets go of it or ends. Both statements return
// one number, above zero when the lock was taken or returned.
type migrationLock struct{ take, release string }

var _ lock.SessionLocker = migrationLock{}

// lockOf returns the lock of an engine, or nil if it has none. Each waits a moment and is then asked again, so that nobody
// stays in the queue whose program has given up.
func lockOf(e engine) lock.SessionLocker {
	switch e {
	case postgres: // any number would do that nobody else uses
		return migrationLock{
			"SELECT CASE WHEN pg_try_advisory_lock(4906142771216583512) THEN 1 ELSE (SELECT 0 FROM pg_sleep(0.05)) END",
			"SELECT CASE WHEN pg_advisory_unlock(4906142771216583512) THEN 1 ELSE 0 END",
		}
	case mysql: // its locks belong to the server, not to a database
		return migrationLock{
			"SELECT GET_LOCK(CONCAT('auth_migrations ', MD5(DATABASE())), 1)",
			"SELECT RELEASE_LOCK(CONCAT('auth_migrations ', MD5(DATABASE())))",
		}
	case sqlserver: // 0 and 1 mean taken
		return migrationLock{
			"DECLARE @r int; EXEC @r = sp_getapplock @Resource = 'auth_migrations', @LockMode = 'Exclusive', " +
				"@LockOwner = 'Session', @LockTimeout = 1000; SELECT CASE WHEN @r >= 0 THEN 1 ELSE 0 END",
			"DECLARE @r int; EXEC @r = sp_releaseapplock @Resource = 'auth_migrations', @LockOwner = 'Session'; " +
				"SELECT CASE WHEN @r >= 0 THEN 1 ELSE 0 END",
		}
	default:
		return nil
	}
}

// SessionLock implements lock.SessionLocker. It waits until ctx is done.
func (l migrationLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for {
		var taken sql.NullInt64
		if err := conn.QueryRowContext(ctx, l.take).Scan(&taken); err != nil {
			return err
		}
		if !taken.Valid { // MySQL's way to say that something is wrong
			return errors.New("the lock cannot be taken: is a database selected?")
		}
		if taken.Int64 > 0 {
			return nil
		}
	}
}

// SessionUnlock implements lock.SessionLocker.
func (l migrationLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	var released sql.NullInt64
	err := conn.QueryRowContext(ctx, l.release).Scan(&released)
	if err == nil && released.Int64 == 0 {
		return errors.New("the lock was lost: another instance may have migrated at the same time")
	}
	return err
}
