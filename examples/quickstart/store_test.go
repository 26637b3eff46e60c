package main

import (
	"database/sql"
	"errors"
	"flag"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/mysql"

	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/internal/sqltest"
	"github.com/netscript/auth/store/sqlstore"
)

func parse(t *testing.T, args ...string) storeFlags {
	t.Helper()
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var f storeFlags
	f.register(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestStoresKeep opens each kind of store twice, as two runs of the program do.
func TestStoresKeep(t *testing.T) {
	tests := []struct {
		name string
		args func(t *testing.T) []string
		kept bool
	}{
		{"nothing", func(*testing.T) []string { return nil }, false},
		{"-redis host:port", func(t *testing.T) []string {
			return []string{"-redis", redistest.Start(t, redistest.Options{}).Addr}
		}, true},
		{"-redis URL", func(t *testing.T) []string {
			return []string{"-redis", "redis://:a%2Fb@" + redistest.Start(t, redistest.Options{Password: "a/b"}).Addr + "/1"}
		}, true},
		{"-db file", func(t *testing.T) []string { return []string{"-db", filepath.Join(t.TempDir(), "a b.db")} }, true},
		{"-db PostgreSQL", func(t *testing.T) []string {
			server := sqltest.StartPostgres(t)
			return []string{"-db", server.DSN(server.Database(t), "")}
		}, true},
		{"-db MariaDB", func(t *testing.T) []string {
			server := sqltest.StartMariaDB(t)
			return []string{"-db", "mysql://root@" + server.Addr + "/" + server.Database(t)}
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args(t)
			if tt.kept {
				args = append(args, "-key-file", filepath.Join(t.TempDir(), "key"))
			}
			flags := parse(t, args...)
			one, err := flags.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := one.kv.Set(t.Context(), "k", []byte("v"), time.Minute); err != nil {
				t.Fatal(err)
			}
			one.close()
			two, err := flags.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer two.close()
			value, found, err := two.kv.Get(t.Context(), "k")
			if err != nil || found != tt.kept || found && string(value) != "v" {
				t.Errorf("the second run finds %q, %v, %v, want it: %v", value, found, err, tt.kept)
			}
			if two.key.Equal(one.key) != tt.kept {
				t.Errorf("the second run has the same key: %v, want %v", !tt.kept, tt.kept)
			}
			if strings.Contains(one.note, "outlive") != tt.kept {
				t.Errorf("note %q", one.note)
			}
		})
	}
}

func TestStoreRefused(t *testing.T) {
	const nobody = "127.0.0.1:1" // where nobody listens
	dir := t.TempDir()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"two stores", []string{"-redis", nobody, "-db", "x"}, "exclude each other"},
		{"key without a store", []string{"-key-file", "x"}, "-key-file is of use with"},
		{"no Redis there", []string{"-redis", nobody}, "-redis: redisstore: get: "},
		{"no Redis URL", []string{"-redis", "http://user:canary@" + nobody}, "-redis: redisstore: URL: "},
		{"no host", []string{"-redis", "redis://:canary@"}, "-redis: redisstore: URL: "},
		{"no PostgreSQL there", []string{"-db", "postgres://user:canary@" + nobody + "/x"}, "-db: "},
		{"PostgreSQL of no meaning", []string{"-db", "postgres://user:canary@" + nobody + "/x?sslmode=canary"}, "-db: the driver does not understand it"},
		{"no MySQL there", []string{"-db", "mysql://user:canary@" + nobody + "/x"}, "-db: "},
		{"MySQL of no meaning", []string{"-db", "user:canary@tcp(" + nobody + "/x"}, "-db: not of the form user:password@tcp"},
		{"MySQL without a name", []string{"-db", "mysql://user:canary@" + nobody}, "-db: not of the form mysql://"},
		{"another engine", []string{"-db", "sqlserver://user:canary@" + nobody}, "-db: the scheme must be"},
		{"SQLite with parameters", []string{"-db", dir + "/x?mode=canary"}, "-db: write the file"},
		{"no directory", []string{"-db", dir + "/none/x.db"}, "-db: unable to open database file"},
		{"no key file", []string{"-redis", nobody, "-key-file", dir}, "-key-file: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			flags := parse(t, tt.args...)
			if flags.keyFile == "" && (flags.redis == "" || flags.db == "") {
				flags.keyFile = filepath.Join(t.TempDir(), "key")
			}
			s, err := flags.open(t.Context())
			if err == nil {
				s.close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error quotes the password: %v", err)
			}
		})
	}
}

// TestDatabaseIsSwept expects that a start removes what has expired.
func TestDatabaseIsSwept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	flags := parse(t, "-db", path, "-key-file", filepath.Join(t.TempDir(), "key"))
	one, err := flags.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(one.kv.Set(t.Context(), "old", []byte("v"), time.Millisecond), one.kv.Set(t.Context(), "new", []byte("v"), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	one.close()
	time.Sleep(20 * time.Millisecond)
	two, err := flags.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two.close()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var keys string
	if err := db.QueryRowContext(t.Context(), "SELECT group_concat(id) FROM "+sqlstore.DefaultTable).Scan(&keys); err != nil || keys != "new" {
		t.Errorf("the table holds %q, %v, want the new one alone", keys, err)
	}
}

func TestDialectorOf(t *testing.T) {
	tests := []struct{ dsn, engine, mysqlDSN string }{
		{"sessions.db", "sqlite", ""},
		{"/tmp/a b.db", "sqlite", ""},
		{"postgres://u:p@db.test/app", "postgres", ""},
		{"postgresql://u:p@db.test/app?sslmode=require", "postgres", ""},
		{"host=db.test user=u dbname=app", "postgres", ""},
		{"mysql://u:p%20w@db.test/app", "mysql", "u:p w@tcp(db.test:3306)/app"},
		{"mysql://u:p%20w@db.test:33/app", "mysql", "u:p w@tcp(db.test:33)/app"},
		{"u:p w@tcp(db.test:3306)/app?loc=Local", "mysql", "u:p w@tcp(db.test:3306)/app"},
		{"u:p w@unix(/run/db)/app", "mysql", "u:p w@unix(/run/db)/app"},
	}
	for _, tt := range tests {
		t.Run(tt.dsn, func(t *testing.T) {
			d, err := dialectorOf(tt.dsn)
			if err != nil || d.Name() != tt.engine {
				t.Fatalf("%v, %v", d, err)
			}
			m, ok := d.(*mysql.Dialector)
			if !ok {
				return
			}
			got, query, _ := strings.Cut(m.DSNConfig.FormatDSN(), "?")
			if got != tt.mysqlDSN || query != "parseTime=true" { // UTC is what no loc means
				t.Errorf("%s ? %s", got, query)
			}
		})
	}
}
