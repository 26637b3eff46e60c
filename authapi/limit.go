package authapi

import (
	"container/list"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// mostClients bounds how many clients a limiter knows; the one that was silent for longest is forgotten.
const mostClients = 100_000

// rateLimit is how often one client may start and finish sign-ins. The zero value is no limit.
type rateLimit struct {
	count   int
	per     time.Duration
	proxies []netip.Prefix
}

func (l rateLimit) on() bool { return l.count > 0 }

func (e *environ) rateLimit() rateLimit {
	const name = "NETSCRIPT_AUTH_RATE_LIMIT"
	l := rateLimit{proxies: e.prefixes("NETSCRIPT_AUTH_TRUSTED_PROXIES")}
	v := e.text(name)
	if v == "" {
		return l
	}
	var err error
	if l.count, l.per, err = parseRate(v); err != nil {
		e.complain(name, "is not a rate", "write it as 30/m: a number from 1 to 100000, and s, m or h")
	}
	return l
}

func parseRate(v string) (int, time.Duration, error) {
	number, unit, _ := strings.Cut(v, "/")
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 100_000 || strconv.Itoa(n) != number || per == 0 {
		return 0, 0, errors.New("not a rate")
	}
	return n, per, nil
}

// limiter bounds the sign-ins and callbacks of each client: a token bucket that holds as many as the rate has.
type limiter struct {
	rateLimit
	now func() time.Time

	mu      sync.Mutex
	clients map[netip.Prefix]*list.Element // of *client
	recent  *list.List                     // the one that asked last in front
}

type client struct {
	address netip.Prefix
	bucket  *rate.Limiter
}

func newLimiter(l rateLimit, now func() time.Time) *limiter {
	return &limiter{rateLimit: l, now: now, clients: make(map[netip.Prefix]*list.Element), recent: list.New()}
}

func (l *limiter) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUnder(r.URL.Path, basePath+"/signin") && !isUnder(r.URL.Path, basePath+"/callback") {
			next.ServeHTTP(w, r)
			return
		}
		if wait, ok := l.admit(clientAddress(r, l.proxies)); !ok {
			seconds := int(math.Ceil(wait.Seconds()))
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			writeError(w, wireError{true, "TOO_MANY_REQUESTS", http.StatusTooManyRequests, "Too many sign-ins. Try again later.",
				map[string]any{"retryAfter": seconds}})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit takes a token of a client's bucket, or says how long until there is one.
func (l *limiter) admit(address netip.Prefix) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.clients[address]
	if !ok {
		if l.recent.Len() >= mostClients {
			oldest := l.recent.Remove(l.recent.Back()).(*client)
			delete(l.clients, oldest.address)
		}
		bucket := rate.NewLimiter(rate.Limit(float64(l.count)/l.per.Seconds()), l.count)
		e = l.recent.PushFront(&client{address, bucket})
		l.clients[address] = e
	}
	l.recent.MoveToFront(e)
	now := l.now()
	reservation := e.Value.(*client).bucket.ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return wait, false
	}
	return 0, true
}
