package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Coordinated is what a poll of a pair of the coordinated era measured beside
// what both eras have. In that era Gwat.Syncing means that gwat is not in normal work.
type Coordinated struct {
	// State is the answer of dag_coordinatedState, nil if there was none.
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
	// LagSlots is how far a beacon node that says it is synced may be behind the clock.
	LagSlots = 8
	// ForkSlots is how long a head that jumped over an epoch, while finality stayed,
	// is watched.
	ForkSlots = 64
)

// coordinatedMemory is what the engine keeps of earlier polls of a coordinated pair.
type coordinatedMemory struct {
	known     bool
	state     CoordinatedState
	moved     time.Duration   // when a call of the beacon node last changed the state
	movedHead primitives.Slot // the beacon's head at that time
	finalized time.Duration   // when it last changed what is final
	gone      bool            // gwat did not answer the poll before
	restarted bool            // gwat was gone, and no call has changed its state since
	worked    bool            // gwat was seen in normal work

	numbered bool
	number   uint64
	highest  uint64 // before a restart rolled gwat back; 0 when it is past that again

	head headSeen // of the beacon node, when it answered last
	jump *headJump

	peers map[string]uint64
}

// headSeen is what a poll saw of the beacon's head.
type headSeen struct {
	known     bool
	slot      primitives.Slot
	justified primitives.Epoch
	syncing   bool
}

// headJump is a head that moved by more than an epoch between two polls while finality
// stayed and no sync was on: a block built on a stale head.
type headJump struct {
	from, to primitives.Slot
	at       time.Duration
}

// observe takes a poll of a pair of the coordinated era in.
func (c *coordinatedMemory) observe(in *Input, m *memory) {
	if c.peers == nil {
		c.peers = map[string]uint64{}
	}
	rememberPeers(c.peers, nodeGwat, &in.Gwat.Node)
	rememberPeers(c.peers, nodeBeacon, &in.Beacon.Node)
	c.observeHead(in, m)
	back := c.gone
	c.gone = in.Gwat.Reach != Answers
	if c.gone {
		return
	}
	c.worked = c.worked || !in.Gwat.Syncing
	c.observeNumber(in, back)
	c.observeState(in, back)
}

// observeState dates the last change of gwat's state that a call made. The change
// that a restart makes is none, and an outage does not count as standing still.
func (c *coordinatedMemory) observeState(in *Input, back bool) {
	s := in.Coordinated.State
	if s == nil {
		return
	}
	changed := *s != c.state
	switch {
	case !c.known:
		c.restarted = in.Gwat.Syncing
	case back:
		c.restarted = true
	case changed:
		c.restarted = false
	}
	if !c.known || back || changed {
		c.moved, c.movedHead = in.Elapsed, c.head.slot
	}
	if !c.known || back || s.LastFinalized != c.state.LastFinalized {
		c.finalized = in.Elapsed
	}
	c.known, c.state = true, *s
}

func (c *coordinatedMemory) observeNumber(in *Input, back bool) {
	if in.Gwat.Number == nil {
		return
	}
	n := *in.Gwat.Number
	if back && c.numbered && n < c.number {
		c.highest = max(c.highest, c.number)
	}
	if n >= c.highest {
		c.highest = 0
	}
	c.numbered, c.number = true, n
}

func (c *coordinatedMemory) observeHead(in *Input, m *memory) {
	b := &in.Beacon
	if !b.Known {
		return
	}
	last := c.head
	if m.spec != nil && last.known && !last.syncing && !in.Coordinated.BeaconSyncing && b.Justified == last.justified &&
		b.Head > last.slot+primitives.Slot(m.spec.SlotsPerEpoch) && b.Clock <= b.Head+LagSlots {
		c.jump = &headJump{from: last.slot, to: b.Head, at: in.Elapsed}
	}
	if c.jump != nil && (b.Justified != last.justified || in.Elapsed-c.jump.at > ForkSlots*m.slot()) {
		c.jump = nil
	}
	c.head = headSeen{known: true, slot: b.Head, justified: b.Justified, syncing: in.Coordinated.BeaconSyncing}
}

// withoutGwat returns what holds still when another gwat answers at the endpoint.
func (c coordinatedMemory) withoutGwat() coordinatedMemory {
	out := coordinatedMemory{head: c.head, jump: c.jump, peers: c.peers}
	delete(out.peers, nodeGwat)
	return out
}

// withoutBeacon returns what holds still when another beacon node answers at the endpoint.
func (c coordinatedMemory) withoutBeacon() coordinatedMemory {
	c.head, c.jump = headSeen{}, nil
	delete(c.peers, nodeBeacon)
	return c
}

// rememberPeers keeps the number of a node's peers between the polls that read it.
func rememberPeers(peers map[string]uint64, name string, n *Node) {
	switch {
	case n.Reach != Answers:
		delete(peers, name)
	case n.Peers != nil:
		peers[name] = *n.Peers
	}
}

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
	peers, known := v.mem.coord.peers[nodeGwat]
	switch {
	case !v.stateKnown() || !known:
		return unmeasured
	case peers > 0 || v.uncalled(v.mem.coord.finalized) < UnmovedSlots*v.mem.slot():
		return healthy // the driver's calls up to the last checkpoint succeed and change its epoch
	}
	stands := fmt.Sprintf("its last finalized spine has been %s for %s",
		v.mem.coord.state.LastFinalized.TerminalString(), (v.Elapsed - v.mem.coord.finalized).Round(time.Second))
	switch {
	case v.Gwat.Syncing:
		return shows("gwat has 0 peers", "eth_syncing is not false", stands)
	case v.leftBehind():
		return shows("gwat has 0 peers", stands, v.headMoved())
	}
	return healthy
}

// leftBehind reports whether the head went on, gwat's state did not, and gwat lacks what
// the head finalizes.
func (v *view) leftBehind() bool {
	final := v.Coordinated.HeadFinal
	return v.Beacon.Known && !v.Coordinated.BeaconSyncing && v.Beacon.Head >= v.mem.coord.movedHead+UnmovedSlots && final != nil && !*final
}

func (v *view) headMoved() string {
	return fmt.Sprintf("the beacon's head moved from slot %d to %d meanwhile", v.mem.coord.movedHead, v.Beacon.Head)
}

func (v *view) foreignCheckpoint() signal {
	known := v.Coordinated.CheckpointKnown
	switch {
	case !v.stateKnown() || known == nil:
		return unmeasured
	case *known:
		return healthy
	}
	return shows(fmt.Sprintf("the beacon node has no header %s, the root of gwat's checkpoint", v.Coordinated.State.Checkpoint), v.unmoved())
}

func (v *view) beaconSilent() signal {
	c := &v.mem.coord
	switch {
	case !v.stateKnown() || !v.Beacon.Known:
		return unmeasured
	case !v.Gwat.Syncing || v.Coordinated.BeaconSyncing || !c.restarted:
		return healthy
	case v.uncalled(max(c.moved, v.mem.headSince)) < UnmovedSlots*v.mem.slot():
		return healthy
	}
	return shows("gwat was restarted and waits for a call", v.unmoved(),
		fmt.Sprintf("the beacon's head has been slot %d for %s, is_syncing is false", v.Beacon.Head, (v.Elapsed-v.mem.headSince).Round(time.Second)))
}

func (v *view) wedged() signal {
	c := &v.mem.coord
	peers, known := c.peers[nodeGwat]
	switch {
	case !v.stateKnown() || !v.Beacon.Known || !known:
		return unmeasured
	case peers == 0 || v.Coordinated.BeaconSyncing || v.Beacon.Head < c.movedHead+UnmovedSlots:
		return healthy
	case v.Coordinated.HeadFinal != nil && *v.Coordinated.HeadFinal:
		return healthy
	}
	return shows(v.unmoved(), v.headMoved(), fmt.Sprintf("gwat has %d peers", peers))
}

func (v *view) privateFork() signal {
	if !v.Beacon.Known || v.mem.spec == nil {
		return unmeasured
	}
	clock := v.mem.spec.Epoch(v.Beacon.Clock)
	if v.lag() <= 2 && !v.Coordinated.BeaconSyncing && clock >= v.Beacon.Justified+3 {
		return shows(fmt.Sprintf("the head is %d slots behind the clock, but current_justified is epoch %d in epoch %d", v.lag(), v.Beacon.Justified, clock))
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
	case !v.Beacon.Known || !known:
		return unmeasured
	case v.lag() <= LagSlots || v.Coordinated.BeaconSyncing || peers == 0:
		return healthy
	case c.restarted && v.Gwat.Syncing:
		return healthy // the beacon waits for nothing and gwat for it: beacon_silent
	}
	return shows(fmt.Sprintf("the head is slot %d, %d slots behind the clock, is_syncing is false, %d peers", v.Beacon.Head, v.lag(), peers))
}

func (v *view) beaconWithoutPeers() signal {
	peers, known := v.mem.coord.peers[nodeBeacon]
	switch {
	case !known:
		return unmeasured
	case peers > 0:
		return healthy
	}
	return shows("the beacon node has 0 peers", fmt.Sprintf("its head is %d slots behind the clock", v.lag()))
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
