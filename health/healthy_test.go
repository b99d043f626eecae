package health

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

var testSpec = checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 4, DepositChainID: 337733, GenesisTime: 1_700_000_000}

// healthy generates what a working pair shows, with all that is no fault: missed
// and late slots, reorgs of one or two slots, calls that are slow at times, lost
// polls, quiet slots, event streams that reconnect.
type healthyPair struct {
	rnd   *rand.Rand
	start time.Time
	at    time.Duration // since start
	polls int

	slot     primitives.Slot // the next one to be decided on
	arrivals []arrival
	head     arrival
	events   uint64
	deaf     time.Duration // the event stream is away until then
	number   uint64
	finals   time.Duration // when gwat has finalized what the head says
	lost     bool          // the poll before was lost

	missed, reorgs, losses, late, slows, quiet int
}

type arrival struct {
	at     time.Duration
	slot   primitives.Slot
	root   common.Hash
	spines int
}

func newHealthyPair(seed uint64) *healthyPair {
	h := &healthyPair{rnd: rand.New(rand.NewPCG(seed, 1)), start: testSpec.SlotStart(200)}
	h.slot, h.number = 201, 1000
	h.head = arrival{slot: 200, root: h.root(), spines: 1}
	return h
}

func (h *healthyPair) root() (r common.Hash) {
	for i := range r {
		r[i] = byte(h.rnd.Uint32())
	}
	return r
}

func (h *healthyPair) chance(p float64) bool { return h.rnd.Float64() < p }

func (h *healthyPair) between(low, high time.Duration) time.Duration {
	return low + time.Duration(h.rnd.Int64N(int64(high-low)))
}

// decide makes the slots up to now: which blocks come, and when.
func (h *healthyPair) decide() {
	for ; testSpec.SlotStart(h.slot).Sub(h.start) <= h.at; h.slot++ {
		begin := testSpec.SlotStart(h.slot).Sub(h.start)
		if h.chance(0.1) {
			h.missed++
			continue
		}
		a := arrival{at: begin + h.between(200*time.Millisecond, 2*time.Second), slot: h.slot, root: h.root(), spines: 1 + h.rnd.IntN(3)}
		if h.chance(0.03) {
			a.at, h.late = begin+h.between(4*time.Second, 6*time.Second), h.late+1
		}
		if h.chance(0.05) {
			a.spines, h.quiet = 0, h.quiet+1
		}
		if h.chance(0.03) { // the head goes over to a branch that is one or two slots shorter
			h.reorgs++
			other := a
			other.slot, other.root, other.at = a.slot-primitives.Slot(1+h.rnd.IntN(2)), h.root(), a.at+h.between(100*time.Millisecond, time.Second)
			h.arrivals = append(h.arrivals, a, other)
			continue
		}
		h.arrivals = append(h.arrivals, a)
	}
}

func (h *healthyPair) arrive() {
	for len(h.arrivals) > 0 && h.arrivals[0].at <= h.at {
		h.head = h.arrivals[0]
		h.arrivals = h.arrivals[1:]
		h.number += uint64(h.head.spines)
		h.finals = h.head.at + h.between(50*time.Millisecond, 3*time.Second)
		if h.at >= h.deaf {
			h.events++
		}
		if h.chance(0.03) { // the stream's timeout: it is away for less than two heads
			h.deaf = h.at + h.between(100*time.Millisecond, 7*time.Second)
		}
	}
}

// latency is some milliseconds, at times half a second, rarely more than one.
func (h *healthyPair) latency() time.Duration {
	switch {
	case h.chance(0.005):
		h.slows++
		return h.between(time.Second, 3*time.Second)
	case h.chance(0.05):
		return h.between(100*time.Millisecond, 900*time.Millisecond)
	}
	return h.between(time.Millisecond, 30*time.Millisecond)
}

// next is the next poll: every second or so, or right after an event.
func (h *healthyPair) next() Input {
	step := h.between(990*time.Millisecond, 1050*time.Millisecond)
	if h.chance(0.2) {
		step = h.between(200*time.Millisecond, 900*time.Millisecond)
	}
	h.at += step
	h.polls++
	h.decide()
	h.arrive()
	wall := h.start.Add(h.at)
	in := Input{At: wall.Add(h.between(-20*time.Millisecond, 20*time.Millisecond)), Elapsed: h.at, Stage: fsm.Working, Spec: &testSpec, Events: h.events}
	in.Gwat.Node, in.Beacon.Node = h.node(), h.node()
	if !h.lost && h.chance(0.02) {
		h.lost, h.losses = true, h.losses+1
		n := []*Node{&in.Gwat.Node, &in.Beacon.Node}[h.rnd.IntN(2)]
		*n = Node{Reach: []Reach{Down, Silent, Garbled}[h.rnd.IntN(3)], Error: "lost"}
		return in
	}
	h.lost = false
	number := h.number
	open := h.at < h.finals
	if open {
		number -= uint64(h.head.spines)
	}
	in.Gwat.Number, in.Gwat.Slot, in.Gwat.Compared = &number, h.head.slot-5, true
	for range h.head.spines {
		in.Gwat.Spines = append(in.Gwat.Spines, checkpoint.SpineFinal)
	}
	if open && h.head.spines > 0 {
		in.Gwat.Spines[h.head.spines-1] = checkpoint.SpineOpen
		in.Gwat.Syncing, in.Gwat.SyncStage = h.chance(0.2), "resync"
		in.Gwat.CoordSlot, in.Gwat.TipSlot = h.head.slot-1, h.head.slot
	}
	epoch := testSpec.Epoch(h.head.slot)
	justified := epoch - 1 - primitives.Epoch(h.rnd.IntN(2))
	clock := wall.Add(h.between(-300*time.Millisecond, 300*time.Millisecond))
	in.Beacon.Known, in.Beacon.Head, in.Beacon.Root, in.Beacon.Justified = true, h.head.slot, h.head.root, justified
	in.Beacon.Clock, in.Beacon.ClockAt = testSpec.SlotAt(clock), wall
	in.Beacon.Points = []Point{{Slot: testSpec.StartSlot(justified), State: checkpoint.SpineFinal}}
	return in
}

func (h *healthyPair) node() Node {
	n := Node{Reach: Answers, Latency: h.latency()}
	if h.polls%30 == 1 || h.chance(0.01) {
		peers := uint64(h.rnd.IntN(30)) // at times none for a moment
		n.Peers = &peers
	}
	return n
}

// Ten thousand healthy slots, a tenth of them missed, bring no finding.
func TestHealthySlotsBringNoFinding(t *testing.T) {
	const slotsPerRun = 10_000
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHealthyPair(seed)
			j := New(time.Second)
			for h.slot < 200+slotsPerRun {
				in := h.next()
				r := j.Observe(in)
				require.Empty(t, r.Findings, "slot %d, poll %d", h.slot, h.polls)
				require.Empty(t, r.Gone)
				require.Equal(t, status.VerdictWorking, Of(in.Stage, r.Findings, true))
			}
			require.InDelta(t, slotsPerRun/10, h.missed, slotsPerRun/50)
			for what, n := range map[string]int{"reorgs": h.reorgs, "late heads": h.late, "lost polls": h.losses, "slow calls": h.slows, "quiet slots": h.quiet} {
				require.Greater(t, n, 100, what)
			}
			t.Logf("%d slots, %d polls: %d missed, %d reorgs, %d late heads, %d lost polls, %d slow calls, %d quiet slots: 0 findings",
				slotsPerRun, h.polls, h.missed, h.reorgs, h.late, h.losses, h.slows, h.quiet)
		})
	}
}
