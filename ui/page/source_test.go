//go:build page

package page_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/page"
)

// script is a Source that says what a test tells it to.
type script struct {
	mu      sync.Mutex
	snap    *status.Snapshot
	history []status.Change
	samples []status.Sample
	past    memory.Memory
	readers map[chan *status.Snapshot]bool
}

// publish gives the next snapshot its number and time.
func (s *script) publish(snap status.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.Seq = 1
	if s.snap != nil {
		snap.Seq = s.snap.Seq + 1
	}
	if snap.At.IsZero() {
		snap.At = time.Now()
	}
	s.snap = &snap
	for ch := range s.readers {
		select {
		case <-ch:
		default:
		}
		ch <- s.snap
	}
}

func (s *script) Snapshot() *status.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snap
}

func (s *script) History(_ context.Context, limit int) ([]status.Change, error) {
	return s.history[:min(limit, len(s.history))], nil
}
func (s *script) Samples(limit int) []status.Sample {
	return s.samples[max(0, len(s.samples)-limit):]
}
func (s *script) Span(from, to time.Time, step time.Duration) ([]status.Sample, time.Duration) {
	return s.past.Span(from, to, step)
}
func (s *script) Pause(context.Context, string) error         { return nil }
func (s *script) Resume(context.Context) error                { return nil }
func (s *script) Resync(context.Context, status.Resync) error { return nil }
func (s *script) Heal(context.Context, status.HealOrder) (*status.Heal, error) {
	return &status.Heal{}, nil
}
func (s *script) Subscribe() (<-chan status.Change, func()) {
	ch := make(chan status.Change)
	return ch, sync.OnceFunc(func() { close(ch) })
}

func (s *script) Updates() (<-chan *status.Snapshot, func()) {
	ch := make(chan *status.Snapshot, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers == nil {
		s.readers = map[chan *status.Snapshot]bool{}
	}
	s.readers[ch] = true
	ch <- s.snap
	return ch, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.readers, ch)
		close(ch)
	})
}

// serve runs the API with the page until stop or the end of the test.
func serve(t *testing.T, src api.Source, listen string) (addr string, stop func()) {
	t.Helper()
	return serveWith(t, src, nil, listen)
}

// serveWith is serve with the calls of a gate.
func serveWith(t *testing.T, src api.Source, calls api.CallSource, listen string) (addr string, stop func()) {
	t.Helper()
	return serveConfig(t, src, listen, func(c *api.Config) { c.Calls = calls })
}

// serveConfig is serve with a config that is changed before.
func serveConfig(t *testing.T, src api.Source, listen string, change func(*api.Config)) (addr string, stop func()) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	cfg := api.Config{Listen: listen, Page: page.Handler(), Log: log}
	change(&cfg)
	s, err := api.New(cfg, src)
	require.NoError(t, err)
	require.NoError(t, s.Listen())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(stop)
	return s.Addr(), stop
}

func ptr[T any](v T) *T { return &v }

const wall = 1_204_233

// working is a healthy snapshot with every field that such a pair has.
func working() status.Snapshot {
	now := time.Now().UTC()
	hash := common.HexToHash("0x8f3b1c0d9ae27745b1d2c3e4f5061728394a5b6c7d8e9f00112233445566771a")
	return status.Snapshot{
		Pair: "main", Version: "v0.2.0", Era: string(checkpoint.EraHeadSync), Verdict: status.VerdictWorking, Stage: "working", Since: now.Add(-3 * time.Hour),
		Reason: "eth_syncing is false and 2 new heads up to slot 1204101 were finalized by the beacon's calls", Attempts: 1,
		Network: &status.Network{Name: "testnet", ChainID: 8601152, GenesisTime: uint64(now.Unix()) - wall*4, SecondsPerSlot: 4, SlotsPerEpoch: 32, CurrentSlot: wall},
		Gwat: status.Node{
			Endpoint: "ws://127.0.0.1:8546", Reachable: true, Since: now.Add(-4 * time.Hour), Version: "GWAT/v0.6.2-stable/linux-amd64/go1.18", Peers: ptr(uint64(14)),
			LatencyMS: ptr(3.4), Slot: ptr(primitives.Slot(wall)), LagSlots: ptr(uint64(0)), Finalized: ptr(uint64(2_204_871)),
			Progress: &status.Progress{Unit: "block", From: 2_104_000, Current: 2_204_871, Target: 2_204_871, Rate: 1.6},
		},
		Beacon: status.Node{
			Endpoint: "http://127.0.0.1:3500", Reachable: true, Since: now.Add(-5 * time.Hour), Version: "Prysm/v2.1.3/4b1a7c9 (linux amd64)", Peers: ptr(uint64(31)),
			LatencyMS: ptr(12.0), SyncStage: "synced", Slot: ptr(primitives.Slot(wall)), LagSlots: ptr(uint64(0)), Finalized: ptr(uint64(wall - 73)),
			Progress: &status.Progress{Unit: "slot", From: 1_150_000, Current: wall, Target: wall, Rate: 0.3},
		},
		Checkpoint: &status.Checkpoint{Checkpoint: checkpoint.Checkpoint{Epoch: wall/32 - 1, Root: hash}, Slot: (wall/32 - 1) * 32, Spine: &hash},
		Confirmed:  &status.Confirmed{Slot: wall - 2700, Root: hash, Spine: hash, Number: 2_199_310, At: now.Add(-3 * time.Hour)},
		Push: &status.Push{
			Phase: "done", From: wall - 2760, To: wall - 2700, Started: now.Add(-3*time.Hour - 30*time.Second),
			Progress: status.Progress{Unit: "entry", Current: 61, Target: 61},
		},
	}
}

// everything has each field of a snapshot set, each with a value of its own.
func everything() status.Snapshot {
	s := working()
	now := time.Now().UTC()
	later := now.Add(90 * time.Second)
	s.Observe, s.Verdict, s.Stage, s.Since = true, status.VerdictFailing, "head_sync_ready", now.Add(-412*time.Second)
	s.Waiting, s.NextTry, s.ETA, s.Reason = "gwat to be ready", ptr(now.Add(time.Second)), &later, "both nodes have what follows the checkpoint"
	s.Findings = findings(now)
	s.Gwat.Reachable, s.Gwat.SyncStage = true, "head"
	s.Gwat.Peers, s.Gwat.LagSlots, s.Gwat.Slot = ptr(uint64(0)), ptr(uint64(61)), ptr(primitives.Slot(wall-61))
	s.Gwat.Progress = &status.Progress{Unit: "block", From: 2_104_000, Current: 2_190_110, Target: 2_204_871, Rate: 41.2, ETA: ptr(now.Add(6 * time.Minute))}
	s.Gwat.Error = &status.Error{Kind: "retry_later", Message: "dag_sync: procedure is locked", At: now.Add(-2 * time.Second)}
	s.Beacon.Error = &status.Error{Kind: "retry_now", Message: "GET /eth/v1/node/syncing: EOF", At: now.Add(-3 * time.Second)}
	s.Beacon.Progress = &status.Progress{Unit: "slot", From: 1_150_000, Current: wall - 40, Target: wall, Rate: 9.5, ETA: ptr(now.Add(5 * time.Second))}
	s.Push = &status.Push{
		Phase: "pushing", From: wall - 61, To: wall - 1, Started: now.Add(-14 * time.Second),
		Progress: status.Progress{Unit: "entry", From: 0, Current: 22, Target: 57, Rate: 3.8, ETA: ptr(now.Add(10 * time.Second))},
	}
	s.Lock = &status.Lock{Ours: false, Until: now.Add(107 * time.Second)}
	s.CompetingDriver = &status.CompetingDriver{Sign: "gwat says stage head, and no call of ours is under way", Seen: now.Add(-50 * time.Second), LastProgress: now.Add(-13 * time.Second)}
	s.LastError = &status.Error{Kind: "restart_attempt", Message: "dag_headSyncReady: not ready: the checkpoint's spine is not finalized", At: now.Add(-11 * time.Second)}
	s.Attempts = 7
	return s
}

func findings(now time.Time) []status.Finding {
	return []status.Finding{
		{
			Name: "gwat_no_peers", Severity: status.SeverityCritical, Node: "gwat", Since: now.Add(-410 * time.Second),
			Summary:  "gwat has no peers, so it gets no blocks.",
			Evidence: []string{"net_peerCount: 0 for 6 min 50 s", "gwat's newest coordinated slot: 1204172, unchanged for 61 slots"},
			Remedy:   "See whether gwat's p2p port is open and its bootnodes are reachable; admin_addPeer adds one by hand.",
		},
		{
			Name: "second_driver", Severity: status.SeverityWarning, Node: "pair", Since: now.Add(-50 * time.Second),
			Summary:  "Something else drives gwat's head sync.",
			Evidence: []string{"gwat says stage head, and no call of ours is under way"},
			Remedy:   "Switch the beacon node's built-in driver off; until then syncd watches and takes over after 3 slots without progress.",
		},
		{
			Name: "clock_skew", Severity: status.SeverityInfo, Node: "beacon", Since: now.Add(-2 * time.Hour),
			Summary: "The beacon node's clock is 1 slot ahead of this machine's.", Evidence: []string{"beacon: slot 1204234, here: slot 1204233"},
			Remedy: "Nothing yet; set the clocks of both machines if it grows.",
		},
	}
}

// past gives a pair's way to a stage as history and samples that end at a snapshot.
func past(s *script, stages []string, each time.Duration, end status.Snapshot) {
	start := time.Now().Add(-each * time.Duration(len(stages)))
	events := map[string]string{
		"checkpoint_sync": "nodes_reached", "dag_sync": "checkpoint_reached", "head_sync_ready": "dag_synced", "head_sync": "ready_accepted",
		"switching": "pushed", "working": "verified", "paused": "pause_asked", "halted": "conflict", "connecting": "node_lost",
	}
	reasons := map[string]string{
		"checkpoint_sync": "both nodes answer and are of chain id 8601152", "dag_sync": "the beacon's head is at slot 1204160; gwat has finalized the checkpoint",
		"head_sync_ready": "both nodes have what follows the checkpoint", "head_sync": "gwat is ready for 57 of 57 entries, slots 1204172 to 1204232",
		"switching": "all 57 entries were pushed and read back", "working": "eth_syncing is false and 2 new heads were finalized by the beacon's calls",
	}
	for i := 1; i < len(stages); i++ {
		change := status.Change{At: start.Add(each * time.Duration(i)), From: stages[i-1], To: stages[i], Event: events[stages[i]], Reason: reasons[stages[i]]}
		s.history = append([]status.Change{change}, s.history...)
	}
	if end.Network == nil {
		return
	}
	const points = 240
	total := each * time.Duration(len(stages))
	finalized := end.Gwat.Finalized
	if finalized == nil {
		finalized = end.Gwat.LastKnown.Finalized
	}
	for i := range points {
		left := 1 - float64(i)/points // of the way
		clock := wall - uint64(total.Seconds()*left/4)
		sample := status.Sample{Seq: uint64(i + 1), At: start.Add(time.Duration(float64(total) * (1 - left))), Stage: stages[i*len(stages)/points]}
		sample.WallSlot = ptr(primitives.Slot(clock))
		sample.GwatSlot = ptr(primitives.Slot(clock - *end.Gwat.LagSlots - uint64(500*left*left)))
		sample.BeaconSlot = ptr(primitives.Slot(clock - *end.Beacon.LagSlots - uint64(max(0, 300*(2*left-1)))))
		sample.GwatNumber = ptr(*finalized - uint64(14_761*left))
		if p := end.Push; p != nil && i > points*4/5 {
			sample.PushDone, sample.PushTotal = ptr(uint64(float64(p.Progress.Current)*(1-5*left))), ptr(p.Progress.Target)
		}
		s.samples = append(s.samples, sample)
	}
}
