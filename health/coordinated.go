package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/counted"
)

// Coordinated is what a poll of a pair of the coordinated era measured beside
// what both eras have. In that era Gwat.Syncing means that gwat is not in normal work.
type Coordinated struct {
	// State is the answer of dag_coordinatedState; nil if there was no answer.
	State *CoordinatedState
	// CheckpointKnown reports whether the beacon node has a header for the root of
	// gwat's checkpoint; nil if it was not asked.
	CheckpointKnown *bool
	// HeadFinal reports whether gwat has finalized what the beacon's head finalizes; nil
	// if it was not compared. On a network without new blocks of gwat that is all there
	// is to do, and its state stays the same.
	HeadFinal *bool
	// BeaconSyncing is is_syncing of the beacon node.
	BeaconSyncing bool
	// NullAnswers counts the answers of dag_finalize in a row that were null as a
	// whole, as only a gate sees them.
	NullAnswers int
}

// CoordinatedState is where gwat is by its last dag_finalize.
type CoordinatedState struct {
	LastFinalized common.Hash      // lfSpine
	Epoch         primitives.Epoch // cpEpoch: the epoch of the last call
	Checkpoint    common.Hash      // cpRoot: root of the beacon block of gwat's checkpoint; zero for genesis
}

// The limits of the rules of the coordinated era.
const (
	// UnmovedSlots is for how long gwat's state may stay the same although it should move.
	UnmovedSlots = 4
	// WedgedSlots is for how long that is watched while the beacon's head moves: after a
	// resync of its own the beacon node needs up to 5 slots for its first call.
	WedgedSlots = 6
	// SilentEpochs is for how many epochs the head of a beacon node with peers may stand,
	// and gwat wait for a call, if gwat was not restarted. A beacon node resyncs by then if
	// a peer is ahead of it: recorded ones did at up to 66 slots of 32 an epoch.
	SilentEpochs = 2
	// LagSlots is how far a beacon node that says it is synced may be behind the clock.
	LagSlots = 8
	// forkEpochs is how far a head near the clock is past the justified checkpoint that does not
	// follow it. A fork with few validators makes a block now and then: between two of them the
	// clock runs away from its head.
	forkEpochs = 3
	// ForkSlots is how long a head that jumped over an epoch, while finality stayed,
	// is watched.
	ForkSlots = 64
)

// lag returns how far the beacon's head is behind the node's own clock.
func (v *view) lag() primitives.Slot {
	return v.Beacon.Clock - min(v.Beacon.Clock, v.Beacon.Head)
}

// unmoved describes for how long gwat's state has stayed the same.
func (v *view) unmoved() string {
	c := &v.mem.coord
	return fmt.Sprintf("dag_coordinatedState has been the same for %s: last finalized spine %s, epoch %d",
		(v.Elapsed - c.moved).Round(time.Second), c.state.LastFinalized.TerminalString(), c.state.Epoch)
}

// unfinalized describes for how long gwat has finalized nothing.
func (v *view) unfinalized() string {
	c := &v.mem.coord
	return fmt.Sprintf("its last finalized spine has been %s for %s", c.state.LastFinalized.TerminalString(), (v.Elapsed - c.finalized).Round(time.Second))
}

// uncalled returns for how long the beacon node should have called gwat since a time.
// Before genesis there is nothing to call for.
func (v *view) uncalled(since time.Duration) time.Duration {
	waited := v.Elapsed - since
	if spec := v.mem.spec; spec != nil {
		waited = min(waited, v.At.Sub(spec.SlotStart(0)))
	}
	return waited
}

func (v *view) stateKnown() bool { return v.Gwat.Reach == Answers && v.Coordinated.State != nil }

func (v *view) noPeersLoop() signal {
	c := &v.mem.coord
	peers, known := c.peers[nodeGwat]
	switch {
	case !v.stateKnown():
		return unmeasured
	case !known && !v.lacksPeersLikely():
		return healthy
	case peers > 0 || v.uncalled(max(c.finalized, c.peered)) < UnmovedSlots*v.mem.slot():
		return healthy // the driver's calls up to the last checkpoint succeed and change its epoch
	}
	still := v.unfinalized()
	switch {
	case !known:
		return shows("gwat was restarted, and eth_syncing is not false", still, v.headMoved(), unknownPeers)
	case v.Gwat.Syncing:
		return shows("gwat has 0 peers", "eth_syncing is not false", still)
	case v.leftBehind():
		return shows("gwat has 0 peers", still, v.headMoved())
	}
	return healthy
}

// unknownPeers is said where a rule that goes by gwat's peers has to do without.
const unknownPeers = "gwat's endpoint does not tell its peers: its IPC socket does"

// lacksPeersLikely reports, of a gwat whose peers are not known, whether it shows what
// one without peers does: it was restarted, and the calls of a head that moves change
// nothing. Without a restart that is a wedged gwat.
func (v *view) lacksPeersLikely() bool {
	c, known := &v.mem.coord, v.Coordinated.CheckpointKnown
	if known != nil && !*known {
		return false // the beacon node gets no further than asking for this checkpoint
	}
	return c.waiting && v.Gwat.Syncing && v.Beacon.Known && !v.Coordinated.BeaconSyncing &&
		v.Beacon.Head >= c.finalHead+UnmovedSlots && v.uncalled(c.finalized) >= WedgedSlots*v.mem.slot()
}

// leftBehind reports whether the head went on, what is final in gwat did not, and gwat lacks
// what the head finalizes. Calls that change the checkpoint alone do not count: the driver's
// calls for past epochs succeed, again each second.
func (v *view) leftBehind() bool {
	final := v.Coordinated.HeadFinal
	return v.Beacon.Known && !v.Coordinated.BeaconSyncing && v.Beacon.Head >= v.mem.coord.finalHead+UnmovedSlots && final != nil && !*final
}

// headMoved describes how far the head went since gwat finalized something.
func (v *view) headMoved() string {
	return fmt.Sprintf("the beacon's head moved from slot %d to %d meanwhile", v.mem.coord.finalHead, v.Beacon.Head)
}

func (v *view) foreignCheckpoint() signal {
	known := v.Coordinated.CheckpointKnown
	switch {
	case !v.stateKnown() || known == nil:
		return unmeasured
	case *known:
		return healthy
	case v.gwatAheadOfHead():
		return unmeasured
	}
	return shows(fmt.Sprintf("the beacon node has no header %s, the root of gwat's checkpoint", v.Coordinated.State.Checkpoint), v.unmoved())
}

// gwatAheadOfHead reports whether gwat was driven further than a head that is behind the clock:
// that of a beacon node which begins again, and has not loaded the block of gwat's checkpoint yet.
func (v *view) gwatAheadOfHead() bool {
	spec := v.mem.spec
	return spec != nil && v.Beacon.Known && v.lag() > LagSlots && v.Coordinated.State.Epoch > spec.Epoch(v.Beacon.Head)
}

func (v *view) beaconSilent() signal {
	c := &v.mem.coord
	switch {
	case !v.stateKnown() || !v.Beacon.Known:
		return unmeasured
	case !v.Gwat.Syncing || v.Coordinated.BeaconSyncing:
		return healthy
	}
	waited, why := v.uncalled(max(c.moved, v.mem.headSince)), "gwat was restarted and waits for a call"
	if !c.restarted { // gwat leaves normal work by itself when no call comes
		if final := v.Coordinated.HeadFinal; final == nil || *final {
			return healthy // gwat may have all that the head asks for: network_stalled
		}
		if peers, known := c.peers[nodeBeacon]; v.mem.spec == nil || !known || peers == 0 || waited < v.silence() {
			return healthy
		}
		why = "gwat left normal work and waits for a call"
	}
	if waited < UnmovedSlots*v.mem.slot() {
		return healthy
	}
	return shows(why, v.unmoved(),
		fmt.Sprintf("the beacon's head has been slot %d for %s, is_syncing is false", v.Beacon.Head, (v.Elapsed-v.mem.headSince).Round(time.Second)))
}

// silence is how long SilentEpochs are. The network's constants must be known.
func (v *view) silence() time.Duration {
	return SilentEpochs * time.Duration(v.mem.spec.SlotsPerEpoch) * v.mem.slot()
}

// networkStalled goes by what a beacon node does whose peers are ahead: it resyncs within
// SilentEpochs. While it cannot call gwat it processes no block, so the time counts from gwat's
// last outage on. How old the head is counts for a syncd that has seen no other one.
func (v *view) networkStalled() signal {
	peers, known := v.mem.coord.peers[nodeBeacon]
	switch {
	case !v.Beacon.Known || v.mem.spec == nil || v.mem.coord.gone:
		return unmeasured
	case known && peers == 0:
		return healthy
	}
	slot, over := v.mem.slot(), v.mem.coord.over
	stood := min(v.headStillFor(), v.Elapsed-over)
	if first := over == 0 && v.mem.headSince < slot; first && !v.Coordinated.BeaconSyncing && stood >= UnmovedSlots*slot {
		stood = max(stood, time.Duration(v.lag())*slot)
	}
	if stood < v.silence()+LagSlots*slot {
		return healthy
	}
	return shows(fmt.Sprintf("the head is slot %d, %s behind the clock, and has not moved for %s", v.Beacon.Head, counted.Of(v.lag(), "slot"), v.headStillFor().Round(time.Second)),
		fmt.Sprintf("within %d epochs the beacon node found no peer that is ahead of it%s", SilentEpochs, peersIfKnown(peers, known)))
}

// peersIfKnown is the end of a text that names how many peers the beacon node has.
func peersIfKnown(peers uint64, known bool) string {
	if !known {
		return ""
	}
	return ", " + counted.Of(peers, "peer")
}

func (v *view) wedged() signal {
	c := &v.mem.coord
	peers, known := c.peers[nodeGwat]
	switch {
	case !v.stateKnown() || !v.Beacon.Known:
		return unmeasured
	case known && peers == 0 || !known && c.waiting || v.Coordinated.BeaconSyncing || v.Beacon.Head < c.finalHead+UnmovedSlots:
		return healthy
	case v.Coordinated.HeadFinal != nil && *v.Coordinated.HeadFinal:
		return healthy
	}
	has := unknownPeers
	if known {
		has = "gwat has " + counted.Of(peers, "peer")
	}
	return shows(v.unfinalized(), v.headMoved(), has)
}

func (v *view) privateFork() signal {
	if !v.Beacon.Known || v.mem.spec == nil {
		return unmeasured
	}
	// The head's epoch, not the clock's: what the head justifies changes with the first block of an epoch.
	if v.mem.coord.forked {
		return shows(fmt.Sprintf("the head is %s behind the clock, but current_justified is epoch %d in epoch %d", counted.Of(v.lag(), "slot"), v.Beacon.Justified, v.mem.spec.Epoch(v.Beacon.Head)))
	}
	if j := v.mem.coord.jump; j != nil {
		return shows(fmt.Sprintf("the head jumped from slot %d to %d within one poll, and current_justified stayed at epoch %d: a block on a stale head", j.from, j.to, v.Beacon.Justified))
	}
	return healthy
}

func (v *view) sawtooth() signal {
	c := &v.mem.coord
	peers, known := c.peers[nodeBeacon]
	switch {
	case !v.Beacon.Known:
		return unmeasured
	case v.lag() <= LagSlots || v.Coordinated.BeaconSyncing || known && peers == 0:
		return healthy
	case v.mem.spec != nil && v.mem.spec.Epoch(v.Beacon.Clock) == 0:
		return healthy // a new network: its first blocks are late, and no node resyncs in epoch 0
	case c.restarted && v.Gwat.Syncing:
		return healthy // the beacon waits for nothing and gwat for it: beacon_silent
	}
	return shows(fmt.Sprintf("the head is slot %d, %s behind the clock, is_syncing is false%s", v.Beacon.Head, counted.Of(v.lag(), "slot"), peersIfKnown(peers, known)))
}

func (v *view) beaconWithoutPeers() signal {
	peers, known := v.mem.coord.peers[nodeBeacon]
	switch {
	case !known:
		return unmeasured
	case peers > 0:
		return healthy
	}
	return shows("the beacon node has 0 peers", fmt.Sprintf("its head is %s behind the clock", counted.Of(v.lag(), "slot")))
}

func (v *view) restartRollback() signal {
	c := &v.mem.coord
	switch {
	case v.Gwat.Number == nil:
		return unmeasured
	case c.highest == 0:
		return healthy
	}
	return shows(fmt.Sprintf("gwat's last finalized block is %d, it was %d before the restart", c.number, c.highest))
}

func (v *view) silentFailure() signal {
	if v.Coordinated.NullAnswers < 2 {
		return healthy
	}
	return shows(fmt.Sprintf("the last %d answers to dag_finalize were null, and so was their error", v.Coordinated.NullAnswers))
}

func (v *view) dutiesAtRisk() signal {
	switch {
	case !v.mem.coord.worked || v.Gwat.Reach == NotAsked:
		return unmeasured
	case v.mem.spec != nil && v.At.Before(v.mem.spec.SlotStart(0)):
		return healthy // there are no duties before genesis
	case v.Gwat.Reach != Answers:
		return shows("gwat does not answer: " + v.Gwat.Error)
	case v.Gwat.Syncing:
		return shows("eth_syncing is not false: gwat refuses the calls that a validator needs")
	}
	return healthy
}

// coordinatedShared are the rules that mean the same in both eras.
var coordinatedShared = []string{"gwat_slow", "beacon_slow", "wrong_network", "needs_human", "clock_skew", "journal_failing"}

// coordinatedTable is the table of findings of the coordinated era.
var coordinatedTable = slices.Concat(nodesRule, reachRules, coordinatedRules, slices.DeleteFunc(slices.Concat(gwatRules, beaconRules, pairRules), func(r rule) bool {
	return !slices.Contains(coordinatedShared, r.Name)
}))

// NewCoordinated returns an engine for a pair of the coordinated era.
func NewCoordinated(poll time.Duration) *Engine {
	return &Engine{rules: coordinatedTable, poll: poll, runs: make([]run, len(coordinatedTable))}
}

// CoordinatedCatalog lists every finding of the coordinated era.
func CoordinatedCatalog() []Entry { return entries(coordinatedTable) }
