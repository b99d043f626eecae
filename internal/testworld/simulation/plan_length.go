package simulation

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// A share of the seeds gets a long chain, and another share nodes that are far away,
// so that an attempt outlasts polls, slots, locks and the gap between two checkpoints.
const (
	shortChain = 100    // slots that no short chain has
	longest    = 20_000 // slots
	longWorlds = 4      // networks of each length; making one of the longest takes a second
	longShare  = 3      // percent of the seeds
	farShare   = 12     // percent of the others
	deepChain  = 4000   // slots
	deepShare  = 25     // percent of the long ones: see planDeep
)

// lengths are those that long chains have, with how often each comes in a hundred.
var lengths = []struct{ share, slots int }{{60, 400}, {25, 1200}, {10, 4000}, {5, longest}}

// planLength makes the chain of some plans long, and the nodes of others far away.
func (p *Plan) planLength(d *seededRand) {
	ms := time.Millisecond
	if !d.chance(longShare) {
		if d.chance(farShare) {
			p.beacon.AnswerCost = pick(d, 0, 20*ms, 80*ms)
			p.planFar(d, pick(d, 20*ms, 60*ms, 150*ms))
		}
		return
	}
	at, slots := d.upTo(100), 0
	for _, l := range lengths {
		if slots = l.slots; at < l.share {
			break
		}
		at -= l.share
	}
	p.chain = longWorld(d.upTo(longWorlds), slots)
	wall := p.wall()
	// What an attempt costs: reading grows with the chain, and a push takes as long
	// as its entries say. Few segments keep the cost of a seed low.
	p.planFar(d, pick(d, 0, 5*ms, 60*ms, 150*ms))
	g, c := &p.gwat, &p.pair
	g.RollbackCost = pick(d, 0, 0, 100*time.Microsecond)
	g.EntryCost = pick(d, 0, 200*time.Microsecond, ms, 4*ms)
	if most := 4 * time.Minute / time.Duration(slots); g.EntryCost > most {
		g.EntryCost = most
	}
	c.SegmentBytes = pick(d, 0, 0, 1500*max(1, slots/100))
	c.SegmentTime = pick(d, 0, 0, time.Second)
	g.SyncSpeed, g.DAGSpeed, g.StartSlot = 0, 0, 0
	switch d.upTo(3) {
	case 0: // from genesis by its own sync, which ends at the last checkpoint
	case 1: // where a working one stopped, near the last checkpoint
		g.StartSlot = p.checkpointSlot(p.chain.HeadAt(wall)) + primitives.Slot(d.between(1, 40))
	default: // somewhere beyond it
		checkpoint := p.checkpointSlot(p.chain.HeadAt(wall))
		g.StartSlot = checkpoint + primitives.Slot(d.between(1, int(wall-checkpoint)-1))
	}
	p.beacon.SyncSpeed = float64(slots / 8) // also of a restart, which goes back to the checkpoint
	if d.chance(deepShare) {
		p.planDeep(d)
	}
	if p.from > 0 {
		p.from = wall - primitives.Slot(d.between(1, slots/4))
	}
}

// planDeep ends syncd, or takes an answer from it, in the middle of a long push to a gwat
// that is far away: proving again what gwat has then outlasts a slot.
func (p *Plan) planDeep(d *seededRand) {
	p.chain = longWorld(d.upTo(longWorlds), deepChain)
	p.beacon.SyncSpeed = deepChain / 8
	wall := p.wall()
	p.far, p.polite, p.pair.Observe, p.pair.PushFromCheckpoint = 150*time.Millisecond, true, false, false
	p.pair.CallTimeout = max(p.pair.CallTimeout, 10*p.hop())
	p.pair.SegmentBytes, p.pair.SegmentTime = 0, 0
	p.pair.PushTimeout = 9 * time.Second
	p.pair.LockTime = p.pair.PushTimeout + pick(d, 3*time.Second, 8*time.Second)
	p.from, p.driver = 0, beaconsim.DriverOff
	checkpoint := p.checkpointSlot(p.chain.HeadAt(wall))
	p.gwat.StartSlot = checkpoint + 40
	p.gwat.EntryCost = 20 * time.Second / time.Duration(wall-checkpoint)
	f := lostCall(d)
	f.stage, f.way = "", d.between(50, 80)
	p.Faults = []*fault{f}
	p.quiet = max(p.quiet, 100*time.Second+offBeat) // collecting alone takes a part of it
}

// planFar puts the nodes far away, and has a call lose its answer in most such plans.
func (p *Plan) planFar(d *seededRand, far time.Duration) {
	p.far = far
	// A poll is some calls one after the other; one that cannot end in its time shows nothing.
	p.pair.CallTimeout = max(p.pair.CallTimeout, 10*p.hop())
	if p.hop() > p.chain.Spec().SlotDuration()/16 {
		p.pair.SegmentBytes, p.pair.SegmentTime = 0, 0 // a push of single entries would be slower than the chain
	}
	p.polite = p.polite || d.chance(50) // or the first call of a beacon at work would finalize it all
	if d.chance(60) {
		p.Faults = append(p.Faults, lostCall(d))
	}
}

// lostCall is a fault that takes the answer of a call while there is far to go: what
// became of the call has to be found out beside attempts that last long.
func lostCall(d *seededRand) *fault {
	name := pick(d, "syncd killed", "syncd killed", "answers never", "answers reset")
	at := slices.IndexFunc(faultKinds, func(k *faultKind) bool { return k.name == name })
	f := &fault{kind: faultKinds[at], seed: d.next(), stage: string(fsm.HeadSync), visit: 1, events: d.upTo(pick(d, 4, 40, 400))}
	f.lasts = d.span(f.kind.low, f.kind.high)
	return f
}

// longWorld makes a network that is so many slots old when the run begins. Its
// justification stalled long ago, so that nearly all of it follows the last checkpoint.
func longWorld(n, slots int) world.Chain {
	return made(fmt.Sprint("long", n, slots), func() world.Config {
		d := newSeededRand(digest("long world"), uint64(n), uint64(slots))
		cfg := world.Config{
			Seed: d.next(), SecondsPerSlot: uint64(pick(d, 2, 3, 4)), SlotsPerEpoch: uint64(pick(d, 8, 32)),
			CreatorsPerSlot: 2, Validators: 32, CommitteesPerSlot: 1, MaxBlocksPerSlot: uint64(d.between(1, 2)),
			MissRate: pick(d, 0, 0.1), QuietRate: pick(d, 0, 0.1), ForkRate: pick(d, 0, 0.01),
			FinalizationDelay: uint64(d.between(2, 5)),
		}
		first := primitives.Epoch(d.between(2, max(2, slots/int(cfg.SlotsPerEpoch)/4)))
		last := primitives.Epoch(math.MaxUint64)
		if d.chance(50) { // it goes on during the run, and the gap closes at once
			last = primitives.Epoch(uint64(slots)/cfg.SlotsPerEpoch + uint64(d.upTo(4)))
		}
		cfg.StallJustification = []world.EpochRange{{From: first, To: last}}
		cfg.GenesisTime = bubbleBegin - uint64(slots)*cfg.SecondsPerSlot
		return cfg
	})
}

// wall is the clock's slot when the run begins.
func (p *Plan) wall() primitives.Slot {
	spec := p.chain.Spec()
	return primitives.Slot((bubbleBegin - spec.GenesisTime) / spec.SecondsPerSlot)
}

// checkpointSlot is the slot of the last checkpoint in the state of a head; 0 for genesis.
func (p *Plan) checkpointSlot(head *world.BeaconBlock) primitives.Slot {
	if b, ok := p.chain.Block(p.chain.Finality(head).CurrentJustified.Root); ok {
		return b.Slot
	}
	return 0
}
