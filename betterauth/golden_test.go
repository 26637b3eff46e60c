package betterauth_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/driver/sqlserver"
	"gorm.io/gorm"

	sqlmock "github.com/DATA-DOG/go-sqlmock"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGoldenSQL holds every statement for every database to what was reviewed.
func TestGoldenSQL(t *testing.T) {
	pool, _, err := sqlmock.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	for name, dialector := range map[string]gorm.Dialector{
		"postgres": postgres.New(postgres.Config{Conn: pool}), "mysql": mysql.New(mysql.Config{Conn: pool, SkipInitializeWithVersion: true}),
		"sqlserver": sqlserver.New(sqlserver.Config{Conn: pool}), "sqlite": sqlite.Open(":memory:"),
	} {
		t.Run(name, func(t *testing.T) {
			db, err := gorm.Open(dialector, &gorm.Config{DisableAutomaticPing: true, DryRun: true})
			if err != nil && db == nil {
				t.Fatal(err)
			}
			b := newBackend(t, betterauth.Config{DB: db, Secret: auth.NewSecret(testSecret), BaseURL: testBaseURL, UserFields: []string{"bio"}, Plugins: []betterauth.Plugin{
				betterauth.Organization(betterauth.OrganizationConfig{Teams: true, DynamicAccessControl: true}), betterauth.APIKey(), betterauth.Admin(), betterauth.TwoFactor(), betterauth.Username(), betterauth.Anonymous(),
			}})
			var got strings.Builder
			statements := b.Statements()
			for _, what := range slices.Sorted(maps.Keys(statements)) {
				text := statements[what]
				args := make([]any, strings.Count(text, "?"))
				for i := range args {
					args[i] = "x"
				}
				got.WriteString("-- " + what + "\n" + db.ToSQL(func(tx *gorm.DB) *gorm.DB { return tx.Exec(text, args...) }) + ";\n\n")
			}
			golden(t, filepath.Join("testdata", "sql", name+".sql"), got.String())
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; review, then run with -update:\n%s", file, got)
	}
}
