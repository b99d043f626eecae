package health

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
)

// memory is what an Engine keeps of the polls before.
type memory struct {
	spec *checkpoint.Spec
	now  time.Duration

	finalityMemory
	headMemory
	clockMemory
	gate  gateMemory
	coord coordinatedMemory

	gwatIdentity, beaconIdentity Identity // as last read
}

// observe records who a node says it is, and reports whether it is another node than before.
func (i *Identity) observe(who Identity) (other bool) {
	for _, part := range []struct {
		was *string
		is  string
	}{{&i.Chain, who.Chain}, {&i.Client, who.Client}, {&i.Peer, who.Peer}} {
		if part.is == "" || part.is == *part.was {
			continue
		}
		other = other || *part.was != ""
		*part.was = part.is
	}
	return other
}

// replaced says which nodes are others than in the previous poll.
type replaced struct{ gwat, beacon bool }

// concerns reports whether a finding was about a node that was replaced. Whether a node
// answers at all is a matter of the endpoint, not of the node behind it.
func (c replaced) concerns(r *rule) bool {
	if r.reach {
		return false
	}
	return c.gwat && (r.needs == gwat || r.needs == both) || c.beacon && (r.needs == beacon || r.needs == both)
}

// finalityMemory is what is kept of gwat's finality.
type finalityMemory struct {
	numbered bool
	high     uint64 // highest number seen
	number   uint64
	rises    int           // how often it has risen since it fell
	fellOurs bool          // a call of ours explains the fall
	moved    time.Duration // when the number, or a load of the DAG, last moved
	open     bool          // gwat has not finalized all that the beacon's head carries
	openFrom time.Duration
	before   fsm.Stage // the newest stage but paused
	tip      primitives.Slot
}

// headMemory is the beacon's head, and how far it is behind the wall clock.
type headMemory struct {
	headKnown   bool
	head        primitives.Slot
	root        common.Hash
	headSince   time.Duration // without the time in which the head was not read
	headLost    bool          // the newest polls did not read it
	lostFrom    time.Duration // the first of those
	highHead    primitives.Slot
	behind      bool   // more than BehindSlots behind the wall clock
	lag         uint64 // the least since then
	lagSince    time.Duration
	unheard     int           // new heads since the last event
	unheardFrom time.Duration // the first of them
	events      uint64
}

// clockMemory compares the wall clock with the clock that never jumps.
type clockMemory struct {
	clockKnown bool
	offset     time.Duration // wall clock minus elapsed time
	jump       time.Duration // the last jump of the wall clock
	jumpAt     time.Duration
	jumped     bool
}

// slotUnknown takes the place of the length of a slot until the beacon node reports it.
const slotUnknown = 4 * time.Second

func (m *memory) slot() time.Duration {
	if m.spec == nil {
		return slotUnknown
	}
	return m.spec.SlotDuration()
}

// observe adds a poll. Every poll counts here, so that a fall between two of them is seen. It
// returns which nodes were replaced: what was kept of those is dropped.
func (m *memory) observe(in *Input) (changed replaced) {
	m.now = in.Elapsed
	if in.Spec != nil {
		if m.spec != nil && *m.spec != *in.Spec {
			*m = memory{now: in.Elapsed} // another network: nothing that was kept applies to it
			changed = replaced{gwat: true, beacon: true}
		}
		m.spec = in.Spec
	}
	if m.gwatIdentity.observe(in.Gwat.Identity) {
		changed.gwat = true
		m.finalityMemory, m.gate, m.coord = finalityMemory{}, gateMemory{}, m.coord.withoutGwat()
	}
	if m.beaconIdentity.observe(in.Beacon.Identity) {
		changed.beacon = true
		m.headMemory, m.gate, m.coord = headMemory{}, gateMemory{}, m.coord.withoutBeacon()
	}
	m.observeClock(in)
	before := m.number
	m.observeGwat(in)
	m.observeHead(in)
	near := in.Beacon.Known && m.spec != nil && checkpoint.Lag(in.Beacon.Head, m.spec.SlotAt(in.At)) <= checkpoint.NearHead
	m.gate.observe(in, near, m.number > before)
	if in.Coordinated != nil {
		m.coord.observe(in, m)
	}
	return changed
}

// jumpLeast is how far the wall clock must jump: less is slewing.
const jumpLeast = 2 * time.Second

func (m *memory) observeClock(in *Input) {
	offset := time.Duration(in.At.UnixNano()) - in.Elapsed
	if by := offset - m.offset; m.clockKnown && by.Abs() >= jumpLeast {
		m.jump, m.jumpAt, m.jumped = by, in.Elapsed, true
	}
	m.offset, m.clockKnown = offset, true
}

func (m *memory) observeGwat(in *Input) {
	if in.Gwat.Syncing && in.Gwat.TipSlot != m.tip {
		m.tip = in.Gwat.TipSlot
		if in.Gwat.SyncStage == stageDAG {
			m.moved = in.Elapsed
		}
	}
	if in.Gwat.Number == nil {
		return
	}
	n := *in.Gwat.Number
	if !m.numbered || n != m.number {
		m.moved = in.Elapsed
	}
	switch {
	case !m.numbered || n >= m.high:
		m.high, m.rises = n, 0
	case n < m.number:
		m.fellOurs = in.Gwat.Ours
		m.rises = 0
	case n > m.number:
		m.rises++
	}
	m.numbered, m.number = true, n
	if in.Stage != fsm.Paused {
		m.before = in.Stage
	}
	if in.Stage == fsm.HeadSyncReady || in.Collecting || in.Stage == fsm.Paused && m.before != fsm.Working {
		m.openFrom = in.Elapsed // until then nobody asks gwat for anything
	}
	if open := in.Gwat.Compared && len(in.Gwat.Spines) > 0 && !followed(in.Gwat.Spines); open != m.open && in.Gwat.Compared {
		m.open, m.openFrom = open, in.Elapsed
	}
}

// followed reports whether gwat has finalized all of the spines.
func followed(spines []checkpoint.SpineState) bool {
	for _, s := range spines {
		if s != checkpoint.SpineFinal {
			return false
		}
	}
	return true
}

// stalledFor returns for how long gwat has not moved although it should finalize, and since
// when.
func (m *memory) stalledFor() (d, since time.Duration) {
	if !m.open || !m.numbered {
		return 0, 0
	}
	since = max(m.moved, m.openFrom)
	return m.now - since, since
}

// below reports whether gwat has finalized less than before.
func (m *memory) below() bool { return m.numbered && m.number < m.high }

func (m *memory) observeHead(in *Input) {
	m.observeNewHead(in)
	if in.Events != m.events {
		m.events, m.unheard = in.Events, 0
	}
}

// observeGap leaves out the time in which no poll read the head: heads that came meanwhile
// were not seen, and the count begins again for a node that was restarted.
func (m *memory) observeGap(in *Input) {
	if !m.headKnown || !m.headLost {
		return
	}
	m.headLost = false
	gap := in.Elapsed - m.lostFrom
	m.headSince += gap
	if m.lagSince += gap; gap > m.slot() {
		m.behind = false
	}
}

func (m *memory) observeNewHead(in *Input) {
	b := &in.Beacon
	if !b.Known {
		if !m.headLost {
			m.headLost, m.lostFrom = true, in.Elapsed
		}
		return
	}
	m.observeGap(in)
	if !m.headKnown || b.Root != m.root {
		if m.headKnown && m.spec != nil && checkpoint.Lag(m.head, m.spec.SlotAt(in.At)) <= checkpoint.NearHead {
			if m.unheard++; m.unheard == 1 { // a node in its initial sync reports no heads
				m.unheardFrom = in.Elapsed
			}
		}
		m.headKnown, m.root, m.headSince = true, b.Root, in.Elapsed
	}
	if b.Head+checkpoint.NearHead < m.head {
		m.behind = false // it starts again from a lower head
	}
	m.head, m.highHead = b.Head, max(b.Head, m.highHead)
	if m.spec == nil {
		return
	}
	lag := checkpoint.Lag(b.Head, m.spec.SlotAt(in.At))
	switch {
	case lag <= BehindSlots:
		m.behind = false
	case !m.behind || lag < m.lag: // it catches up
		m.behind, m.lag, m.lagSince = true, lag, in.Elapsed
	}
}
