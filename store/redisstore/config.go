package redisstore

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/netscript/auth"
)

// Defaults of [Config].
const (
	DefaultPrefix       = "netscript-auth"
	DefaultReadTimeout  = 250 * time.Millisecond
	DefaultWriteTimeout = time.Second
	DefaultDialTimeout  = time.Second
	DefaultCacheTTL     = 5 * time.Second
	DefaultCacheBytes   = 64 << 20 // 64 MiB
)

// Config configures a [Store].
type Config struct {
	// Addresses are "host:port" of the server; of some nodes if Cluster is set, which tell of the others; of the
	// sentinels if SentinelMaster is set. At least one is required, and one only for a single server.
	Addresses []string

	// Cluster says that the addresses are nodes of a Redis Cluster.
	Cluster bool

	// SentinelMaster is the name of the set whose primary the sentinels at Addresses know. If empty, Addresses are no
	// sentinels.
	SentinelMaster string

	// SentinelUsername and SentinelPassword sign in to the sentinels. If zero, sentinels need no password.
	SentinelUsername string
	SentinelPassword auth.Secret

	// TLS is how connections are secured, to sentinels too. The server's certificate is verified against RootCAs and
	// against the host it was reached at, or ServerName if set. Versions before 1.2 are refused. If nil, connections
	// are in clear text: for a network that carries nothing else.
	TLS *tls.Config

	// Username is the ACL user. If empty, it is the server's default user.
	Username string

	// Password is the user's. If zero, the user needs none.
	Password auth.Secret

	// Database is the number of the logical database. A Cluster has number 0 only. If zero, it is 0.
	Database int

	// Prefix begins every key, followed by a colon, so that several applications can share a server. Bytes other than
	// letters, digits and "-_./" are percent-encoded, colons too: no two prefixes ever give the same key. If empty,
	// DefaultPrefix is used.
	Prefix string

	// ReadTimeout bounds Get and GetIfChanged, and WriteTimeout all other calls, connecting included. An earlier
	// deadline of the call's context wins. If zero, DefaultReadTimeout and DefaultWriteTimeout are used.
	ReadTimeout  time.Duration
	WriteTimeout time.Duration

	// DialTimeout bounds connecting to one server, with TLS and signing in. A connection that takes longer than the
	// call that asked for it serves later calls. If zero, DefaultDialTimeout is used.
	DialTimeout time.Duration

	// CacheTTL is the longest time that GetIfChanged answers from memory, counted from when the server was asked; see
	// "How old a read can be" in the package documentation. If zero, DefaultCacheTTL is used.
	CacheTTL time.Duration

	// CacheBytes bounds the memory of the cache. A session of 1 KiB takes about 1.4 KiB. If zero, DefaultCacheBytes is
	// used.
	CacheBytes int

	// DisableCache makes GetIfChanged ask the server every time. Memory up to CacheBytes is still used, to recognize
	// what has not changed. It is also for servers and proxies without client-side caching.
	DisableCache bool
}

// validate returns the first thing that is wrong.
func (c Config) validate() error {
	switch {
	case len(c.Addresses) == 0:
		return errors.New("redisstore: Config.Addresses is empty")
	case c.Cluster && c.SentinelMaster != "":
		return errors.New("redisstore: Config.Cluster and Config.SentinelMaster exclude each other")
	case len(c.Addresses) > 1 && !c.Cluster && c.SentinelMaster == "":
		return errors.New("redisstore: Config.Addresses has several addresses: set Cluster or SentinelMaster")
	case c.Cluster && c.Database != 0:
		return errors.New("redisstore: Config.Database: a Cluster has number 0 only")
	case c.Database < 0:
		return errors.New("redisstore: Config.Database is negative")
	case min(c.ReadTimeout, c.WriteTimeout, c.DialTimeout, c.CacheTTL) < 0 || c.CacheBytes < 0:
		return errors.New("redisstore: Config: a timeout or bound is negative")
	case c.TLS != nil && c.TLS.MinVersion != 0 && c.TLS.MinVersion < tls.VersionTLS12:
		return errors.New("redisstore: Config.TLS.MinVersion is less than TLS 1.2")
	}
	for _, a := range c.Addresses {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			return fmt.Errorf("redisstore: Config.Addresses: %q is not host:port", a)
		}
	}
	return nil
}

// withDefaults returns a copy that shares nothing with c and has no zero bounds.
func (c Config) withDefaults() Config {
	c.Addresses = slices.Clone(c.Addresses)
	if c.TLS != nil {
		c.TLS = c.TLS.Clone()
		c.TLS.MinVersion = max(c.TLS.MinVersion, tls.VersionTLS12)
	}
	c.Prefix = cmp.Or(c.Prefix, DefaultPrefix)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, DefaultReadTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	c.DialTimeout = cmp.Or(c.DialTimeout, DefaultDialTimeout)
	c.CacheTTL = cmp.Or(c.CacheTTL, DefaultCacheTTL)
	c.CacheBytes = cmp.Or(c.CacheBytes, DefaultCacheBytes)
	return c
}

const (
	// A connection that was silent for pingAfter is tested, and given up when the answer takes longer than giveUpAfter.
	pingAfter   = time.Second
	giveUpAfter = time.Second

	// sentinelInterval is how often sentinels are asked for the primary, besides listening to what they announce.
	sentinelInterval = 5 * time.Second

	// maxRedirects bounds how often a command follows a key through a Cluster that is being rearranged.
	maxRedirects = 5

	// ringScale makes room for 2^12 commands in a pipeline: maxDirect, and the probes that fail until it is given up.
	ringScale = 12
)

// option returns the settings of the client. Passwords are in clear in it, so it is not kept.
func (c Config) option() rueidis.ClientOption {
	dialer := net.Dialer{Timeout: c.DialTimeout, KeepAlive: pingAfter}
	return rueidis.ClientOption{
		InitAddress: slices.Clone(c.Addresses),
		TLSConfig:   c.TLS,
		Dialer:      dialer,
		Username:    c.Username,
		Password:    c.Password.Reveal(),
		SelectDB:    c.Database,
		Sentinel: rueidis.SentinelOption{
			MasterSet: c.SentinelMaster,
			Username:  c.SentinelUsername, Password: c.SentinelPassword.Reveal(),
			TLSConfig: c.TLS, Dialer: dialer,
			TopologyRefreshInterval: sentinelInterval,
		},
		ClusterOption:     rueidis.ClusterOption{MaxMovedRedirections: maxRedirects},
		ForceSingleClient: !c.Cluster && c.SentinelMaster == "",
		ConnWriteTimeout:  giveUpAfter,
		ClientSetInfo:     rueidis.DisableClientSetInfo,
		RingScaleEachConn: ringScale,

		// One connection to each server: what it says about a key and what it says about changes come in order.
		PipelineMultiplex: -1,

		// A call that waits in the pipeline can be given up without breaking the connection for the others.
		AlwaysPipelining: true,
		DisableRetry:     true,
		DisableCache:     c.DisableCache,
	}
}
