//go:build page

package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a condition in the browser may take; CI machines are slow.
const patience = 60 * time.Second

// chromium is the path of the browser, or the test is skipped.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no chromium in the PATH: install Debian's chromium")
	}
	t.Skip("no chromium in the PATH: Debian's package chromium has it")
	return ""
}

// tab is one page in a browser of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	asked    []string // URLs of all requests and sockets
	received float64  // encoded bytes of all answers to GET
	methods  map[network.RequestID]string
	errors   []string // what the console or the page's policy complained of
}

type look struct {
	width, height int64
	dark          bool
	script        string // runs before the page's own
}

var desktop = look{width: 1280, height: 900}

// open starts a browser that can resolve no name but this machine's, and
// watches every request that it makes.
func open(t *testing.T, l look) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.Flag("headless", "new"), chromedp.DisableGPU,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"),
		chromedp.WSURLReadTimeout(patience))
	allocator, endAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(endAllocator)
	ctx, end := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(end)
	b := &tab{t: t, ctx: ctx, methods: map[network.RequestID]string{}}
	chromedp.ListenTarget(ctx, b.hear)
	b.run(network.Enable(), runtime.Enable(), cdplog.Enable(), emulation.SetTimezoneOverride("UTC"), emulation.SetFocusEmulationEnabled(true))
	b.size(l.width, l.height)
	b.scheme(l.dark)
	if l.script != "" {
		b.run(chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := cdppage.AddScriptToEvaluateOnNewDocument(l.script).Do(ctx)
			return err
		}))
	}
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
		b.methods[e.RequestID] = e.Request.Method
	case *network.EventWebSocketCreated:
		b.asked = append(b.asked, e.URL)
	case *network.EventLoadingFinished:
		if b.methods[e.RequestID] == http.MethodGet {
			b.received += e.EncodedDataLength
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError && e.Entry.Source != cdplog.SourceNetwork { // such as what the policy refused
			b.errors = append(b.errors, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError && len(e.Args) > 0 {
			b.errors = append(b.errors, string(e.Args[0].Value))
		}
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Error())
	}
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if b.ctx.Err() == nil && chromedp.FromContext(b.ctx).Target == nil {
		// The first call starts the browser, which ends with the context it is given.
		require.NoError(b.t, chromedp.Run(b.ctx))
	}
	require.NoError(b.t, chromedp.Run(ctx, actions...))
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.run(emulation.SetDeviceMetricsOverride(width, height, 1, width < 600))
}

func (b *tab) scheme(dark bool) {
	b.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}))
}

// visit loads the page and waits until a snapshot is shown.
func (b *tab) visit(addr string) {
	b.t.Helper()
	b.run(chromedp.Navigate("http://" + addr + "/"))
	b.until("document.documentElement.dataset.seq > 0")
}

// until waits for a condition of the page, as the browser evaluates it.
func (b *tab) until(condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Run(ctx, chromedp.Poll("Boolean("+condition+")", nil, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		b.t.Logf("the page says: %s", eval[string](b, "document.body.innerText"))
		b.noErrors()
	}
	require.NoError(b.t, err, condition)
}

// eval gives what a JavaScript expression yields.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	var raw []byte
	b.run(chromedp.Evaluate(expression, &raw, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var out T
	require.NoError(b.t, json.Unmarshal(raw, &out), "%s: %s", expression, raw)
	return out
}

// text is what an element shows.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q).textContent", selector))
}

// onlyFrom holds every request so far to one origin.
func (b *tab) onlyFrom(addr string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotEmpty(b.t, b.asked)
	for _, address := range b.asked {
		if strings.HasPrefix(address, "data:") {
			continue
		}
		u, err := url.Parse(address)
		require.NoError(b.t, err)
		require.Equal(b.t, addr, u.Host, "a request to the outside: %s", address)
	}
}

func (b *tab) noErrors() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.errors)
}

// shots is where screenshots are kept.
var shots = filepath.Join("..", "..", "bin", "screenshots")

// shoot keeps a picture of the whole page.
func (b *tab) shoot(name string) {
	b.t.Helper()
	var picture []byte
	b.run(chromedp.FullScreenshot(&picture, 100))
	keep(b.t, name+".png", picture)
}

// shootTop keeps a small picture of what is seen without scrolling, for documents.
func (b *tab) shootTop(name string) {
	b.t.Helper()
	var picture []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		picture, err = cdppage.CaptureScreenshot().WithFormat(cdppage.CaptureScreenshotFormatWebp).WithQuality(85).Do(ctx)
		return err
	}))
	require.Less(b.t, len(picture), 150<<10)
	keep(b.t, name+".webp", picture)
}

func keep(t *testing.T, name string, picture []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(shots, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(shots, name), picture, 0o644))
}
