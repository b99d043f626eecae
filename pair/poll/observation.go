package poll

import (
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/reach"
	"github.com/gwatsync/syncd/protocol"
)

// Question is what a poll reads beside what is always read.
type Question struct {
	Identity   bool          // who the nodes are
	Identified bool          // that is known, and read again only
	Calls      bool          // whether gwat answers the calls of normal work
	Spines     []common.Hash // further gwat blocks
	Within     time.Duration // how long the poll may take
	Again      time.Duration // how long it waits for a node that left the poll before without an answer
}

// Observation is the result of one poll of both nodes.
type Observation struct {
	Start    time.Time
	At       time.Time // when it was complete
	Began    time.Time // Start by the clock that never jumps
	Done     time.Time // At by the same
	Gwat     Gwat
	Beacon   Beacon
	Identity *checkpoint.Identity // nil if it was not asked for or not read
	Blocks   map[common.Hash]*gwatclient.Block
	Calls    bool // the calls of normal work were tried
	CallsErr error
}

// Gwat is what one poll read of gwat.
type Gwat struct {
	seldom
	Err     error
	At      time.Time     // when Latest was read
	Latency time.Duration // of the first call
	slowest time.Duration // of the slowest call
	Sync    protocol.State
	syncAt  time.Time // when it was asked that first, by the clock that never jumps: its answer may be as old
	Latest  *gwatclient.Block
	genesis common.Hash
	client  string // of the version; "" if it was not read
}

// seldom is what a node is asked in few polls.
type seldom struct {
	slow    bool // the version was asked for
	version string
	counted bool // the peers were asked for
	peers   *uint64
}

// Beacon is what one poll read of the beacon node.
type Beacon struct {
	seldom
	Err     error
	At      time.Time        // when Head was read
	Latency time.Duration    // of the first call
	slowest time.Duration    // of the slowest call
	clockAt time.Time        // when it reported the slot of its clock
	Spec    *checkpoint.Spec // the network's constants, if this poll read them
	who     health.Identity
	Syncing beaconclient.Syncing
	Head    Entry
	// The beacon's checkpoints, newest first: current justified, previous
	// justified, finalized; empty before the first justification.
	Justified checkpoint.Checkpoint
	Points    []Entry
	Finalized *uint64 // slot of the finalized checkpoint's block, if it was read
}

// Entry is a beacon block as far as a poll needs it.
type Entry struct {
	Header beaconclient.Header
	Spines []common.Hash
}

// LastSpine returns the last spine that the block finalizes; false if it finalizes none.
func (e Entry) LastSpine() (common.Hash, bool) {
	if len(e.Spines) == 0 {
		return common.Hash{}, false
	}
	return e.Spines[len(e.Spines)-1], true
}

// Up reports whether both nodes answered.
func (o *Observation) Up() bool { return o.Gwat.Err == nil && o.Beacon.Err == nil }

// Answered reports whether every call of the poll had an answer of the node's own,
// an error that the node itself answers included.
func (o *Observation) Answered() bool {
	return o.Up() && !errors.Is(o.CallsErr, gwatclient.ErrMalformed) &&
		!errors.Is(o.CallsErr, gwatclient.ErrHTTPStatus) && !errors.Is(o.CallsErr, gwatclient.ErrLost)
}

// beganAt has the poll begin when a part of it began that an earlier poll has asked for.
func (o *Observation) beganAt(at time.Time) {
	if earlier := o.Began.Sub(at); earlier > 0 {
		o.Start, o.Began = o.Start.Add(-earlier), at
	}
}

// Took returns how long the poll took.
func (o *Observation) Took() time.Duration { return o.At.Sub(o.Start) }

// number returns gwat's last finalized number, nil if it is not known: while the
// head-sync lock is held and gwat rolls back, it says 0.
func (o *Observation) number() *uint64 {
	if o.Gwat.Latest == nil || o.Gwat.Latest.Number == nil {
		return nil
	}
	if *o.Gwat.Latest.Number == 0 && o.Gwat.Sync.Activity == protocol.Prepared {
		return nil
	}
	return o.Gwat.Latest.Number
}

// State returns what gwat has of a spine that was read.
func (o *Observation) State(spine common.Hash) checkpoint.SpineState {
	b := o.Blocks[spine]
	if b == nil {
		return checkpoint.SpineUnknown
	}
	return checkpoint.BlockState(true, b.Number, b.Height)
}

// Height returns the height of a spine that was read; 0 if gwat does not have it.
func (o *Observation) Height(spine common.Hash) uint64 {
	if b := o.Blocks[spine]; b != nil {
		return b.Height
	}
	return 0
}

// blameBeacon makes a call that gwat had no time for the error of a beacon node whose answers
// had taken the poll's time; slow is nil if they had not.
func (o *Observation) blameBeacon(slow error) {
	if slow == nil || o.Beacon.Err != nil || !reach.TimedOut(o.Gwat.Err) && !reach.TimedOut(o.CallsErr) {
		return
	}
	o.Beacon.Err, o.Gwat.Err, o.Calls, o.CallsErr = slow, nil, false, nil
}

// Progress returns the beacon's sync in the words of the checkpoint package.
func (b *Beacon) Progress(now primitives.Slot) checkpoint.BeaconProgress {
	return checkpoint.BeaconProgress{Head: b.Syncing.HeadSlot, Distance: b.Syncing.Distance, Now: now}
}
