package beaconsim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// finalizer is a gwat that answers dag_finalize as a test says, and everything else with an empty result.
type finalizer struct {
	finalize atomic.Pointer[string]        // the result
	hold     atomic.Pointer[chan struct{}] // no answer before it is closed
}

func (g *finalizer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	_ = json.NewDecoder(r.Body).Decode(&request)
	result := `{"error":null}`
	switch request.Method {
	case "dag_headSyncReady", "dag_headSync":
		result = "true"
	case "dag_finalize":
		if hold := g.hold.Load(); hold != nil {
			select {
			case <-*hold:
			case <-r.Context().Done():
				return
			}
		}
		if text := g.finalize.Load(); text != nil {
			result = *text
		}
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, request.ID, result)
}

// The disk does not know a head whose processing was ended by the node's own hang-up: a
// restart goes back below it.
func TestAHangUpSkipsTheRestOfABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain, err := world.New(world.Config{GenesisTime: uint64(time.Now().Unix()) - 200, SecondsPerSlot: 4, SlotsPerEpoch: 8})
		require.NoError(t, err)
		gwat, link := &finalizer{}, &wire.Wire{}
		link.Serve(gwat)
		dir := t.TempDir()
		n, err := New(Config{Chain: chain, Gwat: "http://gwat", Transport: link, Peers: 3, DataDir: dir})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		time.Sleep(20 * time.Second)
		before, err := loadHead(dir, chain)
		require.NoError(t, err)
		hold := make(chan struct{})
		gwat.hold.Store(&hold)
		time.Sleep(blockLimit + 8*time.Second)
		after, err := loadHead(dir, chain)
		require.NoError(t, err)
		require.LessOrEqual(t, after.Slot, before.Slot+1, "no block was processed to its end")
		require.Less(t, before.Slot+1, n.State().Head.Slot, "the head goes on")
		require.Zero(t, n.BadBlocks())
		cancel()
		require.NoError(t, <-ended)
	})
}

// A failed dag_finalize inside the processing of a block ends the head for good; the
// node's own hang-up does not (seen on real nodes).
func TestBadBlocks(t *testing.T) {
	refusal := `{"error":"synchronization"}`
	for name, tc := range map[string]struct {
		fault, heal func(g *finalizer, w *wire.Wire)
		lasts       time.Duration
		dies        bool
	}{
		"gwat refuses": {
			func(g *finalizer, _ *wire.Wire) { g.finalize.Store(&refusal) },
			func(g *finalizer, _ *wire.Wire) { g.finalize.Store(nil) }, 5 * time.Second, true},
		"connection refused": {
			func(_ *finalizer, w *wire.Wire) { w.Set(wire.Refused) },
			func(_ *finalizer, w *wire.Wire) { w.Set(wire.Up) }, 5 * time.Second, true},
		"held for 25 s": {
			func(g *finalizer, _ *wire.Wire) { hold := make(chan struct{}); g.hold.Store(&hold) },
			func(g *finalizer, _ *wire.Wire) { close(*g.hold.Swap(nil)) }, 25 * time.Second, false},
		"held until the node hangs up": {
			func(g *finalizer, _ *wire.Wire) { hold := make(chan struct{}); g.hold.Store(&hold) },
			func(g *finalizer, _ *wire.Wire) { close(*g.hold.Swap(nil)) }, 45 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				chain, err := world.New(world.Config{GenesisTime: uint64(time.Now().Unix()) - 200, SecondsPerSlot: 4, SlotsPerEpoch: 8})
				require.NoError(t, err)
				gwat, link := &finalizer{}, &wire.Wire{}
				link.Serve(gwat)
				n, err := New(Config{Chain: chain, Gwat: "http://gwat", Transport: link, Peers: 3})
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- n.Run(ctx) }()
				time.Sleep(20 * time.Second)
				require.LessOrEqual(t, n.spec.SlotAt(time.Now()), n.State().Head.Slot+1, "a healthy node follows")
				tc.fault(gwat, link)
				time.Sleep(tc.lasts)
				tc.heal(gwat, link)
				at := n.State().Head.Slot
				time.Sleep(40 * time.Second)
				if tc.dies {
					require.Equal(t, at, n.State().Head.Slot, "its head has stopped for good")
					require.Positive(t, n.BadBlocks())
				} else {
					require.LessOrEqual(t, n.spec.SlotAt(time.Now()), n.State().Head.Slot+1)
					require.Zero(t, n.BadBlocks())
				}
				cancel()
				require.NoError(t, <-ended)
			})
		})
	}
}
