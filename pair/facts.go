package pair

import (
	"errors"
	"fmt"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
)

const (
	// patience is how many polls may fail in a row while a push runs: the push
	// itself shows more about gwat than a poll beside it.
	patience = 3
	// humanPause is how long an error that needs a human keeps the pair halted
	// before it is tried again, if nothing shows earlier that it is gone.
	humanPause = 30 * time.Second
)

// silent returns why the pair must go back to gwat's own sync; "" if it need not.
func (p *Pair) silent(o *poll.Observation) string {
	if p.polls.spec == nil || p.headStands(o) {
		return ""
	}
	return p.polls.history.Silent(o, p.polls.spec.SlotDuration(), p.cfg.FallbackSlots)
}

// facts returns what fsm decides on, by the newest poll; whole reports whether both
// nodes answered. It changes nothing.
func (p *Pair) facts() (facts fsm.Facts, whole bool) {
	f := fsm.Facts{}
	if pause := p.ledger.Pause(); pause != nil {
		f.Paused, f.PauseWhy = true, orders.Asked("", pause.Reason)
	}
	o := p.polls.last
	if o == nil {
		f.UpWhy = "the first answer of both nodes"
		return f, false
	}
	f.Judged, f.Conflict = p.identityConflict(o)
	f.Up, f.UpWhy = p.up(o)
	if !o.Up() && f.Up && p.stage.good != nil {
		kept := *p.stage.good // a poll failed while a call runs: what was last seen still holds
		kept.Paused, kept.PauseWhy = f.Paused, f.PauseWhy
		return kept, false
	}
	if !o.Up() || p.polls.identity == nil {
		return f, false
	}
	spec := p.polls.identity.Spec
	now := spec.SlotAt(o.At)
	f.CheckpointReached, f.CheckpointWhy = p.checkpointReached(o, spec, now)
	if why := p.silent(o); why != "" {
		f.CheckpointReached, f.CheckpointWhy = false, why
		f.DAGSynced, f.DAGWhy = false, why
		return f, true
	}
	f.DAGSynced, f.DAGWhy = p.dagSynced(o, now)
	f.FellBehind, f.FellBehindWhy = p.fellBehind(o, spec, now)
	f.Verified, f.VerifyWhy, f.VerifyOver = p.proof.verdict.Working, p.proof.verdict.Why, p.proof.verdict.Over
	if why := p.unprovedCalls(); f.Verified && why != "" {
		f.Verified, f.VerifyWhy = false, why
		f.VerifyOver = p.cfg.Now().Sub(p.stage.since) >= 2*headsync.QuietSlots*p.polls.identity.Spec.SlotDuration()
	}
	if before, why := spec.BeforeGenesis(o.At); before {
		f.VerifyWhy = why
	}
	return f, true
}

// identityConflict reports whether the identity of both nodes is known, and returns why they
// cannot be a pair; "" if they can.
func (p *Pair) identityConflict(o *poll.Observation) (bool, string) {
	if errors.Is(o.Gwat.Err, failure.NeedsHuman) {
		return true, fmt.Sprintf("gwat at %s: %v", p.nodes.gwat.Endpoint(), o.Gwat.Err)
	}
	if errors.Is(o.Beacon.Err, failure.NeedsHuman) {
		return true, fmt.Sprintf("the beacon node at %s: %v", p.nodes.beacon.URL(), o.Beacon.Err)
	}
	if p.job.human != nil {
		return true, p.job.human.why
	}
	if p.polls.identity == nil {
		return false, ""
	}
	return true, p.polls.identity.Conflict()
}

// up reports whether the stages can be decided by the newest poll. Nodes that were moved to
// another network begin again as nodes that were lost do.
func (p *Pair) up(o *poll.Observation) (bool, string) {
	if p.polls.moved && p.machine.Stage() != fsm.Connecting {
		spec := p.polls.spec
		return false, fmt.Sprintf("both nodes are of another network now: chain id %d, genesis time %d", spec.DepositChainID, spec.GenesisTime)
	}
	if o.Up() {
		return true, ""
	}
	why := fmt.Sprintf("the beacon node at %s to answer: %v", p.nodes.beacon.URL(), o.Beacon.Err)
	if o.Gwat.Err != nil {
		why = fmt.Sprintf("gwat at %s to answer: %v", p.nodes.gwat.Endpoint(), o.Gwat.Err)
	}
	if silent := p.silent(o); silent != "" {
		why += "; " + silent
	}
	busy := p.job.worker != nil && p.polls.history.Fails < patience && !errors.Is(o.Gwat.Err, gwatclient.ErrDown)
	switch p.machine.Stage() {
	case fsm.HeadSync, fsm.HeadSyncReady:
		return busy, why
	case fsm.Working:
		return p.oneBadAnswer(o), why
	}
	return false, why
}

// oneBadAnswer reports whether a single poll has failed, quickly, and no other within a slot. A
// node that answers one call of hundreds badly still works; the next poll follows at once and
// shows whether it does. See docs/decisions/0007.
func (p *Pair) oneBadAnswer(o *poll.Observation) bool {
	return p.polls.spec != nil && p.polls.history.Fails == 1 && o.Took() < p.cfg.CallTimeout/2 &&
		o.At.Sub(p.polls.history.BadBefore) >= p.polls.spec.SlotDuration()
}

// checkpointReached reports whether both nodes are at or past the last checkpoint.
func (p *Pair) checkpointReached(o *poll.Observation, spec checkpoint.Spec, now primitives.Slot) (bool, string) {
	ok, why := o.Beacon.Progress(now).AtCheckpoint(spec)
	if !ok {
		if !p.headStands(o) {
			return false, why
		}
		why = p.standsWhy(o)
	}
	ok, gwatWhy := p.gwatAtCheckpoint(o, spec)
	if !ok {
		return false, gwatWhy
	}
	return true, why + "; " + gwatWhy
}

// gwatAtCheckpoint reports whether gwat has one of the beacon's checkpoints. A gwat
// that ended its own sync below all of them, and no longer moves, counts too: the push then
// begins at gwat's last finalized block.
func (p *Pair) gwatAtCheckpoint(o *poll.Observation, spec checkpoint.Spec) (bool, string) {
	if o.Gwat.Sync.Activity == protocol.LoadingChain {
		return false, fmt.Sprintf("gwat to finish its finalized-chain sync (block %d of %d)", o.Gwat.Sync.CurrentBlock, o.Gwat.Sync.HighestBlock)
	}
	if o.Beacon.Justified.IsGenesis() {
		return true, "nothing is justified yet, the checkpoint is genesis"
	}
	for _, point := range o.Beacon.Points {
		spine, has := point.LastSpine()
		// Of a body without spines only the slot can be compared.
		if has && o.State(spine) == checkpoint.SpineFinal || !has && o.Gwat.Latest.Slot >= point.Header.Slot {
			return true, fmt.Sprintf("gwat has finalized the checkpoint at slot %d", point.Header.Slot)
		}
	}
	still := o.At.Sub(p.polls.history.NumberFrom)
	if still >= headsync.QuietSlots*spec.SlotDuration() {
		return true, fmt.Sprintf("gwat's own sync ended at block %d, below the last checkpoint", p.polls.history.Number)
	}
	return false, fmt.Sprintf("gwat to finalize the last checkpoint (epoch %d); it is at block %d", o.Beacon.Justified.Epoch, p.polls.history.Number)
}

// standSlots is for how many slots a head has not moved that counts as one that stands: more
// than the parts of a beacon node's own sync take.
const standSlots = 8

// headStands reports whether the beacon's head stands and gwat, which loads nothing, does not have
// what it finalizes. A beacon node whose own driver waits for gwat moves no head until gwat has
// its checkpoint, so waiting for that head would never end: what gwat lacks is pushed.
func (p *Pair) headStands(o *poll.Observation) bool {
	since, head := p.polls.history.HeadFrom, o.Beacon.Head
	if !o.Up() || p.polls.spec == nil || since.IsZero() || o.Gwat.Sync.Activity.Loads() {
		return false
	}
	if o.At.Sub(since) < standSlots*p.polls.spec.SlotDuration() {
		return false
	}
	if spine, has := head.LastSpine(); has {
		return o.State(spine) != checkpoint.SpineFinal
	}
	return p.polls.history.Covered < head.Header.Slot
}

func (p *Pair) standsWhy(o *poll.Observation) string {
	return fmt.Sprintf("the beacon's head has stood at slot %d for %s, and gwat lacks what it finalizes",
		o.Beacon.Head.Header.Slot, o.At.Sub(p.polls.history.HeadFrom).Round(time.Second))
}

func (p *Pair) dagSynced(o *poll.Observation, now primitives.Slot) (bool, string) {
	why := "both nodes have what follows the checkpoint"
	if b := o.Beacon.Progress(now); !b.NearHead() {
		if !p.headStands(o) {
			return false, fmt.Sprintf("the beacon's head at slot %d to come near slot %d", b.Head, now)
		}
		why = p.standsWhy(o)
	}
	if o.Gwat.Sync.Activity.Loads() {
		return false, fmt.Sprintf("gwat to finish its DAG sync (stage %s, newest slot %d)", o.Gwat.Sync.Word, o.Gwat.Sync.TipSlot)
	}
	if m := p.job.missing; m != nil && o.State(m.spine) == checkpoint.SpineUnknown && o.At.Before(m.until) {
		return false, fmt.Sprintf("gwat to load the block of spine %s", m.spine)
	}
	return true, why
}

// fellBehind applies the resync rule to the beacon's head and to the newest head whose spines
// gwat has finalized.
func (p *Pair) fellBehind(o *poll.Observation, spec checkpoint.Spec, now primitives.Slot) (bool, string) {
	synced := min(o.Beacon.Syncing.HeadSlot, p.polls.history.Covered)
	if !spec.Behind(synced, now) {
		return false, ""
	}
	return true, fmt.Sprintf("synced to slot %d (epoch %d), the clock is at slot %d (epoch %d)", synced, spec.Epoch(synced), now, spec.Epoch(now))
}
