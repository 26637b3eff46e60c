package kvoauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

const (
	opPush        = "push authorization request"
	maxRequestURI = 2048
)

// authorizationRequest returns where the browser goes to ask the provider: location, with all parameters in the URL, or a
// reference to those that were pushed, where the definition or the provider wants it (RFC 9126).
func (rp *relyingParty) authorizationRequest(ctx context.Context, m *metadata, location string) (string, error) {
	if !rp.Provider.PushedAuthorization && !m.requiresPush {
		return location, nil
	}
	if m.push == "" {
		return "", fail(auth.CodeProviderInvalid, opPush, errors.New("the provider names no pushed_authorization_request_endpoint"))
	}
	endpoint, err := url.Parse(m.authorization)
	asked, errAsked := url.Parse(location)
	if err != nil || errAsked != nil {
		return "", fail(auth.CodeProviderInvalid, opPush, errors.New("authorization_endpoint is not a URL"))
	}
	form := asked.Query()
	for name := range endpoint.Query() {
		form.Del(name) // the endpoint's own (RFC 6749, section 3.1)
	}
	reference, err := rp.push(ctx, m.push, form)
	if err != nil {
		return "", err
	}
	query := endpoint.Query()
	query.Set("client_id", rp.ClientID)
	query.Set("request_uri", reference)
	endpoint.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return endpoint.String(), nil
}

// push sends the parameters of an authorization request to the provider, as this client, and returns the request_uri that
// stands for them (RFC 9126, section 2). Each is used for one redirect.
func (rp *relyingParty) push(ctx context.Context, target string, form url.Values) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fail(auth.CodeProviderInvalid, opPush, errors.New("endpoint is not a URL"))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	res, err := rp.client.Do(r)
	if err != nil {
		return "", providerError(opPush, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", providerError(opPush, err)
	}
	if busy(res) {
		return "", fail(auth.CodeProviderUnavailable, opPush, errStatus)
	}
	members, err := strictjson.Object(body, maxResponse)
	if err != nil || !isJSON(res.Header) {
		members = nil
	}
	if res.StatusCode >= 400 {
		return "", endpointError(opPush, stringMember(members, "error"))
	}
	if res.StatusCode != http.StatusCreated {
		return "", fail(auth.CodeProviderInvalid, opPush, errStatus)
	}
	reference := stringMember(members, "request_uri")
	if !plausibleRequestURI(reference) || !positiveNumber(members["expires_in"]) {
		return "", fail(auth.CodeProviderInvalid, opPush, errors.New("not the answer of RFC 9126, section 2.2"))
	}
	return reference, nil
}

// plausibleRequestURI reports whether s can be a request_uri: an absolute URI, usually a URN. It is never fetched here.
func plausibleRequestURI(s string) bool {
	if s == "" || len(s) > maxRequestURI || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Opaque != "" || u.Host != "")
}

func positiveNumber(raw json.RawMessage) bool {
	var f *float64
	return json.Unmarshal(raw, &f) == nil && f != nil && *f > 0
}

// endpointError classifies an error answer of an endpoint that takes forms (RFC 6749, section 5.2). The provider's
// description goes nowhere.
func endpointError(op, problem string) error {
	switch problem {
	case "invalid_client", "unauthorized_client", "incorrect_client_credentials": // the last is GitHub's
		return fail(auth.CodeClientRejected, op, errors.New("the provider does not accept this client's credentials"))
	case "temporarily_unavailable", "server_error", "slow_down":
		return fail(auth.CodeProviderUnavailable, op, errors.New("the provider is not available"))
	}
	if problem == "use_dpop_nonce" {
		return fail(auth.CodeProviderInvalid, op, errors.New("the provider asked for a DPoP nonce and did not take it"))
	}
	return fail(auth.CodeProviderRefused, op, errStatus)
}
