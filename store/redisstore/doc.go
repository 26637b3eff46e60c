// Package redisstore keeps sessions, sign-in transactions and leases in Redis or Valkey, over the network, for all
// instances of an application. A [Store] is a store.KV and a store.ConditionalGetter.
//
//	cfg, err := redisstore.ParseURL(os.Getenv("REDIS_URL"))
//	...
//	sessions, err := redisstore.New(cfg)
//	...
//	defer sessions.Close()
//
// # Servers
//
// Redis 6.2 or later, or Valkey: a single server, a primary that Sentinel watches, or a Cluster. Everything is asked of
// primaries, nothing of replicas. The account of the store needs
//
//	+@connection +get +set +getdel +del +pttl +multi +exec +evalsha +eval +role +cluster|slots +cluster|shards
//
// and its keys, ~PREFIX:* with the prefix of [Config]. Set maxmemory-policy to noeviction: with any other policy a full
// server signs people out to make room, while with this one it refuses new sessions.
//
// # What survives
//
// An acknowledged write survives what the server's persistence and replication let survive, no more: Redis replicates
// after it has answered, so that a failover can lose the last writes, a sign-out among them. Where that matters set
// min-replicas-to-write on the server, which narrows the gap, and keep sessions short.
//
// # How old a read can be
//
// Get, Take and CompareAndSwap always ask the server.
//
// GetIfChanged, which kvoauth uses to authenticate requests, answers from the memory of this process while it can: a
// warm read makes no network call. Redis remembers which keys this process holds (server-assisted client-side caching)
// and says when one of them changes, is deleted or expires. So a read sees
//
//   - a write made through the same Store at once: no read that begins after the write has returned finds the old record;
//   - a write made by anybody else as soon as the server's word arrives, usually within a millisecond;
//   - nothing old when the connection breaks: what was learned over it is forgotten with it;
//   - in the worst case, a connection that is dead and nobody has said so (a cable pulled, a firewall that forgets), a
//     record at most [Config.CacheTTL] after the server was asked for it, and usually less, because a connection that
//     has been silent for a second is tested with a PING and given up after another.
//
// A revocation therefore holds everywhere within CacheTTL, five seconds by default, whatever fails. Set
// [Config.DisableCache] to have every read ask the server.
//
// # Failures
//
// New connects to nothing: the first call does, and a call that finds the server down fails and leaves it to the next
// one to try again. Every call has a deadline. No command that may have reached the server is ever sent again; a write
// without an answer may have happened or may still happen. A command that a Cluster node refuses because the key is
// elsewhere goes to the node it names, which is no repetition: the first has not executed it.
//
// A reply belongs to a command by its place in the connection's stream, as always in Redis. A store cannot tell whether
// a server or proxy that has lost count sent somebody else's record; what is kept in the store must prove by itself
// which record it is. kvoauth's records do: they are sealed together with their name.
//
// One thing of that kind ends the whole process: the client library panics when a reply comes that no command is waiting
// for. Redis sends none. Whoever can write into the connection can, so use TLS where the network is shared.
package redisstore
