package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

// SecondaryStorage is the storage that the server has as secondaryStorage, usually Redis. All methods are safe for
// concurrent use. A missing key is found false with a nil error; an error always means "could not". One that extends
// sessions and has no database beside it should be a [ReplacingStorage] as well. redisstore.NewSecondary makes one for
// Redis that is also a [SwappingStorage].
type SecondaryStorage interface {
	Get(ctx context.Context, key string) (value string, found bool, err error)
	// Set writes a value that ends after ttl, which is whole seconds, or never if ttl is zero. Sessions always end.
	Set(ctx context.Context, key, value string, ttl time.Duration) error
	// Delete removes a key. Removing one that is not there is not an error.
	Delete(ctx context.Context, key string) error
}

// ReplacingStorage is a [SecondaryStorage] that can write a value on condition that there is one. With
// [RefreshWrite], and no sessions in the database, nothing else keeps a session that ends while it is extended from
// coming back: without it, such a session lives on until it expires.
type ReplacingStorage interface {
	SecondaryStorage
	// Replace is Set for a key that is there, in one step, as SET with XX does in Redis. If the key is not there, nothing
	// is written, and found is false with a nil error.
	Replace(ctx context.Context, key, value string, ttl time.Duration) (found bool, err error)
}

// SwappingStorage is a [ReplacingStorage] that can write a value on condition that the one that was read has not changed.
// API keys that are in the storage alone are counted with it.
type SwappingStorage interface {
	ReplacingStorage
	// CompareAndSwap is Set for a key that has the value prev, in one step, as a script does in Redis. If the key has
	// another value or none, nothing is written, and swapped is false with a nil error.
	CompareAndSwap(ctx context.Context, key, prev, next string, ttl time.Duration) (swapped bool, err error)
}

// Secondary mirrors secondaryStorage. Sessions are then looked for there first.
type Secondary struct {
	// Storage is the storage. Required.
	Storage SecondaryStorage
	// KeyPrefix stands before every key. If empty, none, as with a storage that the server's owner wrote; better-auth's
	// own redisStorage has "better-auth:".
	KeyPrefix string
	// StoreSessionInDatabase is session.storeSessionInDatabase: sessions are in the database too, where one is looked for
	// that the storage has lost.
	StoreSessionInDatabase bool
	// PreserveSessionInDatabase is session.preserveSessionInDatabase: rows are kept for the record after a session has
	// ended, and so decide nothing.
	PreserveSessionInDatabase bool
	// InsecureSkipUserCheck takes the storage's word for it that the user exists, as the server does. Without it each
	// request takes a statement: the storage's copies outlive a deleted user, and a ban.
	InsecureSkipUserCheck bool
}

var errStorage = errors.New("the secondary storage failed")

func (c *Secondary) inDatabase() bool {
	return c == nil || c.StoreSessionInDatabase
}

// fallback reports whether the database decides about a session that the storage does not have.
func (c *Secondary) fallback() bool { return c.StoreSessionInDatabase && !c.PreserveSessionInDatabase }

func (b *Backend) storageGet(ctx context.Context, op, key string) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, b.conf.QueryTimeout)
	defer cancel()
	value, found, err := b.conf.Secondary.Storage.Get(ctx, b.conf.Secondary.KeyPrefix+key)
	if err != nil {
		return "", false, fail(auth.CodeStoreUnavailable, op, errStorage)
	}
	return value, found && value != "", nil
}

// storageSet writes a value, or removes it when its time is up.
func (b *Backend) storageSet(ctx context.Context, op, key, value string, ttl time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, b.conf.QueryTimeout)
	defer cancel()
	key = b.conf.Secondary.KeyPrefix + key
	var err error
	if ttl = ttl.Truncate(time.Second); ttl > 0 {
		err = b.conf.Secondary.Storage.Set(ctx, key, value, ttl)
	} else {
		err = b.conf.Secondary.Storage.Delete(ctx, key)
	}
	if err != nil {
		return fail(auth.CodeStoreUnavailable, op, errStorage)
	}
	return nil
}

// storageReplace writes a value if there is one, as far as the storage can tell. It is false when there is none.
func (b *Backend) storageReplace(ctx context.Context, op, key, value string, ttl time.Duration) (bool, error) {
	storage, ok := b.conf.Secondary.Storage.(ReplacingStorage)
	if ttl = ttl.Truncate(time.Second); !ok || ttl <= 0 {
		return true, b.storageSet(ctx, op, key, value, ttl)
	}
	ctx, cancel := context.WithTimeout(ctx, b.conf.QueryTimeout)
	defer cancel()
	found, err := storage.Replace(ctx, b.conf.Secondary.KeyPrefix+key, value, ttl)
	if err != nil {
		return false, fail(auth.CodeStoreUnavailable, op, errStorage)
	}
	return found, nil
}

func activeKey(userID string) string  { return "active-sessions-" + userID }
func revokedKey(userID string) string { return "revoked-sessions-before-" + userID }

// find returns the session with that token: from the storage, or from the database where that counts.
func (b *Backend) find(ctx context.Context, token string) (*record, error) {
	if b.conf.Secondary == nil {
		return b.byToken(ctx, token)
	}
	if !possibleKey(token) {
		return nil, nil
	}
	value, found, err := b.storageGet(ctx, "read session", token)
	switch {
	case err != nil:
		return nil, err
	case !found && b.conf.Secondary.fallback():
		return b.unrevoked(ctx, token)
	case !found:
		return nil, nil
	}
	rec, err := b.fromStorage(ctx, token, value)
	if err != nil || rec == nil {
		return nil, err
	}
	return b.confirm(ctx, rec)
}

// fromStorage reads a value of the storage. One that is no session, or of another token, or revoked with all of its
// user's, is nil.
func (b *Backend) fromStorage(ctx context.Context, token, value string) (*record, error) {
	rec := parseStored(value).record(b.conf)
	if rec == nil || !same(rec.session.token, token) {
		return nil, nil
	}
	if revoked, err := b.revoked(ctx, &rec.session); err != nil || revoked {
		return nil, err
	}
	return rec, nil
}

// unrevoked returns the session that the database has and the storage has lost, unless it was revoked with all of its
// user's.
func (b *Backend) unrevoked(ctx context.Context, token string) (*record, error) {
	rec, err := b.byToken(ctx, token)
	if err != nil || rec == nil {
		return nil, err
	}
	if revoked, err := b.revoked(ctx, &rec.session); err != nil || revoked {
		return nil, err
	}
	return rec, nil
}

// revoked reports whether the storage knows that all sessions of that age were revoked.
func (b *Backend) revoked(ctx context.Context, s *session) (bool, error) {
	if b.conf.Secondary == nil {
		return false, nil
	}
	before, err := b.revokedBefore(ctx, s.userID)
	return s.createdAt.UnixMilli() < before, err
}

// parseStored reads {"session":...,"user":...}.
func parseStored(value string) *cachedRecord {
	members, err := strictjson.Object([]byte(value), 0)
	if err != nil {
		return &cachedRecord{}
	}
	return &cachedRecord{session: objectOf(members["session"]), user: objectOf(members["user"])}
}

// revokedBefore is when all earlier sessions of a user were revoked, in milliseconds.
func (b *Backend) revokedBefore(ctx context.Context, userID string) (int64, error) {
	value, found, err := b.storageGet(ctx, "read session", revokedKey(userID))
	if err != nil || !found {
		return 0, err
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fail(auth.CodeSessionInvalid, "read session", errStorage) // it was meant to revoke something
	}
	return ms, nil
}

// confirm checks that the user of a session that came from elsewhere exists, with the membership as it is now.
func (b *Backend) confirm(ctx context.Context, rec *record) (*record, error) {
	needsMember := b.conf.organization != nil && rec.session.organizationID != ""
	if b.db == nil || b.conf.Secondary.InsecureSkipUserCheck && !needsMember {
		return rec, nil
	}
	u, m, err := b.standing(ctx, rec.session.userID, rec.session.organizationID, rec.session.teamID)
	if err != nil || u == nil {
		return nil, err
	}
	confirmed := *rec
	confirmed.member = m
	if !b.conf.Secondary.InsecureSkipUserCheck {
		confirmed.user.banned, confirmed.user.banExpires = u.banned, u.banExpires
	}
	return &confirmed, nil
}

// reference is one entry of the list of a user's sessions.
type reference struct {
	Token     string `json:"token"`
	ExpiresAt int64  `json:"expiresAt"`
}

// references are the live sessions of a user, as far as the list in the storage knows.
func (b *Backend) references(ctx context.Context, userID string, now time.Time) ([]reference, error) {
	value, found, err := b.storageGet(ctx, "read sessions", activeKey(userID))
	if err != nil || !found {
		return nil, err
	}
	var list []reference
	if json.Unmarshal([]byte(value), &list) != nil {
		return nil, nil //nolint:nilerr // as at the server, which starts a new list
	}
	return slices.DeleteFunc(list, func(r reference) bool { return r.ExpiresAt <= now.UnixMilli() }), nil
}

func (b *Backend) setReferences(ctx context.Context, userID string, list []reference, now time.Time) error {
	slices.SortStableFunc(list, func(x, y reference) int { return int(min(max(x.ExpiresAt-y.ExpiresAt, -1), 1)) })
	var ttl time.Duration
	if len(list) > 0 {
		ttl = time.Duration(list[len(list)-1].ExpiresAt-now.UnixMilli()) * time.Millisecond
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fail(auth.CodeInternal, "write sessions", errStorage)
	}
	return b.storageSet(ctx, "write sessions", activeKey(userID), string(text), ttl)
}

// dropReferences removes tokens from a user's list.
func (b *Backend) dropReferences(ctx context.Context, userID string, tokens map[string]bool, now time.Time) error {
	list, err := b.references(ctx, userID, now)
	if err != nil {
		return err
	}
	return b.setReferences(ctx, userID, slices.DeleteFunc(list, func(r reference) bool { return tokens[r.Token] }), now)
}

// extendStored writes a session's new expiry to the storage. It is false when the session has gone from there.
func (b *Backend) extendStored(ctx context.Context, s *session, until, now time.Time) (bool, error) {
	const op = "refresh session"
	value, found, err := b.storageGet(ctx, op, s.token)
	if err != nil || !found {
		return false, err
	}
	stored := parseStored(value)
	if stored.session == nil {
		return false, nil
	}
	stored.session["expiresAt"], stored.session["updatedAt"] = until.UTC().Format(isoLayout), now.UTC().Format(isoLayout)
	text := "{" + `"session":` + jsonText(stored.session) + `,"user":` + jsonText(stored.user) + "}"
	if found, err = b.storageReplace(ctx, op, s.token, text, until.Sub(now)); err != nil || !found {
		return false, err
	}
	list, err := b.references(ctx, s.userID, now)
	if err != nil {
		return false, err
	}
	list = slices.DeleteFunc(list, func(r reference) bool { return r.Token == s.token })
	return true, b.setReferences(ctx, s.userID, append(list, reference{s.token, until.UnixMilli()}), now)
}

// removeStored removes a session from the storage.
func (b *Backend) removeStored(ctx context.Context, s *session, now time.Time) error {
	err := b.dropReferences(ctx, s.userID, map[string]bool{s.token: true}, now)
	return errors.Join(b.storageSet(ctx, "end session", s.token, "", 0), err)
}
