package kvoauth

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store/redisstore"
)

// instance is what one process of an application is configured with.
type instance struct {
	Redis, Issuer, Key, Credential string
	Requests                       int
	Ahead                          time.Duration // of its clock
}

const instanceVariable = "TEST_INSTANCE"

// TestMain turns the test binary into a process of the application when it is asked to be one.
func TestMain(m *testing.M) {
	if text := os.Getenv(instanceVariable); text != "" {
		if err := runInstance(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runInstance waits for a line on standard input, and then sends its requests all at once.
func runInstance(text string) error {
	var i instance
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		return err
	}
	backend, err := i.backend()
	if err != nil {
		return err
	}
	if _, err := backend.SessionByID(context.Background(), "warms the connection up"); err == nil {
		return fmt.Errorf("a session that does not exist was found")
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	errs := make(chan error, i.Requests)
	for range i.Requests {
		go func() {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: kvoauth.DefaultCookieName, Value: i.Credential})
			_, err := backend.Authenticate(r)
			errs <- err
		}()
	}
	for range i.Requests {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func (i instance) backend() (*kvoauth.Backend, error) {
	key, err := auth.ParseKey(i.Key)
	if err != nil {
		return nil, err
	}
	kv, err := redisstore.New(redisstore.Config{Addresses: []string{i.Redis}, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	return kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients: []kvoauth.Client{{
			Provider: providers.Provider{ID: "fake", Issuer: i.Issuer, SigningAlgs: []string{"ES256"}},
			ClientID: "app", ClientSecret: auth.NewSecret("app-secret"),
		}},
		RedirectURL: "https://app.test/api/v1/auth/callback", KV: kv, Keys: []auth.Key{key}, InsecureAllowHTTP: true,
		Now: func() time.Time { return time.Now().Add(i.Ahead) },
	})
}

// TestRefreshAcrossProcesses sends 200 requests on one expiring session to three processes. The provider takes the second
// use of a refresh token for theft.
func TestRefreshAcrossProcesses(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Start()
	t.Cleanup(server.Close)
	idp, err := fakeop.New(fakeop.Config{
		Issuer: server.URL, AccessTokenLife: 20 * time.Second,
		Clients: []fakeop.Client{{ID: "app", Secret: "app-secret", IDTokenAlg: "ES256", RedirectURIs: []string{"https://app.test/api/v1/auth/callback"}}},
		Users:   []fakeop.User{{Subject: "alice"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = idp
	i := instance{Redis: redistest.Start(t, redistest.Options{}).Addr, Issuer: server.URL, Key: auth.GenerateKey().Encode(), Requests: 67}
	i.Credential = signInAt(t, i, server)
	i.Ahead = 30 * time.Second // the token is due, and then some
	var wg sync.WaitGroup
	starts := make([]io.WriteCloser, 3)
	for n := range starts {
		starts[n] = startInstance(t, i, &wg)
	}
	idp.Reset()
	for _, start := range starts {
		if _, err := io.WriteString(start, "go\n"); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if n := idp.Count(fakeop.EndpointToken); n != 1 {
		t.Errorf("%d calls to the token endpoint, want 1", n)
	}
}

// signInAt signs alice in and returns her credential.
func signInAt(t *testing.T, i instance, idp *httptest.Server) string {
	t.Helper()
	backend, err := i.backend()
	if err != nil {
		t.Fatal(err)
	}
	redirect, err := backend.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{})
	if err != nil {
		t.Fatal(err)
	}
	values := logIn(t, idp, redirect.Location)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range redirect.Cookies {
		r.AddCookie(c)
	}
	result, err := backend.HandleCallback(r, auth.CallbackParams{Values: values})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range result.Redirect.Cookies {
		if c.Name == kvoauth.DefaultCookieName {
			return c.Value
		}
	}
	t.Fatal("no credential")
	return ""
}

// startInstance starts a process, waits until it is ready, and returns what sets it off.
func startInstance(t *testing.T, i instance, wg *sync.WaitGroup) io.WriteCloser {
	t.Helper()
	config, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), instanceVariable+"="+string(config))
	var complaints strings.Builder
	cmd.Stderr = &complaints
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
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("process: %q, %v, %s", line, err, complaints.String())
	}
	wg.Go(func() {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process: %v: %s", err, complaints.String())
		}
	})
	return in
}

// logIn logs alice in at the provider's page and returns its answer.
func logIn(t *testing.T, idp *httptest.Server, authorizationURL string) url.Values {
	t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := browser.Get(authorizationURL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(page.Body)
	_ = page.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"user": {"alice"}}
	for _, m := range hiddenField.FindAllStringSubmatch(string(body), -1) {
		form.Set(m[1], m[2])
	}
	res, err := browser.PostForm(idp.URL+"/login", form)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	location, err := res.Location()
	if err != nil {
		t.Fatalf("%s: %v", res.Status, err)
	}
	return location.Query()
}

var hiddenField = regexp.MustCompile(`type="hidden" name="([^"]+)" value="([^"]*)"`)
