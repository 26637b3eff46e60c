package workos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
	"github.com/netscript/auth/workos/workostest"
)

const sessions = 300

// rig is the two sides with one API.
type rig struct {
	api     string
	server  *workostest.Server
	backend *workos.Backend
	sdk     *sdk
	random  *rand.Rand
}

func newRig(t testing.TB, c workos.Config) *rig {
	t.Helper()
	server, err := workostest.NewServer(workostest.Config{ClientID: clientID, APIKey: apiKey, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(server)
	t.Cleanup(api.Close)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := &rig{api: api.URL, server: server, sdk: startSDK(t, api), random: rand.New(rand.NewPCG(seed, 0))}
	r.backend = r.newBackend(t, c)
	return r
}

func (r *rig) newBackend(t testing.TB, c workos.Config) *workos.Backend {
	t.Helper()
	c.ClientID, c.BaseURL, c.APIKey, c.InsecureAllowHTTP = clientID, r.api, auth.NewSecret(apiKey), true
	c.CookiePasswords = []auth.Secret{auth.NewSecret(password)}
	b, err := workos.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// text returns a text of up to n characters of all kinds: the two sides write and read JSON by different code.
func (r *rig) text(n int) string {
	alphabet := []rune("abcXYZ 0189-_.~*\"\\/<>&'\t\u0000\u001f\u007fäöüßλЖ中文\u2028\u2029\ufeff\ufffd👩🏽‍💻𝔘")
	var b strings.Builder
	for range r.random.IntN(n + 1) {
		b.WriteRune(alphabet[r.random.IntN(len(alphabet))])
	}
	return b.String()
}

func (r *rig) texts(n int) []string {
	list := []string{}
	for range r.random.IntN(n + 1) {
		list = append(list, fmt.Sprintf("%s:%d", r.text(6), len(list)))
	}
	return list
}

// session returns a random user with a random session.
func (r *rig) session(t *testing.T) (workos.SessionData, map[string]any) {
	t.Helper()
	id := fmt.Sprintf("user_%d", r.random.Uint64())
	now := time.Now().Unix()
	claims := map[string]any{
		"sub": id, "sid": fmt.Sprintf("session_%d", r.random.Uint64()), "iat": now, "exp": now + 600, "permissions": r.texts(5), "template": r.text(9),
	}
	for name, v := range map[string]any{
		"org_id": "org_" + fmt.Sprint(r.random.IntN(9)), "role": r.text(8) + "r", "roles": r.texts(3), "entitlements": r.texts(3), "feature_flags": r.texts(3), "aud": clientID,
	} {
		if r.random.IntN(3) > 0 {
			claims[name] = v
		}
	}
	token, err := r.server.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	d := workos.SessionData{
		User: map[string]any{
			"object": "user", "id": id, "email": r.text(20) + "@example.com", "emailVerified": r.random.IntN(2) == 0, "firstName": r.text(20),
			"lastName": nil, "metadata": map[string]any{r.text(9): r.text(9)}, "profilePictureUrl": "https://img.example.com/" + r.text(5),
		},
		AccessToken: auth.NewSecret(token), RefreshToken: auth.NewSecret("rt_" + r.text(9) + "x"), AuthenticationMethod: "SSO",
	}
	if r.random.IntN(3) == 0 {
		d.Impersonator = map[string]any{"email": "admin@example.com", "reason": r.text(20)}
	}
	d.OrganizationID, _ = claims["org_id"].(string)
	return d, claims
}

func (r *rig) seal(t *testing.T, d workos.SessionData) string {
	t.Helper()
	session := map[string]any{
		"user": d.User, "accessToken": d.AccessToken.Reveal(), "refreshToken": d.RefreshToken.Reveal(), "authenticationMethod": d.AuthenticationMethod,
	}
	if d.Impersonator != nil {
		session["impersonator"] = d.Impersonator
	}
	var cookie string
	if err := r.sdk.do("seal", map[string]any{"session": session}, &cookie); err != nil {
		t.Fatal(err)
	}
	return cookie
}

func request(cookie string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", workos.DefaultCookieName+"="+cookie)
	return r
}

// A cookie that either side has sealed is the same session for both.
func TestBothSealAndBothAuthenticate(t *testing.T) {
	r := newRig(t, workos.Config{})
	for range sessions {
		d, claims := r.session(t)
		own, err := r.backend.SessionCookie(d)
		if err != nil {
			t.Fatal(err)
		}
		for by, cookie := range map[string]string{"this library": own.Value, "the SDK": r.seal(t, d)} {
			var theirs map[string]any
			if err := r.sdk.do("authenticate", map[string]any{"cookie": cookie}, &theirs); err != nil {
				t.Fatalf("sealed by %s: %v", by, err)
			}
			ours, err := r.backend.Authenticate(request(cookie))
			if err != nil || theirs["authenticated"] != true {
				t.Fatalf("sealed by %s: %v, SDK %v", by, err, theirs)
			}
			if diff := compare(ours, theirs); diff != "" || ours.Principal.Subject != claims["sub"] {
				t.Fatalf("sealed by %s: %s", by, diff)
			}
		}
	}
}

// compare returns where our result is not the SDK's.
func compare(ours *auth.Authentication, theirs map[string]any) string {
	c := ours.Principal.Claims
	for name, want := range map[string]any{
		"sessionId": c["sessionId"], "organizationId": c["organizationId"], "user": c["workosUser"], "impersonator": c["impersonator"],
		"authenticationMethod": c["authenticationMethod"],
	} {
		if !reflect.DeepEqual(theirs[name], want) {
			return fmt.Sprintf("%s: %v, SDK %v", name, want, theirs[name])
		}
	}
	for name, list := range map[string]any{"permissions": anyList(ours.Principal.Scopes), "entitlements": c["entitlements"], "featureFlags": c["featureFlags"]} {
		if want := theirs[name]; !reflect.DeepEqual(list, want) && !(want == nil && len(list.([]any)) == 0) {
			return fmt.Sprintf("%s: %v, SDK %v", name, list, want)
		}
	}
	for _, role := range append([]any{theirs["role"]}, asList(theirs["roles"])...) {
		if name, ok := role.(string); ok && !ours.Principal.HasRoles(name) {
			return "role " + name + " is missing"
		}
	}
	return ""
}

func anyList(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// What one side refuses the other does too: every part of a cookie, changed.
func TestBothRefuse(t *testing.T) {
	r := newRig(t, workos.Config{})
	for range sessions / 3 {
		d, _ := r.session(t)
		cookie := r.seal(t, d)
		i := r.random.IntN(strings.LastIndexByte(cookie, '*') + 40) // up to the last but a few characters of the MAC
		changed := cookie[:i] + string("*A0-_.!"[r.random.IntN(7)]) + cookie[i+1:]
		if changed == cookie {
			continue
		}
		var theirs map[string]any
		thrown := r.sdk.do("authenticate", map[string]any{"cookie": changed}, &theirs)
		_, err := r.backend.Authenticate(request(changed))
		if err == nil || thrown == nil && theirs["authenticated"] == true {
			t.Errorf("changed at %d: %v, SDK %v", i, err, theirs)
		}
	}
}

// A session that one side refreshes goes on at the other.
func TestBothRefresh(t *testing.T) {
	r := newRig(t, workos.Config{Refresh: workos.OnExpiry})
	for range sessions / 10 {
		d, err := r.server.SignIn(workostest.Person{ID: fmt.Sprintf("user_%d", r.random.Uint64()), Email: r.text(9) + "@x.test", FirstName: r.text(9), OrganizationID: "org_1", Role: "member"})
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := r.backend.SessionCookie(d)
		if err != nil {
			t.Fatal(err)
		}
		var theirs struct {
			Authenticated bool
			SealedSession string
		}
		if err := r.sdk.do("refresh", map[string]any{"cookie": cookie.Value}, &theirs); err != nil || !theirs.Authenticated {
			t.Fatalf("the SDK does not refresh our cookie: %v", err)
		}
		if _, err := r.backend.Authenticate(request(theirs.SealedSession)); err != nil {
			t.Fatalf("the SDK's refreshed cookie: %v", err)
		}
		ours, err := r.backend.Refresh(request(theirs.SealedSession), workos.RefreshParams{OrganizationID: "org_2"})
		if err != nil {
			t.Fatalf("refresh of the SDK's cookie: %v", err)
		}
		var again map[string]any
		err = r.sdk.do("authenticate", map[string]any{"cookie": ours.Cookies[0].Value}, &again)
		if err != nil || again["authenticated"] != true || again["organizationId"] != "org_2" {
			t.Fatalf("our refreshed cookie at the SDK: %v, %v", err, again)
		}
	}
}
