package betterauth

import (
	"errors"

	"github.com/netscript/auth/internal/returnurl"
)

func (s *settings) parseReturnURLs() error {
	origins, errs := returnurl.ParseOrigins("ReturnOrigins", s.ReturnOrigins, s.Cookies.Security == InsecureNever)
	if s.origins = origins; errs != nil {
		return errors.Join(errs...)
	}
	if s.DefaultReturnURL == "" {
		s.DefaultReturnURL = defaultReturnURL
	}
	if _, ok := s.origins.Accept(s.DefaultReturnURL); !ok {
		return errors.New("DefaultReturnURL must be a path, or a URL of one of ReturnOrigins")
	}
	return nil
}

// returnURL returns raw, or the default when raw is not allowed: signing out does not fail for it.
func (s *settings) returnURL(raw string) string {
	if _, ok := s.origins.Accept(raw); !ok {
		return s.DefaultReturnURL
	}
	return raw
}
