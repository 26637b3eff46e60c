package storetest

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth/store"
)

// plain is a small correct store. Each field turns it into one that keeps one sentence of the contract no longer.
type plain struct {
	mu      sync.Mutex
	now     time.Duration
	m       map[string]plainEntry
	version uint64

	ignoresTTL, takesAnyTTL, keepsOldTTL, failedSwapRenews, readsProlong, cutsToSeconds bool
	missingIsError, emptyIsNil, valueBesideMiss, deleteAbsentFails, smallValues         bool
	takeNotAtomic, takeKeeps, takeIgnoresExpiry                                         bool
	swapNotAtomic, swapResurrects, swapIgnoresPrev, nilPrevOverwrites, emptyPrevIsNil   bool
	swapComparesLength, swapComparesPrefix, swapSeesExpired                             bool
	returnsInternal, keepsArgument, writesArgument, foldsCase, cutsKeys, trimsValues    bool
	deleteByPrefix, deleteDoesNothing, setOnlyIfAbsent                                  bool
	staleReads, tornWrites, cancelledIsAbsent, cancelledHidesCause, resultBesideError   bool
}

type plainEntry struct {
	value   []byte
	expires time.Duration
	version uint64
	older   []byte
}

func (s *plain) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += d
}

func (s *plain) name(key string) string {
	if s.foldsCase {
		key = strings.ToLower(key)
	}
	if s.cutsKeys {
		key = key[:min(len(key), 191)]
	}
	return key
}

func (s *plain) live(key string) (plainEntry, bool) {
	e, ok := s.m[s.name(key)]
	if !ok || !s.ignoresTTL && s.now >= e.expires {
		return plainEntry{}, false
	}
	return e, true
}

func (s *plain) out(value []byte) []byte {
	switch {
	case s.emptyIsNil && len(value) == 0:
		return nil
	case s.returnsInternal:
		return value
	default:
		return append([]byte{}, value...)
	}
}

var errMissing = errors.New("no such key")

func (s *plain) Get(ctx context.Context, key string) ([]byte, bool, error) {
	value, _, found, err := s.get(ctx, key)
	return value, found, err
}

func (s *plain) get(ctx context.Context, key string) ([]byte, uint64, bool, error) {
	switch {
	case ctx.Err() != nil && s.cancelledIsAbsent:
		return nil, 0, false, nil
	case ctx.Err() != nil && s.cancelledHidesCause:
		return nil, 0, false, errors.New("interrupted")
	case ctx.Err() != nil && s.resultBesideError:
		return []byte("?"), 0, true, ctx.Err()
	case ctx.Err() != nil:
		return nil, 0, false, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.live(key)
	if !ok {
		if s.missingIsError {
			return nil, 0, false, errMissing
		}
		if s.valueBesideMiss {
			return []byte{}, 0, false, nil
		}
		return nil, 0, false, nil
	}
	if s.readsProlong {
		e.expires = s.now + time.Hour
		s.m[s.name(key)] = e
	}
	if s.staleReads && e.older != nil {
		return s.out(e.older), e.version, true, nil
	}
	return s.out(e.value), e.version, true, nil
}

func (s *plain) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ctx.Err() != nil && !s.cancelledIsAbsent {
		return ctx.Err()
	}
	if ctx.Err() != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(key, value, ttl)
}

func (s *plain) put(key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 && !s.takesAnyTTL {
		return errTTL
	}
	if s.smallValues && len(value) > 65535 {
		return errors.New("too large")
	}
	old, had := s.live(key)
	if had && s.setOnlyIfAbsent {
		return nil
	}
	if s.cutsToSeconds && ttl > time.Second {
		ttl = ttl.Truncate(time.Second)
	}
	stored := append([]byte{}, value...)
	if s.keepsArgument {
		stored = value
	}
	if s.writesArgument && cap(value) > len(value) {
		_ = append(value, 0)
	}
	if s.trimsValues {
		stored = bytes.TrimRight(stored, " ")
	}
	e := plainEntry{value: stored, expires: s.now + ttl, older: old.value}
	if s.keepsOldTTL && had {
		e.expires = old.expires
	}
	if s.tornWrites && had && len(stored) > 1 {
		s.m[s.name(key)] = plainEntry{value: append(stored[:1:1], old.value...), expires: e.expires}
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	s.version++
	e.version = s.version
	s.m[s.name(key)] = e
	return nil
}

var errTTL = errors.New("ttl")

func (s *plain) Take(ctx context.Context, key string) ([]byte, bool, error) {
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.live(key)
	if s.takeIgnoresExpiry {
		e, ok = s.m[s.name(key)]
	}
	if !ok {
		return nil, false, nil
	}
	if s.takeNotAtomic {
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	if !s.takeKeeps {
		delete(s.m, s.name(key))
	}
	return s.out(e.value), true, nil
}

func (s *plain) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ttl <= 0 && !s.takesAnyTTL {
		return false, errTTL
	}
	e, ok := s.live(key)
	if s.swapSeesExpired {
		e, ok = s.m[s.name(key)]
	}
	if !s.matches(e, ok, prev) {
		if s.failedSwapRenews && ok {
			e.expires = s.now + ttl
			s.m[s.name(key)] = e
		}
		return false, nil
	}
	if s.swapNotAtomic {
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	return true, s.put(key, next, ttl)
}

func (s *plain) matches(e plainEntry, ok bool, prev []byte) bool {
	if s.emptyPrevIsNil && len(prev) == 0 {
		prev = nil
	}
	switch {
	case prev == nil:
		return !ok || s.nilPrevOverwrites
	case !ok:
		return s.swapResurrects
	case s.swapIgnoresPrev:
		return true
	case s.swapComparesLength:
		return len(prev) == len(e.value)
	case s.swapComparesPrefix:
		return bytes.HasPrefix(e.value, prev)
	default:
		return bytes.Equal(prev, e.value)
	}
}

func (s *plain) Delete(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.live(key); !ok && s.deleteAbsentFails {
		return errMissing
	}
	if s.deleteDoesNothing {
		return nil
	}
	if s.deleteByPrefix {
		for k := range s.m {
			if strings.HasPrefix(k, key) {
				delete(s.m, k)
			}
		}
	}
	delete(s.m, s.name(key))
	return nil
}

// versioned is plain with GetIfChanged, likewise breakable.
type versioned struct {
	*plain
	neverChanged, alwaysChanged, countsPerRecord, versionZero, hashesValue, seesDeleted, versionOfAbsent bool
}

func (s *versioned) GetIfChanged(ctx context.Context, key string, seen uint64) ([]byte, uint64, bool, error) {
	value, version, found, err := s.get(ctx, key)
	switch {
	case err != nil:
		return nil, 0, false, err
	case !found && s.seesDeleted && seen != 0:
		return nil, seen, true, nil
	case !found && s.versionOfAbsent:
		return nil, 7, false, nil
	case !found:
		return nil, 0, false, nil
	case s.versionZero:
		version = 0
	case s.hashesValue:
		version = uint64(len(value)) + uint64(value[0])
	case s.countsPerRecord:
		version = s.perRecord(key, value)
	}
	if (version == seen || s.neverChanged && seen != 0) && !s.alwaysChanged {
		return nil, seen, true, nil
	}
	return value, version, true, nil
}

// perRecord counts from 1 whenever the key was absent: it is what a version column gives.
func (s *versioned) perRecord(key string, value []byte) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.m[s.name(key)]; e.older == nil {
		return 1
	}
	return 2 + uint64(len(value))
}

func newPlain() *plain { return &plain{m: map[string]plainEntry{}} }

// failing returns the names of the checks that kv fails.
func failing(t *testing.T, kv store.KV, advance func(time.Duration)) []string {
	t.Helper()
	var names []string
	for _, c := range checks() {
		if _, err := c.judge(t.Context(), Options{Advance: advance}, kv); err != nil {
			names = append(names, c.name)
			t.Logf("%s: %v", c.name, err)
		}
	}
	return names
}

func TestKitAcceptsCorrectStores(t *testing.T) {
	s := newPlain()
	if got := failing(t, s, s.advance); got != nil {
		t.Errorf("a correct store fails %q", got)
	}
	v := &versioned{plain: newPlain()}
	if got := failing(t, v, v.advance); got != nil {
		t.Errorf("a correct store with GetIfChanged fails %q", got)
	}
}

func TestKitFlagsBrokenStores(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*plain)
		want  string // one of the checks that must fail
	}{
		{"ignores ttl", func(s *plain) { s.ignoresTTL = true }, "TTL/Get after expiry"},
		{"takes any ttl", func(s *plain) { s.takesAnyTTL = true }, "TTL/zero or less is refused"},
		{"keeps the old ttl", func(s *plain) { s.keepsOldTTL = true }, "TTL/Set starts a new lifetime"},
		{"keeps the old ttl", func(s *plain) { s.keepsOldTTL = true }, "TTL/CompareAndSwap starts a new lifetime"},
		{"failed swap renews", func(s *plain) { s.failedSwapRenews = true }, "TTL/failed CompareAndSwap leaves the lifetime"},
		{"reads prolong", func(s *plain) { s.readsProlong = true }, "TTL/reading does not prolong"},
		{"cuts ttl to seconds", func(s *plain) { s.cutsToSeconds = true }, "TTL/not too early"},
		{"missing is an error", func(s *plain) { s.missingIsError = true }, "Get/absent"},
		{"empty is nil", func(s *plain) { s.emptyIsNil = true }, "Set/empty value"},
		{"value beside a miss", func(s *plain) { s.valueBesideMiss = true }, "Get/absent"},
		{"deleting nothing fails", func(s *plain) { s.deleteAbsentFails = true }, "Delete/absent"},
		{"small values only", func(s *plain) { s.smallValues = true }, "Set/value of 1 MiB"},
		{"take is not atomic", func(s *plain) { s.takeNotAtomic = true }, "Concurrency/Take has one winner"},
		{"take keeps", func(s *plain) { s.takeKeeps = true }, "Take/removes"},
		{"take ignores expiry", func(s *plain) { s.takeIgnoresExpiry = true }, "TTL/Take after expiry"},
		{"swap is not atomic", func(s *plain) { s.swapNotAtomic = true }, "Concurrency/CompareAndSwap(nil) has one winner"},
		{"swap is not atomic", func(s *plain) { s.swapNotAtomic = true }, "Concurrency/CompareAndSwap(prev) has one winner"},
		{"swap is not atomic", func(s *plain) { s.swapNotAtomic = true }, "Concurrency/counter loses no increment"},
		{"swap is not atomic", func(s *plain) { s.swapNotAtomic = true }, "Concurrency/Take and CompareAndSwap never both win"},
		{"swap resurrects", func(s *plain) { s.swapResurrects = true }, "CompareAndSwap/prev needs presence"},
		{"swap resurrects", func(s *plain) { s.swapResurrects = true }, "TTL/CompareAndSwap(prev) after expiry"},
		{"swap ignores prev", func(s *plain) { s.swapIgnoresPrev = true }, "CompareAndSwap/prev needs equal bytes"},
		{"nil prev overwrites", func(s *plain) { s.nilPrevOverwrites = true }, "CompareAndSwap/nil needs absence"},
		{"empty prev is nil", func(s *plain) { s.emptyPrevIsNil = true }, "CompareAndSwap/empty is not nil"},
		{"swap compares lengths", func(s *plain) { s.swapComparesLength = true }, "CompareAndSwap/prev needs equal bytes"},
		{"swap compares prefixes", func(s *plain) { s.swapComparesPrefix = true }, "CompareAndSwap/long values"},
		{"swap sees the expired", func(s *plain) { s.swapSeesExpired = true }, "TTL/CompareAndSwap(nil) after expiry"},
		{"returns its own slice", func(s *plain) { s.returnsInternal = true }, "Slices/result may be changed"},
		{"keeps the argument", func(s *plain) { s.keepsArgument = true }, "Slices/argument may be changed after the call"},
		{"writes to the argument", func(s *plain) { s.writesArgument = true }, "Slices/arguments are not written to"},
		{"folds case", func(s *plain) { s.foldsCase = true }, "Keys/case counts"},
		{"cuts keys", func(s *plain) { s.cutsKeys = true }, "Keys/1 and 200 bytes"},
		{"trims values", func(s *plain) { s.trimsValues = true }, "Set/invalid UTF-8 and trailing zeros and spaces"},
		{"deletes by prefix", func(s *plain) { s.deleteByPrefix = true }, "Keys/prefixes of each other"},
		{"delete does nothing", func(s *plain) { s.deleteDoesNothing = true }, "Delete/removes"},
		{"set does not overwrite", func(s *plain) { s.setOnlyIfAbsent = true }, "Set/overwrites"},
		{"stale reads", func(s *plain) { s.staleReads = true }, "Concurrency/reads are never stale"},
		{"torn writes", func(s *plain) { s.tornWrites = true }, "Concurrency/values are never torn"},
		{"cancelled is absent", func(s *plain) { s.cancelledIsAbsent = true }, "Context/cancelled Get"},
		{"cancelled is absent", func(s *plain) { s.cancelledIsAbsent = true }, "Context/cancelled Set"},
		{"cancelled hides its cause", func(s *plain) { s.cancelledHidesCause = true }, "Context/cancelled Get"},
		{"result beside an error", func(s *plain) { s.resultBesideError = true }, "Context/cancelled Get"},
	} {
		t.Run(test.name+": "+test.want, func(t *testing.T) {
			s := newPlain()
			test.spoil(s)
			wantFlagged(t, s, s.advance, test.want)
		})
	}
}

func TestKitFlagsBrokenConditionalGetters(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*versioned)
		want  string
	}{
		{"never changed", func(s *versioned) { s.neverChanged = true }, "GetIfChanged/every write is seen"},
		{"never changed", func(s *versioned) { s.neverChanged = true }, "GetIfChanged/reads are never stale"},
		{"always changed", func(s *versioned) { s.alwaysChanged = true }, "GetIfChanged/unchanged returns the version only"},
		{"counts from 1 for each record", func(s *versioned) { s.countsPerRecord = true }, "GetIfChanged/version not reused after removal"},
		{"counts from 1 for each record", func(s *versioned) { s.countsPerRecord = true }, "GetIfChanged/expiry is seen"},
		{"version zero", func(s *versioned) { s.versionZero = true }, "GetIfChanged/unchanged returns the version only"},
		{"hashes the value", func(s *versioned) { s.hashesValue = true }, "GetIfChanged/the same bytes again are a change"},
		{"sees the deleted", func(s *versioned) { s.seesDeleted = true }, "GetIfChanged/version not reused after removal"},
		{"sees the expired", func(s *versioned) { s.seesDeleted = true }, "GetIfChanged/expiry is seen"},
		{"version of an absent record", func(s *versioned) { s.versionOfAbsent = true }, "GetIfChanged/absent"},
		{"returns its own slice", func(s *versioned) { s.returnsInternal = true }, "GetIfChanged/result may be changed"},
		{"empty is nil", func(s *versioned) { s.emptyIsNil = true }, "GetIfChanged/empty value"},
		{"failed swap is a change", func(s *versioned) { s.swapIgnoresPrev = true }, "GetIfChanged/failed CompareAndSwap is no change"},
		{"cancelled is stale", func(s *versioned) { s.cancelledIsAbsent = true }, "GetIfChanged/cancelled context"},
	} {
		t.Run(test.name+": "+test.want, func(t *testing.T) {
			s := &versioned{plain: newPlain()}
			test.spoil(s)
			wantFlagged(t, s, s.advance, test.want)
		})
	}
}

func wantFlagged(t *testing.T, kv store.KV, advance func(time.Duration), want string) {
	t.Helper()
	for _, c := range checks() {
		if c.name != want {
			continue
		}
		if _, err := c.judge(t.Context(), Options{Advance: advance}, kv); err == nil {
			t.Errorf("the check %q passes", want)
		}
		return
	}
	t.Fatalf("there is no check %q", want)
}

// TestEveryCheckCanFail keeps a check from being added without a store that fails it.
func TestEveryCheckCanFail(t *testing.T) {
	dead := errorStore{}
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
		if ok, err := c.judge(t.Context(), Options{Advance: func(time.Duration) {}}, dead); !ok || err == nil {
			t.Errorf("%s passes for a store that always fails", c.name)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(checks()) {
		t.Error("two checks have the same name")
	}
}

// errorStore fails every call.
type errorStore struct{}

var errDead = errors.New("dead")

func (errorStore) Get(context.Context, string) ([]byte, bool, error)  { return nil, false, errDead }
func (errorStore) Take(context.Context, string) ([]byte, bool, error) { return nil, false, errDead }
func (errorStore) Delete(context.Context, string) error               { return errDead }
func (errorStore) Set(context.Context, string, []byte, time.Duration) error {
	return errDead
}
func (errorStore) CompareAndSwap(context.Context, string, []byte, []byte, time.Duration) (bool, error) {
	return false, errDead
}
func (errorStore) GetIfChanged(context.Context, string, uint64) ([]byte, uint64, bool, error) {
	return nil, 0, false, errDead
}
