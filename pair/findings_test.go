package pair

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// findingCase is a fault that a finding must report within its documented window,
// counted from the fault, and that must be gone within its hysteresis.
type findingCase struct {
	fakeConfig
	from    fsm.Stage // the stage in which the fault comes; working if it is empty
	fault   func(*fake)
	heal    func(*fake)
	tells   time.Duration // the window, and what the polls of the fault take themselves
	clears  time.Duration
	settled bool // it heals by itself
}

const (
	callTimeout = DefaultCallTimeout
	slowCall    = 1200 * time.Millisecond
)

// pollsIn is how long n polls take if each takes its interval and so much more.
func pollsIn(n int, each time.Duration) time.Duration {
	return time.Duration(n+1) * (fakePoll + each) // the first one may have begun just before
}

func slotsIn(n int) time.Duration { return time.Duration(n)*fakeSlot + pollsIn(1, 0) }

func failCalls(methods string, f gwatsim.Fault) func(*fake) {
	return func(b *fake) {
		b.gwat.SetFault(func(m string) gwatsim.Fault {
			if strings.Contains(methods, m) {
				return f
			}
			return gwatsim.Fault{}
		})
	}
}

func healGwat(b *fake) { b.gwat.SetFault(nil) }

func mode(w func(*fake) *wire.Wire, to wire.Mode) func(*fake) {
	return func(b *fake) { w(b).Set(to) }
}

func gwatWire(b *fake) *wire.Wire   { return b.gwatWire }
func beaconWire(b *fake) *wire.Wire { return b.bcnWire }

func front(w func(*fake) *wire.Wire, f func(http.Handler) http.Handler) func(*fake) {
	return func(b *fake) { w(b).Put(f) }
}

// takeLock is a competing driver: its ready takes gwat's head-sync lock.
func takeLock(b *fake) {
	client, err := gwatclient.New(gwatclient.Config{Endpoint: "http://localhost/gwat", Transport: b.gwatWire})
	require.NoError(b.t, err)
	defer client.Close()
	ok, err := client.Changes(guard.New(false).Permit()).HeadSyncReady(context.Background(), checkpoint.Genesis())
	require.NoError(b.t, err)
	require.True(b.t, ok)
}

// startingHead answers for the head as a beacon node that was just started.
func startingHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/headers/head") {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"message":"Could not check if block is optimistic: nil summary returned from the DB","code":500}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// onGwat replaces gwat by one of another network.
func onGwat(change func(*world.Config)) func(*fake) {
	return func(b *fake) {
		b.stopGwat()
		good := b.world
		genesis := good.Spec().GenesisTime
		b.world = b.newWorld(func(c *world.Config) { c.GenesisTime = genesis; change(c) })
		b.startGwat()
		b.world = good
	}
}

func goodGwat(b *fake) { b.stopGwat(); b.startGwat() }

func beaconIdle(c *beaconsim.Config) { c.IdleWork = true }
func longLook(c *Config)             { c.CallTimeout = 20 * time.Second }

// busyGate is a gate that a call of normal work passes each second until it is quiet.
type busyGate struct {
	mu sync.Mutex
	fakeGate
	quiet bool
	next  time.Time
}

var overGate = fakeConfig{pair: func(c *Config) { c.Gate = &busyGate{next: time.Now()} }}

func onGate(change func(*busyGate)) func(*fake) {
	return func(b *fake) {
		g := b.pair.cfg.Gate.(*busyGate)
		g.mu.Lock()
		defer g.mu.Unlock()
		change(g)
	}
}

// pass records the calls up to now; g.mu is held.
func (g *busyGate) pass() {
	for ; !g.next.After(time.Now()); g.next = g.next.Add(time.Second) {
		if g.quiet {
			continue
		}
		g.status.Calls++
		g.calls = append(g.calls, gate.Call{Seq: g.status.Calls, Time: g.next, Method: "dag_finalize", Outcome: gate.OutcomeOK})
	}
}

func (g *busyGate) Status() gate.Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
	return g.fakeGate.Status()
}

func (g *busyGate) Calls(after uint64) []gate.Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
	return g.fakeGate.Calls(after)
}

func (g *busyGate) TakeSent() *gate.SentList {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fakeGate.TakeSent()
}

func (g *busyGate) Proved(seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fakeGate.Proved(seq)
}

var normalWork = "dag_sync dag_finalize"

var findingCases = map[string]findingCase{
	"nodes_unreachable": {fault: func(b *fake) { b.gwatWire.Set(wire.Refused); b.bcnWire.Set(wire.Refused) },
		heal: func(b *fake) { b.gwatWire.Set(wire.Up); b.bcnWire.Set(wire.Up) }, tells: pollsIn(3, 0), clears: pollsIn(2, 0)},
	"gwat_unreachable": {fault: mode(gwatWire, wire.Refused), heal: mode(gwatWire, wire.Up), tells: pollsIn(3, 0), clears: pollsIn(3, 0)},
	"gwat_hung": {fault: failCalls("dag_getCandidates", gwatsim.Fault{Hang: true}), heal: healGwat,
		tells: pollsIn(3, callTimeout), clears: pollsIn(3, callTimeout)},
	"gwat_auth":           {fault: front(gwatWire, answering(401, "missing token")), heal: front(gwatWire, nil), tells: pollsIn(3, 0), clears: pollsIn(3, 0)},
	"gwat_bad_answers":    {fault: front(gwatWire, answering(200, "<html>hello</html>")), heal: front(gwatWire, nil), tells: pollsIn(3, 0), clears: pollsIn(3, 0)},
	"beacon_unreachable":  {fault: mode(beaconWire, wire.Refused), heal: mode(beaconWire, wire.Up), tells: pollsIn(3, 0), clears: pollsIn(3, 0)},
	"beacon_hung":         {fault: mode(beaconWire, wire.Stopped), heal: mode(beaconWire, wire.Up), tells: callTimeout + pollsIn(3, 0), clears: callTimeout + pollsIn(3, 0)},
	"beacon_bad_answers":  {fault: front(beaconWire, answering(200, "hello")), heal: front(beaconWire, nil), tells: pollsIn(3, 0), clears: pollsIn(3, 0)},
	"gwat_rate_limited":   {fault: front(gwatWire, answering(429, "too many requests")), heal: front(gwatWire, nil), tells: pollsIn(3, 0), clears: 8*time.Second + pollsIn(3, 0)},
	"beacon_rate_limited": {fault: front(beaconWire, answering(429, "too many requests")), heal: front(beaconWire, nil), tells: pollsIn(3, 0), clears: 8*time.Second + pollsIn(3, 0)},
	"beacon_starting": {fault: front(beaconWire, startingHead), heal: front(beaconWire, nil),
		tells: pollsIn(health.StartingSeconds, 0), clears: pollsIn(1, 0)},
	"gwat_slow": {fakeConfig: fakeConfig{pair: longLook}, fault: failCalls("eth_getBlockByNumber", gwatsim.Fault{Delay: slowCall}), heal: healGwat,
		tells: pollsIn(5, 2*slowCall), clears: pollsIn(5, slowCall)},
	"beacon_slow": {fault: func(b *fake) { b.beacon.SetFault("/eth/v1/node/syncing", beaconsim.Fault{Delay: slowCall}) },
		heal: func(b *fake) { b.beacon.SetFault("/eth/v1/node/syncing", beaconsim.Fault{}) }, tells: pollsIn(5, 2*slowCall), clears: pollsIn(5, slowCall)},
	"gwat_no_peers": {fault: func(b *fake) { b.gwat.SetPeers(0) }, heal: func(b *fake) { b.gwat.SetPeers(3) },
		tells: pollsIn(poll.SlowEvery+health.NoPeersPolls, 0), clears: pollsIn(3, 0)},
	"beacon_no_peers": {fault: func(b *fake) { b.beacon.SetPeers(0) }, heal: func(b *fake) { b.beacon.SetPeers(3) },
		tells: pollsIn(poll.SlowEvery+health.NoPeersPolls, 0), clears: pollsIn(3, 0)},
	"gwat_rolled_back": {fault: func(b *fake) {
		failCalls(normalWork, gwatsim.Fault{Error: "busy"})(b)
		require.NoError(b.t, b.gwat.RollbackTo(b.gwat.State().Finalized-20))
	}, heal: healGwat, tells: pollsIn(1, 0), clears: 2*fakeSlot + pollsIn(3, 0)},
	"head_sync_rollback": {fakeConfig: fakeConfig{gwat: func(c *gwatsim.Config) { c.EntryCost = 500 * time.Millisecond }},
		fault: func(b *fake) {
			require.NoError(b.t, b.pair.Resync(context.Background(), status.Resync{Full: true, Force: true}))
		}, heal: func(*fake) {},
		tells: 5 * fakeSlot, clears: time.Minute, settled: true},
	"gwat_stalled": {fault: failCalls(normalWork, gwatsim.Fault{Error: "busy"}), heal: healGwat,
		tells: slotsIn(health.StalledSlots + 2), clears: 6*fakeSlot + pollsIn(3, 0)}, // a head with spines may be two slots away; it goes from working on
	"lock_held":     {fault: takeLock, heal: func(*fake) {}, tells: pollsIn(3, 0), clears: 20*time.Second + pollsIn(2, 0), settled: true},
	"second_driver": {fault: takeLock, heal: func(*fake) {}, tells: pollsIn(1, 0), clears: 20*time.Second + slotsIn(3), settled: true},
	"checkpoint_refused": {fakeConfig: fakeConfig{beacon: beaconIdle}, from: fsm.Connecting,
		fault: failCalls("dag_headSyncReady", gwatsim.Fault{Error: "checkpoint state not found"}), heal: healGwat, tells: pollsIn(8, 0), clears: pollsIn(5, 0)},
	"beacon_stalled_head": {fault: func(b *fake) { b.beacon.SetFrozenHead(true) }, heal: func(b *fake) { b.beacon.SetFrozenHead(false) },
		tells: slotsIn(health.StalledHeadSlots), clears: slotsIn(3)},
	"beacon_behind": {fault: func(b *fake) { b.beacon.SetLag(11) }, heal: func(b *fake) { b.beacon.SetLag(0) },
		tells: slotsIn(health.BehindFor), clears: fakeSlot + pollsIn(3, 0)},
	"beacon_rolled_back": {fault: func(b *fake) {
		b.stopBcn()
		b.beaconCfg = func(c *beaconsim.Config) { c.StartSlot, c.SyncSpeed = 50, 4 }
		b.startBeacon()
	}, heal: func(*fake) {}, tells: pollsIn(1, 0), clears: time.Minute, settled: true},
	"finality_stalled": {fakeConfig: fakeConfig{world: func(c *world.Config) { c.StallJustification = []world.EpochRange{{From: 11, To: 17}} }},
		fault: func(*fake) {}, heal: func(*fake) {}, tells: slotsIn(8 * 7), clears: slotsIn(8 * 8), settled: true},
	"sse_silent": {fault: func(b *fake) {
		var deaf atomic.Bool
		deaf.Store(true)
		b.bcnWire.Put(deafEvents(&deaf))
		b.closeStreams()
	}, heal: func(b *fake) { b.bcnWire.Put(nil); b.closeStreams() }, tells: slotsIn(health.UnheardHeads + 2), clears: slotsIn(4)},
	"beacon_ahead_of_gwat": {fault: func(b *fake) {
		failCalls(normalWork, gwatsim.Fault{Error: "busy"})(b)
		require.NoError(b.t, b.gwat.RollbackTo(b.gwat.State().Finalized-50))
	}, heal: healGwat, tells: slotsIn(2), clears: 2*fakeSlot + pollsIn(3, 0)},
	"gwat_ahead_of_beacon": {fakeConfig: fakeConfig{beacon: func(c *beaconsim.Config) { c.SyncSpeed = 4 }}, from: fsm.CheckpointSync,
		fault: func(*fake) {}, heal: func(*fake) {}, tells: pollsIn(3, 0), clears: time.Minute, settled: true},
	"spines_differ": {fault: onGwat(func(c *world.Config) { c.Seed = 99 }), heal: goodGwat, tells: slotsIn(2), clears: pollsIn(3, 0)},
	"wrong_network": {fault: onGwat(func(c *world.Config) { c.ChainID = 4711 }), heal: goodGwat, tells: pollsIn(poll.SlowEvery, 0), clears: pollsIn(1, 0)},
	"needs_human": {fakeConfig: fakeConfig{beacon: beaconIdle}, from: fsm.Connecting,
		fault: front(gwatWire, answeringCall("dag_headSyncReady", `"error":{"code":-32601,"message":"the method does not exist"}`)),
		heal:  front(gwatWire, nil), tells: pollsIn(2, 0), clears: humanPause + pollsIn(1, 0)},
	"head_sync_failing": {fakeConfig: fakeConfig{beacon: beaconIdle}, from: fsm.Connecting,
		fault: failCalls("dag_headSyncReady", gwatsim.Fault{Error: "state is broken"}), heal: healGwat, tells: slotsIn(health.FailedSlots + 2), clears: pollsIn(8, 0)},
	"clock_skew": {fault: func(b *fake) { b.skew.Store(int64(30 * time.Second)) }, heal: func(b *fake) { b.skew.Store(0) },
		tells: pollsIn(3, 0), clears: slotsIn(2 * health.JumpSlots)},
	"gwat_behind_gate": {fakeConfig: overGate, fault: onGate(func(g *busyGate) {
		g.status.Absorbed = gate.Absorbed{Count: 3, Since: time.Now(), LastSeq: 1 << 40, Spines: []common.Hash{{1}}, Error: "busy"}
	}), heal: onGate(func(g *busyGate) { g.status.Absorbed = gate.Absorbed{} }), tells: pollsIn(1, 0), clears: pollsIn(1, 0)},
	"beacon_list_differs": {fakeConfig: overGate, fault: onGate(func(g *busyGate) {
		g.sent = &gate.SentList{Total: 1, Entries: []checkpoint.ConsensusInfo{{Slot: 1, Finalizing: []common.Hash{{9}}}}}
	}), heal: onGate(func(g *busyGate) { g.sent = &gate.SentList{} }), tells: slotsIn(health.ListSlots + 1), clears: pollsIn(2, 0)},
	"gate_unused": {fakeConfig: overGate, fault: func(b *fake) {
		onGate(func(g *busyGate) { g.quiet = true })(b)
		failCalls(normalWork, gwatsim.Fault{Error: "busy"})(b)
	}, heal: func(b *fake) { onGate(func(g *busyGate) { g.quiet = false })(b); healGwat(b) },
		tells: slotsIn(health.GateQuietSlots + 2), clears: pollsIn(2, 0)},
	"gate_bypassed": {fakeConfig: overGate, fault: onGate(func(g *busyGate) { g.quiet = true }), heal: onGate(func(g *busyGate) { g.quiet = false }),
		tells: slotsIn(health.GateQuietSlots + 1), clears: pollsIn(2, 0)},
	"journal_failing": {fault: func(b *fake) {
		b.store.full.Store(true)
		require.NoError(b.t, b.pair.Pause(context.Background(), "the disk fills"))
	}, heal: func(b *fake) { b.store.full.Store(false) }, tells: pollsIn(2, 0), clears: pollsIn(poll.SlowEvery, 0)},
}

// A gwat of another network is one finding: what it shows of its own chain is held
// neither against it nor against the gwat before.
func TestAForeignGwatIsOneFinding(t *testing.T) {
	var polled []health.Input
	config := fakeConfig{pair: func(c *Config) { c.Polled = func(in health.Input) { polled = append(polled, in) } }}
	inFakeTime(t, config, func(b *fake) {
		b.reaches(fsm.Working)
		onGwat(func(c *world.Config) { c.ChainID = 4711 })(b)
		b.within(pollsIn(2*poll.SlowEvery, 0), "wrong_network", func(s *status.Snapshot) bool { return told(s, "wrong_network") != nil })
		synctest.Wait()
		require.Equal(t, "wrong_network", b.pair.Snapshot().Findings[0].Name)
		for _, f := range b.pair.Snapshot().Findings[1:] {
			require.Equal(t, "wrong_network", f.ExplainedBy, f.Name)
		}
		require.Nil(t, told(b.pair.Snapshot(), "gwat_rolled_back"))
	})
	first, last := polled[0], polled[len(polled)-1]
	require.NotEmpty(t, first.Gwat.Identity.Client)
	require.NotEmpty(t, first.Beacon.Identity.Client)
	require.NotEmpty(t, first.Beacon.Identity.Peer)
	require.NotEqual(t, "", last.Gwat.Identity.Chain)
	chains := map[string]bool{}
	for _, in := range polled {
		chains[in.Gwat.Identity.Chain] = true
	}
	require.Len(t, chains, 3, "none where it was not read, and two networks: %v", chains)
}

// Each finding is produced by a fault, reported within its window with the severity's
// verdict, and gone within its hysteresis once the fault has ended.
func TestEachFindingIsToldOfItsFault(t *testing.T) {
	for _, entry := range health.Catalog() {
		t.Run(entry.Name, func(t *testing.T) {
			t.Parallel()
			tc, ok := findingCases[entry.Name]
			require.True(t, ok, "no fault produces the catalog's %s", entry.Name)
			inFakeTime(t, tc.fakeConfig, func(b *fake) {
				from := tc.from
				if from == "" {
					from = fsm.Working
				}
				b.reaches(from)
				require.Nil(t, told(b.pair.Snapshot(), entry.Name), "told before its fault")
				tc.fault(b)
				begin := b.pair.cfg.Now()
				took := b.within(tc.tells, entry.Name, func(s *status.Snapshot) bool { return told(s, entry.Name) != nil })
				s := b.pair.Snapshot()
				f := told(s, entry.Name)
				require.NotEmpty(t, f.Evidence)
				require.False(t, f.Since.After(begin.Add(tc.tells)))
				switch {
				case s.Stage == string(fsm.Halted):
					require.Equal(t, status.VerdictHalted, s.Verdict)
				case f.Severity == status.SeverityCritical:
					require.Equal(t, status.VerdictFailing, s.Verdict)
				}
				tc.heal(b)
				gone := b.within(tc.clears, entry.Name+" to go", func(s *status.Snapshot) bool { return told(s, entry.Name) == nil })
				t.Logf("told after %s, at most %s; gone after %s, at most %s", took, tc.tells, gone, tc.clears)
			})
		})
	}
	require.Len(t, findingCases, len(health.Catalog()), "a case of a finding that is not in the catalog")
}
