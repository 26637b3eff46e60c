package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"gorm.io/gorm"
)

// engine is a kind of database, by the name of its gorm dialector.
type engine string

const (
	postgres  engine = "postgres"
	mysql     engine = "mysql" // and MariaDB
	sqlserver engine = "sqlserver"
	sqlite    engine = "sqlite"
)

// engineOf returns what db is, and its connections.
func engineOf(db *gorm.DB) (engine, *sql.DB, error) {
	if db == nil || db.Config == nil || db.Dialector == nil {
		return "", nil, errors.New("sqlstore: db is nil or was not opened")
	}
	if db.Error != nil {
		return "", nil, errors.New("sqlstore: db carries the error of an earlier statement")
	}
	if _, ok := db.Statement.ConnPool.(gorm.TxCommitter); ok {
		return "", nil, errors.New("sqlstore: db is a transaction: what is stored must not depend on how that ends")
	}
	e := engine(db.Name())
	switch e {
	case postgres, mysql, sqlserver, sqlite:
	default:
		return "", nil, fmt.Errorf("sqlstore: the dialector is %q; supported are postgres, mysql, sqlserver and sqlite", e)
	}
	conns, err := db.DB()
	if err != nil {
		return "", nil, errors.New("sqlstore: db has no database/sql connection pool")
	}
	return e, conns, nil
}

// placeholder returns how the nth parameter of a statement is written, counted from 1.
func (e engine) placeholder(n int) string {
	switch e {
	case postgres:
		return "$" + strconv.Itoa(n)
	case sqlserver:
		return "@p" + strconv.Itoa(n)
	default:
		return "?"
	}
}

// prepares reports whether statements have to be prepared by us. pgx prepares and caches by itself, as its DSN says. SQL
// Server caches plans by the text and the declared types of the parameters, and its driver declares a text or a value by its
// length: one plan for each length, which preparing would not change. MySQL's driver would take two round trips for a call,
// and SQLite would parse anew.
func (e engine) prepares() bool { return e == mysql || e == sqlite }

// quote makes an identifier of a validated name, which may have a schema before a dot.
func (e engine) quote(name string) string {
	left, right := `"`, `"`
	switch e {
	case mysql:
		left, right = "`", "`"
	case sqlserver:
		left, right = "[", "]"
	}
	return left + strings.ReplaceAll(name, ".", right+"."+left) + right
}

// checkTable refuses what is no plain identifier. Quoting alone would not do: gorm and the engines escape differently.
func checkTable(name string) error {
	if ok, err := regexp.MatchString(`^([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}$`, name); !ok || err != nil {
		return errors.New("sqlstore: Table must be letters, digits and underscores, 63 at most, with or without a schema and a dot before it")
	}
	return nil
}
