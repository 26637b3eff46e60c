package kvoauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/internal/faultproxy"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// endpointEmail is the second call of a provider without ID tokens. The fake provider has none.
const endpointEmail fakeop.Endpoint = "email"

// farHosts are the names of a far provider's endpoints. They lead to its proxies.
var farHosts = map[fakeop.Endpoint]string{
	fakeop.EndpointDiscovery: "idp.localhost", fakeop.EndpointJWKS: "keys.localhost", fakeop.EndpointToken: "token.localhost",
	fakeop.EndpointUserInfo: "userinfo.localhost", endpointEmail: "email.localhost", fakeop.EndpointRevocation: "revocation.localhost",
	fakeop.EndpointPAR: "par.localhost",
}

// newFarIDP returns the provider behind any number of networks. Its clock stands still.
func newFarIDP(t testing.TB) *hostileIDP {
	t.Helper()
	idp := newIDP(t, authtest.ProviderConfig{Issuer: "http://idp.localhost", Configure: func(c *fakeop.Config) { c.IDTokenLife = 24 * time.Hour }})
	publishedKeys(t, idp.Provider) // made now, so that no timeout falls on their making
	idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) {
		doc["jwks_uri"], doc["token_endpoint"], doc["userinfo_endpoint"] = "http://keys.localhost/jwks", "http://token.localhost/token", "http://userinfo.localhost/userinfo"
		doc["pushed_authorization_request_endpoint"] = "http://par.localhost/par"
		doc["revocation_endpoint"] = "http://revocation.localhost/revoke"
	}})
	return idp
}

// far is a provider at the other end of a network: each endpoint is behind a proxy of its own, and can break alone.
type far struct {
	*hostileIDP
	t         testing.TB
	clock     *stoppedClock // of the application
	proxies   map[fakeop.Endpoint]*faultproxy.Proxy
	transport *http.Transport
	faults    sync.Map // of fakeop.Hook, by endpoint
	asked     map[fakeop.Endpoint]*atomic.Int64
	open      atomic.Int64
	config    kvoauth.Config // of the application
}

// newFar returns a way to idp that is well. It ends with the test.
func newFar(t testing.TB, idp *hostileIDP) *far {
	t.Helper()
	f := &far{hostileIDP: idp, t: t, clock: newClock(), proxies: map[fakeop.Endpoint]*faultproxy.Proxy{}, asked: map[fakeop.Endpoint]*atomic.Int64{}}
	f.transport = &http.Transport{DialContext: f.dial}
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = f.connection
	for e := range farHosts {
		p, err := faultproxy.Start(server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		f.proxies[e], f.asked[e] = p, new(atomic.Int64)
	}
	server.Start()
	t.Cleanup(func() {
		f.transport.CloseIdleConnections()
		for _, p := range f.proxies {
			_ = p.Close()
		}
		server.CloseClientConnections()
		server.Close()
	})
	return f
}

// dial leads the name of an endpoint to its proxy.
func (f *far) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for e, host := range farHosts {
		if address == host+":80" {
			var d net.Dialer
			return d.DialContext(ctx, network, f.proxies[e].Addr())
		}
	}
	return nil, errors.New("there is nothing there")
}

func (f *far) connection(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		f.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		f.open.Add(-1)
	}
}

// ServeHTTP serves every endpoint: which one, the name says.
func (f *far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for e, host := range farHosts {
		if r.Host != host {
			continue
		}
		f.asked[e].Add(1)
		body, err := io.ReadAll(r.Body) // net/http notices only then that a client has gone
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if hook, ok := f.faults.Load(e); ok && hook.(fakeop.Hook)(w, r) {
			return
		}
		if e == endpointEmail {
			fakeop.Reply(200, "application/json", `[{"email":"alice@example.test","primary":true,"verified":true}]`)(w, r)
			return
		}
		r.Host = farHosts[fakeop.EndpointDiscovery]
		f.Provider.ServeHTTP(w, r)
		return
	}
}

// breaks makes an endpoint answer with the fault from now on; nil mends it.
func (f *far) breaks(e fakeop.Endpoint, hook fakeop.Hook) {
	if hook == nil {
		f.faults.Delete(e)
		return
	}
	f.faults.Store(e, hook)
}

// world returns an application that reaches the provider over the network, gives it so much time for each answer, and
// uses the endpoint.
func (f *far) world(patience time.Duration, uses fakeop.Endpoint) *world {
	f.t.Helper()
	return newWorld(f.t, f.hostileIDP, func(c *kvoauth.Config) {
		c.HTTPClient = &http.Client{Transport: f.transport, Timeout: patience}
		c.InsecureAllowHTTP, c.Now = true, f.clock.now
		c.Clients[0].Provider.PushedAuthorization = uses == fakeop.EndpointPAR
		if uses == endpointEmail {
			c.Clients[0].Provider = f.hub()
		}
		f.config = *c
	})
}

// hub is the provider as one without ID tokens, with its e-mail addresses kept apart.
func (f *far) hub() providers.Provider {
	return providers.Provider{
		ID: "hub", Kind: providers.OAuth, AuthorizationEndpoint: f.Issuer() + "/authorize", TokenEndpoint: "http://token.localhost/token",
		UserInfoEndpoint: "http://userinfo.localhost/userinfo", EmailEndpoint: "http://email.localhost/emails", Issuer: f.Issuer(),
		Mapping: providers.Mapping{Subject: "sub", Claims: map[string][]string{"name": {"name"}}},
	}
}

// quiet requires that no connection is in use any more: those that are left are idle, and closing the idle ones leaves
// none.
func (f *far) quiet() {
	f.t.Helper()
	eventually(f.t, "a connection to the provider stays in use", func() bool {
		f.transport.CloseIdleConnections()
		left := int(f.open.Load())
		for _, p := range f.proxies {
			left += p.Open()
		}
		return left == 0
	})
}
