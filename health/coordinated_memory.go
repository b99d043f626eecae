package health

import (
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// coordinatedMemory is what the engine keeps of earlier polls of a coordinated pair.
type coordinatedMemory struct {
	known     bool
	state     CoordinatedState
	moved     time.Duration   // when a call of the beacon node last changed the state
	finalized time.Duration   // when it last changed what is final
	finalHead primitives.Slot // the beacon's head at that time, or when its own sync ended after it
	runMemory

	numbered bool
	number   uint64
	highest  uint64 // before a restart rolled gwat back; 0 when it is past that again

	head headSeen // of the beacon node, when it answered last
	jump *headJump

	peers map[string]uint64
}

// runMemory is what is known of gwat's process: whether it was restarted, and whether
// it works.
type runMemory struct {
	gone      bool          // gwat did not answer the poll before
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
	if in.Gwat.Reach == NotAsked {
		return
	}
	back := c.gone || c.startedUnseen(in)
	c.gone = in.Gwat.Reach != Answers
	if c.gone {
		return
	}
	c.observeWork(in, back, m.slot())
	c.observeNumber(in, back)
	c.observeState(in, back)
}

// startedUnseen reports whether gwat was restarted between two polls that it answered:
// only a start takes it out of normal work with less finalized than it had.
func (c *coordinatedMemory) startedUnseen(in *Input) bool {
	return in.Gwat.Syncing && c.numbered && in.Gwat.Number != nil && *in.Gwat.Number < c.number
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
		c.moved = in.Elapsed
	}
	if !c.known || back || s.LastFinalized != c.state.LastFinalized {
		c.finalized, c.finalHead = in.Elapsed, c.head.slot
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
	passed := primitives.Slot((in.Elapsed - last.at) / m.slot()) // without a poll: the head may move as far
	if m.spec != nil && last.known && !last.syncing && !in.Coordinated.BeaconSyncing && b.Justified == last.justified &&
		b.Head > last.slot+passed+primitives.Slot(m.spec.SlotsPerEpoch) && b.Clock <= b.Head+LagSlots {
		c.jump = &headJump{from: last.slot, to: b.Head, at: in.Elapsed}
	}
	if c.jump != nil && (b.Justified != last.justified || in.Elapsed-c.jump.at > ForkSlots*m.slot()) {
		c.jump = nil
	}
	if in.Coordinated.BeaconSyncing {
		c.finalHead = b.Head // heads of its own sync bring no calls
	}
	c.head = headSeen{known: true, at: in.Elapsed, slot: b.Head, justified: b.Justified, syncing: in.Coordinated.BeaconSyncing}
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
