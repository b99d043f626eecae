package publish

import (
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// Meters measure the progress of both nodes, and since when each answers. They keep what
// was last known of the network and of each node. The zero value is ready for use.
type Meters struct {
	gwat, gwatDAG, beacon meter
	gwatUp, beaconUp      upSince
	chain                 uint64 // of gwat, by the newest poll that asked; 0 before that
	measured              Measured
}

// Measured is what the meters show.
type Measured struct {
	Spec                   *checkpoint.Spec  // of the network that was seen last; nil before the first
	GwatKnown, BeaconKnown *status.LastKnown // by the newest poll that each node answered; nil before that
	GwatSince, BeaconSince time.Time         // since when the node answers, or does not; zero before the first poll
	Gwat, Beacon           *status.Progress  // nil if the newest poll shows none
}

// Resume begins with what an earlier syncd left. It is called before the first poll.
func (m *Meters) Resume(left Measured) {
	m.measured.Spec, m.measured.GwatKnown, m.measured.BeaconKnown = left.Spec, left.GwatKnown, left.BeaconKnown
}

// Reset begins the progress of both nodes at what the next poll shows.
func (m *Meters) Reset() {
	m.gwat.reset()
	m.gwatDAG.reset()
	m.beacon.reset()
}

// Observe takes the newest poll in; nil before the first. The same poll may be taken in
// again: it counts once. now is when a node that changed is said to have changed.
func (m *Meters) Observe(o *poll.Observation, h *poll.History, now time.Time) {
	m.measured.Gwat, m.measured.Beacon = nil, nil
	if o == nil {
		return
	}
	m.measured.GwatSince = m.gwatUp.observe(o.Gwat.Err == nil, now)
	m.measured.BeaconSince = m.beaconUp.observe(o.Beacon.Err == nil, now)
	m.observeIdentity(o)
	spec := m.measured.Spec
	if o.Gwat.Err == nil {
		m.measured.Gwat = m.gwatProgress(o, h, spec)
		m.measured.GwatKnown = gwatKnown(o, h)
	}
	if o.Beacon.Err == nil {
		slot := o.Beacon.Head.Header.Slot
		m.measured.BeaconKnown = &status.LastKnown{At: o.Beacon.At, Slot: &slot, Finalized: o.Beacon.Finalized}
	}
	if o.Beacon.Err == nil && spec != nil {
		head := uint64(h.HighHead)
		m.measured.Beacon = m.beacon.progress(unitSlot, head, max(head, uint64(spec.SlotAt(o.Beacon.At))), o.Beacon.At)
	}
}

// observeIdentity takes in which network each node names. What was known of the nodes of
// another one is void, and no progress goes from one to the other.
func (m *Meters) observeIdentity(o *poll.Observation) {
	was, chain := m.measured.Spec, m.chain
	if o.Beacon.Spec != nil {
		m.measured.Spec = o.Beacon.Spec
	}
	if o.Identity != nil {
		m.chain = o.Identity.GwatChainID
	}
	if was != nil && *was != *m.measured.Spec || chain != 0 && chain != m.chain {
		m.measured.GwatKnown, m.measured.BeaconKnown = nil, nil
		m.Reset()
	}
}

// gwatKnown returns what gwat has by a poll that it answered.
func gwatKnown(o *poll.Observation, h *poll.History) *status.LastKnown {
	known := &status.LastKnown{At: o.Gwat.At}
	if o.Gwat.Latest != nil {
		slot := max(h.Coordinated, o.Gwat.Latest.Slot)
		known.Slot, known.Finalized = &slot, o.Gwat.Latest.Number
	}
	return known
}

// Measured returns what the meters show.
func (m *Meters) Measured() Measured { return m.measured }

// gwatProgress counts finalized blocks, and slots while gwat loads its DAG.
func (m *Meters) gwatProgress(o *poll.Observation, h *poll.History, spec *checkpoint.Spec) *status.Progress {
	sync := o.Gwat.Sync
	if sync.Activity == protocol.LoadingDAG && spec != nil {
		wall, tip := uint64(spec.SlotAt(o.Gwat.At)), uint64(sync.TipSlot)
		return m.gwatDAG.progress(unitSlot, tip, max(wall, tip), o.Gwat.At)
	}
	return m.gwat.progress(unitBlock, h.Number, max(h.Number, sync.HighestBlock), o.Gwat.At)
}

// upSince is since when a node answers, or does not.
type upSince struct {
	known bool
	up    bool
	since time.Time
}

func (u *upSince) observe(up bool, now time.Time) time.Time {
	if !u.known || u.up != up {
		u.known, u.up, u.since = true, up, now
	}
	return u.since
}
