//go:build page

package page_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
)

// switchboard is an address behind which a node stands, another one, or none.
type switchboard struct {
	*httptest.Server
	target atomic.Pointer[url.URL]
}

func newSwitchboard(t *testing.T) *switchboard {
	t.Helper()
	s := &switchboard{}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(s.target.Load()) },
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.target.Load() == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *switchboard) put(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	s.target.Store(u)
}

func simulated(t *testing.T, chain uint64) *simnet.Pair {
	t.Helper()
	nodes, err := simnet.Start(context.Background(), simnet.Options{
		World: world.Config{
			Seed: chain, ChainID: chain, GenesisTime: uint64(time.Now().Unix()) - 20*16 - 2, SecondsPerSlot: 1, SlotsPerEpoch: 16, MissRate: 0.05,
		},
		Gwat:   gwatsim.Config{SyncSpeed: 200, DAGSpeed: 12, EntryCost: 60 * time.Millisecond, RollbackCost: 5 * time.Millisecond, Lock: 2 * time.Second},
		Beacon: beaconsim.Config{SyncSpeed: 120, IdleWork: true, Driver: beaconsim.DriverOff},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, nodes.Close()) })
	return nodes
}

// The page is open while a simulated pair goes through every stage, is paused
// and halted; each stage is seen in the diagram, and what is shown is what
// syncd_status says.
func TestEveryStageIsSeen(t *testing.T) {
	chromium(t)
	gwat, beacon := newSwitchboard(t), newSwitchboard(t)
	log := logrus.New()
	log.SetOutput(io.Discard)
	p, err := pair.New(pair.Config{
		Name: "main", Version: "v0.2.0", Journal: journal.OpenMemory(), Log: log,
		Gwat: gwatclient.Config{Endpoint: gwat.URL}, Beacon: beaconclient.Config{URL: beacon.URL},
		Times: pair.Times{LockTime: 2 * time.Second, PollInterval: 400 * time.Millisecond, ReadyInterval: time.Second, PushTimeout: 20 * time.Second},
	})
	require.NoError(t, err)
	addr, _ := serve(t, p, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	b := open(t, look{width: 1280, height: 1260, script: `
		addEventListener("DOMContentLoaded", () => {
			window.seen = [];
			new MutationObserver(() => {
				const stage = document.querySelector("[aria-current=step]")?.dataset.stage;
				if (stage && seen.at(-1) !== stage) seen.push(stage);
			}).observe(document.body, { subtree: true, attributeFilter: ["aria-current"] });
		});`})
	b.visit(addr)
	reaches := func(stage fsm.Stage) {
		t.Helper()
		b.until("seen.includes('" + string(stage) + "')")
	}
	reaches(fsm.Connecting)
	nodes, others := simulated(t, 1), simulated(t, 2) // only now: they begin to sync at once
	gwat.put(t, nodes.GwatURL)
	beacon.put(t, nodes.BeaconURL)
	reaches(fsm.CheckpointSync)
	b.shoot("sim-checkpoint_sync")
	reaches(fsm.DAGSync)
	holdLock(t, nodes.GwatURL)
	reaches(fsm.HeadSyncReady)
	compareSome(t, b, addr, 2)
	reaches(fsm.HeadSync)
	b.until("document.querySelector('[data-path=\"push.phase\"]').textContent === 'pushing'")
	b.shoot("sim-head_sync")
	b.shootTop("sim-head_sync")
	reaches(fsm.Switching)
	nodes.Beacon.SetIdle(false)
	reaches(fsm.Working)
	compareSome(t, b, addr, 5)
	b.until("document.documentElement.dataset.link === 'live'")
	b.until("document.querySelector('[data-chart=slots]').dataset.points > 20")
	require.GreaterOrEqual(t, eval[int](b, "document.querySelectorAll('#history > li').length"), 6)
	b.shoot("sim-working")
	b.shootTop("sim-working")

	require.NoError(t, p.Pause(ctx, "a test"))
	reaches(fsm.Paused)
	require.Contains(t, b.text("main"), "a test")
	require.NoError(t, p.Resume(ctx))
	gwat.put(t, others.GwatURL)
	reaches(fsm.Halted)
	gwat.put(t, nodes.GwatURL)
	b.until("document.querySelector('[aria-current=step]').dataset.stage === 'working'")
	b.shoot("sim-back")

	var stages []string
	for _, s := range fsm.Stages() {
		stages = append(stages, string(s))
	}
	require.Subset(t, eval[[]string](b, "seen"), stages)
	require.Equal(t, stages, eval[[]string](b, "[...document.querySelectorAll('#stages > li, #beside > li')].map((li) => li.dataset.stage)"))
	b.onlyFrom(addr)
	b.noErrors()
}

// holdLock takes gwat's head-sync lock as a competing driver would.
func holdLock(t *testing.T, endpoint string) {
	t.Helper()
	client, err := gwatclient.New(gwatclient.Config{Endpoint: endpoint})
	require.NoError(t, err)
	defer client.Close()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ok, err := client.Changes(guard.New(false).Permit()).HeadSyncReady(ctx, checkpoint.Genesis())
		return err == nil && ok
	}, patience, 5*time.Millisecond, "the lock")
}

// compareSome compares page and syncd_status whenever both are of one snapshot,
// until that was done for so many different ones.
func compareSome(t *testing.T, b *tab, addr string, snapshots int) {
	t.Helper()
	compared := map[uint64]bool{}
	late := time.After(patience)
	for len(compared) < snapshots {
		snap, raw := ask(t, addr)
		got := eval[shown](b, readShown)
		if got.Seq == snap.Seq && !compared[snap.Seq] {
			sameContent(t, got, snap, raw)
			compared[snap.Seq] = true
		}
		select {
		case <-time.After(20 * time.Millisecond): // one call a while: the API bounds them
		case <-late:
			require.Fail(t, "page and syncd_status were of one snapshot too seldom", "%d times", len(compared))
		}
	}
	require.False(t, strings.Contains(b.text("body"), "undefined"), b.text("body"))
}
