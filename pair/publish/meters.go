package publish

import (
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// Meters measure the progress of both nodes, and since when each answers. The zero value
// is ready for use.
type Meters struct {
	gwat, gwatDAG, beacon meter
	gwatUp, beaconUp      upSince
	measured              Measured
}

// Measured is what the meters show.
type Measured struct {
	GwatSince, BeaconSince time.Time        // since when the node answers, or does not; zero before the first poll
	Gwat, Beacon           *status.Progress // nil if the newest poll shows none
}

// Reset begins the progress of both nodes at what the next poll shows.
func (m *Meters) Reset() {
	m.gwat.reset()
	m.gwatDAG.reset()
	m.beacon.reset()
}

// Observe takes the newest poll in; nil before the first. The same poll may be taken in
// again: it counts once. now is when a node that changed is said to have changed.
func (m *Meters) Observe(o *poll.Observation, h *poll.History, who *checkpoint.Identity, now time.Time) {
	m.measured.Gwat, m.measured.Beacon = nil, nil
	if o == nil {
		return
	}
	m.measured.GwatSince = m.gwatUp.observe(o.Gwat.Err == nil, now)
	m.measured.BeaconSince = m.beaconUp.observe(o.Beacon.Err == nil, now)
	if o.Gwat.Err == nil {
		m.measured.Gwat = m.gwatProgress(o, h, who)
	}
	if o.Beacon.Err == nil && who != nil {
		head := uint64(h.HighHead)
		m.measured.Beacon = m.beacon.progress(unitSlot, head, max(head, uint64(who.Spec.SlotAt(o.At))), o.At)
	}
}

// Measured returns what the meters show.
func (m *Meters) Measured() Measured { return m.measured }

// gwatProgress counts finalized blocks, and slots while gwat loads its DAG.
func (m *Meters) gwatProgress(o *poll.Observation, h *poll.History, who *checkpoint.Identity) *status.Progress {
	sync := o.Gwat.Sync
	if sync.Activity == protocol.LoadingDAG && who != nil {
		wall, tip := uint64(who.Spec.SlotAt(o.At)), uint64(sync.TipSlot)
		return m.gwatDAG.progress(unitSlot, tip, max(wall, tip), o.At)
	}
	return m.gwat.progress(unitBlock, h.Number, max(h.Number, sync.HighestBlock), o.At)
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
