package sessions

import (
	"testing"
	"time"

	"github.com/netscript/auth/internal/sessionmodel"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/redisstore"
)

// TestSessionsAgainstOracle plays random sequences on two processes that share a real store and crash, and compares every
// answer with the rules.
func TestSessionsAgainstOracle(t *testing.T) {
	for _, p := range []struct {
		name   string
		place  place
		behind time.Duration
	}{
		{"redis", onRedis, redisstore.DefaultCacheTTL},
		{"redis uncached", onRedisUncached, 0},
		{"cluster", onCluster, redisstore.DefaultCacheTTL},
		{"postgres", onPostgres, 0},
		{"mariadb", onMariaDB, 0},
		{"sqlite", onSQLite, 0},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()          // most of the time goes into starting servers
			connect := p.place(t) // one for all sequences: their keys differ
			shared := func(testing.TB, func() time.Time) func() (store.KV, func()) { return connect }
			sessionmodel.Run(t, shared, sessionmodel.Options{Seeds: []uint64{1, 2}, Steps: 200, OwnClock: true, Behind: p.behind})
		})
	}
}
