package sqlstore_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/sqlstore"
)

func newUsers(t testing.TB, db *gorm.DB) *sqlstore.Users {
	t.Helper()
	u, err := sqlstore.NewUsers(db, sqlstore.UsersConfig{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func account(provider, subject string) store.Account {
	return store.Account{
		ProviderID: provider, AccountID: subject, Name: "Ada", Image: "https://example.com/ada.png", Scope: "openid email",
		AccessToken: "sealed-access", RefreshToken: "sealed-refresh", IDToken: "sealed-id",
		AccessTokenExpiresAt: time.Now().Add(time.Hour),
	}
}

func signIn(t testing.TB, u store.UserStore, a store.Account) string {
	t.Helper()
	id, err := u.SignIn(t.Context(), a)
	if err != nil || id == "" {
		t.Fatalf("SignIn: %q, %v", id, err)
	}
	return id
}

func wantLink(t testing.TB, u store.UserStore, userID string, a store.Account, want bool) {
	t.Helper()
	if linked, err := u.Link(t.Context(), userID, a); linked != want || err != nil {
		t.Errorf("Link: %t, %v; want %t", linked, err, want)
	}
}

// row reads what is stored about one user.
func row[T any](t testing.TB, db *gorm.DB, where string, args ...any) T {
	t.Helper()
	var rows []T
	if err := db.Where(where, args...).Find(&rows).Error; err != nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v; want 1", len(rows), err)
	}
	return rows[0]
}

func wantEmail(t testing.TB, db *gorm.DB, userID, email string, verified bool) {
	t.Helper()
	u := row[sqlstore.User](t, db, "id = ?", userID)
	got := ""
	if u.Email != nil {
		got = *u.Email
	}
	if got != email || u.EmailVerified != verified || u.Email != nil && *u.Email == "" {
		t.Errorf("e-mail %q, verified %t; want %q, %t", got, u.EmailVerified, email, verified)
	}
}

// eachUsers runs a test on every database, with a provider id that is the test's own.
func eachUsers(t *testing.T, test func(t *testing.T, db *gorm.DB, u *sqlstore.Users, provider string)) {
	t.Helper()
	for _, f := range fixtures() {
		t.Run(f.name, func(t *testing.T) {
			db := f.migrated(t)
			test(t, db, newUsers(t, db), "p"+rand.Text())
		})
	}
}

func TestSignIn(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		a := account(p, "1")
		first := signIn(t, u, a)
		got := row[sqlstore.Account](t, db, "provider_id = ?", p)
		if got.UserID != first || got.AccountID != "1" || *got.AccessToken != a.AccessToken || *got.RefreshToken != a.RefreshToken ||
			*got.IDToken != a.IDToken || *got.Scope != a.Scope || got.Password != nil || got.RefreshTokenExpiresAt != nil ||
			!got.AccessTokenExpiresAt.Equal(a.AccessTokenExpiresAt.Truncate(time.Millisecond)) {
			t.Errorf("stored %+v", got)
		}
		if age := time.Since(got.CreatedAt); age < -time.Second || age > time.Minute {
			t.Errorf("created %v ago", age)
		}

		a.Name, a.Image, a.AccessToken, a.RefreshToken, a.IDToken, a.AccessTokenExpiresAt = "Ada L.", "", "newer", "", "", time.Time{}
		if again := signIn(t, u, a); again != first {
			t.Errorf("second sign-in is user %q, the first was %q", again, first)
		}
		got = row[sqlstore.Account](t, db, "provider_id = ?", p)
		if *got.AccessToken != "newer" || got.IDToken != nil || got.AccessTokenExpiresAt != nil || *got.RefreshToken != "sealed-refresh" {
			t.Errorf("after the second sign-in: %+v", got)
		}
		user := row[sqlstore.User](t, db, "id = ?", first)
		if user.Name != "Ada L." || user.Image == nil || *user.Image != "https://example.com/ada.png" || user.Email != nil {
			t.Errorf("user %+v", user)
		}
		for range 3 { // nothing new, and so nothing changed for MySQL
			if again := signIn(t, u, a); again != first {
				t.Errorf("a sign-in that tells nothing new is user %q", again)
			}
		}
	})
}

// TestSubjects signs in accounts whose subjects some engine takes for equal.
func TestSubjects(t *testing.T) {
	long := strings.Repeat("x", 250)
	subjects := []string{
		"alice", "Alice", "ALICE", "alice ", " alice", "alice\t", "alíce", "ali\u0301ce", "alice\x00", "ａlice", "ſ", "s", "S", "ß", "ss",
		"1", "01", "1.0", long, long + "x", long + "y", "%", "_", "'", `"`, `\`, "\xff", "\xfe", "😀", "", // the last is refused
		fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("alice "))), // as "alice " is stored
	}
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		seen := make(map[string]string)
		for _, subject := range subjects {
			if subject == "" {
				if _, err := u.SignIn(t.Context(), account(p, subject)); err == nil {
					t.Error("an empty subject signs in")
				}
				continue
			}
			id := signIn(t, u, account(p, subject))
			if other, ok := seen[id]; ok {
				t.Errorf("%q and %q are one user", subject, other)
			}
			seen[id] = subject
		}
		for id, subject := range seen {
			if again := signIn(t, u, account(p, subject)); again != id {
				t.Errorf("%q is another user the second time", subject)
			}
		}
		other := signIn(t, u, account(p+"2", "alice"))
		if _, ok := seen[other]; ok {
			t.Error("two providers share a user")
		}
	})
}

// TestTexts signs in people whose names no column takes as they are.
func TestTexts(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		for i, test := range []struct{ name, want string }{
			{"Zoë 😀", "Zoë 😀"},
			{"a\x00b", "ab"},
			{"a\xffb", "a\uFFFDb"},
			{strings.Repeat("ä", 300), strings.Repeat("ä", 255)},
			{strings.Repeat("😀", 300), strings.Repeat("😀", 127)},
			{"'; DROP TABLE auth_users --", "'; DROP TABLE auth_users --"},
		} {
			a := account(p, fmt.Sprint(i))
			a.Name, a.Image, a.Scope = test.name, "https://example.com/"+strings.Repeat("x", 3000), "a\x00b"
			a.AccessToken = strings.Repeat("t", 100_000)
			id := signIn(t, u, a)
			got := row[sqlstore.User](t, db, "id = ?", id)
			if got.Name != test.want || got.Image != nil {
				t.Errorf("name %q, image %v; want %q, none", got.Name, got.Image, test.want)
			}
			if tokens := row[sqlstore.Account](t, db, "user_id = ?", id); *tokens.AccessToken != a.AccessToken {
				t.Error("a long token is not stored whole")
			}
		}
	})
}

// TestConcurrentSignIns signs one account in for the first time, many times at once.
func TestConcurrentSignIns(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		for round := range 5 {
			a := account(p, fmt.Sprint(round))
			a.Email, a.EmailVerified = p+"@example.com", round%2 == 0
			ids := make([]string, 12)
			var wg sync.WaitGroup
			for i := range ids {
				wg.Go(func() {
					id, err := u.SignIn(t.Context(), a)
					if err != nil {
						t.Errorf("SignIn: %v", err)
					}
					ids[i] = id
				})
			}
			wg.Wait()
			for _, id := range ids {
				if id != ids[0] {
					t.Errorf("one account is the users %q", ids)
					break
				}
			}
		}
		var users int64
		err := db.Table("auth_users").Where("id IN (?)", db.Table("auth_accounts").Select("user_id").Where("provider_id = ?", p)).Count(&users).Error
		if err != nil || users != 5 {
			t.Errorf("%d users, %v; want 5", users, err)
		}
		var orphans int64
		err = db.Table("auth_users").Where("id NOT IN (?)", db.Table("auth_accounts").Select("user_id")).Count(&orphans).Error
		if err != nil || orphans != 0 {
			t.Errorf("%d users without an account, %v", orphans, err)
		}
	})
}

func TestLink(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		ada := signIn(t, u, account(p, "ada"))
		second := account(p+"2", "ada2")
		second.Name, second.Email, second.EmailVerified = "Other name", p+"@example.com", true
		wantLink(t, u, ada, second, true)
		wantLink(t, u, ada, second, true)
		if got := row[sqlstore.User](t, db, "id = ?", ada); got.Name != "Ada" {
			t.Errorf("linking renamed the user to %q", got.Name)
		}
		if got := signIn(t, u, account(p+"2", "ada2")); got != ada {
			t.Errorf("the linked account is user %q, want %q", got, ada)
		}
		wantEmail(t, db, ada, strings.ToLower(p)+"@example.com", true)

		bob := signIn(t, u, account(p, "bob"))
		taken := account(p, "bob")
		taken.AccessToken = "stolen"
		wantLink(t, u, ada, taken, false)
		if got := row[sqlstore.Account](t, db, "account_id = ? AND provider_id = ?", "bob", p); got.UserID != bob || *got.AccessToken != "sealed-access" {
			t.Errorf("a refused link changed the account: %+v", got)
		}
		for _, nobody := range []string{"", "nobody", ada + " ", strings.ToLower(ada), strings.Repeat("x", 500)} {
			wantLink(t, u, nobody, account(p, "carol"), false)
		}
		var n int64
		if err := db.Table("auth_accounts").Where("account_id = ?", "carol").Count(&n).Error; err != nil || n != 0 {
			t.Errorf("linking to nobody left %d accounts, %v", n, err)
		}
	})
}

// TestConcurrentLinks lets two users and a first sign-in want the same new account.
func TestConcurrentLinks(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		ada, bob := signIn(t, u, account(p, "ada")), signIn(t, u, account(p, "bob"))
		for round := range 5 {
			a := account(p, fmt.Sprint("new", round))
			var byAda, byBob bool
			var third string
			var wg sync.WaitGroup
			var errs [3]error
			wg.Go(func() { byAda, errs[0] = u.Link(t.Context(), ada, a) })
			wg.Go(func() { byBob, errs[1] = u.Link(t.Context(), bob, a) })
			wg.Go(func() { third, errs[2] = u.SignIn(t.Context(), a) })
			wg.Wait()
			owner := row[sqlstore.Account](t, db, "provider_id = ? AND account_id = ?", p, a.AccountID).UserID
			if errs != [3]error{} || third != owner || byAda != (owner == ada) || byBob != (owner == bob) {
				t.Errorf("owner %q; linked to %q: %t, to %q: %t; signed in as %q; %v", owner, ada, byAda, bob, byBob, third, errs)
			}
		}
	})
}

// TestEmail follows an address between users, none of whom it may link, lock out or be kept from.
func TestEmail(t *testing.T) {
	type step struct {
		subject  string
		email    string
		verified bool
		want     map[string]string // of each subject afterwards; "!" marks a verified one
	}
	for name, steps := range map[string][]step{
		"first come": {
			{"a", "x@e", false, map[string]string{"a": "x@e"}},
			{"b", "x@e", false, map[string]string{"a": "x@e", "b": ""}},
			{"b", "x@e", false, map[string]string{"a": "x@e", "b": ""}},
		},
		"the verified one takes it": {
			{"a", "x@e", false, map[string]string{"a": "x@e"}},
			{"b", "x@e", true, map[string]string{"a": "", "b": "x@e!"}},
			{"a", "x@e", false, map[string]string{"a": "", "b": "x@e!"}},
		},
		"of two verified ones the first keeps it": {
			{"a", "x@e", true, map[string]string{"a": "x@e!"}},
			{"b", "x@e", true, map[string]string{"a": "x@e!", "b": ""}},
		},
		"a new address": {
			{"a", "x@e", true, map[string]string{"a": "x@e!"}},
			{"a", "y@e", true, map[string]string{"a": "y@e!"}},
			{"b", "x@e", true, map[string]string{"a": "y@e!", "b": "x@e!"}},
			{"a", "x@e", true, map[string]string{"a": "y@e!", "b": "x@e!"}},
		},
		"what is verified stays so": {
			{"a", "x@e", true, map[string]string{"a": "x@e!"}},
			{"a", "y@e", false, map[string]string{"a": "x@e!"}},
			{"a", "x@e", false, map[string]string{"a": "x@e!"}},
			{"b", "x@e", true, map[string]string{"a": "x@e!", "b": ""}},
		},
		"what is not becomes verified": {
			{"a", "x@e", false, map[string]string{"a": "x@e"}},
			{"a", "x@e", true, map[string]string{"a": "x@e!"}},
			{"b", "x@e", true, map[string]string{"a": "x@e!", "b": ""}},
		},
		"no address says nothing": {
			{"a", "x@e", true, map[string]string{"a": "x@e!"}},
			{"a", "", true, map[string]string{"a": "x@e!"}},
			{"a", "not one", true, map[string]string{"a": "x@e!"}},
			{"a", strings.Repeat("x", 321), true, map[string]string{"a": "x@e!"}},
			{"a", "x\xff@e", true, map[string]string{"a": "x@e!"}},
		},
		"case": {
			{"a", "X@E", true, map[string]string{"a": "x@e!"}},
			{"b", "x@e", true, map[string]string{"a": "x@e!", "b": ""}},
			{"b", "É@e", true, map[string]string{"a": "x@e!", "b": "É@e!"}},
			{"c", "é@e", true, map[string]string{"b": "É@e!", "c": "é@e!"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
				ids := make(map[string]string)
				for i, s := range steps {
					a := account(p, s.subject)
					a.Email, a.EmailVerified = s.email, s.verified
					id := signIn(t, u, a)
					if ids[s.subject] == "" {
						ids[s.subject] = id
					}
					if ids[s.subject] != id {
						t.Fatalf("step %d: %s is another user now", i+1, s.subject)
					}
					for subject, want := range s.want {
						email, verified := strings.CutSuffix(want, "!")
						wantEmail(t, db, ids[subject], email, verified)
					}
				}
				if len(ids) == 2 && ids["a"] == ids["b"] {
					t.Error("an e-mail address linked two accounts")
				}
			})
		})
	}
}

// TestDeletedUser deletes a user, as an application does: the account goes with it, and a sign-in makes a new user.
func TestDeletedUser(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		first := signIn(t, u, account(p, "ada"))
		if err := db.Create(&sqlstore.Session{ID: rand.Text(), Token: rand.Text(), UserID: first, ExpiresAt: time.Now().UTC(), CreatedAt: time.Now().UTC(), UpdatedAt: time.Now().UTC()}).Error; err != nil {
			t.Fatal(err)
		}
		if err := db.Delete(&sqlstore.User{ID: first}).Error; err != nil {
			t.Fatal(err)
		}
		var sessions int64
		if err := db.Model(&sqlstore.Session{}).Where("user_id = ?", first).Count(&sessions).Error; err != nil || sessions != 0 {
			t.Errorf("%d sessions of a deleted user, %v", sessions, err)
		}
		if again := signIn(t, u, account(p, "ada")); again == first {
			t.Error("the id of a deleted user is used again")
		}
		wantLink(t, u, first, account(p, "new"), false)
	})
}

// TestOrphan signs in an account whose user is gone, which only a database without foreign keys can have.
func TestOrphan(t *testing.T) {
	db := onSQLiteMemory.migrated(t)
	u := newUsers(t, db)
	id := signIn(t, u, account("p", "ada"))
	for _, statement := range []string{"PRAGMA foreign_keys = OFF", "DELETE FROM auth_users"} {
		if err := db.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
	if got, err := u.SignIn(t.Context(), account("p", "ada")); err == nil || got != "" || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("SignIn: %q, %v", got, err)
	}
	if linked, err := u.Link(t.Context(), id, account("p", "ada")); linked {
		t.Errorf("Link: %t, %v", linked, err)
	}
	var n int64
	if err := db.Table("auth_users").Count(&n).Error; err != nil || n != 0 {
		t.Errorf("%d users left behind, %v", n, err)
	}
}

// TestFoldingCollation has accounts in a table whose collation is not ours.
func TestFoldingCollation(t *testing.T) {
	db := onMariaDB.migrated(t)
	u := newUsers(t, db)
	signIn(t, u, account("p", "alice"))
	if err := db.Exec("ALTER TABLE auth_accounts MODIFY account_id varchar(191) COLLATE utf8mb4_general_ci NOT NULL").Error; err != nil {
		t.Fatal(err)
	}
	if id, err := u.SignIn(t.Context(), account("p", "ALICE")); err == nil || id != "" {
		t.Errorf("signed in as another's account: %q, %v", id, err)
	}
}

func TestModels(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		now := time.Now().UTC().Truncate(time.Millisecond)
		v := sqlstore.Verification{ID: p, Identifier: p + "@example.com", Value: "code", ExpiresAt: now, CreatedAt: now, UpdatedAt: now}
		if err := db.Create(&v).Error; err != nil {
			t.Fatal(err)
		}
		if got := row[sqlstore.Verification](t, db, "identifier = ?", v.Identifier); got.Value != "code" || !got.ExpiresAt.Equal(now) {
			t.Errorf("read %+v, wrote %+v", got, v)
		}
		session := sqlstore.Session{ID: p, Token: "t" + p, UserID: signIn(t, u, account(p, "1")), ExpiresAt: now, CreatedAt: now, UpdatedAt: now}
		if err := db.Create(&session).Error; err != nil {
			t.Fatal(err)
		}
		session.ID += "2"
		if err := db.Create(&session).Error; err == nil {
			t.Error("two sessions with one token")
		}
		session.Token, session.UserID = "t2"+p, "nobody"
		if err := db.Create(&session).Error; err == nil {
			t.Error("a session of nobody")
		}
	})
}
