package authapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// Listen listens on PORT, on all addresses. An error names the variable.
func (s *Service) Listen(ctx context.Context) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", ":"+strconv.Itoa(s.config.port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &ConfigError{[]Problem{{"PORT", fmt.Sprintf("%d is in use by another program", s.config.port), "end that, or set PORT to another one"}}}
	case errors.Is(err, syscall.EACCES):
		return nil, &ConfigError{[]Problem{{"PORT", fmt.Sprintf("%d is not allowed for this user", s.config.port), "set PORT to one above 1023"}}}
	}
	return l, err
}

// Run listens on PORT and serves until ctx is done; then it answers "not ready", finishes the requests in flight and
// closes the service. It returns nil after such an end.
func (s *Service) Run(ctx context.Context) error {
	l, err := s.Listen(ctx)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Serve(ctx, l)
}

// Serve is [Service.Run] on a listener, which it closes.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	s.options.Logger.LogAttrs(ctx, slog.LevelInfo, "auth service listens", slog.String("address", l.Addr().String()),
		slog.String("backend", s.backend.Name()))
	select {
	case err := <-ended:
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	s.Drain()
	time.Sleep(s.options.DrainDelay)
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.ShutdownTimeout)
	defer cancel()
	err := server.Shutdown(wait)
	if err != nil {
		err = errors.Join(errors.New("requests in flight did not end in time"), server.Close())
	}
	return errors.Join(err, s.Close())
}
