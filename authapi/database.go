package authapi

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/driver/sqlserver"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// The engines of DB_PROVIDER.
const (
	enginePostgres  = "postgres"
	engineMySQL     = "mysql"
	engineSQLServer = "mssql"
	engineSQLite    = "sqlite"
)

// connectTimeout bounds connecting to a database, when its URL says nothing.
const connectTimeout = 5 * time.Second

// databaseSettings say how to reach the database.
type databaseSettings struct {
	engine string
	dsn    func() string // in a closure, because it has a password in it
}

// readDatabase reads DATABASE_URL and DB_PROVIDER. It returns nil when something is wrong with them.
func (e *environ) readDatabase() *databaseSettings {
	const name = "DATABASE_URL"
	value := e.required(name, "set it to the address of the database, as postgres://user:password@host:5432/name")
	engine := e.engine(value)
	if value == "" || engine == "" {
		return nil
	}
	dsn, err := dsnOf(engine, value)
	if err != nil {
		e.complain(name, err.Error(), "see the service's documentation for the form of "+engine)
		return nil
	}
	return &databaseSettings{engine, func() string { return dsn }}
}

// engine returns the engine that DB_PROVIDER names, or else the one that the URL's scheme does.
func (e *environ) engine(databaseURL string) string {
	const name = "DB_PROVIDER"
	scheme, _, _ := strings.Cut(databaseURL, ":")
	byScheme := map[string]string{"postgres": enginePostgres, "postgresql": enginePostgres, "mysql": engineMySQL, "mariadb": engineMySQL,
		"sqlserver": engineSQLServer, "file": engineSQLite}[scheme]
	var engine string
	switch v := e.text(name); v {
	case "postgres", "postgresql":
		engine = enginePostgres
	case "mysql", "mariadb":
		engine = engineMySQL
	case "mssql", "sqlserver":
		engine = engineSQLServer
	case "sqlite":
		engine = engineSQLite
	case "":
		if byScheme == "" && databaseURL != "" && !e.has(name) {
			e.complain(name, "is missing, and DATABASE_URL does not tell the engine", "set it to postgres, mysql, mssql or sqlite")
		}
		return byScheme
	default:
		e.complain(name, "names no engine that is supported", "set it to postgres, mysql, mssql or sqlite")
		return ""
	}
	if byScheme != "" && byScheme != engine {
		e.complain(name, "contradicts the scheme of DATABASE_URL", "change one of them")
		return ""
	}
	return engine
}

// dsnOf turns a DATABASE_URL into what the engine's driver takes. Errors quote nothing of it.
func dsnOf(engine, value string) (string, error) {
	switch engine {
	case engineMySQL:
		return mysqlDSN(value)
	case engineSQLServer:
		return sqlServerDSN(value)
	case engineSQLite:
		return sqliteDSN(value)
	}
	if strings.Contains(value, "://") {
		if u, err := url.Parse(value); err != nil || u.Host == "" && u.RawQuery == "" {
			return "", errors.New("is not a URL")
		}
	}
	return value, nil
}

var errMySQLURL = errors.New("is neither mysql://user:password@host:3306/name nor a DSN of the Go driver")

// mysqlDSN takes a URL, as the Node packages do, or the Go driver's own form.
func mysqlDSN(value string) (string, error) {
	c := mysqldriver.NewConfig()
	if rest, isURL := strings.CutPrefix(value, "mariadb://"); isURL {
		value = "mysql://" + rest
	}
	if strings.HasPrefix(value, "mysql://") {
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || len(u.Path) < 2 {
			return "", errMySQLURL
		}
		port := u.Port()
		if port == "" {
			port = "3306"
		}
		c.Net, c.Addr, c.DBName, c.User = "tcp", net.JoinHostPort(u.Hostname(), port), u.Path[1:], u.User.Username()
		c.Passwd, _ = u.User.Password()
		if tls := u.Query().Get("tls"); tls != "" {
			c.TLSConfig = tls
		}
	} else {
		parsed, err := mysqldriver.ParseDSN(value)
		if err != nil {
			return "", errMySQLURL
		}
		c = parsed
	}
	c.ParseTime, c.Loc = true, time.UTC
	if c.Timeout == 0 {
		c.Timeout = connectTimeout
	}
	return c.FormatDSN(), nil
}

// sqlServerDSN takes the driver's URL, or one with parameters behind semicolons, as the Node packages write it. The whole
// connection is encrypted unless the URL says otherwise.
func sqlServerDSN(value string) (string, error) {
	rest, ok := strings.CutPrefix(value, "sqlserver://")
	if !ok {
		return "", errors.New("is not sqlserver://user:password@host:1433?database=name")
	}
	head, params, _ := strings.Cut(rest, ";")
	u, err := url.Parse("sqlserver://" + head)
	if err != nil || u.Host == "" {
		return "", errors.New("is not sqlserver://user:password@host:1433?database=name")
	}
	query := u.Query()
	var user, password string
	for pair := range strings.SplitSeq(params, ";") {
		name, v, _ := strings.Cut(pair, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "":
		case "database", "initial catalog":
			query.Set("database", v)
		case "user", "username", "uid", "user id":
			user = v
		case "password", "pwd":
			password = v
		case "encrypt", "trustservercertificate":
			query.Set(strings.TrimSpace(name), v)
		default:
			return "", errors.New("has a parameter behind a semicolon that is not known here")
		}
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	if !query.Has("encrypt") {
		query.Set("encrypt", "true")
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// sqliteDSN turns foreign keys on, lets writers wait for each other, and keeps readers out of their way.
func sqliteDSN(value string) (string, error) {
	if !strings.HasPrefix(value, "file:") {
		value = "file:" + value
	}
	path, query, _ := strings.Cut(value, "?")
	params, err := url.ParseQuery(query)
	if err != nil || path == "file:" {
		return "", errors.New("is not file:path")
	}
	for name, v := range map[string]string{"_foreign_keys": "1", "_busy_timeout": "4000", "_journal_mode": "WAL"} {
		if !params.Has(name) {
			params.Set(name, v)
		}
	}
	return path + "?" + params.Encode(), nil
}

// open returns the database without connecting to it: it may be down when the service starts.
func (s *databaseSettings) open() (*gorm.DB, error) {
	var dialector gorm.Dialector
	switch s.engine {
	case enginePostgres:
		dialector = postgres.Open(s.dsn())
	case engineMySQL:
		dialector = mysql.New(mysql.Config{DSN: s.dsn(), SkipInitializeWithVersion: true})
	case engineSQLServer:
		dialector = sqlserver.Open(s.dsn())
	default:
		dialector = sqlite.Open(s.dsn())
	}
	db, err := gorm.Open(dialector, &gorm.Config{DisableAutomaticPing: true, SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		return nil, errors.New("the database's address is not understood by its driver") // the driver's own words may quote it
	}
	conns, err := db.DB()
	if err != nil {
		return nil, err
	}
	conns.SetMaxOpenConns(32)
	conns.SetMaxIdleConns(8)
	conns.SetConnMaxIdleTime(5 * time.Minute)
	if s.engine == engineSQLite && strings.Contains(s.dsn(), ":memory:") {
		conns.SetMaxOpenConns(1)
	}
	return db, nil
}

func closeDatabase(db *gorm.DB) error {
	conns, err := db.DB()
	if err != nil {
		return err
	}
	return conns.Close()
}

func pingDatabase(ctx context.Context, db *gorm.DB) error {
	conns, err := db.DB()
	if err != nil {
		return err
	}
	return conns.PingContext(ctx)
}
