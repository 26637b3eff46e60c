package kvoauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
	"github.com/netscript/auth/providers"
)

// metadata is what is known of a provider: its definition's explicit endpoints, completed by discovery.
type metadata struct {
	issuer        string // expected iss; empty for a multi-tenant provider, which has many
	authorization string
	token         string
	userInfo      string
	jwks          string
	revocation    string // RFC 7009; empty if there is none
	endSession    string // OpenID Connect RP-Initiated Logout 1.0; empty if there is none
	push          string // RFC 9126; empty if there is none
	requiresPush  bool   // every authorization request is to be pushed
	discovered    bool   // the discovery document was asked
	dpop          bool   // it says that DPoP proofs are taken as they are made here (RFC 9449, section 5.1)
	sendsIss      bool   // authorization responses carry iss (RFC 9207, section 3)
}

// fetchMetadata returns the metadata of p, asking its discovery document (OpenID Connect Discovery 1.0, section 4) for
// what the definition leaves open.
func fetchMetadata(ctx context.Context, c *http.Client, p providers.Provider, allowHTTP bool) (*metadata, error) {
	m := &metadata{
		issuer: p.Issuer, authorization: p.AuthorizationEndpoint, token: p.TokenEndpoint, userInfo: p.UserInfoEndpoint,
		jwks: p.JWKSURI, revocation: p.RevocationEndpoint, endSession: p.EndSessionEndpoint, sendsIss: p.RequireIss,
		push: p.PushedAuthorizationEndpoint,
	}
	if p.Kind == providers.OAuth || m.authorization != "" && m.token != "" && m.jwks != "" && (m.push != "" || !p.PushedAuthorization) {
		return m, nil
	}
	doc, err := discover(ctx, c, p)
	if err != nil {
		return nil, err
	}
	if err := m.complete(doc, allowHTTP); err != nil {
		return nil, &auth.Error{Code: auth.CodeProviderInvalid, Backend: Name, Op: "discovery", Err: err}
	}
	return m, nil
}

// discover fetches the discovery document. Whose it is, complete checks.
func discover(ctx context.Context, c *http.Client, p providers.Provider) (map[string]json.RawMessage, error) {
	body, err := getJSON(ctx, c, "discovery", strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration", "", nil)
	if err != nil {
		return nil, err
	}
	doc, err := strictjson.Object(body, maxResponse)
	if err != nil {
		return nil, &auth.Error{Code: auth.CodeProviderInvalid, Backend: Name, Op: "discovery", Err: errNotJSON}
	}
	return doc, nil
}

// complete fills what is still open from doc.
func (m *metadata) complete(doc map[string]json.RawMessage, allowHTTP bool) error {
	if stringMember(doc, "issuer") != m.issuer {
		return errors.New("the document is another issuer's")
	}
	for _, e := range []struct {
		name     string
		field    *string
		required bool
	}{
		{"authorization_endpoint", &m.authorization, true},
		{"token_endpoint", &m.token, true},
		{"jwks_uri", &m.jwks, true},
		{"userinfo_endpoint", &m.userInfo, false},
		{"pushed_authorization_request_endpoint", &m.push, false},
		{"revocation_endpoint", &m.revocation, false},
		{"end_session_endpoint", &m.endSession, false},
	} {
		if *e.field == "" {
			*e.field = stringMember(doc, e.name)
		}
		if *e.field == "" && !e.required {
			continue
		}
		if !acceptableEndpoint(*e.field, allowHTTP) {
			return errors.New(e.name + " is not an acceptable URL")
		}
	}
	var iss bool
	if json.Unmarshal(doc["authorization_response_iss_parameter_supported"], &iss) == nil && iss {
		m.sendsIss = true
	}
	if raw, ok := doc["require_pushed_authorization_requests"]; ok && json.Unmarshal(raw, &m.requiresPush) != nil {
		return errors.New("require_pushed_authorization_requests is not a boolean")
	}
	var algs []string
	m.discovered, m.dpop = true, json.Unmarshal(doc["dpop_signing_alg_values_supported"], &algs) == nil && slices.Contains(algs, string(dpopAlgorithm))
	var methods []string
	if json.Unmarshal(doc["code_challenge_methods_supported"], &methods) == nil && len(methods) > 0 && !slices.Contains(methods, "S256") {
		return errors.New("the provider supports no S256 code challenge") // RFC 9700, section 2.1.1
	}
	return nil
}

func acceptableEndpoint(raw string, allowHTTP bool) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && allowHTTP && loopback(u.Hostname())
}

// stringMember returns the string member called name, or "" when it is absent or not a string.
func stringMember(doc map[string]json.RawMessage, name string) string {
	var s string
	if raw, ok := doc[name]; !ok || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
