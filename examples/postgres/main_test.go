package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/sqltest"
)

// TestRun migrates, signs somebody in, and starts the program anew: the session and the user are still there.
func TestRun(t *testing.T) {
	server := sqltest.StartPostgres(t)
	o := options{db: server.DSN(server.Database(t), ""), key: auth.GenerateKey().Encode()}

	if err := run(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), "-migrate") {
		t.Fatalf("without tables: %v", err)
	}
	var out strings.Builder
	o.migrate = true
	for range 2 {
		if err := run(t.Context(), o, &out); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "version 5") {
		t.Errorf("-migrate says %q", out.String())
	}

	o.migrate = false
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	appURL, stop := start(t, o)
	first := signIn(t, client, appURL)
	stop()

	o.port = portOf(t, appURL)
	appURL, stop = start(t, o)
	defer stop()
	if again := get(t, client, appURL); again != first || !strings.Contains(first, "Hello Ada Lindqvist") {
		t.Errorf("after a restart %q, before %q", again, first)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, o := range map[string]options{
		"no database":             {},
		"nothing there":           {db: "postgres://test@127.0.0.1:1/test?connect_timeout=1"},
		"no key":                  {db: "x", key: "short"},
		"not even a name":         {db: "postgres://%zz"},
		"a password with a blank": {db: "host=127.0.0.1 port=1 user=test password=correct hunter2"},
		"a password with signs":   {db: "postgres://test:pass@hunter2:word@127.0.0.1:1/test"},
		"a password not encoded":  {db: "postgres://test:hunter2%zz@127.0.0.1:1/test"},
	} {
		if err := run(t.Context(), o, io.Discard); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sessionKey("short", io.Discard); err == nil || !strings.Contains(err.Error(), keyVariable) || strings.Contains(err.Error(), "short") {
		t.Errorf("a bad key: %v", err)
	}
	var out strings.Builder
	key, err := sessionKey("", &out)
	if err != nil || !strings.Contains(out.String(), key.Encode()) {
		t.Errorf("no key: %q, %v", out.String(), err)
	}
}

// start runs the program and returns the address that it prints.
func start(t *testing.T, o options) (appURL string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, o, write)
		_ = write.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			appURL = address
			break
		}
	}
	if appURL == "" {
		cancel()
		t.Fatalf("the program does not start: %v", lines.Err())
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	return appURL, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the program ends with %v", err)
		}
	}
}

func portOf(t *testing.T, address string) uint {
	t.Helper()
	var port uint
	if _, err := fmt.Sscanf(address, "http://localhost:%d", &port); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return port
}

// signIn asks for the page, and signs in as Ada at the provider's page that comes instead.
func signIn(t *testing.T, client *http.Client, appURL string) string {
	t.Helper()
	page := get(t, client, appURL)
	action := regexp.MustCompile(`<form method="post" action="([^"]*)">`).FindStringSubmatch(page)
	field := regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindStringSubmatch(page)
	if action == nil || field == nil {
		t.Fatalf("no sign-in page: %s", page)
	}
	form := url.Values{field[1]: {field[2]}, "user": {"ada"}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, action[1], strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, client, request)
}

func get(t *testing.T, client *http.Client, target string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, client, request)
}

// do sends a request as a browser that navigates, and returns the page that it ends on.
func do(t *testing.T, client *http.Client, request *http.Request) string {
	t.Helper()
	request.Header.Set("Accept", "text/html")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", request.URL, response.StatusCode, text, err)
	}
	return string(text)
}
