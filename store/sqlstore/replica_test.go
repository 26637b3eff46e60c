package sqlstore_test

import (
	"testing"

	"gorm.io/gorm"

	"github.com/netscript/auth/store/sqlstore"
)

// TestReplica has reads go to another database unless the statement says "write", which is what gorm's dbresolver does. The
// replica is one that lags: it knows nobody.
func TestReplica(t *testing.T) {
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite} {
		t.Run(f.name, func(t *testing.T) {
			db, replica := f.migrated(t), f.migrated(t)
			toReplica := func(tx *gorm.DB) {
				_, inTransaction := tx.Statement.ConnPool.(gorm.TxCommitter)
				if _, write := tx.Statement.Settings.Load("gorm:db_resolver:write"); !write && !inTransaction {
					tx.Statement.ConnPool = replica.Statement.ConnPool
				}
			}
			u := newUsers(t, db)
			for _, register := range []func(string, func(*gorm.DB)) error{
				db.Callback().Query().Before("*").Register, db.Callback().Row().Before("*").Register,
			} {
				if err := register("gorm:db_resolver", toReplica); err != nil {
					t.Fatal(err)
				}
			}
			var n int64
			ada := signIn(t, u, account("p", "ada"))
			if err := db.Model(&sqlstore.User{}).Count(&n).Error; err != nil || n != 0 {
				t.Fatalf("the replica does not lag: %d users, %v", n, err)
			}
			if again := signIn(t, u, account("p", "ada")); again != ada {
				t.Errorf("the second sign-in is user %q, the first was %q", again, ada)
			}
			wantLink(t, u, ada, account("p2", "ada"), true)
			wantLink(t, u, ada, account("p2", "ada"), true)

			s := newStore(t, db, sqlstore.Config{})
			set(t, s, "k", "v", 1<<40)
			if value, found, err := s.Get(t.Context(), "k"); string(value) != "v" || !found || err != nil {
				t.Errorf("Get: %q, %t, %v", value, found, err)
			}
		})
	}
}
