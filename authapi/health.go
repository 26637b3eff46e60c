package authapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// healthFresh is how long an answer is repeated, so that probes cannot be used to load what is checked.
	healthFresh = time.Second
	// checkTimeout bounds each check. Probes commonly wait for a few seconds.
	checkTimeout = 2 * time.Second
)

// check asks one dependency.
type check struct {
	name string
	// ask returns nil when the dependency is good. An error's text is not shown to anybody who asks; see checkError.
	ask func(ctx context.Context) error
	// once says that it is enough for the dependency to have been good before: while it is down, requests that do not need
	// it are still served.
	once bool
	// fresh is how long an answer "good" is kept. If zero, healthFresh.
	fresh time.Duration
}

// checkError is a failure that may be shown: it says what to do, and holds nothing of an address or an answer.
type checkError struct{ code, fix string }

func (e *checkError) Error() string { return e.code + ": " + e.fix }

// health answers /health, /health/live and /health/ready.
type health struct {
	checks   []*checkState
	draining func() bool
	log      *slog.Logger
	now      func() time.Time
}

// checkState is a check and its last answer.
type checkState struct {
	check
	mu   sync.Mutex // held while the check runs: others wait for its answer
	last checkAnswer
	at   time.Time
	was  bool // it has been good before
}

// checkAnswer is what /health/ready says about a dependency.
type checkAnswer struct {
	Status    string  `json:"status"` // up, degraded (down, but not needed for everything), down
	LatencyMS float64 `json:"latencyMs"`
	Code      string  `json:"code,omitempty"`
	Fix       string  `json:"fix,omitempty"`
	CheckedAt string  `json:"checkedAt"`
}

type healthAnswer struct {
	Status string                 `json:"status"` // live; ready, not_ready, shutting_down
	Checks map[string]checkAnswer `json:"checks,omitempty"`
}

func newHealth(o Options, draining func() bool, checks []check) *health {
	h := &health{draining: draining, log: o.Logger, now: o.Now}
	for _, c := range checks {
		if c.fresh == 0 {
			c.fresh = healthFresh
		}
		h.checks = append(h.checks, &checkState{check: c})
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !onlyReads(w, r) {
		return
	}
	switch r.URL.Path {
	case "/health/live":
		writeJSON(w, http.StatusOK, healthAnswer{Status: "live"})
	case "/health", "/health/ready":
		answer, ok := h.ready()
		status := http.StatusOK
		if !ok {
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
		}
		writeJSON(w, status, answer)
	default:
		writeError(w, notFound)
	}
}

// ready asks all dependencies, at the same time. The checks are not part of the request that asks: their answers are for
// all who ask within a second.
func (h *health) ready() (healthAnswer, bool) {
	answer := healthAnswer{Status: "ready", Checks: make(map[string]checkAnswer, len(h.checks))}
	answers := make([]checkAnswer, len(h.checks))
	var asking sync.WaitGroup
	for i, c := range h.checks {
		asking.Go(func() { answers[i] = c.answer(h.now, h.log) })
	}
	asking.Wait()
	for i, c := range h.checks {
		answer.Checks[c.name] = answers[i]
		if answers[i].Status == "down" {
			answer.Status = "not_ready"
		}
	}
	if h.draining() {
		answer.Status = "shutting_down"
	}
	return answer, answer.Status == "ready"
}

func (c *checkState) answer(now func() time.Time, log *slog.Logger) checkAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := healthFresh
	if c.last.Status == "up" {
		fresh = c.fresh
	}
	if c.last.Status != "" && now().Sub(c.at) < fresh {
		return c.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	start := now()
	err := c.ask(ctx)
	c.at = now()
	next := checkAnswer{Status: "up", LatencyMS: float64(c.at.Sub(start).Microseconds()) / 1000, CheckedAt: c.at.UTC().Format(time.RFC3339)}
	if err != nil {
		next.Status = "down"
		if c.once && c.was {
			next.Status = "degraded"
		}
		next.Code, next.Fix = explainCheck(err)
	}
	c.was = c.was || err == nil
	if next.Status != c.last.Status {
		log.LogAttrs(ctx, levelOf(next.Status), "dependency is "+next.Status, slog.String("dependency", c.name),
			slog.String("code", next.Code), slog.String("fix", next.Fix))
	}
	c.last = next
	return next
}

func levelOf(status string) slog.Level {
	if status == "up" {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// explainCheck returns what may be shown of an error.
func explainCheck(err error) (code, fix string) {
	if e, ok := asCheckError(err); ok {
		return e.code, e.fix
	}
	return "unavailable", "see that it runs, and that this service reaches it"
}
