package authapi

import (
	"cmp"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/store"
)

// DefaultPort is where the service listens when PORT says nothing.
const DefaultPort = 8094

// Options are what a service is made of beside its environment. The zero value is a service that takes everything from
// the environment.
type Options struct {
	// Getenv returns a variable, "" when it is not set. If nil, os.Getenv.
	Getenv func(name string) string
	// SettingsFile is the file of settings. If empty, appsettings.json in the working directory; one that does not exist
	// sets nothing.
	SettingsFile string

	// KV keeps the sessions of kv-oauth, in place of what NETSCRIPT_AUTH_KV says. The caller closes it. If nil, the
	// environment decides.
	KV store.KV
	// DB is the database, in place of what DATABASE_URL says. The caller closes it. If nil, the environment decides.
	DB *gorm.DB
	// HTTPClient reaches the identity provider: its Transport and Timeout are used. If nil, http.DefaultTransport.
	HTTPClient *http.Client
	// Logger is told of failures, and of events as audit records. If nil, slog.Default.
	Logger *slog.Logger
	// Observer is told of events too. If nil, nobody is.
	Observer auth.Observer
	// TracerProvider and MeterProvider turn telemetry on. If both are nil, there is none.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Version is shown by GET /describe and in the OpenAPI document. If empty, not known.
	Version string
	// ShutdownTimeout is how long [Service.Run] waits for requests in flight. If zero, 30 seconds.
	ShutdownTimeout time.Duration
	// DrainDelay is how long [Service.Run] goes on serving after it has begun to answer "not ready", so that a load
	// balancer notices. If zero, not at all.
	DrainDelay time.Duration
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.SettingsFile = cmp.Or(o.SettingsFile, settingsFile)
	o.ShutdownTimeout = cmp.Or(o.ShutdownTimeout, 30*time.Second)
	return o
}

func (o Options) environ() *environ {
	e := &environ{getenv: o.Getenv}
	e.readSettings(o.SettingsFile)
	return e
}

func (e *environ) port() int {
	v := e.text("PORT")
	if v == "" {
		return DefaultPort
	}
	port, err := strconv.Atoi(v)
	if err != nil || port < 0 || port > 65535 || strconv.Itoa(port) != v {
		e.complain("PORT", "is not a port", "set it to a number from 1 to 65535, or 0 for any free one")
		return DefaultPort
	}
	return port
}
