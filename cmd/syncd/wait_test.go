package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// wait ends only when the real pair works, by /readyz of the real daemon, and
// outlasts a syncd that is not there yet.
func TestWaitEndsWhenThePairWorks(t *testing.T) {
	nodes, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{
		GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8,
	}, Beacon: beaconsim.Config{Driver: beaconsim.DriverOff}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, nodes.Close()) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listen := l.Addr().String()
	require.NoError(t, l.Close())
	stdout, stderr := &buffer{}, &buffer{}
	waited := make(chan int, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	go func() { waited <- execute(ctx, testStdio(nil, stdout, stderr, "wait", "--api", "http://"+listen)) }()
	require.Eventually(t, func() bool { return strings.Contains(stdout.String(), "syncd cannot be reached") }, 10*time.Second, 10*time.Millisecond)

	_, _, stop := startRun(t, nodes.GwatWS, nodes.BeaconURL, "--api.listen", listen)
	require.Equal(t, exit.OK, <-waited, stderr)
	require.Contains(t, stdout.String(), "not ready: stage ")
	require.Equal(t, exit.OK, syncd(t, nil, "status", "--api", "http://"+listen).code)
	require.Equal(t, exit.OK, stop())
}

func TestWaitGivesUp(t *testing.T) {
	var status atomic.Int64
	body := `{"ready":false,"stage":"dag_sync","reason":"the beacon's blocks"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	for _, c := range []struct {
		status int
		code   int
		says   string
	}{
		{503, exit.Timeout, "stage dag_sync: the beacon's blocks"},
		{502, exit.Timeout, "dag_sync"},
		{200, exit.Unreachable, "200 OK"}, // not ready by its own word: no syncd
		{404, exit.Unreachable, "404"},
		{403, exit.Unreachable, "allow this host"},
		{302, exit.Unreachable, "302"},
	} {
		status.Store(int64(c.status))
		out := syncd(t, nil, "wait", "--api", s.URL, "--timeout", "300ms")
		require.Equal(t, c.code, out.code, out.stderr)
		oneLine(t, out.stderr, c.says)
	}
	require.Equal(t, exit.Usage, syncd(t, nil, "wait", "--api", "127.0.0.1").code)
	require.Equal(t, exit.Usage, syncd(t, nil, "wait", "--timeout", "-1s").code)
}
