package betterauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

const (
	testSecret  = "rig-secret-0123456789abcdefghijklmnopqrstuv"
	testBaseURL = "https://app.test"
	cookieName  = "__Secure-better-auth.session_token"
)

// rig is a backend over a database that a test writes as the server would.
type rig struct {
	*betterauth.Backend
	t      testing.TB
	engine engine
	db     *gorm.DB
	config betterauth.Config
	clock  *clock
	down   atomic.Bool
	count  atomic.Int64 // statements
	next   int
}

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Milliseconds()) }

func newRig(t testing.TB, e engine, change func(*betterauth.Config)) *rig {
	t.Helper()
	r := &rig{t: t, engine: e, db: e.open(t), clock: &clock{}}
	r.clock.at.Store(time.Now().UnixMilli())
	r.config = betterauth.Config{DB: r.db, Secret: auth.NewSecret(testSecret), BaseURL: testBaseURL, Now: r.clock.now}
	if change != nil {
		change(&r.config)
	}
	e.create(t, r.db, r.config.Schema.Naming)
	r.watch()
	r.Backend = newBackend(t, r.config)
	return r
}

// watch counts statements, and lets them fail, with an error that says more than may be passed on.
func (r *rig) watch() {
	check := func(tx *gorm.DB) {
		r.count.Add(1)
		if r.down.Load() {
			_ = tx.AddError(fmt.Errorf("connection lost: statement %q with %v", tx.Statement.SQL.String(), tx.Statement.Vars))
		}
	}
	_ = r.db.Callback().Row().Before("gorm:row").Register("test:row", check)
	_ = r.db.Callback().Raw().Before("gorm:raw").Register("test:raw", check)
}

// insert writes a row of a model.
func (r *rig) insert(model string, row map[string]any) {
	r.t.Helper()
	naming := r.config.Schema.Naming
	fields := slices.Sorted(maps.Keys(row))
	columns, values := make([]string, len(fields)), make([]any, len(fields))
	for i, f := range fields {
		columns[i], values[i] = r.engine.quoted(columnName(naming, f)), r.value(row[f])
	}
	statement := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", r.engine.quoted(tableName(naming, model)), strings.Join(columns, ", "),
		strings.TrimSuffix(strings.Repeat("?, ", len(fields)), ", "))
	if err := r.db.Exec(statement, values...).Error; err != nil {
		r.t.Fatalf("%s: %v", statement, err)
	}
}

// value is a value as the server's driver writes it.
func (r *rig) value(v any) any {
	switch v := v.(type) {
	case time.Time:
		switch r.engine.name {
		case "sqlite":
			return v.UTC().Format("2006-01-02T15:04:05.000Z")
		case "mariadb":
			return v.UTC().Format("2006-01-02 15:04:05.000")
		}
		return v.UTC().Truncate(time.Millisecond)
	case bool:
		if r.engine.name != "postgres" {
			return map[bool]int{false: 0, true: 1}[v]
		}
	}
	return v
}

// exec runs a statement in which [name] is a quoted name.
func (r *rig) exec(statement string, args ...any) {
	r.t.Helper()
	statement = strings.NewReplacer("[", r.engine.quote[:1], "]", r.engine.quote[1:]).Replace(statement)
	for i := range args {
		args[i] = r.value(args[i])
	}
	if err := r.db.Exec(statement, args...).Error; err != nil {
		r.t.Fatalf("%s: %v", statement, err)
	}
}

func (r *rig) number(statement string, args ...any) int {
	r.t.Helper()
	statement = strings.NewReplacer("[", r.engine.quote[:1], "]", r.engine.quote[1:]).Replace(statement)
	var n int
	if err := r.db.Raw(statement, args...).Scan(&n).Error; err != nil {
		r.t.Fatal(err)
	}
	return n
}

// user makes the user of that name, unless there is one.
func (r *rig) user(name string) string {
	r.t.Helper()
	id := "user-" + name
	if r.number("SELECT COUNT(*) FROM ["+tableName(r.config.Schema.Naming, "user")+"] WHERE [id] = ?", id) == 0 {
		now := r.clock.now()
		r.insert("user", map[string]any{"id": id, "name": strings.ToUpper(name[:1]) + name[1:], "email": name + "@example.test",
			"emailVerified": true, "createdAt": now, "updatedAt": now})
	}
	return id
}

// session makes a session of a user and returns its token.
func (r *rig) session(userID string, change map[string]any) string {
	r.t.Helper()
	r.next++
	now := r.clock.now()
	row := map[string]any{
		"id": fmt.Sprintf("session-%04d", r.next), "token": fmt.Sprintf("Tok%04dAbCdEfGhIjKlMnOpQrStUvWxY", r.next),
		"userId": userID, "expiresAt": now.Add(7 * 24 * time.Hour), "createdAt": now, "updatedAt": now, "ipAddress": "192.0.2.1", "userAgent": "rig/1.0",
	}
	maps.Copy(row, change)
	r.insert("session", row)
	token, _ := row["token"].(string)
	return token
}

func sign(value string) string { return signWith(testSecret, value) }

func signWith(secret, value string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(value))
	return value + "." + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// cookied is a request with the session cookie of a token.
func cookied(token string) *http.Request { return withCookie(cookieName, url.QueryEscape(sign(token))) }

func withCookie(name, value string) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "https://app.test/", nil)
	r.Header.Set("Cookie", name+"="+value)
	return r
}

func withHeader(name, value string) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "https://app.test/", nil)
	r.Header.Set(name, value)
	return r
}

// signIn is a request with a new session of the user of that name.
func (r *rig) signIn(name string) *http.Request { return cookied(r.session(r.user(name), nil)) }
