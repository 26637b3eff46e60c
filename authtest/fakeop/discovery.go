package fakeop

import "net/http"

// discovery answers with the metadata of OpenID Connect Discovery 1.0, section 3.
func (p *Provider) discovery(c *call) *Response {
	doc := map[string]any{
		"issuer":                                           p.cfg.Issuer,
		"authorization_endpoint":                           p.base + pathAuthorize,
		"token_endpoint":                                   p.base + pathToken,
		"userinfo_endpoint":                                p.base + pathUserInfo,
		"jwks_uri":                                         p.base + pathJWKS,
		"revocation_endpoint":                              p.base + pathRevocation,
		"pushed_authorization_request_endpoint":            p.base + pathPAR,
		"require_pushed_authorization_requests":            p.cfg.RequirePushedAuthorization,
		"dpop_signing_alg_values_supported":                []string{algES256},
		"end_session_endpoint":                             p.base + pathEndSession,
		"scopes_supported":                                 p.cfg.Scopes,
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{modeQuery, modeFormPost},
		"grant_types_supported":                            []string{"authorization_code", "refresh_token"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []string{algRS256, algES256},
		"token_endpoint_auth_methods_supported":            []AuthMethod{AuthBasic, AuthPost, AuthSecretJWT, AuthKeyJWT, AuthNone},
		"token_endpoint_auth_signing_alg_values_supported": []string{algHS256, algRS256, algPS256, algES256, algEdDSA},
		"code_challenge_methods_supported":                 []string{"S256"},
		"prompt_values_supported":                          []string{"none", "login", "consent", "select_account"},
		"claims_supported":                                 []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "nonce", "sid", "name", "picture", "email", "email_verified"},
		"authorization_response_iss_parameter_supported":   true,
		"request_parameter_supported":                      false,
		"request_uri_parameter_supported":                  false,
	}
	if len(p.cfg.ACRValues) > 0 {
		doc["acr_values_supported"] = p.cfg.ACRValues
	}
	if c.faults.Discovery != nil {
		c.faults.Discovery(doc)
	}
	resp := jsonResponse(http.StatusOK, doc)
	resp.Header.Set("Cache-Control", "max-age=300")
	return resp
}
