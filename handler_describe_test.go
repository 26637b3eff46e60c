package auth_test

import (
	"testing"

	"github.com/netscript/auth"
)

func TestDescribe(t *testing.T) {
	h := newHandler(t, working(), auth.HandlerConfig{Version: "1.2.3"})
	wantJSON(t, do(h, request("GET", base+"/describe", "")), `{"name":"auth","contractVersions":["v1"],"backend":"fake","version":"1.2.3",
		"routeGroups":[
			{"name":"identity","routes":["GET /api/v1/auth/session","GET /api/v1/auth/me"]},
			{"name":"discovery","routes":["GET /api/v1/auth/describe","GET /api/v1/auth/providers"]},
			{"name":"signin","routes":["GET /api/v1/auth/signin","POST /api/v1/auth/signin","GET /api/v1/auth/callback","POST /api/v1/auth/callback"]},
			{"name":"signout","routes":["POST /api/v1/auth/signout"]},
			{"name":"sessions","routes":["GET /api/v1/auth/sessions","DELETE /api/v1/auth/sessions/{id}"]}],
		"capabilities":["interactive","signOut","sessionAdmin"]}`)
	h = newHandler(t, &fakeCore{}, auth.HandlerConfig{BasePath: "/id"})
	wantJSON(t, do(h, request("GET", "/id/describe", "")), `{"name":"auth","contractVersions":["v1"],"backend":"fake",
		"routeGroups":[{"name":"identity","routes":["GET /id/session","GET /id/me"]},{"name":"discovery","routes":["GET /id/describe","GET /id/providers"]}],
		"capabilities":[]}`)
}

func TestProviders(t *testing.T) {
	h := newHandler(t, working(), auth.HandlerConfig{})
	wantJSON(t, do(h, request("GET", base+"/providers", "")), `{"providers":[
		{"id":"one","displayName":"One","kind":"oidc","capabilities":[]},{"id":"two","displayName":"Two","kind":"oauth","capabilities":[]}]}`)
	wantJSON(t, do(newHandler(t, &fakeCore{}, auth.HandlerConfig{}), request("GET", base+"/providers", "")), `{"providers":[]}`)
}
