package sqlstore_test

import (
	"sync/atomic"
	"testing"

	"gorm.io/gorm"

	"github.com/netscript/auth/store/sqlstore"
)

// beforeProfile runs do once, just before the next statement that changes a user: after the row was read which that
// statement is about.
func beforeProfile(t *testing.T, db *gorm.DB, do func()) {
	t.Helper()
	var done atomic.Bool
	const name = "test:before profile"
	if err := db.Callback().Update().Before("gorm:update").Register(name, func(tx *gorm.DB) {
		if tx.Statement.Table == "auth_users" && done.CompareAndSwap(false, true) {
			do()
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !done.Load() {
			t.Error("no user was changed")
		}
	})
}

// change is another call's change of a user.
func change(t *testing.T, db *gorm.DB, assignments, userID string, args ...any) {
	t.Helper()
	if err := db.Exec("UPDATE auth_users SET "+assignments+" WHERE id = ?", append(args, userID)...).Error; err != nil {
		t.Error(err)
	}
}

// TestVerifiedMeanwhile signs in with an address that nobody vouches for, while another sign-in of the user brings one that
// is verified.
func TestVerifiedMeanwhile(t *testing.T) {
	for name, first := range map[string]string{"no address before": "", "an unverified one before": "old@example.com"} {
		t.Run(name, func(t *testing.T) {
			eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
				a := account(p, "ada")
				a.Email = first
				ada := signIn(t, u, a)
				beforeProfile(t, db, func() { change(t, db, "email = ?, email_verified = ?", ada, "ada@example.com", true) })
				a.Email = "other@example.com"
				signIn(t, u, a)
				wantEmail(t, db, ada, "ada@example.com", true)
			})
		})
	}
}

// TestFilledInMeanwhile links an account that would fill in what another call tells at the same moment.
func TestFilledInMeanwhile(t *testing.T) {
	for name, verified := range map[string]bool{"verified": true, "unverified": false} {
		t.Run(name, func(t *testing.T) {
			eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
				a := account(p, "ada")
				a.Name, a.Image = "", ""
				ada := signIn(t, u, a)
				beforeProfile(t, db, func() {
					change(t, db, "name = ?, image = ?, email = ?", ada, "Ada", "https://example.com/1", "ada@example.com")
				})
				b := account(p+"2", "ada")
				b.Name, b.Image, b.Email, b.EmailVerified = "Other name", "https://example.com/2", "other@example.com", verified
				wantLink(t, u, ada, b, true)
				wantEmail(t, db, ada, "ada@example.com", false)
				if got := row[sqlstore.User](t, db, "id = ?", ada); got.Name != "Ada" || *got.Image != "https://example.com/1" {
					t.Errorf("linking replaced what was filled in already: %q, %q", got.Name, *got.Image)
				}
			})
		})
	}
}

// TestFillsIn links an account to a user of whom nothing is known.
func TestFillsIn(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		a := account(p, "ada")
		a.Name, a.Image = "", ""
		ada := signIn(t, u, a)
		b := account(p+"2", "ada")
		b.Email = "ada@example.com"
		wantLink(t, u, ada, b, true)
		wantEmail(t, db, ada, "ada@example.com", false)
		if got := row[sqlstore.User](t, db, "id = ?", ada); got.Name != b.Name || got.Image == nil || *got.Image != b.Image {
			t.Errorf("filled in %+v", got)
		}
	})
}

// TestVerifiedByOneOfTwo has a user with two accounts of one address, for which only one provider vouches.
func TestVerifiedByOneOfTwo(t *testing.T) {
	eachUsers(t, func(t *testing.T, db *gorm.DB, u *sqlstore.Users, p string) {
		vouched, told, stranger := account(p, "ada"), account(p+"2", "ada"), account(p, "eve")
		vouched.Email, told.Email, stranger.Email = "ada@example.com", "ada@example.com", "ada@example.com"
		vouched.EmailVerified, stranger.EmailVerified = true, true
		ada := signIn(t, u, vouched)
		wantLink(t, u, ada, told, true)
		if got := signIn(t, u, told); got != ada {
			t.Fatalf("the linked account is user %q, want %q", got, ada)
		}
		wantEmail(t, db, ada, "ada@example.com", true)
		eve := signIn(t, u, stranger)
		wantEmail(t, db, ada, "ada@example.com", true)
		wantEmail(t, db, eve, "", false)
	})
}
