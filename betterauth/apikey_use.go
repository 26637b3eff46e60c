package betterauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

// apiKeyFields are the columns of the table that are read.
var apiKeyFields = []string{
	"id", "configId", "name", "start", "referenceId", "prefix", "key", "refillInterval", "refillAmount", "lastRefillAt", "enabled",
	"rateLimitEnabled", "rateLimitTimeWindow", "rateLimitMax", "requestCount", "remaining", "lastRequest", "expiresAt", "createdAt",
	"updatedAt", "permissions", "metadata",
}

// APIKeyInfo is what may be known about a key. It never holds the key.
type APIKeyInfo struct {
	ID, ConfigID, Name, Start, Prefix string
	// ReferenceID is the user or the organization that owns the key.
	ReferenceID string
	// Permissions are what the key may do; nil if it has none.
	Permissions Statements
	// Remaining is how many uses are left; negative if any number.
	Remaining int64
	// RequestCount counts the uses since the rate limit's window began.
	RequestCount int64
	ExpiresAt    time.Time // zero: never
	CreatedAt    time.Time
	Metadata     string // JSON, as stored
}

// keyRow is a row of the table.
type keyRow struct {
	info                         APIKeyInfo
	key                          string
	disabled                     bool
	hasExpiry                    bool
	remaining                    *int64
	refillInterval, refillAmount *int64
	lastRefillAt, lastRequest    time.Time // zero: NULL
	unlimited                    bool
	window, limit                *int64 // milliseconds; requests
	stored                       storedTime
	unreadable                   bool   // a counter or a limit is no number
	text                         string // of a key in the secondary storage
}

// keyStatements are the statements about keys. Each that counts is guarded, so that no two uses take the same slot.
type keyStatements struct {
	byKey, byID                         statement
	remove                              string
	take, refill, refillFirst           string
	touch, count, start, restart, saved string
}

func newKeyStatements(d *database) *keyStatements {
	q := &keyStatements{}
	table := d.table(modelAPIKey)
	col := func(field string) string { return d.column("", modelAPIKey, field) }
	s := d.newSelection()
	d.add(s, "k", modelAPIKey, apiKeyFields...)
	from := "SELECT " + s.String() + " FROM " + table + " k WHERE "
	q.byKey = d.statement(s, from+d.column("k", modelAPIKey, "key")+" = "+d.dialect.textParameter())
	q.byID = d.statement(s, from+d.column("k", modelAPIKey, "id")+" = ?")
	own := " WHERE " + col("id") + " = ?"
	update := func(set, guard string) string { return "UPDATE " + table + " SET " + set + own + guard }
	q.remove = "DELETE FROM " + table + own
	q.take = update(col("remaining")+" = "+col("remaining")+" - 1", " AND "+col("remaining")+" > 0")
	q.refill = update(col("remaining")+" = ?, "+col("lastRefillAt")+" = ?", " AND "+col("lastRefillAt")+" = ?")
	q.refillFirst = update(col("remaining")+" = ?, "+col("lastRefillAt")+" = ?", " AND "+col("lastRefillAt")+" IS NULL")
	q.touch = update(col("lastRequest")+" = ?, "+col("updatedAt")+" = ?", "")
	q.saved = update(col("updatedAt")+" = ?", "")
	q.count = update(col("requestCount")+" = COALESCE("+col("requestCount")+", 0) + 1, "+col("lastRequest")+" = ?, "+col("updatedAt")+" = ?",
		" AND "+col("lastRequest")+" >= ? AND COALESCE("+col("requestCount")+", 0) < ?")
	q.start = update(col("requestCount")+" = 1, "+col("lastRequest")+" = ?, "+col("updatedAt")+" = ?", " AND "+col("lastRequest")+" IS NULL")
	q.restart = update(col("requestCount")+" = 1, "+col("lastRequest")+" = ?, "+col("updatedAt")+" = ?", " AND "+col("lastRequest")+" < ?")
	return q
}

// keyUse is one use of a key.
type keyUse struct {
	config      *APIKeyConfig // by which it is looked up
	own         bool          // it must be of this configuration
	permissions Statements    // that it must have, unless nil
}

// useKey checks a key in the server's order, and counts the use.
func (b *Backend) useKey(ctx context.Context, key string, use keyUse) (*APIKeyInfo, error) {
	stored := use.config.stored(key)
	if use.config.Storage == KeysInSecondary {
		return b.useStoredKey(ctx, stored, use)
	}
	k, err := b.readKey(ctx, b.keyQueries.byKey, stored, func(k *keyRow) bool { return same(k.key, stored) })
	if err != nil {
		return nil, err
	}
	now := b.conf.Now().UTC().Truncate(time.Millisecond)
	if err := b.checkKey(ctx, k, use, now); err != nil {
		return nil, err
	}
	if err := b.takeUse(ctx, k, now); err != nil {
		return nil, err
	}
	if err := b.takeSlot(ctx, k, b.conf.apiKey.named(k.info.ConfigID), now); err != nil {
		return nil, err
	}
	return &k.info, b.dropCopies(ctx, use.config, k)
}

// admits reports whether a key of k's configuration may be used so. One that is kept in another way than the one that was
// looked up is not: what is held of one would be a key of the other.
func (u *keyUse) admits(k *keyRow, s *apiKeySettings) bool {
	if k == nil || u.own && u.config.ConfigID != "" && !sameConfig(k.info.ConfigID, u.config.ConfigID) {
		return false
	}
	c := s.named(k.info.ConfigID)
	return c != nil && c.InsecurePlainKeys == u.config.InsecurePlainKeys && c.Storage == u.config.Storage
}

// checkKey checks what does not count.
func (b *Backend) checkKey(ctx context.Context, k *keyRow, use keyUse, now time.Time) error {
	if !use.admits(k, b.conf.apiKey) {
		return refuseKey(KeyInvalid, http.StatusUnauthorized)
	}
	if k.unreadable { // nobody can say how much it may be used
		return refuseKey(KeyInvalid, http.StatusUnauthorized)
	}
	if k.disabled {
		return refuseKey(KeyDisabled, http.StatusUnauthorized)
	}
	if k.hasExpiry && now.After(k.info.ExpiresAt) { // zero if unparsable
		return b.dropKey(ctx, use.config, k, KeyExpired, http.StatusUnauthorized)
	}
	if use.permissions != nil && !k.info.Permissions.Allows(use.permissions) {
		return refuseKey(KeyNotFound, http.StatusUnauthorized)
	}
	if k.remaining != nil && *k.remaining == 0 && k.refillAmount == nil {
		return b.dropKey(ctx, use.config, k, KeyUsedUp, http.StatusTooManyRequests)
	}
	return nil
}

// dropKey deletes a key that will never be good again, as the server does. One whose expiry cannot be read is only
// refused.
func (b *Backend) dropKey(ctx context.Context, c *APIKeyConfig, k *keyRow, code string, status int) error {
	if code == KeyExpired && k.info.ExpiresAt.IsZero() {
		return refuseKey(code, status)
	}
	if c.Storage == KeysInSecondary {
		if err := b.dropStoredKey(ctx, c, k); err != nil {
			return err
		}
		return refuseKey(code, status)
	}
	if _, err := b.db.exec(ctx, "delete API key", b.keyQueries.remove, k.info.ID); err != nil {
		return err
	}
	if err := b.dropCopies(ctx, c, k); err != nil {
		return err
	}
	return refuseKey(code, status)
}

// takeUse takes one of the remaining uses. When a refill is due, one use makes it.
func (b *Backend) takeUse(ctx context.Context, k *keyRow, now time.Time) error {
	if k.remaining == nil {
		return nil
	}
	const op = "count API key"
	if k.refillDue(now) {
		d := b.db.dialect
		args := []any{*k.refillAmount - 1, d.timeParameter(now, k.stored), k.info.ID}
		statement := b.keyQueries.refillFirst
		if !k.lastRefillAt.IsZero() {
			statement, args = b.keyQueries.refill, append(args, d.timeParameter(k.lastRefillAt, k.stored))
		}
		n, err := b.db.exec(ctx, op, statement, args...)
		if err != nil || n > 0 {
			k.info.Remaining = *k.refillAmount - 1
			return err
		}
	}
	n, err := b.db.exec(ctx, op, b.keyQueries.take, k.info.ID)
	if err == nil && n == 0 {
		err = refuseKey(KeyUsedUp, http.StatusTooManyRequests)
	}
	k.info.Remaining--
	return err
}

func (k *keyRow) refillDue(now time.Time) bool {
	if k.refillInterval == nil || k.refillAmount == nil || *k.refillInterval == 0 || *k.refillAmount == 0 {
		return false
	}
	last := k.lastRefillAt
	if last.IsZero() {
		last = k.info.CreatedAt
	}
	return now.Sub(last).Milliseconds() > *k.refillInterval
}

const slotAttempts = 16

// takeSlot takes a slot of the rate limit. The window slides: it counts from the last use that was accepted. A use that
// loses to another at the same moment looks again.
func (b *Backend) takeSlot(ctx context.Context, k *keyRow, c *APIKeyConfig, now time.Time) error {
	const op = "count API key"
	d, q := b.db.dialect, b.keyQueries
	at := d.timeParameter(now, k.stored)
	if !c.DisableRateLimit && !k.unlimited && (k.window == nil || k.limit == nil) {
		_, err := b.db.exec(ctx, op, q.saved, at, k.info.ID)
		return err
	}
	if c.DisableRateLimit || k.unlimited {
		_, err := b.db.exec(ctx, op, q.touch, at, at, k.info.ID)
		return err
	}
	info := &k.info
	for range slotAttempts {
		begin := d.timeParameter(now.Add(-time.Duration(*k.window)*time.Millisecond), k.stored)
		var n int64
		var err error
		switch since := now.Sub(k.lastRequest).Milliseconds(); {
		case k.lastRequest.IsZero():
			n, err = b.db.exec(ctx, op, q.start, at, at, k.info.ID)
		case since > *k.window:
			n, err = b.db.exec(ctx, op, q.restart, at, at, k.info.ID, begin)
		case k.info.RequestCount >= *k.limit:
			return k.rateLimited(now)
		default:
			n, err = b.db.exec(ctx, op, q.count, at, at, k.info.ID, begin, *k.limit)
		}
		if err != nil || n > 0 {
			info.RequestCount = nextCount(k, now)
			return err
		}
		if k, err = b.readKey(ctx, q.byID, k.info.ID, func(*keyRow) bool { return true }); err != nil {
			return err
		}
		if k == nil || k.unreadable || k.window == nil || k.limit == nil {
			return refuseKey(KeyInvalid, http.StatusUnauthorized)
		}
	}
	return fail(auth.CodeStoreUnavailable, op, errBusyKey)
}

var errBusyKey = errors.New("the key is in use too much to be counted")

// rateLimited is the error for a key whose window is full.
func (k *keyRow) rateLimited(now time.Time) error {
	left := time.Duration(*k.window)*time.Millisecond - now.Sub(k.lastRequest)
	return refusedKey(&APIKeyError{KeyRateLimited, http.StatusTooManyRequests, left})
}

// nextCount is the count that a use leaves behind.
func nextCount(k *keyRow, now time.Time) int64 {
	if k.windowOver(now) {
		return 1
	}
	return k.info.RequestCount + 1
}

// windowOver reports whether a use now begins a window of the rate limit.
func (k *keyRow) windowOver(now time.Time) bool {
	return k.lastRequest.IsZero() || now.Sub(k.lastRequest).Milliseconds() > *k.window
}

func (b *Backend) readKey(ctx context.Context, q statement, value string, want func(*keyRow) bool) (*keyRow, error) {
	if b.db == nil || !possibleKey(value) {
		return nil, nil
	}
	var found *keyRow
	err := b.db.query(ctx, "read API key", q, []any{value}, func(r row) error {
		if k := scanKey(r.source("k"), b.db.dialect.readTime); found == nil && k.info.ID != "" && want(k) {
			found = k
		}
		return nil
	})
	return found, err
}

func scanKey(get source, times timeReader) *keyRow {
	unreadable := false
	optional := func(field string) *int64 {
		n, ok := optionalNumber(get(field))
		unreadable = unreadable || !ok
		return n
	}
	k := &keyRow{
		info: APIKeyInfo{
			ID: textOf(get("id")), ConfigID: textOf(get("configId")), Name: textOf(get("name")), Start: textOf(get("start")),
			Prefix: textOf(get("prefix")), ReferenceID: textOf(get("referenceId")), Metadata: textOf(get("metadata")), Remaining: -1,
		},
		key: textOf(get("key")), disabled: isFalse(get("enabled")), unlimited: isFalse(get("rateLimitEnabled")),
		hasExpiry: get("expiresAt") != nil, remaining: optional("remaining"),
		refillInterval: optional("refillInterval"), refillAmount: optional("refillAmount"),
		window: optional("rateLimitTimeWindow"), limit: optional("rateLimitMax"),
	}
	if count := optional("requestCount"); count != nil {
		k.info.RequestCount = *count
	}
	if k.remaining != nil {
		k.info.Remaining = *k.remaining
	}
	k.info.ExpiresAt, _, _ = times(get("expiresAt"))
	k.info.CreatedAt, k.stored, _ = times(get("createdAt"))
	refilled, requested := get("lastRefillAt"), get("lastRequest")
	k.lastRefillAt, _, _ = times(refilled)
	k.lastRequest, _, _ = times(requested)
	k.unreadable = unreadable || refilled != nil && k.lastRefillAt.IsZero() || requested != nil && k.lastRequest.IsZero()
	if text := textOf(get("permissions")); text != "" && text != "null" {
		k.info.Permissions, _ = parseStatements(text) // those that cannot be read grant nothing
	}
	return k
}

// isFalse is for columns in which NULL counts as true.
func isFalse(v any) bool { return v != nil && !flagOf(v) }

// optionalNumber is nil for NULL, and false for what is no number.
func optionalNumber(v any) (*int64, bool) {
	n, ok := numberOf(v)
	if !ok {
		return nil, v == nil
	}
	return &n, true
}
