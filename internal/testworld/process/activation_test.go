//go:build integration

package test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A socket of the service manager outlives syncd: a caller that comes while syncd is
// away waits in the kernel's queue, and is neither refused nor reset.
func TestGateOverAnInheritedSocket(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	defer socket.Close()
	dir := t.TempDir()
	start := func() (*exec.Cmd, *bytes.Buffer) {
		// The shell names itself as the receiver, and becomes syncd.
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, filepath.Join(binaries, "syncd"), "run",
			"--api.listen", "127.0.0.1:0", "--data-dir", dir, "--gwat.endpoint", "http://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1")
		cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=gate-http")
		cmd.ExtraFiles = []*os.File{socket}
		out := &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, out
		require.NoError(t, cmd.Start())
		return cmd, out
	}
	call := func() (int, error) {
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := client.Post("http://"+listener.Addr().String(), "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`))
		if err != nil {
			return 0, err
		}
		defer r.Body.Close()
		return r.StatusCode, nil
	}
	for range 3 {
		early := make(chan error, 1)
		code := 0
		go func() { // before syncd is there
			var err error
			code, err = call()
			early <- err
		}()
		syncd, out := start()
		require.NoError(t, <-early, out.String())
		require.Equal(t, http.StatusBadGateway, code, "gwat is away, and the caller is told at once")
		code, err := call()
		require.NoError(t, err)
		require.Equal(t, http.StatusBadGateway, code)
		require.NoError(t, syncd.Process.Kill())
		_ = syncd.Wait() // it was killed
	}
}
