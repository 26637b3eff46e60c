// Package returnurl holds what the library accepts as a return URL against how Node's URL parser, which follows the URL
// standard as browsers do, resolves it.
package returnurl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/interop/internal/testenv"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

const (
	callbackURL = "https://app.test/api/v1/auth/callback"
	defaultURL  = "/default"
	mutations   = 200_000
)

// resolve is a program for Node: it reads JSON strings, one on each line, and writes the origin that each leads to from
// the callback, or "error".
const resolve = `
const lines = require("fs").readFileSync(0, "utf8").split("\n").filter((l) => l !== "");
const out = lines.map((l) => {
  try { return new URL(JSON.parse(l), "` + callbackURL + `").origin; } catch { return "error"; }
});
process.stdout.write(out.join("\n") + "\n");
`

func TestAcceptedReturnURLsStayOnAllowedOrigins(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		testenv.Missing(t, "node")
	}
	b := newBackend(t)
	seeds := corpus(t)
	tried := map[string]bool{}
	var accepted []string
	try := func(raw string) {
		if !tried[raw] && accepts(t, b, raw) {
			accepted = append(accepted, raw)
		}
		tried[raw] = true
	}
	for _, raw := range seeds {
		try(raw)
	}
	fromCorpus := len(accepted)
	all := combinations()
	if len(all) < 300 {
		t.Fatalf("only %d combinations", len(all))
	}
	for _, raw := range all {
		try(raw)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range mutations {
		try(mutate(random, seeds))
	}
	t.Logf("%d tried, %d accepted", len(tried), len(accepted))
	if fromCorpus < 20 || len(accepted) < 1000 {
		t.Fatal("too few are accepted: the test proves nothing")
	}
	for i, origin := range origins(t, node, accepted) {
		if origin != "https://app.test" && origin != "https://www.example.com" && origin != "https://other.example:8443" {
			t.Errorf("%q is accepted and leads to %s", accepted[i], origin)
		}
	}
}

func newBackend(t *testing.T) *kvoauth.Backend {
	t.Helper()
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients: []kvoauth.Client{{
			Provider: providers.Provider{ID: "idp", DisplayName: "IdP", Kind: providers.OIDC, Issuer: "https://idp.test"},
			ClientID: "client", ClientSecret: auth.NewSecret("a client secret"),
		}},
		RedirectURL: callbackURL, KV: memory, Keys: []auth.Key{auth.GenerateKey()}, DefaultReturnURL: defaultURL,
		ReturnOrigins: []string{"https://www.example.com", "https://other.example:8443"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// accepts reports whether a sign-out would send the browser to raw itself.
func accepts(t *testing.T, b *kvoauth.Backend, raw string) bool {
	t.Helper()
	out, err := b.SignOut(httptest.NewRequest(http.MethodPost, "https://app.test/", nil), auth.SignOutParams{ReturnTo: raw})
	if err != nil {
		t.Fatal(err)
	}
	if out.Location != raw && out.Location != defaultURL {
		t.Errorf("%q becomes %q", raw, out.Location)
	}
	return out.Location == raw && raw != defaultURL
}

// corpus returns the return URLs of the backend's own tests.
func corpus(t *testing.T) (urls []string) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(testenv.Root(t), "kvoauth", "testdata", "returnurls.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() {
		if line := lines.Text(); line != "" && line[0] != '#' {
			var raw string
			if err := json.Unmarshal([]byte(line[1:]), &raw); err != nil {
				t.Fatal(err)
			}
			urls = append(urls, raw)
		}
	}
	return urls
}

// combinations are the ways to leave a site that have worked somewhere: a start that one parser takes for a path and
// another for an authority, a host that looks like an allowed one, and what may follow.
func combinations() (urls []string) {
	starts := []string{
		"", "/", "//", "///", "////", `\\`, `/\`, `\/`, `/\/`, "/\t/", "/\n/", "/\r\n/", "\t//", " //", "/ /", "/\x00/", "/./", "/../", "/.//", "/..//", "/;/", "/%09/", "/%2f", "/%5c", "/%2f%2f",
		"https:", "https:/", "https://", "https:///", `https:\`, `https:\\`, `https:/\`, "https:\t//", "ht\ttps://", "HTTPS://", "http://", "http:", "ws://", "ftp://", "javascript://", "data:", "file://", "x:", ":", "#//", "?//",
	}
	hosts := []string{
		"evil.test", "app.test", "app.test.evil.test", "app.test@evil.test", "evil.test@app.test", "app.test:443", "app.test:444", "app.test:@evil.test", `app.test\@evil.test`, "app.test%2eevil.test", "app%2etest",
		"app.test.", "APP.test", "app.test%00.evil.test", "app.test#@evil.test", "app.test?@evil.test", "app。test", "ａpp.test", "аpp.test", "[::1]", "127.1", "2130706433", "", ".", "..", "@evil.test", "www.example.com", "other.example:8443", "other.example",
	}
	for _, start := range starts {
		for _, host := range hosts {
			for _, end := range []string{"", "/", "/..", "?x=//evil.test", "#x", `\\evil.test`} {
				urls = append(urls, start+host+end)
			}
		}
	}
	return urls
}

// pieces are what matters to a URL parser.
var pieces = strings.Fields(`/ // /// \ : @ ? # . .. ; % %2e %2f %5c %09 %00 https: http: https:// //evil.test evil.test app.test www.example.com
	other.example :8443 :443 :0443 [ ] [::1] 127.1 0x7f xn-- é 。 ／ javascript: data: file: ws: user:pass@ ~ * & = + , ' " < > { } | ^`)

// mutate makes a URL out of one or two of seeds.
func mutate(r *rand.Rand, seeds []string) string {
	s := seeds[r.IntN(len(seeds))]
	for range 1 + r.IntN(4) {
		i := r.IntN(len(s) + 1)
		j := min(len(s), i+r.IntN(4))
		piece := pieces[r.IntN(len(pieces))]
		switch r.IntN(8) {
		case 0:
			piece = seeds[r.IntN(len(seeds))]
		case 1:
			piece = string(rune(r.IntN(0x100)))
		case 2:
			piece = ""
		case 3:
			piece = []string{"\t", "\n", "\r", " ", "\x00", "\u2028", "\u00ad"}[r.IntN(7)]
		}
		if r.IntN(2) == 0 {
			j = i
		}
		s = strings.ToValidUTF8(s[:i]+piece+s[j:], "")
		if len(s) > 300 {
			s = strings.ToValidUTF8(s[:300], "")
		}
	}
	return s
}

// origins asks Node in one batch.
func origins(t *testing.T, node string, urls []string) []string {
	t.Helper()
	var in, out, problems bytes.Buffer
	for _, raw := range urls {
		line, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&in, "%s\n", line)
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", resolve)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("node: %v: %s", err, problems.String())
	}
	answers := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(answers) != len(urls) {
		t.Fatalf("node answered %d of %d", len(answers), len(urls))
	}
	return answers
}
