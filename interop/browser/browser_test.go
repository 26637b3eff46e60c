package browser_test

import (
	"fmt"
	"image/png"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/netscript/auth/interop/browser"
)

// newSite serves a page that names the visitor by a cookie which the form sets.
func newSite() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if c, err := r.Cookie("name"); err == nil {
			name = c.Value
		}
		_, _ = fmt.Fprintf(w, `<!doctype html><p id=name>%s</p><a id=form href=/form>sign in</a>
			<button id=b onclick="document.getElementById('name').textContent='clicked'">b</button>`, name)
	})
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `<!doctype html><form method=post><input id=in name=name><button id=go>go</button></form>`)
	})
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "name", Value: r.FormValue("name"), Path: "/", HttpOnly: true})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return mux
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func TestBrowser(t *testing.T) {
	site := httptest.NewServer(newSite())
	defer site.Close()
	t.Setenv("ARTIFACTS_DIR", t.TempDir())
	b := browser.Start(t, browser.Options{})
	one, two := b.NewTab(), b.NewTab()

	one.Open(site.URL)
	expect(t, "name", one.Text("#name"), "nobody")
	one.Click("#b")
	expect(t, "name after a click", one.Text("#name"), "clicked")

	one.Follow("#form")
	expect(t, "address", one.URL(), site.URL+"/form")
	one.Back()
	expect(t, "address after going back", one.URL(), site.URL+"/")
	expect(t, "name after going back", one.Text("#name"), "nobody") // it was loaded anew

	one.Open(site.URL + "/form")
	one.Type("#in", "alice")
	one.Follow("#go")
	expect(t, "name after the form", one.Text("#name"), "alice")

	two.Open(site.URL)
	expect(t, "name in the other tab", two.Text("#name"), "alice")

	one.Screenshot("one") // the tab behind
	two.Screenshot("two")

	other := browser.Start(t, browser.Options{}).NewTab()
	other.Open(site.URL)
	expect(t, "name in another browser", other.Text("#name"), "nobody")
}

func TestScreenshot(t *testing.T) {
	site := httptest.NewServer(newSite())
	defer site.Close()
	dir := t.TempDir()
	t.Setenv("ARTIFACTS_DIR", dir)
	tab := browser.Start(t, browser.Options{}).NewTab()
	tab.Open(site.URL)
	path := tab.Screenshot("site")
	expect(t, "directory", filepath.Dir(path), dir)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	image, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if size := image.Bounds().Size(); size.X < 800 || size.Y < 400 {
		t.Errorf("the picture is %v", size)
	}
}

func TestInsecureIgnoreCertificateErrors(t *testing.T) {
	site := httptest.NewUnstartedServer(newSite())
	site.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes that the browser refuses
	site.StartTLS()
	defer site.Close()
	tests := []struct {
		name   string
		ignore bool
		want   bool
	}{
		{"by default", false, false},
		{"ignored", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := browser.Start(t, browser.Options{InsecureIgnoreCertificateErrors: tt.ignore}).NewTab()
			err := tab.TryOpen(site.URL)
			if loaded := err == nil; loaded != tt.want {
				t.Errorf("loaded = %v (%v), want %v", loaded, err, tt.want)
			}
		})
	}
}
