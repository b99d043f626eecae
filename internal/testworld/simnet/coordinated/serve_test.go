package coordinated

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func now(age, slot uint64) *Network {
	return &Network{ChainID: 1337, GenesisTime: uint64(time.Now().Unix()) - age*slot, SecondsPerSlot: slot, SlotsPerEpoch: 8}
}

// ipc serves g on a socket until the test ends.
func ipc(t *testing.T, g *Gwat) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gwat.ipc")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.ServeIPC(ctx, path) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	return path
}

func TestCallsOverIPC(t *testing.T) {
	n := now(100, 60)
	g := NewGwat(n, Enodes(1)...)
	caller := Caller{URL: ipc(t, g)}
	a, err := caller.Finalize(t.Context(), n.Call(8, MainSync))
	require.NoError(t, err)
	require.Nil(t, a.Error)
	a, err = caller.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, n.Spine(4), *a.LastFinalized)
	_, err = Caller{URL: filepath.Join(t.TempDir(), "none")}.State(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A connection with more than 256 requests that wait is closed.
func TestTheQueueOfAConnectionIsBounded(t *testing.T) {
	g := NewGwat(now(100, 60), Enodes(1)...)
	path := ipc(t, g)
	<-g.work // as a dag_finalize that works does
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer conn.Close()
	call := []byte(`{"jsonrpc":"2.0","id":1,"method":"dag_finalize","params":[` + text(t, g.net.Call(8, MainSync)) + `]}`)
	_, _ = conn.Write(bytes.Repeat(call, maxQueued+1))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err = conn.Read(make([]byte, 1))
	g.work <- struct{}{}
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "it was closed: %v", err)
}

func TestAuthRPC(t *testing.T) {
	g := NewGwat(now(100, 60), Enodes(1)...)
	secret := bytes.Repeat([]byte{7}, 32)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, g.AuthRPC(secret)) }()
	defer func() { cancel(); require.NoError(t, <-ended) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	caller := Caller{URL: "http://" + l.Addr().String(), Transport: transport}
	_, err = caller.State(t.Context())
	require.ErrorContains(t, err, "401")
	caller.JWTSecret = secret
	_, err = caller.State(t.Context())
	require.NoError(t, err)
	_, err = caller.call(t.Context(), "wat_info")
	require.ErrorContains(t, err, "the method wat_info does not exist")
}

func TestStartServesAPairThatWorks(t *testing.T) {
	p, err := Start(t.Context(), now(40, 1), Speeds{BlockTime: time.Millisecond, SyncSpeed: 100})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return p.Beacon.Letter() == Works && !p.Gwat.Syncing() }, 30*time.Second, 10*time.Millisecond)
	response, err := http.Get(p.BeaconURL + "/eth/v1/config/spec")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	require.NoError(t, p.Close())
}
