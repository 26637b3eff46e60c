package kvoauth

import (
	"errors"
	"net/url"
	"path"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/returnurl"
)

var errReturnURL = errors.New("not a path on this origin and not a URL of an allowed origin")

// returnURL returns where to send a browser that asked to be sent to raw, or an error when it may not be sent there.
func (s *settings) returnURL(raw string) (string, error) {
	if raw == "" {
		raw = s.DefaultReturnURL
	}
	u, ok := s.origins.Accept(raw)
	if !ok || s.loops(u) {
		return "", &auth.Error{Code: auth.CodeReturnURLRejected, Backend: Name, Op: "check return URL", Err: errReturnURL,
			Fields: map[string]string{"redirectTo": "must be a path on this site or a URL of an allowed origin"}}
	}
	return raw, nil
}

// loops reports whether u is a callback itself, which would fail there.
func (s *settings) loops(u *url.URL) bool {
	return (u.Host == "" || returnurl.Origin(u) == returnurl.Origin(s.redirect)) && s.callbacks[path.Clean(u.Path)]
}
