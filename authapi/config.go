package authapi

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/netscript/auth"
)

const basePath = auth.DefaultBasePath

// The values of NETSCRIPT_AUTH_BACKEND.
const (
	backendKvOAuth    = "kv-oauth"
	backendWorkOS     = "workos"
	backendBetterAuth = "better-auth"
)

const backendHelp = "set it to kv-oauth, workos or better-auth"

// config is what the environment says, apart from what one backend alone needs.
type config struct {
	backend     string // empty: it is wrong
	port        int
	auditSalt   auth.Key
	corsOrigins []string
	errorURL    string
	limit       rateLimit
	verify      *auth.HeaderSigner // nil: no /verify
}

// readConfig reads what all backends share.
func (e *environ) readConfig(o Options) config {
	return config{
		backend:     e.backendName(),
		port:        e.port(),
		auditSalt:   e.auditSalt(),
		corsOrigins: e.corsOrigins(),
		errorURL:    e.errorURL(),
		limit:       e.rateLimit(),
		verify:      e.headerSigner(o),
	}
}

func (e *environ) backendName() string {
	const name = "NETSCRIPT_AUTH_BACKEND"
	if !e.has(name) {
		return backendKvOAuth
	}
	switch v := e.text(name); v {
	case backendKvOAuth, backendWorkOS, backendBetterAuth:
		return v
	case "": // blank, which is said already
	default:
		e.complain(name, "names no backend", backendHelp)
	}
	return ""
}

func (e *environ) auditSalt() auth.Key {
	keys := e.keys("NETSCRIPT_AUTH_AUDIT_SALT")
	switch len(keys) {
	case 0:
		return auth.Key{}
	case 1:
		return keys[0]
	}
	e.complain("NETSCRIPT_AUTH_AUDIT_SALT", "has several parts", "set it to one key: hashes under two salts are two people")
	return auth.Key{}
}

func (e *environ) corsOrigins() []string {
	const name = "NETSCRIPT_AUTH_CORS_ORIGINS"
	origins := e.list(name)
	if origins == nil {
		return nil
	}
	if _, err := auth.NewCORS(auth.CORSConfig{Origins: origins}); err != nil {
		e.complain(name, "has a part that is not an origin", "write each as scheme://host or scheme://host:port, in lower case; * is not possible with cookies")
		return nil
	}
	return origins
}

func (e *environ) errorURL() string {
	const name = "NETSCRIPT_AUTH_ERROR_URL"
	v := e.text(name)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || u.Fragment != "" || u.User != nil || (u.Scheme != "https" || u.Host == "") && (u.IsAbs() || u.Host != "" || !strings.HasPrefix(v, "/")) {
		e.complain(name, "is neither an absolute path nor an https URL", "set it to a page of yours, as https://app.example.com/login")
		return ""
	}
	return v
}

func (e *environ) headerSigner(o Options) *auth.HeaderSigner {
	keys := e.keys("NETSCRIPT_AUTH_VERIFY_KEY")
	c := auth.HeaderSignerConfig{
		Keys: keys, Audience: e.text("NETSCRIPT_AUTH_VERIFY_AUDIENCE"), Claims: e.list("NETSCRIPT_AUTH_VERIFY_CLAIMS"), Now: o.Now,
	}
	if len(keys) == 0 {
		return nil
	}
	signer, err := auth.NewHeaderSigner(c)
	if err != nil {
		e.complain("NETSCRIPT_AUTH_VERIFY_KEY", "cannot be used", "make a new one with `authapi keygen`")
		return nil
	}
	return signer
}

// prefixes returns a list of address ranges; a single address is a range of one.
func (e *environ) prefixes(name string) []netip.Prefix {
	var ranges []netip.Prefix
	for _, part := range e.list(name) {
		p, err := netip.ParsePrefix(part)
		if addr, addrErr := netip.ParseAddr(part); addrErr == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			e.complain(name, "has a part that is not an address range", "write each as 10.0.0.0/8, ::1 or the like")
			return nil
		}
		ranges = append(ranges, p.Masked())
	}
	return ranges
}
