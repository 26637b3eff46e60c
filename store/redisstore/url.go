package redisstore

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/netscript/auth"
)

// ParseURL returns the [Config] of a URL like
//
//	redis://user:password@host:6379/0
//	rediss://:password@host
//
// User, password, port and database number may be absent; the port is then 6379. The scheme rediss means TLS with a
// verified certificate; trust a private authority by setting Config.TLS.RootCAs afterwards. There are no parameters,
// and so none that turns verification off. Set Cluster or SentinelMaster afterwards if the address is of such.
//
// No error contains any part of the URL.
func ParseURL(rawURL string) (Config, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil: // its text contains the URL, and so the password
		return Config{}, errURL
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return Config{}, errors.New("redisstore: URL: the scheme must be redis or rediss")
	case u.Opaque != "" || u.Hostname() == "":
		return Config{}, errURL
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Config{}, errors.New("redisstore: URL: parameters are not supported: set the fields of Config")
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if _, _, err := net.SplitHostPort(address); err != nil { // a host of stray brackets, which net/url takes
		return Config{}, errURL
	}
	cfg := Config{Addresses: []string{address}}
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		if cfg.Database, err = strconv.Atoi(path); err != nil || cfg.Database < 0 {
			return Config{}, errors.New("redisstore: URL: the path must be a database number")
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		cfg.Username, cfg.Password = u.User.Username(), auth.NewSecret(password)
	}
	if u.Scheme == "rediss" {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return cfg, nil
}

var errURL = errors.New("redisstore: URL: not of the form redis://user:password@host:port/database")
