package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// verdict is what a side says of a request.
type verdict struct {
	valid                bool
	session, user, email string
	name, role           string
	organization, team   string
	impersonator         string
	expires              time.Time
}

// theirs asks the server.
func (w *world) theirs(h http.Header) (verdict, answer) {
	a := w.server.ask("GET", "/api/auth/get-session", h, nil)
	var body *struct {
		Session struct {
			ID, ActiveOrganizationID, ActiveTeamID, ImpersonatedBy string
			ExpiresAt                                              time.Time
		}
		User struct{ ID, Email, Name, Role string }
	}
	if a.status != http.StatusOK {
		return verdict{}, a
	}
	a.decode(w.t, &body)
	if body == nil {
		return verdict{}, a
	}
	return verdict{true, body.Session.ID, body.User.ID, body.User.Email, body.User.Name, body.User.Role, body.Session.ActiveOrganizationID,
		body.Session.ActiveTeamID, body.Session.ImpersonatedBy, body.Session.ExpiresAt}, a
}

// ours asks the backend.
func (w *world) ours(h http.Header) (verdict, *auth.Authentication, []*http.Cookie) {
	a, err := w.backend.Authenticate(w.request("GET", h))
	if err != nil {
		if !errors.Is(err, auth.ErrUnauthenticated) {
			w.t.Fatalf("could not tell: %v", err)
		}
		if e, ok := errors.AsType[*auth.Error](err); ok {
			return verdict{}, nil, e.Cookies
		}
		return verdict{}, nil, nil
	}
	p := a.Principal
	var roles []string
	for _, role := range p.Roles {
		if !strings.HasPrefix(role, "organization:") {
			roles = append(roles, role)
		}
	}
	v := verdict{valid: true, user: p.Subject, email: p.Claim("email"), name: p.Claim("name"), role: strings.Join(roles, ","), organization: p.Claim("organizationId"),
		team: p.Claim("teamId"), impersonator: p.Claim("impersonatedBy")}
	if a.Session != nil {
		v.session, v.expires = a.Session.ID, a.Session.ExpiresAt
	}
	return v, a, a.Cookies
}

// agree asks both about one request, in either order, and keeps the cookies of both in the browser.
func (w *world) agree(step string, a *agent) {
	w.t.Helper()
	var them, us verdict
	var ourAnswer *auth.Authentication
	var cookies []*http.Cookie
	var theirAnswer answer
	first := w.random.IntN(2) == 0
	if first {
		us, ourAnswer, cookies = w.ours(a.header())
		w.take(a, cookies)
	}
	them, theirAnswer = w.theirs(a.header())
	w.take(a, theirAnswer.cookies)
	if !first {
		us, ourAnswer, cookies = w.ours(a.header())
		w.take(a, cookies)
	}
	if !them.valid && theirAnswer.status != http.StatusOK {
		w.t.Fatalf("after %s: the server answers %d %s", step, theirAnswer.status, theirAnswer.body)
	}
	// The session may point to an organization that the person has left; ours is checked.
	if us.organization == "" {
		them.organization, them.team = "", ""
	}
	if us.team == "" {
		them.team = ""
	}
	if d := us.expires.Sub(them.expires).Abs(); d > 3*time.Second {
		w.t.Fatalf("after %s: expires %v here and %v there", step, us.expires, them.expires)
	}
	us.expires, them.expires = time.Time{}, time.Time{}
	if us != them {
		w.t.Fatalf("after %s, %s:\nhere  %+v\nthere %+v\nheader %q", step, w, us, them, names(a.header()))
	}
	if us.valid {
		w.agreeMember(step, a, ourAnswer)
	}
}

// names are the cookies without their values.
func names(h http.Header) []string {
	var list []string
	for pair := range strings.SplitSeq(h.Get("Cookie"), "; ") {
		name, _, _ := strings.Cut(pair, "=")
		list = append(list, name)
	}
	return list
}

func (w *world) take(a *agent, cookies []*http.Cookie) {
	if a.bearer == "" {
		a.browser.keep(cookies)
	}
}

// agreeMember compares the member role and a permission with the server's own endpoints.
func (w *world) agreeMember(step string, a *agent, ours *auth.Authentication) {
	role := w.server.ask("GET", "/api/auth/organization/get-active-member-role", a.header(), nil)
	var body struct{ Role string }
	_ = json.Unmarshal(role.body, &body)
	var roles []string
	list, _ := ours.Principal.Claims["organizationRoles"].([]any)
	for _, r := range list {
		roles = append(roles, fmt.Sprint(r))
	}
	if got := strings.Join(roles, ","); role.status == http.StatusOK && got != body.Role || role.status != http.StatusOK && got != "" {
		w.t.Fatalf("after %s: member roles %q here, %d %q there", step, got, role.status, body.Role)
	}
	if role.status != http.StatusOK {
		return
	}
	for _, request := range []betterauth.Statements{{"project": {"create"}}, {"project": {"read"}}, {"member": {"create"}, "project": {"read"}}, {"organization": {"delete"}}} {
		var theirs struct{ Success bool }
		w.server.must("POST", "/api/auth/organization/has-permission", a.header(), map[string]any{"permissions": request}).decode(w.t, &theirs)
		if got := w.backend.HasPermission(ours, request); got != theirs.Success {
			w.t.Fatalf("after %s: permission %v: %v here, %v there", step, request, got, theirs.Success)
		}
	}
}

// agreeKey uses one key of a pair on each side.
func (w *world) agreeKey(step string, k keyPair) {
	w.t.Helper()
	them, answer := w.theirs(http.Header{"X-Api-Key": {k.theirs}})
	var body struct{ Code string }
	if !them.valid {
		answer.decode(w.t, &body)
	}
	a, err := w.backend.Authenticate(w.request("GET", http.Header{"X-Api-Key": {k.ours}}))
	code := ""
	if refused, ok := errors.AsType[*betterauth.APIKeyError](err); ok {
		code = refused.Code
		if w.place.keys == betterauth.KeysInSecondaryAndDatabase && code == betterauth.KeyInvalid && body.Code == betterauth.KeyUsedUp {
			return // the server's copy is behind the row, which it would have deleted as we have
		}
		if refused.Status != answer.status {
			w.t.Fatalf("after %s: the key is refused with %d (%s) here, %d (%s) there", step, refused.Status, code, answer.status, body.Code)
		}
	} else if err != nil {
		w.t.Fatal(err)
	}
	if them.valid != (err == nil) || code != body.Code || err == nil && a.Principal.Subject != them.user {
		w.t.Fatalf("after %s: the key is %v (%s) here, %v (%s) there", step, err == nil, code, them.valid, body.Code)
	}
}

func (w *world) pick() *agent { return w.agents[w.random.IntN(len(w.agents))] }

func (w *world) somebody() *person { return w.people[w.random.IntN(len(w.people))] }

// step does one thing, by the server or by the backend, and says what.
func (w *world) step() string {
	switch n := w.random.IntN(100); {
	case n < 6 && len(w.people) < 20:
		w.signUp()
		return "sign-up"
	case n < 22:
		if b := w.signIn(w.somebody(), w.random.IntN(3) > 0); b != nil && w.random.IntN(4) == 0 {
			w.agents = append(w.agents, &agent{browser: b.copy()})
		}
		return "sign-in"
	case n < 28:
		return w.addBearer()
	case n < 36:
		a := w.pick()
		w.take(a, w.server.ask("POST", "/api/auth/sign-out", a.header(), map[string]any{}).cookies)
		return "sign-out there"
	case n < 44:
		a := w.pick()
		d, err := w.backend.SignOut(w.request("POST", a.header()), auth.SignOutParams{})
		if err != nil {
			w.t.Fatal(err)
		}
		w.take(a, d.Cookies)
		return "sign-out here"
	case n < 56:
		return w.organize()
	case n < 64:
		return w.administrate()
	case n < 74:
		return w.revoke()
	case n < 84:
		return w.age()
	case n < 90:
		return w.makeKey()
	}
	return "nothing"
}

func (w *world) addBearer() string {
	b := w.pick().browser
	value := b.cookies["better-auth.session_token"]
	if value == "" {
		return "no token"
	}
	token := [...]string{value, decoded(value), b.token(), value + "x", "unknown"}[w.random.IntN(5)]
	holder := &browser{b.person, map[string]string{}}
	if w.random.IntN(2) == 0 {
		holder = w.pick().browser.copy()
	}
	w.agents = append(w.agents, &agent{holder, token})
	return "bearer"
}

func decoded(value string) string {
	text, _ := url.PathUnescape(value)
	return text
}

func (w *world) organize() string {
	a := w.pick()
	switch w.random.IntN(4) {
	case 0:
		w.next++
		answer := w.server.ask("POST", "/api/auth/organization/create", a.header(), map[string]any{"name": "Org", "slug": "org-" + strconv.Itoa(w.next)})
		var body struct{ ID string }
		if answer.status == http.StatusOK {
			answer.decode(w.t, &body)
			w.orgs = append(w.orgs, body.ID)
			w.take(a, answer.cookies)
		}
		return "organization"
	case 1:
		if len(w.orgs) > 0 {
			org := w.orgs[w.random.IntN(len(w.orgs))]
			role := [...]any{"member", "admin", []string{"admin", "member"}}[w.random.IntN(3)]
			_ = w.server.ask("POST", "/control/addMember", nil, map[string]any{"userId": w.somebody().id, "organizationId": org, "role": role}) // may be one already
		}
		return "member"
	case 2:
		if len(w.orgs) > 0 {
			org := w.orgs[w.random.IntN(len(w.orgs))]
			w.take(a, w.server.ask("POST", "/api/auth/organization/set-active", a.header(), map[string]any{"organizationId": org}).cookies)
		}
		return "set active"
	}
	w.exec("DELETE FROM [member] WHERE [userId] = ?", w.somebody().id)
	return "member removed"
}

func (w *world) administrate() string {
	// The administrator may have been signed out by an earlier step.
	if a := w.server.ask("GET", "/api/auth/get-session?disableCookieCache=true", w.root.header(), nil); string(a.body) == "null" {
		w.root = w.signIn(w.root.person, true)
	}
	p := w.somebody()
	if p == w.root.person {
		return "nothing"
	}
	switch w.random.IntN(3) {
	case 0:
		w.server.must("POST", "/api/auth/admin/ban-user", w.root.header(), map[string]any{"userId": p.id, "banReason": "test"})
		return "ban"
	case 1:
		w.server.must("POST", "/api/auth/admin/unban-user", w.root.header(), map[string]any{"userId": p.id})
		return "unban"
	}
	b := w.root.copy()
	answer := w.server.ask("POST", "/api/auth/admin/impersonate-user", b.header(), map[string]any{"userId": p.id})
	b.keep(answer.cookies)
	if answer.status == http.StatusOK {
		w.agents = append(w.agents, &agent{browser: b})
	}
	return "impersonate"
}

func (w *world) revoke() string {
	a := w.pick()
	switch w.random.IntN(4) {
	case 0:
		w.server.ask("POST", "/api/auth/revoke-other-sessions", a.header(), map[string]any{})
		return "revoke others there"
	case 1:
		_, err := w.backend.RevokeSessions(context.Background(), w.somebody().id)
		if err != nil {
			w.t.Fatal(err)
		}
		return "revoke all here"
	case 2:
		v, _, _ := w.ours(a.header())
		if !v.valid || w.place.redis && !w.place.inDB {
			return "nothing"
		}
		if err := w.backend.RevokeSession(context.Background(), v.session); err != nil {
			w.t.Fatal(err)
		}
		return "revoke one here"
	}
	w.server.ask("POST", "/api/auth/revoke-sessions", a.header(), map[string]any{})
	return "revoke all there"
}

// age moves expiries, where the database alone has them: past, now and due.
func (w *world) age() string {
	if w.place.redis || w.place.cache != "" {
		return "nothing"
	}
	by := [...]time.Duration{-time.Hour, time.Hour, 5 * 24 * time.Hour, 6*24*time.Hour - time.Minute}[w.random.IntN(4)]
	w.exec("UPDATE [session] SET [expiresAt] = ? WHERE [userId] = ?", w.moment(time.Now().Add(by)), w.somebody().id)
	return fmt.Sprintf("expiry %v", by)
}

func (w *world) makeKey() string {
	body := map[string]any{"userId": w.somebody().id, "rateLimitEnabled": w.random.IntN(2) == 0, "rateLimitMax": 3, "rateLimitTimeWindow": 600000}
	if w.random.IntN(2) == 0 {
		body["remaining"] = 2 + w.random.IntN(3)
	}
	if w.random.IntN(3) == 0 {
		body["prefix"] = "pk_"
	}
	var one, two struct{ ID, Key string }
	w.server.control("createKey", body, &one)
	w.server.control("createKey", body, &two)
	w.keys = append(w.keys, keyPair{one.Key, two.Key})
	if w.random.IntN(4) == 0 {
		for _, id := range []string{one.ID, two.ID} {
			w.server.control("updateKey", map[string]any{"keyId": id, "userId": body["userId"], "enabled": false}, nil)
		}
	}
	return "key"
}

// TestAgreement walks at random through what people, administrators and programs do, and asks both sides after each step.
// AUTH_TEST_SEED repeats a walk.
func TestAgreement(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("AUTH_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	for _, p := range []place{
		{engine: "sqlite"}, {engine: "postgres"}, {engine: "mariadb"},
		{engine: "postgres", redis: true}, {engine: "sqlite", redis: true, inDB: true},
		{engine: "sqlite", redis: true, inDB: true, keys: betterauth.KeysInSecondary},
		{engine: "postgres", redis: true, keys: betterauth.KeysInSecondaryAndDatabase},
		{engine: "sqlite", cache: "compact", strategy: betterauth.CompactStrategy}, {engine: "sqlite", cache: "jwt", strategy: betterauth.JWTStrategy},
		{engine: "sqlite", cache: "jwe", strategy: betterauth.JWEStrategy},
	} {
		t.Run(p.String(), func(t *testing.T) {
			t.Logf("AUTH_TEST_SEED=%d", seed)
			w := newWorld(t, p, seed)
			seen := map[string]int{}
			n := steps
			if p.keys != betterauth.KeysInDatabase {
				n /= 4 // these differ in their keys alone
			}
			for range n {
				step := w.step()
				seen[step]++
				for range 2 {
					w.agree(step, w.pick())
				}
				w.agree(step, w.agents[len(w.agents)-1])
				if len(w.keys) > 0 {
					w.agreeKey(step, w.keys[w.random.IntN(len(w.keys))])
				}
				if len(w.agents) > 60 {
					w.agents = slices.Delete(w.agents, 0, 20)
				}
			}
			t.Log(seen)
		})
	}
}

const steps = 500
