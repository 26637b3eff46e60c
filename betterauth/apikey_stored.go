package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netscript/auth"
)

// keyPlace is the storage in which the keys of a configuration are, or copies of them.
type keyPlace struct {
	storage SecondaryStorage
	prefix  string
	timeout time.Duration
}

func (b *Backend) keyPlace(c *APIKeyConfig) keyPlace {
	if c.CustomStorage != nil {
		return keyPlace{c.CustomStorage, "", b.conf.QueryTimeout}
	}
	return keyPlace{b.conf.Secondary.Storage, b.conf.Secondary.KeyPrefix, b.conf.QueryTimeout}
}

// The names under which the server keeps a key, twice, and the list of its owner's keys.
func storedName(k *keyRow) string     { return "api-key:" + k.key }
func storedNameByID(k *keyRow) string { return "api-key:by-id:" + k.info.ID }
func storedList(k *keyRow) string     { return "api-key:by-ref:" + k.info.ReferenceID }

// do calls the storage, for a bounded time.
func (p keyPlace) do(ctx context.Context, op string, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if call(ctx) != nil {
		return fail(auth.CodeStoreUnavailable, op, errStorage)
	}
	return nil
}

func (p keyPlace) get(ctx context.Context, op, name string) (value string, found bool, err error) {
	err = p.do(ctx, op, func(ctx context.Context) (err error) {
		value, found, err = p.storage.Get(ctx, p.prefix+name)
		return err
	})
	return value, found && value != "", err
}

func (p keyPlace) remove(ctx context.Context, op string, names ...string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, p.do(ctx, op, func(ctx context.Context) error { return p.storage.Delete(ctx, p.prefix+name) }))
	}
	return errors.Join(errs...)
}

// swap writes a value if the one that was read is still there.
func (p keyPlace) swap(ctx context.Context, op, name, prev, next string, ttl time.Duration) (swapped bool, err error) {
	storage, ok := p.storage.(SwappingStorage)
	if !ok {
		return false, fail(auth.CodeConfigInvalid, op, errStorage)
	}
	err = p.do(ctx, op, func(ctx context.Context) (err error) {
		swapped, err = storage.CompareAndSwap(ctx, p.prefix+name, prev, next, ttl)
		return err
	})
	return swapped, err
}

// replace writes a value if there is one.
func (p keyPlace) replace(ctx context.Context, op, name, value string, ttl time.Duration) error {
	storage, ok := p.storage.(SwappingStorage)
	if !ok {
		return fail(auth.CodeConfigInvalid, op, errStorage)
	}
	return p.do(ctx, op, func(ctx context.Context) error {
		_, err := storage.Replace(ctx, p.prefix+name, value, ttl)
		return err
	})
}

// read returns the key that is stored so, or nil. What is no key, or another, is none: under these names there are the
// copies by id, too.
func (p keyPlace) read(ctx context.Context, stored string) (*keyRow, error) {
	if !possibleKey(stored) {
		return nil, nil
	}
	text, found, err := p.get(ctx, "read API key", storedName(&keyRow{key: stored}))
	if err != nil || !found {
		return nil, err
	}
	members := objectOf(json.RawMessage(text))
	if members == nil {
		return nil, nil
	}
	if metadata, ok := members["metadata"].(map[string]any); ok { // in a row it is a text
		members["metadata"] = jsonText(metadata)
	}
	k := scanKey(func(field string) any { return members[field] }, readISO)
	if k.info.ID == "" || !same(k.key, stored) {
		return nil, nil
	}
	k.text = text
	return k, nil
}

// useStoredKey is useKey for a key that is in the storage alone. A use that loses to another at the same moment looks
// again.
func (b *Backend) useStoredKey(ctx context.Context, stored string, use keyUse) (*APIKeyInfo, error) {
	const op = "count API key"
	p := b.keyPlace(use.config)
	for range slotAttempts {
		k, err := p.read(ctx, stored)
		if err != nil {
			return nil, err
		}
		now := b.conf.Now().UTC().Truncate(time.Millisecond)
		if err := b.checkKey(ctx, k, use, now); err != nil {
			return nil, err
		}
		next, err := k.spend(b.conf.apiKey.named(k.info.ConfigID), now)
		if err != nil {
			return nil, err
		}
		ttl := k.lifetime(now)
		if swapped, err := p.swap(ctx, op, storedName(k), k.text, next, ttl); err != nil {
			return nil, err
		} else if !swapped {
			continue
		}
		return &k.info, p.replace(ctx, op, storedNameByID(k), next, ttl)
	}
	return nil, fail(auth.CodeStoreUnavailable, op, errBusyKey)
}

// lifetime is for how long the storage keeps a key, in whole seconds; zero: for ever, as also in its last second.
func (k *keyRow) lifetime(now time.Time) time.Duration {
	if !k.hasExpiry {
		return 0
	}
	return max(k.info.ExpiresAt.Sub(now), 0).Truncate(time.Second)
}

// spend counts a use as the server does, and returns the key's text with it. It is an error when there is none left.
func (k *keyRow) spend(c *APIKeyConfig, now time.Time) (string, error) {
	at := json.RawMessage(`"` + now.Format(isoLayout) + `"`)
	changes := map[string]json.RawMessage{"updatedAt": at}
	number := func(n int64) json.RawMessage { return strconv.AppendInt(nil, n, 10) }
	if k.remaining != nil {
		left := *k.remaining
		if k.refillDue(now) {
			left, changes["lastRefillAt"] = *k.refillAmount, at
		}
		if left <= 0 {
			return "", refuseKey(KeyUsedUp, http.StatusTooManyRequests)
		}
		k.info.Remaining = left - 1
		changes["remaining"] = number(left - 1)
	}
	switch {
	case c.DisableRateLimit || k.unlimited:
		changes["lastRequest"] = at
	case k.window != nil && k.limit != nil:
		if !k.windowOver(now) && k.info.RequestCount >= *k.limit {
			return "", k.rateLimited(now)
		}
		k.info.RequestCount = nextCount(k, now)
		changes["lastRequest"], changes["requestCount"] = at, number(k.info.RequestCount)
	}
	return withMembers(k.text, changes)
}

var errStoredKey = errors.New("the API key in the storage cannot be written again")

// withMembers is the text of a JSON object with other values for some members, each in its place.
func withMembers(text string, changes map[string]json.RawMessage) (string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	var all fieldList
	_, err := d.Token() // the brace
	for err == nil && d.More() {
		var name json.Token
		var value json.RawMessage
		if name, err = d.Token(); err == nil {
			err = d.Decode(&value)
		}
		text, _ := name.(string)
		if changed, ok := changes[text]; ok {
			value = changed
			delete(changes, text)
		}
		all = append(all, field{text, value})
	}
	if err != nil {
		return "", fail(auth.CodeInternal, "count API key", errStoredKey)
	}
	for name, value := range changes {
		all = append(all, field{name, value})
	}
	return jsonText(all), nil
}

// dropCopies removes the copies of a key whose row has changed: the server makes new ones when it next reads the row.
func (b *Backend) dropCopies(ctx context.Context, c *APIKeyConfig, k *keyRow) error {
	if c.Storage != KeysInSecondaryAndDatabase {
		return nil
	}
	return b.keyPlace(c).remove(ctx, "drop copies of API key", storedName(k), storedNameByID(k), storedList(k))
}

// dropStoredKey deletes a key that is in the storage alone.
func (b *Backend) dropStoredKey(ctx context.Context, c *APIKeyConfig, k *keyRow) error {
	const op = "delete API key"
	p := b.keyPlace(c)
	if err := p.remove(ctx, op, storedName(k), storedNameByID(k)); err != nil {
		return err
	}
	for range slotAttempts {
		text, found, err := p.get(ctx, op, storedList(k))
		var ids []string
		if err != nil || !found || json.Unmarshal([]byte(text), &ids) != nil || !slices.Contains(ids, k.info.ID) {
			return err
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == k.info.ID })
		if len(ids) == 0 {
			return p.remove(ctx, op, storedList(k))
		}
		list := make([]any, len(ids))
		for i, id := range ids {
			list[i] = id
		}
		if swapped, err := p.swap(ctx, op, storedList(k), text, jsonText(list), 0); err != nil || swapped {
			return err
		}
	}
	return fail(auth.CodeStoreUnavailable, op, errBusyKey)
}
