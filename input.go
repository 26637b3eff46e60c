package auth

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/netscript/auth/internal/strictjson"
)

const (
	maxBody = 64 << 10

	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// mediaType returns the media type of r's body, or "" when there is none, or more than one, or one with a character set
// other than UTF-8.
func mediaType(r *http.Request) string {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return ""
	}
	t, params, err := mime.ParseMediaType(values[0])
	if err != nil {
		return ""
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return t
}

// wantsJSON reports whether the answer is for a program: the body was JSON, or JSON is accepted at least as gladly as
// HTML.
func wantsJSON(r *http.Request) bool {
	if mediaType(r) == mediaJSON {
		return true
	}
	q := acceptable(r, mediaJSON)
	return q > 0 && q >= acceptable(r, "text/html")
}

// isNavigation reports whether the answer is for a person in front of a browser.
func isNavigation(r *http.Request) bool {
	return !wantsJSON(r) && acceptable(r, "text/html") > 0
}

// acceptable returns the weight of a media type that the Accept header names (RFC 9110, section 12.5.1). Wildcards say
// nothing about what a client prefers, so they do not count.
func acceptable(r *http.Request, media string) float64 {
	weight := 0.0
	for _, value := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(value, ",") {
			t, params, err := mime.ParseMediaType(item)
			if err != nil || t != media {
				continue
			}
			q := 1.0
			if s, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(s, 64); err != nil || !(q >= 0 && q <= 1) {
					continue
				}
			}
			weight = max(weight, q)
		}
	}
	return weight
}

// input is what a request says: the members of a JSON object, or the values of a form or query.
type input struct {
	members map[string]json.RawMessage // nil: values
	values  url.Values
	fields  map[string]string // complaints
}

// readInput reads the body of a POST and the query of anything else.
func readInput(w http.ResponseWriter, r *http.Request) (*input, error) {
	if r.Method == http.MethodPost {
		return readBody(w, r)
	}
	return readQuery(r)
}

func readQuery(r *http.Request) (*input, error) {
	values, err := parseValues(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	return &input{values: values}, nil
}

// readBody reads the body alone: what the query says is never mixed in. No body at all is no input.
func readBody(w http.ResponseWriter, r *http.Request) (*input, error) {
	body, err := readAll(w, r)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return &input{}, nil
	}
	media := mediaType(r)
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		media = ""
	}
	switch media {
	case mediaJSON:
		members, err := strictjson.Object(body, maxBody)
		if err != nil {
			return nil, malformed(err)
		}
		return &input{members: members}, nil
	case mediaForm:
		values, err := parseValues(string(body))
		if err != nil {
			return nil, err
		}
		return &input{values: values}, nil
	}
	return nil, bodyError{wireMediaType}
}

func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return body, nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, bodyError{wireTooLarge}
	}
	return nil, malformed(errors.New("the body could not be read"))
}

func parseValues(s string) (url.Values, error) {
	values, err := url.ParseQuery(s)
	if err != nil {
		return nil, malformed(errors.New("not URL-encoded")) // err quotes the input
	}
	for name, list := range values {
		for _, value := range append(list, name) {
			if !utf8.ValidString(value) {
				return nil, malformed(errors.New("not UTF-8"))
			}
		}
	}
	return values, nil
}

func malformed(err error) error {
	return &Error{Code: CodeValidation, Op: "read input", Err: err}
}

// text returns the text of the first of names that is present. Only one of them may be.
func (in *input) text(names ...string) string {
	found, text := false, ""
	for _, name := range names {
		s, ok := in.one(name)
		if ok && found {
			in.complain(name, "given twice")
		}
		if ok {
			found, text = true, s
		}
	}
	return text
}

func (in *input) one(name string) (string, bool) {
	if raw, ok := in.members[name]; ok {
		s, ok := jsonString(raw)
		if !ok {
			in.complain(name, "must be a string")
		}
		return s, true
	}
	values := in.values[name]
	if len(values) > 1 {
		in.complain(name, "given twice")
	}
	return in.values.Get(name), len(values) > 0
}

// words returns the words of name: a JSON list, or a space-delimited text.
func (in *input) words(name string) []string {
	if raw, ok := in.members[name]; ok {
		list, ok := jsonStrings(raw)
		if !ok {
			in.complain(name, "must be a list of strings")
		}
		return list
	}
	if s, ok := in.one(name); ok {
		return strings.Fields(s)
	}
	return nil
}

// maxAge returns a number of whole seconds as [SignInParams.MaxAge] has it.
func (in *input) maxAge(name string) time.Duration {
	var text string
	if raw, ok := in.members[name]; ok {
		text = string(raw)
	} else if text, ok = in.one(name); !ok {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	switch {
	case err != nil || strconv.FormatUint(seconds, 10) != text:
		in.complain(name, "must be a number of seconds")
		return 0
	case seconds == 0:
		return ReauthenticateNow
	}
	return time.Duration(seconds) * time.Second //nolint:gosec // 31 bits
}

// scopes returns the scopes of name, as words (RFC 6749, section 3.3).
func (in *input) scopes(name string) []string {
	scopes := in.words(name)
	for _, s := range scopes {
		if !validScope(s) {
			in.complain(name, "not a scope")
		}
	}
	return scopes
}

// flag returns a boolean; a form's check box says "on".
func (in *input) flag(name string) bool {
	if raw, ok := in.members[name]; ok {
		if s := string(raw); s != "true" && s != "false" {
			in.complain(name, "must be a boolean")
		}
		return string(raw) == "true"
	}
	switch s, _ := in.one(name); s {
	case "", "false", "0":
		return false
	case "true", "1", "on":
		return true
	}
	in.complain(name, "must be a boolean")
	return false
}

func (in *input) complain(name, complaint string) {
	if in.fields == nil {
		in.fields = make(map[string]string)
	}
	in.fields[name] = complaint
}

// err returns the complaints so far as one error, or nil.
func (in *input) err(op string) error {
	if len(in.fields) == 0 {
		return nil
	}
	return &Error{Code: CodeValidation, Op: op, Fields: in.fields}
}

func jsonString(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

func jsonStrings(raw json.RawMessage) ([]string, bool) {
	var items []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil, false
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := jsonString(item)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// validScope reports whether s is one scope-token (RFC 6749, section 3.3).
func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
