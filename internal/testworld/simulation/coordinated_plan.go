package simulation

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/watch"
)

// coordinatedEvery is how often a seed is of the coordinated era. The others keep the plans
// that they always had: planted bugs are known by their seeds.
const coordinatedEvery = 5

// coordinatedPlan is what a seed decides of a pair of the coordinated era.
type coordinatedPlan struct {
	slot      uint64 // seconds
	epoch     uint64 // slots
	wall      uint64 // slots of the network when the run begins
	blockTime time.Duration
	syncSpeed uint64
	authRPC   bool // gwat serves dag and eth alone: no peers, no wat_info, no admin
	heals     watch.Heals
	fails     bool       // the operator's commands do nothing
	moves     bool       // the beacon's head moves again while a heal drives gwat
	mends     gate.Mends // of the gate, if syncd is between the nodes
}

// The operator's commands.
const (
	commandGwat   = "restart gwat"
	commandBeacon = "restart beacon"
)

// newCoordinatedPlan makes the plan of a seed of the coordinated era.
func newCoordinatedPlan(seed uint64) *Plan {
	d := newSeededRand(digest("coordinated"), seed)
	ms := time.Millisecond
	c := &coordinatedPlan{
		slot: uint64(pick(d, 2, 2, 4, 6)), epoch: uint64(pick(d, 6, 8, 8)), wall: uint64(d.between(24, 120)),
		blockTime: pick(d, 0, ms, 20*ms, 60*ms), syncSpeed: uint64(pick(d, 20, 100, 1000)), authRPC: d.chance(12),
	}
	p := &Plan{Seed: seed, coordinated: c}
	p.pair.PollInterval = pick(d, 500*ms, time.Second, time.Second, 2*time.Second)
	p.pair.CallTimeout = pick(d, time.Second, 2*time.Second, 3*time.Second)
	p.pair.PushTimeout = 5 * time.Second // bounds how late a request may be taken in
	p.pair.Observe = d.chance(8)
	c.planHeals(d)
	p.gated = c.planGate(newSeededRand(digest("coordinated gate"), seed))
	p.asks = d.span(5*time.Second, 30*time.Second)
	p.quiet = time.Duration(d.between(40, 200))*time.Second + offBeat
	for i := range pick(d, 1, 1, 2, 2, 3, 4, 6) {
		p.Faults = append(p.Faults, newCoordinatedFault(newSeededRand(digest("coordinated fault"), seed, uint64(i)), p))
		p.Faults[i].number = i + 1
	}
	return p
}

// planHeals switches all heals on, or each by itself, or none.
func (c *coordinatedPlan) planHeals(d *seededRand) {
	share := pick(d, 0, 50, 100, 100)
	c.heals = watch.Heals{Peers: d.chance(share), Checkpoint: d.chance(share), Drive: d.chance(share)}
	if d.chance(share) {
		c.heals.RestartGwat = commandGwat
	}
	if d.chance(share) {
		c.heals.RestartBeacon = commandBeacon
	}
	c.fails, c.moves = d.chance(50), d.chance(80)
}

// newCoordinatedFault makes a fault. One that a heal is there for may last until it is healed.
func newCoordinatedFault(d *seededRand, p *Plan) *fault {
	kinds := incidentKinds
	if d.chance(30) {
		kinds = sharedKinds
	}
	f := newFaultOf(kinds, d, p)
	f.stage, f.events, f.visit = "", 0, 0
	f.forHeal = f.kind.heal != nil && !p.pair.Observe && f.kind.heal(p.coordinated) && d.chance(65)
	return f
}

func (c *coordinatedPlan) describe(p *Plan) string {
	between := "beside the nodes"
	if p.gated {
		m := &c.mends
		between = fmt.Sprintf("between the nodes, mends null answers %v, calls without peers %v, repeated %v, checkpoints %v", m.NullAnswers, m.WithoutPeers, m.Join, m.Checkpoints)
	}
	return fmt.Sprintf("coordinated era, syncd %s, slots of %d s, %d an epoch, %d when it begins; poll %s, call %s, observe %v, heals %+v, commands that fail %v, heads that move %v; a block takes %s, %d slots/s, authrpc %v; quiet from %s\n",
		between, c.slot, c.epoch, c.wall, p.pair.PollInterval, p.pair.CallTimeout, p.pair.Observe, c.heals, c.fails, c.moves, c.blockTime, c.syncSpeed, c.authRPC, p.quiet)
}

// slotTime is how long a slot is.
func (c *coordinatedPlan) slotTime() time.Duration { return time.Duration(c.slot) * time.Second }
