// Package browser drives a real Chromium for tests.
package browser

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/netscript/auth/interop/internal/testenv"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 10 * time.Second
)

// Options configure a Browser.
type Options struct {
	// InsecureIgnoreCertificateErrors lets pages of an httptest TLS server load.
	InsecureIgnoreCertificateErrors bool
}

// Browser is a Chromium with an empty profile. Its tabs share cookies.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Start starts a browser, which ends with the test.
func Start(t testing.TB, o Options) *Browser {
	t.Helper()
	program := find()
	if program == "" {
		testenv.Missing(t, "chromium")
	}
	// chromedp makes an empty profile and removes it after the browser has ended.
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), flags(program, o)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() { stop(ctx, t, cancel) })

	// The context of the first Do is the browser's life, so it has no deadline.
	late := time.AfterFunc(startTimeout, cancel)
	defer late.Stop()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s did not start: %v", program, err)
	}
	return &Browser{t: t, ctx: ctx}
}

// stop closes the browser and waits for it, so that no process outlives the test.
func stop(ctx context.Context, t testing.TB, cancel context.CancelFunc) {
	defer cancel()
	ctx, done := context.WithTimeout(ctx, stopTimeout)
	defer done()
	if err := chromedp.Cancel(ctx); err != nil {
		t.Logf("browser did not close: %v", err)
	}
}

// find returns the browser's program, or "" if there is none.
func find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func flags(program string, o Options) []chromedp.ExecAllocatorOption {
	f := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program),
		chromedp.Headless,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		// A page from this cache does not load, which chromedp waits for after Back.
		chromedp.Flag("disable-features", "BackForwardCache"),
		chromedp.Flag("disable-dev-shm-usage", true), // containers give it 64 MiB, too little for a page
		chromedp.WindowSize(1024, 768),
	}
	if os.Geteuid() == 0 { // Chromium refuses to sandbox for root
		f = append(f, chromedp.NoSandbox)
	}
	if o.InsecureIgnoreCertificateErrors {
		f = append(f, chromedp.IgnoreCertErrors)
	}
	return f
}
