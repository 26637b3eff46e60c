// Package workos compares the package of that name with WorkOS' own SDK for Node, which shares no code with it, in both
// directions and side by side. The API behind both is a fake on a loopback port.
package workos

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/netscript/auth/interop/internal/testenv"
)

const (
	clientID = "client_interop"
	apiKey   = "sk_test_interop"
	password = "an-interop-cookie-password-of-many-characters"
)

// sdk is a running process with the SDK. It is safe for concurrent use; commands are answered one after the other.
type sdk struct {
	mu      sync.Mutex
	in      io.Writer
	answers *bufio.Reader
	log     strings.Builder
}

// startSDK starts the SDK with api behind it. It stops when the test ends.
func startSDK(t testing.TB, api *httptest.Server) *sdk {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		testenv.Missing(t, "node")
	}
	interop := testenv.Interop(t)
	if _, err := os.Stat(filepath.Join(interop, "node_modules", "@workos-inc", "node")); err != nil {
		testenv.Missing(t, "the npm package @workos-inc/node")
	}
	u, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	argument, err := json.Marshal(map[string]any{"apiKey": apiKey, "clientId": clientID, "port": port, "cookiePassword": password})
	if err != nil {
		t.Fatal(err)
	}
	s := &sdk{}
	cmd := exec.Command(node, filepath.Join(interop, "workos", "sdk.mjs"), string(argument))
	cmd.Stderr = &s.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.in, s.answers = in, bufio.NewReaderSize(out, 1<<20)
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the SDK's process: %v\n%s", err, s.log.String())
		}
	})
	return s
}

// do gives the SDK a command and decodes its result into result. An exception of the SDK is an error.
func (s *sdk) do(command string, input map[string]any, result any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]any{"command": command}
	for name, v := range input {
		all[name] = v
	}
	line, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.in, "%s\n", line); err != nil {
		return err
	}
	text, err := s.answers.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the SDK's process has ended: %w", err)
	}
	var a struct {
		Result json.RawMessage
		Error  string
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return json.Unmarshal(a.Result, result)
}
