package auth

import (
	"net/http"
	"strings"
)

// contractName and contractVersion name the routes and shapes of this file's siblings. A new version is a new base path.
const (
	contractName    = "auth"
	contractVersion = "v1"
)

type describeAnswer struct {
	Name             string       `json:"name"`
	ContractVersions []string     `json:"contractVersions"`
	Backend          string       `json:"backend"`
	Version          string       `json:"version,omitempty"`
	RouteGroups      []routeGroup `json:"routeGroups"`
	Capabilities     []string     `json:"capabilities"`
}

type routeGroup struct {
	Name   string   `json:"name"`
	Routes []string `json:"routes"` // method and path
}

type providersAnswer struct {
	Providers []ProviderInfo `json:"providers"`
}

// serveDescribe says what the backend can do. It asks nobody: the document is the same for every caller.
func (h *Handler) serveDescribe(w http.ResponseWriter, r *http.Request) {
	answer := describeAnswer{
		Name: contractName, ContractVersions: []string{contractVersion}, Backend: h.backend.Name(), Version: h.version,
		Capabilities: h.capabilities(),
	}
	group := func(available bool, name string, routes ...string) {
		if !available {
			return
		}
		g := routeGroup{Name: name}
		for _, route := range routes {
			g.Routes = append(g.Routes, strings.Replace(route, " ", " "+h.base, 1))
		}
		answer.RouteGroups = append(answer.RouteGroups, g)
	}
	group(true, "identity", "GET /session", "GET /me")
	group(true, "discovery", "GET /describe", "GET /providers")
	group(h.flow != nil, "signin", "GET /signin", "POST /signin", "GET /callback", "POST /callback")
	group(h.signOut != nil, "signout", "POST /signout")
	group(h.signOutReturn != nil, "signoutReturn", "GET /signout/callback")
	group(h.backChannel != nil, "backChannelLogout", "POST /backchannel-logout")
	group(h.signer != nil, "verify", "GET /verify")
	group(h.admin != nil, "sessions", "GET /sessions", "DELETE /sessions/{id}")
	h.answer(w, r, "describe", answer)
}

// capabilities names the optional ports that the backend has.
func (h *Handler) capabilities() []string {
	names := []string{}
	add := func(has bool, name string) {
		if has {
			names = append(names, name)
		}
	}
	_, tokens := As[SessionTokenPort](h.backend)
	_, mapper := As[PrincipalMapperPort](h.backend)
	add(h.flow != nil, "interactive")
	add(h.signOut != nil, "signOut")
	add(h.signOutReturn != nil, "signOutReturn")
	add(h.backChannel != nil, "backChannelLogout")
	add(h.admin != nil, "sessionAdmin")
	add(tokens, "sessionTokens")
	add(mapper, "principalMapper")
	return names
}

// serveProviders lists the providers for a sign-in page.
func (h *Handler) serveProviders(w http.ResponseWriter, r *http.Request) {
	answer := providersAnswer{Providers: []ProviderInfo{}}
	for _, p := range h.backend.Providers() {
		p.Capabilities = list(p.Capabilities)
		answer.Providers = append(answer.Providers, p)
	}
	h.answer(w, r, "providers", answer)
}
