package health

import (
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// coordinatedMemory is what the engine keeps of earlier polls of a coordinated pair.
type coordinatedMemory struct {
	known     bool
	placed    bool // whether gwat was restarted before the first poll is decided
	state     CoordinatedState
	moved     time.Duration   // when a call of the beacon node last changed the state
	finalized time.Duration   // when it last changed what is final
	finalHead primitives.Slot // the beacon's head at that time, or when its own sync ended after it
	runMemory

	numbered bool
	number   uint64
	highest  uint64 // before a restart rolled gwat back; 0 when it is past that again

	head   headSeen // of the beacon node, when it answered last
	jump   *headJump
	forked bool // the head was near the clock and forkEpochs past what is justified, which has not changed since

	peers  map[string]uint64
	peered time.Duration // when gwat last had a peer
}

// runMemory is what is known of gwat's process: whether it was restarted, and whether
// it works.
type runMemory struct {
	outage
	stale     bool          // the state is that of before a restart
	restarted bool          // gwat was restarted, and no call has changed its state since
	waiting   bool          // gwat was restarted, and has not worked for UnmovedSlots since
	workFrom  time.Duration // when gwat was first seen in normal work without a break
	working   bool          // gwat is in normal work
	worked    bool          // gwat was seen in normal work
}

// headSeen is what a poll saw of the beacon's head.
type headSeen struct {
	known     bool
	at        time.Duration
	slot      primitives.Slot
	justified primitives.Epoch
	syncing   bool
}

// mixed reports whether the head was read before it jumped and what is justified after it: no
// head justifies an epoch that is not over at its slot.
func (h headSeen) mixed(spec *checkpoint.Spec) bool {
	return h.justified > 0 && h.justified >= spec.Epoch(h.slot)
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
	if c.peers[nodeGwat] > 0 {
		c.peered = in.Elapsed
	}
	c.observeHead(in, m)
	if in.Gwat.Reach == NotAsked {
		return
	}
	if in.Gwat.Reach != Answers {
		c.leave(in.Elapsed)
		return
	}
	back := c.startedAgain(in)
	if c.gone {
		c.gone = false
		c.passOver(in.Elapsed, m.slot())
	}
	if back {
		c.startAgain(in.Elapsed)
	}
	c.observeWork(in, back, m.slot())
	c.observeNumber(in)
	c.observeState(in, m)
}

// outage is a time in which gwat did not answer.
type outage struct {
	gone bool            // the poll before
	open bool            // its end was not compared with gwat's state
	from time.Duration   // the first poll of it
	head primitives.Slot // the beacon's head then
	over time.Duration   // the first poll after it
}

func (c *coordinatedMemory) leave(at time.Duration) {
	if !c.gone {
		c.outage = outage{gone: true, open: true, from: at, head: c.head.slot}
	}
}

// passOver leaves an outage out of what is measured: what was not seen did not stand still. A
// restarted gwat that was away for a slot may have been restarted again without a trace, and the
// beacon node has all its time to call it once more.
func (c *coordinatedMemory) passOver(at, slot time.Duration) {
	if c.moved += at - c.outage.from; c.restarted && at-c.outage.from >= slot {
		c.moved = at
	}
	c.finalized += at - c.outage.from
	// A beacon node that syncs in the outage takes finalHead along: it never passes the head.
	c.finalHead = min(c.finalHead+c.head.slot-min(c.head.slot, c.outage.head), max(c.finalHead, c.head.slot))
	c.over = at
}

// startedAgain reports whether gwat was restarted since the last poll that it answered. A start
// takes it out of normal work and back to its last checkpoint; a poll without an answer alone
// shows no restart. A number that fell in normal work is a reorg unless gwat was away.
func (c *coordinatedMemory) startedAgain(in *Input) bool {
	s := in.Coordinated.State
	switch {
	case c.numbered && in.Gwat.Number != nil && *in.Gwat.Number < c.number:
		return in.Gwat.Syncing || c.open
	case !in.Gwat.Syncing || !c.open: // a beacon node that drives past epochs takes the epoch back, too
		return false
	}
	return s != nil && c.known && !c.stale && s.Epoch < c.state.Epoch || c.working && c.numbered && c.number == 0
}

// startAgain begins again what is measured of gwat's process.
func (c *coordinatedMemory) startAgain(at time.Duration) {
	if c.numbered {
		c.highest = max(c.highest, c.number)
	}
	c.numbered, c.stale, c.open = false, true, false
	c.restarted, c.placed = true, true
	c.moved, c.finalized, c.finalHead = at, at, c.head.slot
}

func (c *coordinatedMemory) observeWork(in *Input, back bool, slot time.Duration) {
	if in.Gwat.Syncing {
		c.waiting = c.waiting || back || !c.known
		c.working = false
		return
	}
	if !c.working {
		c.workFrom = in.Elapsed
	}
	c.working, c.worked = true, true
	if in.Elapsed-c.workFrom >= UnmovedSlots*slot {
		c.waiting = false
	}
}

// observeState dates the last change of gwat's state that a call made. The change
// that a restart makes is none, and an outage does not count as standing still.
func (c *coordinatedMemory) observeState(in *Input, m *memory) {
	s := in.Coordinated.State
	if s == nil {
		return
	}
	switch changed := *s != c.state; {
	case !c.known:
		c.restarted = in.Gwat.Syncing
		c.moved, c.finalized, c.finalHead = in.Elapsed, in.Elapsed, c.head.slot
	case c.stale: // a start has changed it, no call
	case changed:
		c.restarted, c.placed = false, true
		c.moved = in.Elapsed
		if s.LastFinalized != c.state.LastFinalized {
			c.finalized, c.finalHead = in.Elapsed, c.head.slot
		}
	}
	c.known, c.stale, c.open, c.state = true, false, false, *s
	if !c.placed && c.head.known && m.spec != nil && in.Gwat.Number != nil {
		c.place(in, m.spec)
	}
}

// followSlots is how far a block that gwat has finalized may be behind the head that finalizes
// it: five slots on recorded pairs.
const followSlots = 6

// place decides of a gwat that does not work whether it was restarted before the first poll. A
// start takes it to its last checkpoint, which is two epochs or more behind the head. One whose
// last call was for the head's epoch left normal work by itself: no head comes, or what the
// head asks for is refused.
func (c *coordinatedMemory) place(in *Input, spec *checkpoint.Spec) {
	head := c.head.slot
	c.placed, c.finalHead = true, head
	late := c.state.Epoch == 0 || c.state.Epoch < spec.Epoch(head)
	switch {
	case !in.Gwat.Syncing:
	case late:
		c.restarted = c.state.Epoch == 0 || in.Gwat.Slot+2*primitives.Slot(spec.SlotsPerEpoch) <= head
		c.waiting = c.restarted
	default:
		c.restarted, c.waiting = false, false
		c.finalHead = min(head, in.Gwat.Slot+followSlots)
	}
}

func (c *coordinatedMemory) observeNumber(in *Input) {
	if in.Gwat.Number == nil {
		return
	}
	n := *in.Gwat.Number
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
	passed := primitives.Slot((in.Elapsed - last.at) / m.slot()) // without a poll: the head may move as far
	if m.spec != nil && last.known && !last.syncing && !last.mixed(m.spec) && !in.Coordinated.BeaconSyncing && b.Justified == last.justified &&
		b.Head > last.slot+passed+primitives.Slot(m.spec.SlotsPerEpoch) && b.Clock <= b.Head+LagSlots {
		c.jump = &headJump{from: last.slot, to: b.Head, at: in.Elapsed}
	}
	if c.jump != nil && (b.Justified != last.justified || in.Elapsed-c.jump.at > ForkSlots*m.slot()) {
		c.jump = nil
	}
	c.forked = m.spec != nil && !in.Coordinated.BeaconSyncing && m.spec.Epoch(b.Head) >= b.Justified+forkEpochs &&
		(b.Clock <= b.Head+2 || c.forked && b.Justified == last.justified)
	if in.Coordinated.BeaconSyncing {
		c.finalHead = b.Head // heads of its own sync bring no calls
	}
	c.head = headSeen{known: true, at: in.Elapsed, slot: b.Head, justified: b.Justified, syncing: in.Coordinated.BeaconSyncing}
}

// withoutGwat returns what holds still when another gwat answers at the endpoint.
func (c coordinatedMemory) withoutGwat() coordinatedMemory {
	out := coordinatedMemory{head: c.head, jump: c.jump, forked: c.forked, peers: c.peers}
	delete(out.peers, nodeGwat)
	return out
}

// withoutBeacon returns what holds still when another beacon node answers at the endpoint.
func (c coordinatedMemory) withoutBeacon() coordinatedMemory {
	c.head, c.jump, c.forked = headSeen{}, nil, false
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
