//go:build integration

package test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// activated is a listening socket of the service manager's, and syncd behind it.
type activated struct {
	t       *testing.T
	address string
	socket  *os.File
	dir     string
	gwat    string
}

func newActivated(t *testing.T, gwat string) *activated {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	socket, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	t.Cleanup(func() { socket.Close() })
	return &activated{t: t, address: listener.Addr().String(), socket: socket, dir: t.TempDir(), gwat: gwat}
}

func (a *activated) start() (*exec.Cmd, *bytes.Buffer) {
	a.t.Helper()
	// The shell names itself as the receiver, and becomes syncd.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, filepath.Join(binaries, "syncd"), "run",
		"--api.listen", "127.0.0.1:0", "--data-dir", a.dir, "--gwat.endpoint", a.gwat, "--beacon.endpoint", "http://127.0.0.1:1")
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=gate-http")
	cmd.ExtraFiles = []*os.File{a.socket}
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(a.t, cmd.Start())
	return cmd, out
}

// call makes a call of a method over a connection of its own.
func (a *activated) call(method string) (int, error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Post("http://"+a.address, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`))
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	return r.StatusCode, nil
}

// A socket of the service manager outlives syncd: a caller that comes while syncd is
// away waits in the kernel's queue, and is neither refused nor reset.
func TestGateOverAnInheritedSocket(t *testing.T) {
	t.Parallel()
	a := newActivated(t, "http://127.0.0.1:1")
	for range 3 {
		early := make(chan error, 1)
		code := 0
		go func() { // before syncd is there
			var err error
			code, err = a.call("eth_blockNumber")
			early <- err
		}()
		syncd, out := a.start()
		require.NoError(t, <-early, out.String())
		require.Equal(t, http.StatusBadGateway, code, "gwat is away, and the caller is told at once")
		code, err := a.call("eth_blockNumber")
		require.NoError(t, err)
		require.Equal(t, http.StatusBadGateway, code)
		require.NoError(t, syncd.Process.Kill())
		_ = syncd.Wait() // it was killed
	}
}

// syncd is killed while calls are at gwat: those end with their connections, and no later
// syncd makes them again. Callers that come meanwhile are answered by the next one.
func TestGateKilledInMidCall(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	gwat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if !bytes.Contains(raw, []byte("test_")) {
			http.NotFound(w, r) // syncd's own calls
			return
		}
		_, method, _ := bytes.Cut(raw, []byte(`"method":"`))
		mu.Lock()
		seen[strings.TrimSuffix(string(method), `"}`)]++
		mu.Unlock()
		if bytes.Contains(raw, []byte("test_slow")) {
			arrived <- struct{}{}
			<-goOn
		}
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":true}`)
	}))
	t.Cleanup(gwat.Close)
	t.Cleanup(sync.OnceFunc(func() { close(goOn) }))
	a := newActivated(t, gwat.URL)
	syncd, _ := a.start()
	cut := make(chan error, 2)
	for _, method := range []string{"test_slow_a", "test_slow_b"} {
		go func() {
			_, err := a.call(method)
			cut <- err
		}()
	}
	for range 2 {
		<-arrived
	}
	require.NoError(t, syncd.Process.Kill())
	_ = syncd.Wait() // it was killed
	for range 2 {
		require.Error(t, <-cut, "its connection ended with syncd")
	}
	early := make(chan error, 2)
	for range 2 {
		go func() { // while syncd is away
			code, err := a.call("test_early")
			if err == nil && code != http.StatusOK {
				err = http.ErrNotSupported
			}
			early <- err
		}()
	}
	next, out := a.start()
	t.Cleanup(func() {
		_ = next.Process.Kill()
		_ = next.Wait() // it was killed
	})
	for range 2 {
		require.NoError(t, <-early, out.String())
	}
	code, err := a.call("test_late")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, map[string]int{"test_slow_a": 1, "test_slow_b": 1, "test_early": 2, "test_late": 1}, seen, "each once")
}
