//go:build page

package page_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The bounds of the page and of a syncd that serves it.
const (
	mostBytes = 300 << 10
	mostRSS   = 40 << 20
)

// program builds a command of this module, as a release is.
func program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../../cmd/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// output is what a process says, readable while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch runs a process until the end of the test.
func launch(t *testing.T, path string, args ...string) (*os.Process, *output) {
	t.Helper()
	out := &output{}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(path), out)
		}
	})
	return cmd.Process, out
}

// The demo names the page, which shows it live, asks nobody else, and is small.
func TestDemo(t *testing.T) {
	chromium(t)
	_, out := launch(t, program(t, "syncd"), "demo", "--api.listen", "127.0.0.1:0")
	named := regexp.MustCompile(`the page is at http://(\S+)/`)
	require.Eventually(t, func() bool { return named.MatchString(out.String()) }, patience, 10*time.Millisecond)
	addr := named.FindStringSubmatch(out.String())[1]
	b := open(t, desktop)
	b.visit(addr)
	for _, stage := range []string{"checkpoint_sync", "dag_sync", "head_sync", "switching", "working"} {
		b.until(fmt.Sprintf("document.querySelector('[aria-current=step]').dataset.stage === %q || document.querySelector('[data-to=%s]')", stage, stage))
	}
	b.until("document.querySelector('[aria-current=step]').dataset.stage === 'working'")
	b.until("document.documentElement.dataset.verdict === 'working'")
	compareSome(t, b, addr, 5)
	b.shoot("demo-working")
	b.onlyFrom(addr)
	b.noErrors()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Greater(t, b.received, 10_000.0)
	require.Less(t, b.received, float64(mostBytes))
	t.Logf("%d requests, %.1f KiB for the page", len(b.asked), b.received/1024)
}

// syncd next to a simulated pair, each a process of its own, stays small with
// the page open; a syncd that is stopped in its tracks is told as no data.
func TestMemoryWithThePageOpen(t *testing.T) {
	chromium(t)
	dir := t.TempDir()
	gwat, beacon, addr, gate := freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)
	network := []string{"--seed=3", fmt.Sprintf("--genesis=%d", time.Now().Unix()-330), "--seconds-per-slot=1", "--slots-per-epoch=16", "--miss-rate=0.05"}
	simnet := program(t, "simnet")
	launch(t, simnet, append([]string{"gwat", "--listen=" + gwat, "--data-dir=" + filepath.Join(dir, "gwat"), "--sync-speed=200", "--dag-speed=20", "--entry-cost=20ms"}, network...)...)
	launch(t, simnet, append([]string{"beacon", "--listen=" + beacon, "--data-dir=" + filepath.Join(dir, "beacon"), "--sync-speed=100", "--gwat=http://" + gate}, network...)...)
	process, _ := launch(t, program(t, "syncd"), "run", "--gwat.endpoint=ws://"+gwat, "--beacon.endpoint=http://"+beacon,
		"--gate.listen="+gate, "--data-dir="+filepath.Join(dir, "syncd"), "--api.listen="+addr)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond)
	b := open(t, desktop)
	b.visit(addr)
	most := 0
	look := func() { most = max(most, resident(t, process.Pid)) }
	working := false
	enough := time.Now().Add(20 * time.Second)
	for late := time.After(2 * patience); !working || time.Now().Before(enough); {
		look()
		working = working || eval[string](b, "document.documentElement.dataset.verdict") == "working"
		select {
		case <-time.After(200 * time.Millisecond): // between two readings of /proc
		case <-late:
			require.Fail(t, "the pair does not work", b.text("main"))
		}
	}
	t.Logf("syncd's RSS was at most %.1f MiB", float64(most)/(1<<20))
	require.Less(t, most, mostRSS)
	require.Greater(t, most, 1<<20)

	require.NoError(t, process.Signal(syscall.SIGSTOP))
	b.until(noticeShown)
	require.Contains(t, b.text("#lost-why"), "No answer came")
	b.shoot("stopped")
	require.NoError(t, process.Signal(syscall.SIGCONT))
	b.until("document.getElementById('lost').hidden && document.documentElement.dataset.link === 'live'")
	b.onlyFrom(addr)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// resident is a process's resident size in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "VmRSS:")
	require.True(t, ok)
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(t, err)
	return kib << 10
}
