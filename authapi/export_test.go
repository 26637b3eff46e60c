package authapi

// What the fuzz and table tests of pure functions need.
var (
	ClientAddress = clientAddress
	DSNOf         = dsnOf
)

// Draining reports whether the service has begun to shut down.
func (s *Service) Draining() bool { return s.draining.Load() }
