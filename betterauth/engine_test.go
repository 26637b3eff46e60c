package betterauth_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlserver"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth/betterauth"
	"github.com/netscript/auth/internal/sqltest"
)

var servers sqltest.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	servers.Close()
	os.Exit(code)
}

// engine is a kind of database.
type engine struct {
	name  string
	open  func(t testing.TB) *gorm.DB
	types map[string]string // of the columns that better-auth's migrator makes there
	quote string
}

// engines are those that can be asked here. SQL Server, which cannot be installed, is one when it is named; without it
// golden statements stand for it.
func engines() []engine {
	all := []engine{
		{"sqlite", func(t testing.TB) *gorm.DB { return openSQLite(t).DB }, map[string]string{
			"id": "text", "key": "text", "text": "text", "time": "date", "bool": "integer", "int": "integer",
		}, `""`},
		{"postgres", func(t testing.TB) *gorm.DB {
			s := servers.Postgres(t)
			return openWith(t, postgres.Open(s.DSN(s.Database(t), "")))
		}, map[string]string{
			"id": "text", "key": "text", "text": "text", "time": "timestamptz", "bool": "boolean", "int": "integer",
		}, `""`},
		{"mariadb", func(t testing.TB) *gorm.DB {
			s := servers.MariaDB(t)
			return openWith(t, mysql.Open(s.DSN(s.Database(t), "")))
		}, map[string]string{
			"id": "varchar(36)", "key": "varchar(255)", "text": "text", "time": "timestamp(3) NULL", "bool": "boolean", "int": "integer",
		}, "``"},
		{"sqlserver", openSQLServer, map[string]string{
			"id": "varchar(36)", "key": "varchar(255)", "text": "varchar(8000)", "time": "datetime2(3)", "bool": "smallint", "int": "integer",
		}, "[]"},
	}
	if os.Getenv(sqlServerVariable) == "" {
		return all[:len(all)-1]
	}
	return all
}

func openWith(t testing.TB, d gorm.Dialector) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(d, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return db
}

const sqlServerVariable = "AUTH_TEST_SQLSERVER_DSN"

func openSQLServer(t testing.TB) *gorm.DB {
	db := openWith(t, sqlserver.Open(os.Getenv(sqlServerVariable)))
	for i := len(schema) - 1; i >= 0; i-- {
		db.Exec("DROP TABLE IF EXISTS [" + schema[i].name + "]")
		db.Exec("DROP TABLE IF EXISTS [auth_" + schema[i].name + "s]")
	}
	return db
}

// schema is better-auth's, with the columns of all plugins of this package: field, kind, and "null" where it may be.
var schema = []struct{ name, columns string }{
	{"user", "id id,name text,email key unique,emailVerified bool,image text null,createdAt time,updatedAt time,role text null,banned bool null,banReason text null,banExpires time null,twoFactorEnabled bool null,username key null,displayUsername text null,isAnonymous bool null,bio text null"},
	{"session", "id id,expiresAt time null,token key unique,createdAt time null,updatedAt time null,ipAddress text null,userAgent text null,userId id null,activeOrganizationId text null,activeTeamId text null,impersonatedBy text null"},
	{"organization", "id id,name text,slug key,createdAt time"},
	{"member", "id id,organizationId id,userId id,role text,createdAt time"},
	{"team", "id id,name text,organizationId id,createdAt time"},
	{"teamMember", "id id,teamId id,userId id,createdAt time"},
	{"organizationRole", "id id,organizationId id,role key,permission text,createdAt time"},
	{"jwks", "id id,publicKey text,privateKey text,createdAt time,expiresAt time null,alg text null,crv text null"},
	{"apikey", "id id,configId key,name text null,start text null,referenceId key,prefix text null,key key,refillInterval int null,refillAmount int null,lastRefillAt time null,enabled bool null,rateLimitEnabled bool null,rateLimitTimeWindow int null,rateLimitMax int null,requestCount int null,remaining int null,lastRequest time null,expiresAt time null,createdAt time,updatedAt time,permissions text null,metadata text null"},
}

// create makes the tables as naming calls them.
func (e engine) create(t testing.TB, db *gorm.DB, naming betterauth.Naming) {
	t.Helper()
	for _, table := range schema {
		var columns []string
		for column := range strings.SplitSeq(table.columns, ",") {
			parts := strings.Fields(column)
			text := e.quoted(columnName(naming, parts[0])) + " " + e.types[parts[1]]
			switch {
			case parts[0] == "id":
				text += " PRIMARY KEY"
			case len(parts) == 2 && e.types[parts[1]] != "timestamp(3) NULL":
				text += " NOT NULL"
			case len(parts) == 3 && parts[2] == "unique":
				text += " NOT NULL UNIQUE"
			}
			columns = append(columns, text)
		}
		statement := fmt.Sprintf("CREATE TABLE %s (%s)", e.quoted(tableName(naming, table.name)), strings.Join(columns, ", "))
		if err := db.Exec(statement).Error; err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func (e engine) quoted(name string) string { return e.quote[:1] + name + e.quote[1:] }

func tableName(n betterauth.Naming, name string) string {
	if n == betterauth.NetScriptNaming && name != "jwks" {
		return "auth_" + columnName(n, name) + "s"
	} else if n == betterauth.NetScriptNaming {
		return "auth_jwks"
	}
	return name
}

func columnName(n betterauth.Naming, name string) string {
	if n == betterauth.BetterAuthNaming {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}

// forEachEngine runs a test on every database that there is.
func forEachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}
