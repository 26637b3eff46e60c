package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/redisstore"
)

// openTime bounds the first words with a store, and patience each later one: this may run on a busy laptop.
const (
	openTime = 30 * time.Second
	patience = 5 * time.Second
)

// storeFlags say where sessions are kept. Without any it is the memory of this process.
type storeFlags struct{ redis, db, keyFile string }

func (f *storeFlags) register(set *flag.FlagSet) {
	set.StringVar(&f.redis, "redis", "", "keep sessions in the Redis at this `address`: host:port, redis://user:password@host:port/0, or rediss:// for TLS")
	set.StringVar(&f.db, "db", "", "keep sessions in this `database`: the file of a SQLite one, postgres://user:password@host/name, or mysql://user:password@host/name")
	set.StringVar(&f.keyFile, "key-file", "", "with -redis or -db, the `file` of the key that seals the sessions, made if it is missing (default netscript-auth/quickstart.key in your configuration directory)")
}

// sessionStore is where sessions are kept, and the key that they are sealed with.
type sessionStore struct {
	kv    store.KV
	key   auth.Key
	note  string // for who has started the program
	close func()
}

// open opens the store that the flags name, and talks to it: whoever tries this out wants to know now that it is not there.
func (f storeFlags) open(ctx context.Context) (*sessionStore, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	switch {
	case f.redis != "" && f.db != "":
		return nil, errors.New("-redis and -db exclude each other")
	case f.redis != "":
		return f.keep("-redis", func() (store.KV, func(), error) { return openRedis(ctx, f.redis) })
	case f.db != "":
		return f.keep("-db", func() (store.KV, func(), error) { return openDatabase(ctx, f.db) })
	case f.keyFile != "":
		return nil, errors.New("-key-file is of use with -redis or -db only: without them sessions and their key end with the process")
	}
	kv, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		return nil, err
	}
	return &sessionStore{kv: kv, key: auth.GenerateKey(), note: "Sessions end with this process", close: func() {}}, nil
}

// keep opens a store that outlives the process. The key has to do so too, and has a place of its own: who can read the
// store must not be able to read what is in it.
func (f storeFlags) keep(name string, open func() (store.KV, func(), error)) (*sessionStore, error) {
	key, path, err := readOrMakeKey(f.keyFile)
	if err != nil {
		return nil, fmt.Errorf("-key-file: %w", err)
	}
	kv, closeStore, err := open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &sessionStore{kv: kv, key: key, note: "Sessions outlive this process, sealed with the key in " + path, close: closeStore}, nil
}

func openRedis(ctx context.Context, address string) (store.KV, func(), error) {
	if !strings.Contains(address, "://") {
		address = "redis://" + address
	}
	cfg, err := redisstore.ParseURL(address)
	if err != nil {
		return nil, nil, err
	}
	cfg.Prefix = "quickstart" // the server may hold the sessions of others
	cfg.ReadTimeout, cfg.WriteTimeout, cfg.DialTimeout = patience, patience, patience
	kv, err := redisstore.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	if _, _, err := kv.Get(ctx, "is-there-a-server"); err != nil { // New connects to nothing
		kv.Close()
		return nil, nil, err
	}
	return kv, kv.Close, nil
}
