package betterauth

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/internal/sqltest"
	"github.com/netscript/auth/store/redisstore"
)

const testSecret = "interop-4f1b9c07d2e86a35c1f0b7e94d8a2c63"

var databases sqltest.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	databases.Close()
	os.Exit(code)
}

// place is where a world keeps its sessions.
type place struct {
	engine   string
	redis    bool
	inDB     bool // with redis: in the database too
	keys     betterauth.KeyStorage
	cache    string
	strategy betterauth.CacheStrategy
	signed   string // with cache: the algorithm of the key set
}

func (p place) String() string {
	name := p.engine
	if p.redis {
		name += "+redis"
	}
	if p.inDB {
		name += "+rows"
	}
	name += [...]string{"", "+keys", "+keys and rows"}[p.keys]
	if p.cache != "" {
		name += "+" + p.cache
	}
	return name
}

// world is a better-auth server and a backend that share a database, with people who use them.
type world struct {
	t       testing.TB
	place   place
	redis   *redistest.Server // nil: there is none
	server  *server
	db      *gorm.DB
	backend *betterauth.Backend
	config  betterauth.Config
	random  *rand.Rand
	people  []*person
	root    *browser // an administrator's
	agents  []*agent
	orgs    []string
	keys    []keyPair
	next    int
}

type person struct{ id, email string }

// browser holds cookies.
type browser struct {
	person  *person
	cookies map[string]string
}

// agent is something that sends requests: a browser, or a program with a token.
type agent struct {
	browser *browser
	bearer  string
}

// keyPair are two API keys that are alike: each use counts, so that each side has one of its own.
type keyPair struct{ theirs, ours string }

func newWorld(t testing.TB, p place, seed uint64) *world {
	t.Helper()
	w := &world{t: t, place: p, random: rand.New(rand.NewPCG(seed, 7))}
	s := settings{Engine: p.engine, Secret: testSecret, Session: map[string]any{}}
	w.db, s.DSN = open(t, p.engine)
	w.config = betterauth.Config{
		DB: w.db, Secret: auth.NewSecret(testSecret), Cookies: betterauth.Cookies{Security: betterauth.InsecureNever},
		Session: betterauth.Session{Refresh: betterauth.RefreshWrite},
		Plugins: plugins(p.keys), QueryTimeout: time.Minute,
	}
	if p.redis {
		var storage *redisstore.Secondary
		storage, w.redis = openRedis(t)
		s.Redis = "redis://" + w.redis.Addr
		w.config.Secondary = &betterauth.Secondary{Storage: storage, KeyPrefix: "better-auth:", StoreSessionInDatabase: p.inDB}
		s.Session["storeSessionInDatabase"] = p.inDB
	}
	if p.keys != betterauth.KeysInDatabase {
		s.APIKey = map[string]any{"storage": "secondary-storage", "fallbackToDatabase": p.keys == betterauth.KeysInSecondaryAndDatabase}
	}
	if p.cache != "" {
		s.Session["cookieCache"] = map[string]any{"enabled": true, "strategy": p.cache, "maxAge": 300}
		w.config.CookieCache = &betterauth.CookieCache{Strategy: p.strategy, Write: p.signed == "", JWKS: p.signed != ""}
	}
	if p.signed != "" {
		s.JWT = map[string]any{"sessionCookieCache": true, "jwks": map[string]any{"keyPairConfig": map[string]any{"alg": p.signed}}}
	}
	w.server = startServer(t, s)
	w.config.BaseURL = w.server.url
	b, err := betterauth.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.backend = b
	if err := b.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.root = w.signUp()
	w.server.control("setRole", map[string]any{"userId": w.root.person.id, "role": "admin"}, nil)
	w.root = w.signIn(w.root.person, true) // so that no copy has the old role
	return w
}

func plugins(keys betterauth.KeyStorage) []betterauth.Plugin {
	all := []string{"create", "read", "update", "delete"}
	return []betterauth.Plugin{
		betterauth.Bearer(betterauth.BearerConfig{InsecureAcceptUnsigned: true}), betterauth.Admin(betterauth.AdminConfig{InsecureAllowBanned: true}),
		betterauth.MultiSession(), betterauth.Username(), betterauth.Anonymous(), betterauth.TwoFactor(), betterauth.JWT(),
		betterauth.APIKey(betterauth.APIKeyConfig{Session: true, Storage: keys}),
		betterauth.Organization(betterauth.OrganizationConfig{Teams: true, Roles: map[string]betterauth.Statements{
			"owner": {"organization": {"update", "delete"}, "member": {"create", "update", "delete"}, "invitation": {"create", "cancel"},
				"team": {"create", "update", "delete"}, "ac": all, "project": {"create", "read"}},
			"admin": {"member": {"create"}, "project": {"create", "read"}}, "member": {"project": {"read"}},
		}}),
	}
}

// open makes an empty database, and says how both sides open it.
func open(t testing.TB, engine string) (db *gorm.DB, dsn string) {
	t.Helper()
	var dialector gorm.Dialector
	switch engine {
	case "postgres":
		s := databases.Postgres(t)
		dsn = s.DSN(s.Database(t), "")
		dialector = postgres.Open(dsn)
	case "mariadb":
		s := databases.MariaDB(t)
		ours := s.DSN(s.Database(t), "")
		dialector = mysql.Open(ours)
		user, rest, _ := strings.Cut(ours, "@tcp(")
		address, rest, _ := strings.Cut(rest, ")/")
		name, _, _ := strings.Cut(rest, "?")
		dsn = "mysql://" + user + "@" + address + "/" + name
	default:
		dsn = filepath.Join(t.TempDir(), "auth.db")
		dialector = sqlite.Open("file:" + dsn + "?_busy_timeout=5000")
	}
	db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return db, dsn
}

// openRedis starts a Redis, which both sides use.
func openRedis(t testing.TB) (*redisstore.Secondary, *redistest.Server) {
	t.Helper()
	s := redistest.Start(t, redistest.Options{})
	c := redisstore.Config{Addresses: []string{s.Addr}, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	storage, err := redisstore.NewSecondary(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(storage.Close)
	return storage, s
}

func (b *browser) header() http.Header {
	h := http.Header{}
	if len(b.cookies) > 0 {
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(b.cookies)) {
			pairs = append(pairs, name+"="+b.cookies[name])
		}
		h.Set("Cookie", strings.Join(pairs, "; "))
	}
	return h
}

// keep takes cookies as a browser does.
func (b *browser) keep(cookies []*http.Cookie) {
	for _, c := range cookies {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

// copy is a thief's: it does not follow what happens to the original.
func (b *browser) copy() *browser { return &browser{b.person, maps.Clone(b.cookies)} }

func (a *agent) header() http.Header {
	h := a.browser.header()
	if a.bearer != "" {
		h.Set("Authorization", "Bearer "+a.bearer)
	}
	return h
}

func (w *world) signUp() *browser {
	w.next++
	p := &person{email: fmt.Sprintf("person%d@example.test", w.next)}
	a := w.server.must("POST", "/api/auth/sign-up/email", nil, map[string]any{"email": p.email, "password": "password-1234", "name": fmt.Sprintf("Pérson <%d>", w.next)})
	var body struct{ User struct{ ID string } }
	a.decode(w.t, &body)
	p.id = body.User.ID
	w.people = append(w.people, p)
	return w.browserOf(p, a)
}

func (w *world) signIn(p *person, remember bool) *browser {
	a := w.server.ask("POST", "/api/auth/sign-in/email", nil, map[string]any{"email": p.email, "password": "password-1234", "rememberMe": remember})
	if a.status != http.StatusOK {
		return nil // banned
	}
	return w.browserOf(p, a)
}

func (w *world) browserOf(p *person, a answer) *browser {
	b := &browser{p, map[string]string{}}
	b.keep(a.cookies)
	w.agents = append(w.agents, &agent{browser: b})
	return b
}

func (b *browser) token() string {
	value, _ := url.PathUnescape(b.cookies["better-auth.session_token"])
	token, _, _ := strings.Cut(value, ".")
	return token
}

func (w *world) request(method string, h http.Header) *http.Request {
	r, err := http.NewRequest(method, w.server.url+"/orders", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header = h.Clone()
	return r
}

// quoted writes [name] as the database quotes names.
func (w *world) quoted(statement string) string {
	quote := `"`
	if w.place.engine == "mariadb" {
		quote = "`"
	}
	return strings.NewReplacer("[", quote, "]", quote).Replace(statement)
}

func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	if err := w.db.Exec(w.quoted(statement), args...).Error; err != nil {
		w.t.Fatal(err)
	}
}

// moment is a time as the database holds it.
func (w *world) moment(at time.Time) any {
	switch at = at.UTC().Truncate(time.Millisecond); w.place.engine {
	case "sqlite":
		return at.Format("2006-01-02T15:04:05.000Z")
	case "mariadb":
		return at.Format("2006-01-02 15:04:05.000")
	}
	return at
}

func (w *world) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s with %d people, %d agents", w.place, len(w.people), len(w.agents))
	return b.String()
}
