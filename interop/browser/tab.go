package browser

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/netscript/auth/interop/internal/testenv"
)

const actionTimeout = 20 * time.Second

// Tab is one page of a Browser. Its methods end the test when they fail or take
// too long. Selectors are CSS and mean the first element they match.
type Tab struct {
	b   *Browser
	ctx context.Context
}

// NewTab opens an empty tab, which closes with the test.
func (b *Browser) NewTab() *Tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	// The context of the first Do is the tab's life, so it has no deadline.
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("browser: open a tab: %v", err)
	}
	return &Tab{b: b, ctx: ctx}
}

// Run performs any action of chromedp in the tab and returns its value; what
// names it in a failure.
func Run[T any](t *Tab, what string, a chromedp.Action[T]) T {
	t.b.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, actionTimeout)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.b.t.Fatalf("browser: %s: %v", what, err)
	}
	return v
}

// Open loads a page and waits until it has loaded.
func (t *Tab) Open(url string) {
	t.b.t.Helper()
	Run(t, "open "+url, chromedp.Navigate(url))
}

// TryOpen is Open for a page that may not load; it returns the browser's reason.
func (t *Tab) TryOpen(url string) error {
	ctx, cancel := context.WithTimeout(t.ctx, actionTimeout)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Navigate(url))
}

// Click waits until the element is visible and clicks it. It does not wait for
// what the click causes; see Follow for a page.
func (t *Tab) Click(selector string) {
	t.b.t.Helper()
	Run(t, "click "+selector, click(selector))
}

// Follow is Click for an element that leads to another page, and waits until
// that page has loaded.
func (t *Tab) Follow(selector string) {
	t.b.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, actionTimeout)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, click(selector)); err != nil {
		t.b.t.Fatalf("browser: follow %s: %v", selector, err)
	}
}

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
}

// Type waits until the field is visible and enters text into it.
func (t *Tab) Type(selector, text string) {
	t.b.t.Helper()
	Run(t, "type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// Text waits until the element is visible and returns the text it shows.
func (t *Tab) Text(selector string) string {
	t.b.t.Helper()
	return Run(t, "read "+selector, chromedp.Text(chromedp.CSS(selector), chromedp.NodeVisible))
}

// URL returns the address of the page.
func (t *Tab) URL() string {
	t.b.t.Helper()
	return Run(t, "read the address", chromedp.Location())
}

// Back presses the back button and waits until the page has loaded.
func (t *Tab) Back() {
	t.b.t.Helper()
	Run(t, "go back", chromedp.NavigateBack())
}

// Screenshot writes what the tab shows to NAME.png in the directory
// $ARTIFACTS_DIR, or .artifacts/screenshots in the repository without it, and
// returns the file's path.
func (t *Tab) Screenshot(name string) string {
	t.b.t.Helper()
	picture := Run(t, "take a screenshot", chromedp.CaptureScreenshot())
	dir := os.Getenv("ARTIFACTS_DIR")
	if dir == "" {
		dir = filepath.Join(testenv.Root(t.b.t), ".artifacts", "screenshots")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.b.t.Fatal(err)
	}
	path := filepath.Join(dir, name+".png")
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		t.b.t.Fatal(err)
	}
	return path
}
