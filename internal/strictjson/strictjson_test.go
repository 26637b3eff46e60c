package strictjson_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth/internal/strictjson"
)

func TestObjectReturnsMembers(t *testing.T) {
	in := " {\"a\" : 1 , \"A\":\t\"x\\\"},{\\u00e9\" ,\"b\":{\"a\":[1,{\"a\":2}]},\"\":null,\"c\":[],\"\\u0064\":{}, \"e\":9007199254740993}\n"
	got, err := strictjson.Object([]byte(in), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a": "1", "A": `"x\"},{\u00e9"`, "b": `{"a":[1,{"a":2}]}`, "": "null", "c": "[]", "d": "{}", "e": "9007199254740993",
	}
	if len(got) != len(want) {
		t.Fatalf("got %d members, want %d: %q", len(got), len(want), got)
	}
	for name, value := range want {
		if string(got[name]) != value {
			t.Errorf("member %q = %q, want %q", name, got[name], value)
		}
	}
}

func TestObjectEmpty(t *testing.T) {
	got, err := strictjson.Object([]byte("{}"), 2)
	if err != nil || got == nil || len(got) != 0 {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestObjectDoesNotShareMemory(t *testing.T) {
	in := []byte(`{"a":"one","b":"two"}`)
	got, err := strictjson.Object(in, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range in {
		in[i] = 'x'
	}
	_ = append(got["a"], "overrun"...)
	if string(got["a"]) != `"one"` || string(got["b"]) != `"two"` {
		t.Errorf("members changed with the input: %q", got)
	}
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestObjectRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"empty", "", strictjson.ErrSyntax},
		{"blank", " \n", strictjson.ErrSyntax},
		{"array", `[{"a":1}]`, strictjson.ErrNotObject},
		{"string", `"a"`, strictjson.ErrNotObject},
		{"null", `null`, strictjson.ErrNotObject},
		{"number", `1`, strictjson.ErrNotObject},
		{"trailing value", `{"a":1}{"a":2}`, strictjson.ErrSyntax},
		{"trailing bracket", `{"a":1}}`, strictjson.ErrSyntax},
		{"trailing NUL", "{\"a\":1}\x00", strictjson.ErrSyntax},
		{"truncated", `{"a":`, strictjson.ErrSyntax},
		{"truncated string", `{"a\`, strictjson.ErrSyntax},
		{"trailing comma", `{"a":1,}`, strictjson.ErrSyntax},
		{"comment", `{/**/"a":1}`, strictjson.ErrSyntax},
		{"NaN", `{"a":NaN}`, strictjson.ErrSyntax},
		{"leading zero", `{"a":01}`, strictjson.ErrSyntax},
		{"control character in string", "{\"a\":\"\x01\"}", strictjson.ErrSyntax},
		{"byte order mark", "\ufeff{}", strictjson.ErrSyntax},
		{"vertical tab before", "\v{}", strictjson.ErrSyntax},
		{"no-break space after", "{}\u00a0", strictjson.ErrSyntax},
		{"UTF-16", "{\x00}\x00", strictjson.ErrSyntax},
		{"HTML", `<html></html>`, strictjson.ErrSyntax},
		{"duplicate", `{"sub":"a","sub":"b"}`, strictjson.ErrDuplicate},
		{"duplicate by escape", `{"sub":"a","\u0073ub":"b"}`, strictjson.ErrDuplicate},
		{"duplicate with array between", `{"a":[{"x":1},{"x":1}],"a":1}`, strictjson.ErrDuplicate},
		{"duplicate inside object", `{"a":{"x":1,"x":1}}`, strictjson.ErrDuplicate},
		{"duplicate inside array", `{"a":[[{"x":1,"y":[],"x":1}]]}`, strictjson.ErrDuplicate},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", strictjson.ErrEncoding},
		{"encoded surrogate", "{\"a\":\"\xed\xa0\x80\"}", strictjson.ErrEncoding},
		{"unpaired high surrogate", `{"a":"\ud83d"}`, strictjson.ErrEncoding},
		{"high surrogate, then text", `{"a":"\ud83dx"}`, strictjson.ErrEncoding},
		{"high surrogate, then newline", `{"a":"\uD83D\n"}`, strictjson.ErrEncoding},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, strictjson.ErrEncoding},
		{"high surrogate, then another unit", `{"a":"\ud83d\ue000"}`, strictjson.ErrEncoding},
		{"unpaired low surrogate", `{"a":["\uDE00"]}`, strictjson.ErrEncoding},
		{"unpaired surrogate in name", `{"\ud83d":1}`, strictjson.ErrEncoding},
		{"depth over limit", `{"a":` + deep(strictjson.MaxDepth) + `}`, strictjson.ErrDepth},
		{"depth bomb", `{"a":` + strings.Repeat("[", 100_000), strictjson.ErrDepth},
		{"depth bomb of objects", strings.Repeat(`{"a":`, 100_000), strictjson.ErrDepth},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := strictjson.Object([]byte(tt.in), 0)
			if !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
			if got != nil {
				t.Errorf("members returned with an error")
			}
		})
	}
}

func TestObjectLimits(t *testing.T) {
	if _, err := strictjson.Object([]byte(`{"a":`+deep(strictjson.MaxDepth-1)+`}`), 0); err != nil {
		t.Errorf("depth %d: %v", strictjson.MaxDepth, err)
	}
	// Brackets inside strings are text, also behind an escaped quote.
	if _, err := strictjson.Object([]byte(`{"a":"\"`+strings.Repeat("[", 1000)+`"}`), 0); err != nil {
		t.Errorf("brackets in a string: %v", err)
	}
	// A closed bracket no longer counts.
	if _, err := strictjson.Object([]byte(`{"a":[`+strings.Repeat("[],", 1000)+`1]}`), 0); err != nil {
		t.Errorf("many shallow arrays: %v", err)
	}
	doc := []byte(`{"a":1}`)
	if _, err := strictjson.Object(doc, len(doc)); err != nil {
		t.Errorf("exactly maxBytes: %v", err)
	}
	if _, err := strictjson.Object(doc, len(doc)-1); !errors.Is(err, strictjson.ErrTooLarge) {
		t.Errorf("one byte over maxBytes: %v", err)
	}
	big := []byte(`{"a":"` + strings.Repeat("x", strictjson.DefaultMaxBytes) + `"}`)
	for _, limit := range []int{0, -1} {
		if _, err := strictjson.Object(big, limit); !errors.Is(err, strictjson.ErrTooLarge) {
			t.Errorf("maxBytes %d: %v", limit, err)
		}
	}
}

func TestValue(t *testing.T) {
	tests := []struct {
		in   string
		want any
	}{
		{`null`, nil},
		{`true`, true},
		{` 9007199254740993 `, json.Number("9007199254740993")},
		{`1e400`, json.Number("1e400")},
		{`"\ud83d\ude00\u00e9"`, "\U0001F600é"},
		{`[1,"a",[]]`, []any{json.Number("1"), "a", []any{}}},
		{`{"a":{"b":1.50}}`, map[string]any{"a": map[string]any{"b": json.Number("1.50")}}},
	}
	for _, tt := range tests {
		got, err := strictjson.Value(json.RawMessage(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Value(%s) = %#v, %v, want %#v", tt.in, got, err, tt.want)
		}
	}
	refused := map[string]error{
		"":                                 strictjson.ErrSyntax,
		"1 2":                              strictjson.ErrSyntax,
		`"\ud800"`:                         strictjson.ErrEncoding,
		"\"\xff\"":                         strictjson.ErrEncoding,
		`[{"a":1,"a":1}]`:                  strictjson.ErrDuplicate,
		deep(strictjson.MaxDepth + 1):      strictjson.ErrDepth,
		`{"a":` + strings.Repeat("[", 1e5): strictjson.ErrDepth,
	}
	for in, want := range refused {
		if _, err := strictjson.Value(json.RawMessage(in)); !errors.Is(err, want) {
			t.Errorf("Value(%.20q): err = %v, want %v", in, err, want)
		}
	}
}

// FuzzObject is F-API, F-TOK, F-UI, F-DISC and F-JWKS at the root of all of them. What Object accepts, encoding/json must read as the same members; an error must say nothing of the input.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"sub":"a"}`, `{"sub":"a","sub":"b"}`, `{"a":{"b":[1,2,{"c":"\ud83d\ude00"}]},"d":null}`,
		`{"\u0061":1,"a":2}`, `[1]`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1} x`, `{"a":1e400,"b":-0}`, `{"a\"}":"}"}`, "\v{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := strictjson.Object(data, 1<<16)
		again, err2 := strictjson.Object(data, 1<<16)
		if !errors.Is(err2, err) || !reflect.DeepEqual(got, again) {
			t.Fatal("not deterministic")
		}
		if err != nil {
			known := []error{strictjson.ErrTooLarge, strictjson.ErrSyntax, strictjson.ErrNotObject, strictjson.ErrDuplicate, strictjson.ErrDepth, strictjson.ErrEncoding}
			if !slices.Contains(known, err) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d members, encoding/json has %d", len(got), len(want))
		}
		for name, raw := range got {
			if string(want[name]) != string(raw) {
				t.Fatalf("member %q: %q, encoding/json has %q", name, raw, want[name])
			}
			if _, err := strictjson.Value(raw); err != nil {
				t.Fatalf("Value refuses a member of an accepted object: %v", err)
			}
		}
	})
}
