package authapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/otelauth"
)

// Service is the authentication service. It is an http.Handler, and safe for concurrent use.
type Service struct {
	options Options
	config  config
	backend auth.AuthBackendPort
	storage *storage // nil: the backend keeps nothing
	cookie  string   // the name of the session's
	health  *health
	handler http.Handler

	draining  atomic.Bool
	stop      context.CancelFunc // ends what runs beside the requests
	running   sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

var _ http.Handler = (*Service)(nil)

// New returns the service that the environment describes. An error is a [*ConfigError], which names everything that is
// wrong with it. New asks no store and no provider: they may be down when the service starts, which is then not ready.
// ctx carries values, such as a trace; that it is done later changes nothing. Close ends what New has begun.
func New(ctx context.Context, o Options) (*Service, error) {
	o = o.withDefaults()
	e := o.environ()
	s := &Service{options: o, config: e.readConfig(o)}
	telemetry, err := newTelemetry(o, s.config)
	if err != nil {
		return nil, err
	}
	o.HTTPClient = tracedClient(o.HTTPClient, telemetry)
	plan := e.readBackend(o, s.config)
	if err := e.err(); err != nil {
		return nil, err
	}
	if s.backend, s.storage, err = plan.open(o, observerOf(o, s.config, telemetry)); err != nil {
		return nil, errors.Join(err, s.storage.closeAll())
	}
	s.cookie = plan.cookieName()
	s.health = newHealth(o, s.draining.Load, plan.checks(o, s.storage, s.backend))
	if s.handler, err = s.routes(telemetry); err != nil {
		return nil, errors.Join(err, s.storage.closeAll())
	}
	s.begin(context.WithoutCancel(ctx))
	return s, nil
}

// begin starts what runs beside the requests.
func (s *Service) begin(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	if s.storage != nil && s.storage.sql != nil {
		s.running.Go(func() { s.storage.sweep(ctx) })
	}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Backend returns the active backend.
func (s *Service) Backend() auth.AuthBackendPort { return s.backend }

// Drain makes /health/ready answer that the service is not ready, for load balancers, and changes nothing else. It cannot
// be undone.
func (s *Service) Drain() { s.draining.Store(true) }

// Close ends what New has begun and closes the connections that are not the caller's. It must be called when no request
// is in flight any more; [Service.Run] does it. Calling it again does nothing.
func (s *Service) Close() error {
	s.closeOnce.Do(func() {
		s.Drain()
		s.stop()
		s.running.Wait()
		s.finish()
		s.closeErr = s.storage.closeAll()
	})
	return s.closeErr
}

// revocationTime is how long the end of the service waits for providers to revoke the tokens of sessions that have ended.
const revocationTime = 5 * time.Second

// finish lets the backend finish what no request waits for. What it does not get done it has reported as an event.
func (s *Service) finish() {
	b, ok := auth.As[interface {
		auth.AuthBackendPort
		Shutdown(ctx context.Context) error
	}](s.backend)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(revocationTime, s.options.ShutdownTimeout))
	defer cancel()
	_ = b.Shutdown(ctx)
}

func (s *storage) closeAll() error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, f := range s.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// plan is a backend that can be opened.
type plan struct {
	name       string
	kvOAuth    kvoauth.Config
	storage    storageSettings
	workOS     workOSSettings
	betterAuth betterAuthSettings
}

// readBackend reads what the active backend needs, and nothing of the others.
func (e *environ) readBackend(o Options, c config) plan {
	p := plan{name: c.backend}
	switch c.backend {
	case backendKvOAuth:
		p.kvOAuth = e.readKvOAuth(o, c.limit.proxies)
		p.storage = e.readStorage(o)
	case backendWorkOS:
		p.workOS = e.readWorkOS(o)
	case backendBetterAuth:
		p.betterAuth = e.readBetterAuth(o)
	}
	return p
}

func (p plan) open(o Options, observer auth.Observer) (auth.AuthBackendPort, *storage, error) {
	switch p.name {
	case backendWorkOS:
		backend, err := p.workOS.open(observer)
		return backend, nil, err
	case backendBetterAuth:
		return p.betterAuth.open(o, observer)
	}
	opened, err := p.storage.open(o)
	if err != nil {
		return nil, opened, err
	}
	c := p.kvOAuth
	c.KV, c.Observer = opened.kv, observer
	backend, err := kvoauth.NewKvOAuthBackend(c)
	return backend, opened, err
}

// observers tells several.
type observers []auth.Observer

// Observe implements auth.Observer.
func (all observers) Observe(ctx context.Context, e auth.Event) {
	for _, o := range all {
		o.Observe(ctx, e)
	}
}

// observerOf returns who is told of events: the audit log, telemetry, and the caller's own.
func observerOf(o Options, c config, telemetry *otelauth.Telemetry) auth.Observer {
	all := observers{auth.SlogObserver(o.Logger, c.auditSalt)}
	if telemetry != nil {
		all = append(all, telemetry)
	}
	if o.Observer != nil {
		all = append(all, o.Observer)
	}
	return all
}

func newTelemetry(o Options, c config) (*otelauth.Telemetry, error) {
	if o.TracerProvider == nil && o.MeterProvider == nil {
		return nil, nil
	}
	return otelauth.New(otelauth.Config{TracerProvider: o.TracerProvider, MeterProvider: o.MeterProvider, Salt: c.auditSalt, Now: o.Now})
}

// tracedClient returns c with the trace of a request passed on to the provider. Without telemetry it is c.
func tracedClient(c *http.Client, telemetry *otelauth.Telemetry) *http.Client {
	if telemetry == nil {
		return c
	}
	traced := &http.Client{}
	if c != nil {
		*traced = *c
	}
	traced.Transport = telemetry.Transport(traced.Transport)
	return traced
}

// trustedOrigins are the origins whose pages may send state-changing requests: those that may read the answers.
func (c config) trustedOrigins() []string { return c.corsOrigins }

// isUnder reports whether path is prefix or below it.
func isUnder(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
