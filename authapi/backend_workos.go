package authapi

import (
	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

// workOSSettings are what the workos backend needs.
type workOSSettings struct{ config workos.Config }

// readWorkOS reads the variables of WorkOS' own packages.
func (e *environ) readWorkOS(o Options) workOSSettings {
	c := workos.Config{
		ClientID:   e.required("WORKOS_CLIENT_ID", "set it to the client id of the WorkOS dashboard, client_..."),
		APIKey:     auth.NewSecret(e.required("WORKOS_API_KEY", "set it to an API key of the WorkOS dashboard, sk_...")),
		HTTPClient: o.HTTPClient,
		Now:        o.Now,
	}
	password := e.required("WORKOS_COOKIE_PASSWORD", "set it to the front end's cookie password, of 32 characters or more")
	if password != "" {
		c.CookiePasswords = []auth.Secret{auth.NewSecret(password)}
	}
	e.checkWorkOS(c)
	return workOSSettings{c}
}

// checkWorkOS is checkKvOAuth for workos.
func (e *environ) checkWorkOS(c workos.Config) {
	if c.ClientID == "" {
		c.ClientID = "client_missing"
	}
	if len(c.CookiePasswords) == 0 {
		c.CookiePasswords = []auth.Secret{auth.NewSecret(auth.GenerateKey().Encode())}
	}
	if _, err := workos.New(c); err != nil {
		e.explain(err, []field{{"ClientID", "WORKOS_CLIENT_ID"}, {"APIKey", "WORKOS_API_KEY"}, {"CookiePasswords", "WORKOS_COOKIE_PASSWORD"}})
	}
}

// open returns the backend, which takes WorkOS' access tokens too, from clients without cookies.
func (s workOSSettings) open(observer auth.Observer) (auth.AuthBackendPort, error) {
	c := s.config
	c.Observer = observer
	backend, err := workos.New(c)
	if err != nil {
		return nil, err
	}
	bearer, err := workos.NewBearer(workos.BearerConfig{ClientID: c.ClientID, HTTPClient: c.HTTPClient, Now: c.Now})
	if err != nil {
		return nil, err
	}
	return &withBearer{backend, bearer}, nil
}
