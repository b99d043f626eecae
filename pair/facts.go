package pair

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
)

const (
	// patience is how many looks may fail in a row while a push runs: the push
	// itself tells more about gwat than a look beside it.
	patience = 3
	// humanPause is how long an error that needs a human keeps the pair halted
	// before it is tried again, if nothing shows earlier that it is gone.
	humanPause = 30 * time.Second
)

// track is what the loop keeps between two looks.
type track struct {
	fails      int       // looks failed in a row
	bad        time.Time // when a look failed last
	badBefore  time.Time // when one failed before that
	gwatDown   time.Time // when gwat's process was last seen gone
	number     uint64    // gwat's last finalized number
	numberFrom time.Time // since when it is that
	covered    primitives.Slot

	head     common.Hash     // the beacon's
	headFrom time.Time       // since when it is that
	dag      primitives.Slot // newest slot in gwat's tips, as last read
	dagThen  primitives.Slot // the first one read since headFrom
	dagKnown bool            // whether dagThen was read
	highHead primitives.Slot // the beacon's, reorgs of some slots left out

	// gwat's newest coordinated slot: of the newest head whose spines it was seen
	// to have finalized, while its finality has not fallen below that.
	coord       primitives.Slot
	coordNumber uint64
}

func (t *track) observe(o *observation) {
	if o.answered() {
		t.fails = 0
	} else {
		t.fails++
		t.badBefore, t.bad = t.bad, o.at
	}
	// Only a refused connection shows that the process is gone.
	if errors.Is(o.gwat.err, syscall.ECONNREFUSED) || errors.Is(o.gwat.err, syscall.ENOENT) {
		t.gwatDown = o.start
	}
	if o.beacon.err == nil && o.beacon.head.header.Root != t.head {
		t.head, t.headFrom, t.dagKnown = o.beacon.head.header.Root, o.at, false
	}
	// gwat names its newest slot only while it syncs: growth is measured from the
	// first one read under this head, not from one that may be hours old.
	if o.gwat.err == nil && o.gwat.sync.Syncing {
		t.dag = o.gwat.sync.MaxBlockSlot
		if !t.dagKnown {
			t.dagThen, t.dagKnown = t.dag, true
		}
	}
	t.coordinated(o)
	if o.beacon.err == nil {
		t.holdHead(o.beacon.head.header.Slot)
	}
	if n := o.number(); n != nil && (*n != t.number || t.numberFrom.IsZero()) {
		t.number, t.numberFrom = *n, o.at
	}
}

// coordinated takes in whether gwat has finalized what the beacon's head says.
func (t *track) coordinated(o *observation) {
	n := o.number()
	if n == nil {
		return
	}
	number := *n
	if number < t.coordNumber {
		t.coord, t.coordNumber = 0, 0
	}
	head := o.beacon.head
	if !o.up() || len(head.spines) == 0 && (o.gwat.sync.Syncing || t.coord == 0) {
		return // a head without spines shows something of a pair at work only
	}
	for _, s := range head.spines {
		if o.state(s) != checkpoint.SpineFinal {
			return
		}
	}
	t.coord, t.coordNumber = head.header.Slot, number
}

// silent tells that the beacon side has brought no head for so long, while
// gwat's DAG went on growing, that gwat goes back to its own sync.
func (p *Pair) silent(o *observation) string {
	if p.spec == nil || p.track.headFrom.IsZero() || !p.track.dagKnown || p.track.dag <= p.track.dagThen {
		return ""
	}
	slots := int(o.at.Sub(p.track.headFrom) / p.spec.SlotDuration())
	if slots < p.cfg.FallbackSlots {
		return ""
	}
	return fmt.Sprintf("the beacon side, silent for %d slots while gwat's DAG grew to slot %d: gwat goes back to its own sync", slots, p.track.dag)
}

// facts turns the newest look into what fsm decides on; whole tells that both
// nodes answered.
func (p *Pair) facts() (facts fsm.Facts, whole bool) {
	f := fsm.Facts{}
	if pause := p.ledger.Pause(); pause != nil {
		f.Paused, f.PauseWhy = true, asked("", pause.Reason)
	}
	o := p.obs
	if o == nil {
		f.UpWhy = "the first answer of both nodes"
		return f, false
	}
	f.Judged, f.Conflict = p.judge(o)
	f.Up, f.UpWhy = p.up(o)
	if !o.up() && f.Up && p.good != nil {
		kept := *p.good // a look failed beside a running call: what was last seen holds
		kept.Paused, kept.PauseWhy = f.Paused, f.PauseWhy
		return kept, false
	}
	if !o.up() || p.identity == nil {
		return f, false
	}
	spec := p.identity.Spec
	now := spec.SlotAt(o.at)
	f.CheckpointReached, f.CheckpointWhy = p.checkpointReached(o, spec, now)
	if why := p.silent(o); why != "" {
		f.CheckpointReached, f.CheckpointWhy = false, why
		f.DAGSynced, f.DAGWhy = false, why
		return f, true
	}
	f.DAGSynced, f.DAGWhy = p.dagSynced(o, now)
	f.FellBehind, f.FellBehindWhy = p.fellBehind(o, spec, now)
	f.Verified, f.VerifyWhy, f.VerifyOver = p.verdict.Working, p.verdict.Why, p.verdict.Over
	if why := p.unprovedCalls(); f.Verified && why != "" {
		f.Verified, f.VerifyWhy = false, why
		f.VerifyOver = p.cfg.Now().Sub(p.since) >= 2*headsync.QuietSlots*p.identity.Spec.SlotDuration()
	}
	if before, why := spec.BeforeGenesis(o.at); before {
		f.VerifyWhy = why
	}
	return f, true
}

// judge tells whether the nodes said who they are, and why they are no pair.
func (p *Pair) judge(o *observation) (bool, string) {
	if errors.Is(o.gwat.err, failure.NeedsHuman) {
		return true, fmt.Sprintf("gwat at %s: %v", p.gwat.Endpoint(), o.gwat.err)
	}
	if errors.Is(o.beacon.err, failure.NeedsHuman) {
		return true, fmt.Sprintf("the beacon node at %s: %v", p.beacon.URL(), o.beacon.err)
	}
	if p.human != nil {
		return true, p.human.why
	}
	if p.identity == nil {
		return false, ""
	}
	return true, p.identity.Conflict()
}

func (p *Pair) up(o *observation) (bool, string) {
	if o.up() {
		return true, ""
	}
	why := fmt.Sprintf("the beacon node at %s to answer: %v", p.beacon.URL(), o.beacon.err)
	if o.gwat.err != nil {
		why = fmt.Sprintf("gwat at %s to answer: %v", p.gwat.Endpoint(), o.gwat.err)
	}
	if silent := p.silent(o); silent != "" {
		why += "; " + silent
	}
	busy := p.worker != nil && p.track.fails < patience && !errors.Is(o.gwat.err, gwatclient.ErrDown)
	switch p.machine.Stage() {
	case fsm.HeadSync, fsm.HeadSyncReady:
		return busy, why
	case fsm.Working:
		return p.oneBadAnswer(o), why
	}
	return false, why
}

// oneBadAnswer reports whether a poll failed quickly and alone: once in a slot. A node
// that answers one call of hundreds badly still works; the poll that follows at once
// shows whether it does. See docs/decisions/0007.
func (p *Pair) oneBadAnswer(o *observation) bool {
	return p.spec != nil && p.track.fails == 1 && o.took() < p.cfg.CallTimeout/2 &&
		o.at.Sub(p.track.badBefore) >= p.spec.SlotDuration()
}

// checkpointReached tells whether both nodes stand at or past the last checkpoint.
func (p *Pair) checkpointReached(o *observation, spec checkpoint.Spec, now primitives.Slot) (bool, string) {
	ok, why := o.beacon.progress(now).AtCheckpoint(spec)
	if !ok {
		return false, why
	}
	ok, gwatWhy := p.gwatAtCheckpoint(o, spec)
	if !ok {
		return false, gwatWhy
	}
	return true, why + "; " + gwatWhy
}

// gwatAtCheckpoint looks for one of the beacon's checkpoints in gwat. A gwat
// that ended its own sync below all of them and moves no more is taken as it
// is: the push then begins where gwat stands.
func (p *Pair) gwatAtCheckpoint(o *observation, spec checkpoint.Spec) (bool, string) {
	if o.gwat.sync.Stage == gwatclient.StageFinalized {
		return false, fmt.Sprintf("gwat to finish its finalized-chain sync (block %d of %d)", o.gwat.sync.CurrentBlock, o.gwat.sync.HighestBlock)
	}
	if o.beacon.justified.IsGenesis() {
		return true, "nothing is justified yet, the checkpoint is genesis"
	}
	for _, point := range o.beacon.points {
		spine, has := point.lastSpine()
		// A body without spines shows nothing but its slot.
		if has && o.state(spine) == checkpoint.SpineFinal || !has && o.gwat.latest.Slot >= point.header.Slot {
			return true, fmt.Sprintf("gwat has finalized the checkpoint at slot %d", point.header.Slot)
		}
	}
	still := o.at.Sub(p.track.numberFrom)
	if still >= headsync.QuietSlots*spec.SlotDuration() {
		return true, fmt.Sprintf("gwat's own sync ended at block %d, below the last checkpoint", p.track.number)
	}
	return false, fmt.Sprintf("gwat to finalize the last checkpoint (epoch %d); it is at block %d", o.beacon.justified.Epoch, p.track.number)
}

func (p *Pair) dagSynced(o *observation, now primitives.Slot) (bool, string) {
	if b := o.beacon.progress(now); !b.NearHead() {
		return false, fmt.Sprintf("the beacon's head at slot %d to come near slot %d", b.Head, now)
	}
	switch o.gwat.sync.Stage {
	case gwatclient.StageFinalized, gwatclient.StageDAG:
		return false, fmt.Sprintf("gwat to finish its DAG sync (stage %s, newest slot %d)", o.gwat.sync.Stage, o.gwat.sync.MaxBlockSlot)
	}
	if m := p.missing; m != nil && o.state(m.spine) == checkpoint.SpineUnknown && o.at.Before(m.until) {
		return false, fmt.Sprintf("gwat to load the block of spine %s", m.spine)
	}
	return true, "both nodes have what follows the checkpoint"
}

// fellBehind is the resync rule over what both nodes have: the beacon's head,
// and the newest head whose spines gwat finalized.
func (p *Pair) fellBehind(o *observation, spec checkpoint.Spec, now primitives.Slot) (bool, string) {
	synced := min(o.beacon.syncing.HeadSlot, p.track.covered)
	if !spec.Behind(synced, now) {
		return false, ""
	}
	return true, fmt.Sprintf("synced to slot %d (epoch %d), the clock is at slot %d (epoch %d)", synced, spec.Epoch(synced), now, spec.Epoch(now))
}
