// Package store is the storage port of NetScript Auth and the store that needs no server.
//
// # Choosing a store
//
// [Memory] keeps everything in the process: right for tests, for development and for a single instance whose users
// may sign in again after a restart. Several instances share a store over the network: package redisstore keeps the
// records in Redis, package sqlstore in a SQL table.
//
//	sessions, err := store.NewMemory(store.MemoryConfig{})
//
// A backend takes any [KV]. It uses [ConditionalGetter] too when the store has it.
//
// # Writing your own store
//
// Implement the five methods of [KV]; its documentation is the contract. You need not import this package for it. What
// is easily missed:
//
//   - Missing or expired is found == false with a nil error. Everything that went wrong is an error, and every error
//     is shown to users as "unavailable, try again", never as "signed out".
//   - Take and CompareAndSwap are one step in the store (GETDEL and a script in Redis, DELETE ... RETURNING and UPDATE
//     ... WHERE value = ? in SQL), not a read followed by a write. They go to the primary, never to a replica.
//   - Do not repeat a write whose reply was lost: a second Take answers "absent" for a value that the first one took.
//   - A record whose ttl has run out is absent for every method, also while its row is still there.
//   - Compare keys and values as bytes. Many SQL collations ignore case, trailing spaces or accents.
//   - A found value is never nil: return []byte{} for an empty one.
//   - Do not evict live records to make room. Refuse the write instead: a caller can handle an error, a user whose
//     session vanished cannot.
//
// Then let the kit judge it in your own test:
//
//	func TestConformance(t *testing.T) {
//		storetest.TestKV(t, func(t *testing.T) store.KV { return mystore.New(...) })
//	}
package store
