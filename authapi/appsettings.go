package authapi

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/netscript/auth/internal/strictjson"
)

const (
	settingsFile     = "appsettings.json"
	maxSettingsBytes = 1 << 20
)

// readSettings returns the variables that an appsettings.json sets: auth.environment, whose members are variables,
// auth.backend and auth.audit.salt. Member names may begin with a capital, as in files of .NET. A file that is not
// there sets nothing.
func (e *environ) readSettings(path string) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator's own file
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		e.complain(path, "cannot be read", "let the service read it, or remove it")
		return
	}
	root, err := strictjson.Object(data, maxSettingsBytes)
	if err != nil {
		e.complain(path, "is not one JSON object without repeated names", "mend it, or remove it")
		return
	}
	e.settings = make(map[string]string)
	section, ok := e.section(path, root, "auth")
	if !ok {
		return
	}
	if variables, ok := e.section(path, section, "environment"); ok {
		for name, raw := range variables {
			e.set(path, "auth.environment."+name, name, raw)
		}
	}
	if raw, ok := member(section, "backend"); ok {
		e.set(path, "auth.backend", "NETSCRIPT_AUTH_BACKEND", raw)
	}
	if audit, ok := e.section(path, section, "audit"); ok {
		if raw, ok := member(audit, "salt"); ok {
			e.set(path, "auth.audit.salt", "NETSCRIPT_AUTH_AUDIT_SALT", raw)
		}
	}
}

func (e *environ) section(path string, parent map[string]json.RawMessage, name string) (map[string]json.RawMessage, bool) {
	raw, ok := member(parent, name)
	if !ok {
		return nil, false
	}
	object, err := strictjson.Object(raw, maxSettingsBytes)
	if err != nil {
		e.complain(path, "the member "+name+" is not an object", "make it one")
		return nil, false
	}
	return object, true
}

func (e *environ) set(path, member, variable string, raw json.RawMessage) {
	var value string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		e.complain(path, "the member "+member+" is not a string", "put its value into quotes")
		return
	}
	e.settings[variable] = value
}

func member(object map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	if raw, ok := object[name]; ok {
		return raw, true
	}
	raw, ok := object[strings.ToUpper(name[:1])+name[1:]]
	return raw, ok
}
