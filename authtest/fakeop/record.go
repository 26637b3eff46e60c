package fakeop

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// maxRequests bounds the recording, for a demonstration that runs for weeks.
const maxRequests = 4096

// Request is what a client has sent to the provider.
type Request struct {
	Endpoint Endpoint
	Method   string
	Path     string
	Query    url.Values
	Header   http.Header
	Form     url.Values // of the body
}

// Requests returns the requests so far, oldest first: at least the last 2048 of them.
func (p *Provider) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Count returns how many requests the endpoint has had.
func (p *Provider) Count(e Endpoint) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[e]
}

// Reset forgets the recorded requests and the counts. It keeps tokens, keys and faults.
func (p *Provider) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
	clear(p.counts)
}

// record keeps a copy of the request and returns the faults that apply to it.
func (p *Provider) record(c *call) Faults {
	req := Request{
		Endpoint: c.endpoint, Method: c.r.Method, Path: c.r.URL.EscapedPath(),
		Query: cloneValues(c.query), Form: cloneValues(c.form), Header: c.r.Header.Clone(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[c.endpoint]++
	if len(p.requests) == maxRequests {
		p.requests = slices.Delete(p.requests, 0, maxRequests/2)
	}
	p.requests = append(p.requests, req)
	return p.faults
}

func cloneValues(v url.Values) url.Values {
	v = maps.Clone(v)
	for name, values := range v {
		v[name] = slices.Clone(values)
	}
	return v
}
