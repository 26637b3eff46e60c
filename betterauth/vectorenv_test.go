package betterauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// vectorEnv is a backend in the place of the server of a file.
type vectorEnv struct {
	file    vectorFile
	config  betterauth.Config
	backend *betterauth.Backend
	base    *testDB
	redis   *memoryStorage
	now     time.Time
}

func newVectorEnv(t *testing.T, f vectorFile) *vectorEnv {
	e := &vectorEnv{file: f, config: f.Config.config(t, f.Roles)}
	e.config.UserFields = f.additionalFields()
	e.config.Now = func() time.Time { return e.now }
	if e.config.CookieCache == nil || !e.config.CookieCache.Stateless {
		e.base = openSQLite(t)
		ddl := f.DDL
		if ddl == nil { // that of the same layout
			ddl = readVectors(t, "jwt").DDL
		}
		e.base.create(t, ddl)
		e.config.DB = e.base.DB
	}
	if strings.HasPrefix(f.Config.Name, "redis") {
		e.redis = newMemoryStorage()
		e.config.Secondary = &betterauth.Secondary{Storage: e.redis, KeyPrefix: f.Config.Prefix, StoreSessionInDatabase: f.Config.Session.InDB, InsecureSkipUserCheck: true}
	}
	e.backend = newBackend(t, e.config)
	return e
}

func newBackend(t testing.TB, c betterauth.Config) *betterauth.Backend {
	t.Helper()
	b, err := betterauth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// prepare gives the backend what the server had.
func (e *vectorEnv) prepare(t *testing.T, c *vectorCase) {
	e.now = time.UnixMilli(c.NowMS)
	if e.base != nil {
		e.base.fill(t, e.table, c.Before)
	}
	if e.redis != nil {
		e.redis.load(c.RedisBefore)
	}
}

func (e *vectorEnv) table(model string) string {
	if name := e.file.Config.Tables[model]; name != "" {
		return name
	}
	return model
}

func vectorRequest(c *vectorCase) *http.Request {
	r := httptest.NewRequest(c.Request.Method, "http://localhost:3000"+c.Request.Path, nil)
	for name, value := range c.Request.Headers {
		switch value := value.(type) {
		case string:
			r.Header.Set(name, value)
		case []any:
			for _, v := range value {
				r.Header.Add(name, v.(string))
			}
		}
	}
	return r
}

func hasQuery(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Query().Get(name) != "" }
}

func (e *vectorEnv) askSession(t *testing.T, c *vectorCase) {
	e.prepare(t, c)
	a, err := e.backend.Authenticate(vectorRequest(c))
	if differences[c.ID] != "" {
		if err != nil {
			t.Errorf("got %v, want a valid session: %s", err, differences[c.ID])
		}
		return
	}
	if c.Expect.Valid {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		e.compare(t, c, a)
	} else {
		if err == nil || !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatalf("got %v, want ErrUnauthenticated", err)
		}
		e.compareKeyError(t, c, err)
	}
	compareCookies(t, c.Response.SetCookie, cookiesOf(a, err), e.config.CookieCache != nil && !e.config.CookieCache.Write)
	e.compareAfter(t, c)
}

// compare checks the answer against the body of the server's.
func (e *vectorEnv) compare(t *testing.T, c *vectorCase, a *auth.Authentication) {
	var body struct {
		Session, User map[string]any
		NeedsRefresh  bool
	}
	if err := json.Unmarshal(c.Response.Body, &body); err != nil {
		t.Fatal(err)
	}
	p := a.Principal
	if p.Subject != c.Expect.UserID {
		t.Errorf("subject %q, want %q", p.Subject, c.Expect.UserID)
	}
	if a.Session == nil {
		if p.Claims["apiKeyId"] != c.Expect.SessionID {
			t.Errorf("key %q, want %q", p.Claims["apiKeyId"], c.Expect.SessionID)
		}
	} else {
		if a.Session.ID != c.Expect.SessionID {
			t.Errorf("session %q, want %q", a.Session.ID, c.Expect.SessionID)
		}
		if got := a.Session.ExpiresAt.Format("2006-01-02T15:04:05.000Z"); got != c.Expect.ExpiresAt {
			t.Errorf("expires at %s, want %s", got, c.Expect.ExpiresAt)
		}
		if due := a.Session.Claims["needsRefresh"] == true; due != body.NeedsRefresh {
			t.Errorf("needs refresh: %v, want %v", due, body.NeedsRefresh)
		}
	}
	for field, claim := range map[string]string{
		"name": "name", "email": "email", "emailVerified": "email_verified", "image": "picture", "twoFactorEnabled": "twoFactorEnabled",
		"username": "username", "displayUsername": "preferred_username", "isAnonymous": "isAnonymous",
	} {
		if want := body.User[field]; want != nil && !reflect.DeepEqual(p.Claims[claim], want) {
			t.Errorf("claim %s: %v, want %v", claim, p.Claims[claim], want)
		}
	}
	if want, _ := body.Session["impersonatedBy"].(string); want != p.Claim("impersonatedBy") {
		t.Errorf("impersonated by %q, want %q", p.Claim("impersonatedBy"), want)
	}
	if role, ok := body.User["role"].(string); ok && !slices.Equal(p.Roles, strings.Split(role, ",")) {
		t.Errorf("roles %q, want those of %q", p.Roles, role)
	}
}

// compareKeyError checks a refused API key against the server's answer.
func (e *vectorEnv) compareKeyError(t *testing.T, c *vectorCase, err error) {
	if c.Expect.Status == http.StatusOK {
		return
	}
	refused, ok := errors.AsType[*betterauth.APIKeyError](err)
	if !ok || refused.Status != c.Expect.Status || refused.Code != c.Expect.Code {
		t.Fatalf("got %v, want %d %s", err, c.Expect.Status, c.Expect.Code)
	}
	var body struct{ Details struct{ TryAgainIn int64 } }
	if err := json.Unmarshal(c.Response.Body, &body); err != nil || refused.TryAgainIn.Milliseconds() != body.Details.TryAgainIn {
		t.Errorf("try again in %v, want %d ms", refused.TryAgainIn, body.Details.TryAgainIn)
	}
}

func cookiesOf(a *auth.Authentication, err error) []*http.Cookie {
	if a != nil {
		return a.Cookies
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return e.Cookies
	}
	return nil
}

// compareCookies compares what a browser keeps of both. A session_data that is set has other bytes each time, and is not
// set at all where this package does not sign with the key set.
func compareCookies(t *testing.T, lines []string, got []*http.Cookie, noData bool) {
	t.Helper()
	want := map[string]string{}
	for _, line := range lines {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		text := cookieText(c)
		if noData && strings.Contains(text, "[data]") {
			continue
		}
		want[c.Name] = text
	}
	have := map[string]string{}
	for _, c := range got {
		if err := c.Valid(); err != nil {
			t.Errorf("cookie %s: %v", c.Name, err)
		}
		parsed, err := http.ParseSetCookie(c.String())
		if err != nil {
			t.Fatal(err)
		}
		have[c.Name] = cookieText(parsed)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("cookies %v\nwant %v", have, want)
	}
}

func cookieText(c *http.Cookie) string {
	c.Raw = ""
	if strings.Contains(c.Name, "session_data") && c.Value != "" {
		c.Value = "[data]"
	}
	return c.String()
}

// compareAfter checks what was written.
func (e *vectorEnv) compareAfter(t *testing.T, c *vectorCase) {
	if e.base != nil {
		want := c.After
		if want == nil {
			want = c.Before
		}
		for model, rows := range want {
			if model != "jwks" && model != "user" { // the server makes its key when it first needs it
				e.base.compare(t, e.table(model), rows)
			}
		}
	}
	if e.redis != nil {
		want := c.RedisAfter
		if want == nil {
			want = c.RedisBefore
		}
		e.redis.compare(t, want, c.RedisAfter != nil)
	}
}

func (e *vectorEnv) askMemberRole(t *testing.T, c *vectorCase) {
	e.prepare(t, c)
	a, err := e.backend.Authenticate(vectorRequest(c))
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Role string }
	_ = json.Unmarshal(c.Response.Body, &body)
	var roles []string
	list, _ := a.Principal.Claims["organizationRoles"].([]any)
	for _, role := range list {
		roles = append(roles, fmt.Sprint(role))
	}
	if got := strings.Join(roles, ","); got != body.Role { // empty when the server refuses to say
		t.Errorf("roles %q, want %q", got, body.Role)
	}
}

func (e *vectorEnv) askPermission(t *testing.T, c *vectorCase) {
	e.prepare(t, c)
	if org := c.Request.Body.OrganizationID; org != "" {
		for _, row := range c.Before["session"] { // the server is asked about another organization than the active one
			row["activeOrganizationId"] = org
		}
		e.base.fill(t, e.table, c.Before)
	}
	a, err := e.backend.Authenticate(vectorRequest(c))
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Success bool }
	_ = json.Unmarshal(c.Response.Body, &body)
	if got := e.backend.HasPermission(a, c.Request.Body.Permissions); got != body.Success {
		t.Errorf("has permission: %v, want %v", got, body.Success)
	}
}

func (e *vectorEnv) askKey(t *testing.T, c *vectorCase) {
	if c.Before == nil {
		c.Before = keyBefore(t, c)
	}
	e.prepare(t, c)
	info, err := e.backend.VerifyAPIKey(context.Background(), c.Key, c.Permissions)
	var want struct {
		Valid bool
		Error struct{ Code string }
		Key   *struct {
			ID           string
			ReferenceID  string
			RequestCount int64
			Permissions  statms
		}
	}
	if err := json.Unmarshal(c.Result, &want); err != nil {
		t.Fatal(err)
	}
	if !want.Valid {
		refused, ok := errors.AsType[*betterauth.APIKeyError](err)
		if !ok || refused.Code != want.Error.Code || !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatalf("got %v, want %s", err, want.Error.Code)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if info.ID != want.Key.ID || info.ReferenceID != want.Key.ReferenceID || info.RequestCount != want.Key.RequestCount || !reflect.DeepEqual(info.Permissions, want.Key.Permissions) {
		t.Errorf("got %+v, want %+v", info, want.Key)
	}
}

// keyBefore is the row of a case that was recorded without: the one that the server returned, as it was before this use.
func keyBefore(t *testing.T, c *vectorCase) map[string][]map[string]any {
	var result struct {
		Key map[string]any `json:"key"`
	}
	if err := json.Unmarshal(c.Result, &result); err != nil || result.Key == nil {
		return nil
	}
	row := result.Key
	sum := sha256.Sum256([]byte(c.Key))
	row["key"] = base64.RawURLEncoding.EncodeToString(sum[:])
	row["requestCount"] = row["requestCount"].(float64) - 1
	return map[string][]map[string]any{"apikey": {row}}
}

func (e *vectorEnv) askJWT(t *testing.T, c *vectorCase) {
	e.now = time.UnixMilli(c.NowMS)
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(c.JWKS) }))
	defer keys.Close()
	config := e.config
	config.Plugins = []betterauth.Plugin{betterauth.JWT(betterauth.JWTConfig{
		Issuer: c.Issuer, Audiences: []string{c.Audience}, JWKSURL: keys.URL, InsecureAllowHTTP: true,
	})}
	b := newBackend(t, config)
	claims, err := b.VerifyJWT(context.Background(), c.Token)
	good := string(c.Expect.VerifyJWT) != "null"
	if good != (err == nil) || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
		t.Fatalf("got %v, want valid: %v", err, good)
	}
	if !good {
		return
	}
	var want map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(c.Expect.VerifyJWT)))
	decoder.UseNumber()
	if err := decoder.Decode(&want); err != nil || !reflect.DeepEqual(claims, want) {
		t.Errorf("claims %v, want %v", claims, want)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+c.Token)
	a, err := b.Authenticate(r)
	if err != nil || a.Principal.Subject != want["sub"] || a.Principal.Scheme != auth.SchemeBearer {
		t.Errorf("authenticated as %+v, %v", a, err)
	}
}

func (e *vectorEnv) askDecrypt(t *testing.T, c *vectorCase) {
	config := e.config
	config.Secret, config.Secrets = auth.NewSecret(c.Secret), nil
	plain, err := newBackend(t, config).Decrypt(c.Column)
	if err != nil || string(plain) != c.Plaintext {
		t.Errorf("got %q, %v", plain, err)
	}
}

// memoryStorage is a secondary storage whose clock stands still.
type memoryStorage struct {
	mu     sync.Mutex
	values map[string]stored
	down   error
	read   func() // called once a value has been read, before it is returned
}

func newMemoryStorage() *memoryStorage { return &memoryStorage{values: map[string]stored{}} }

func (m *memoryStorage) load(values map[string]*stored) {
	clear(m.values)
	for key, v := range values {
		if v != nil {
			m.values[key] = *v
		}
	}
}

func (m *memoryStorage) Get(_ context.Context, key string) (string, bool, error) {
	m.mu.Lock()
	v, ok := m.values[key]
	read := m.read
	m.read = nil
	m.mu.Unlock()
	if read != nil {
		read()
	}
	return v.Value, ok, m.down
}

func (m *memoryStorage) Set(_ context.Context, key, value string, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down == nil {
		m.values[key] = stored{value, int(ttl / time.Second)}
	}
	return m.down
}

func (m *memoryStorage) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down == nil {
		delete(m.values, key)
	}
	return m.down
}

// compare compares the values as JSON, and the times to live where they were written.
func (m *memoryStorage) compare(t *testing.T, want map[string]*stored, changed bool) {
	t.Helper()
	for key, w := range want {
		got, ok := m.values[key]
		switch {
		case w == nil && ok:
			t.Errorf("%s is there", key)
		case w == nil:
		case !ok:
			t.Errorf("%s is gone", key)
		case !sameJSON(got.Value, w.Value):
			t.Errorf("%s: %s\nwant %s", key, got.Value, w.Value)
		case changed && got.TTL != w.TTL:
			t.Errorf("%s lives for %d s, want %d", key, got.TTL, w.TTL)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}
