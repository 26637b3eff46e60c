package workostest

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[r.URL.Path]++
	if s.down {
		reply(w, http.StatusServiceUnavailable, map[string]any{"message": "down"})
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sso/jwks/"+s.config.ClientID, func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.jwks()) })
	mux.HandleFunc("GET /user_management/sessions/logout", s.logout)
	mux.HandleFunc("POST /user_management/authenticate", s.withKey(s.authenticate))
	mux.HandleFunc("POST /user_management/sessions/revoke", s.withKey(s.revoke))
	mux.HandleFunc("GET /user_management/users/{id}/sessions", s.withKey(s.list))
	mux.ServeHTTP(w, r)
}

func (s *Server) withKey(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.apiKey(r) {
			reply(w, http.StatusUnauthorized, map[string]any{"message": "Unauthorized"})
			return
		}
		next(w, r)
	}
}

// authenticate refreshes. Each refresh token is good once.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) {
	var in struct {
		GrantType    string  `json:"grant_type"`
		ClientID     string  `json:"client_id"`
		ClientSecret string  `json:"client_secret"`
		RefreshToken string  `json:"refresh_token"`
		Organization *string `json:"organization_id"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.GrantType != "refresh_token" || in.ClientID != s.config.ClientID || in.ClientSecret != s.config.APIKey {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_client"})
		return
	}
	n := s.sessions[s.refresh[in.RefreshToken]]
	if n == nil {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "Refresh token already exchanged."})
		return
	}
	delete(s.refresh, in.RefreshToken)
	if in.Organization != nil && *in.Organization != "" {
		n.person.OrganizationID = *in.Organization
	}
	access, refresh, err := s.tokens(n)
	if err != nil {
		reply(w, http.StatusInternalServerError, map[string]any{"message": "cannot sign"})
		return
	}
	p := n.person
	reply(w, http.StatusOK, map[string]any{
		"access_token": access, "refresh_token": refresh, "organization_id": orNil(p.OrganizationID), "authentication_method": "Password",
		"user": map[string]any{
			"object": "user", "id": p.ID, "email": p.Email, "email_verified": p.Email != "", "first_name": orNil(p.FirstName),
			"last_name": orNil(p.LastName), "profile_picture_url": orNil(p.Picture), "external_id": nil, "metadata": map[string]any{},
		},
	})
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	var in struct {
		SessionID string `json:"session_id"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.SessionID == "" {
		reply(w, http.StatusBadRequest, map[string]any{"message": "session_id is required"})
		return
	}
	if s.sessions[in.SessionID] == nil {
		reply(w, http.StatusNotFound, map[string]any{"message": "Session not found"})
		return
	}
	s.end(in.SessionID)
	reply(w, http.StatusOK, map[string]any{"success": true})
}

// list gives pages of the limit that was asked for, the newest session first.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	own := slices.Collect(maps.Values(s.sessions))
	own = slices.DeleteFunc(own, func(n *session) bool { return n.person.ID != r.PathValue("id") })
	slices.SortFunc(own, func(a, b *session) int { return cmp.Or(b.started.Compare(a.started), cmp.Compare(a.id, b.id)) })
	if after := r.URL.Query().Get("after"); after != "" {
		i := slices.IndexFunc(own, func(n *session) bool { return n.id == after })
		own = own[i+1:]
	}
	const limit = 100
	next := any(nil)
	if len(own) > limit {
		own = own[:limit]
		next = own[limit-1].id
	}
	data := []any{}
	for _, n := range own {
		data = append(data, map[string]any{
			"object": "session", "id": n.id, "user_id": n.person.ID, "organization_id": orNil(n.person.OrganizationID), "status": "active",
			"auth_method": "password", "ip_address": "192.0.2.1", "user_agent": "workostest",
			"created_at": n.started.UTC().Format(time.RFC3339), "expires_at": n.started.Add(30 * 24 * time.Hour).UTC().Format(time.RFC3339),
		})
	}
	reply(w, http.StatusOK, map[string]any{"object": "list", "data": data, "list_metadata": map[string]any{"before": nil, "after": next}})
}

// logout is where a browser goes. It needs no API key.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	s.end(r.URL.Query().Get("session_id"))
	w.Header().Set("Location", "/")
	if to := r.URL.Query().Get("return_to"); to != "" {
		w.Header().Set("Location", to)
	}
	w.WriteHeader(http.StatusFound)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
