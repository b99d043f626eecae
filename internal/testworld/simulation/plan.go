package simulation

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/pair"
)

// Plan is all that a seed decides before the run: the network, both nodes, the
// daemon's config and the faults. What the seed decides during the run (times of
// travel and the like) hangs on the seed and on what it is about, so that a fault
// left out moves nothing but what it touched.
type Plan struct {
	Seed   uint64
	Faults []*fault

	chain   world.Chain
	foreign world.Chain // another network
	pair    pair.Config
	gwat    gwatsim.Config
	beacon  beaconsim.Config
	from    primitives.Slot // where the beacon begins its initial sync; 0: synced
	driver  beaconsim.DriverMode
	drives  bool          // the beacon node drives at each start, though no gate answers it
	quiet   time.Duration // when all faults are over
	asks    time.Duration // between two questions of the operator
	polite  bool          // the beacon's calls of normal work begin with the switch
	far     time.Duration // that a hop may take longer than beside each other
	gated   bool          // syncd is between the nodes
	batches bool          // another client sends batches through it

	coordinated *coordinatedPlan // of a pair of that era; nil for the head-sync era
}

const (
	worlds      = 64        // short networks that seeds choose from
	bubbleBegin = 946684800 // Unix seconds at which a fake clock begins
	offBeat     = 7654321   // nanoseconds; no timer of a node falls on what is decided at such a time
	settleSlots = 3         // for how long a pair has to go on working at the end
)

var pool struct {
	sync.Mutex
	made map[string]world.Chain
}

// made gives the network of a name; it is made once and shared, as it never changes.
func made(name string, config func() world.Config) world.Chain {
	pool.Lock()
	defer pool.Unlock()
	if w, ok := pool.made[name]; ok {
		return w
	}
	w, err := world.New(config())
	if err != nil {
		panic("a network of the simulation is refused: " + err.Error())
	}
	if pool.made == nil {
		pool.made = map[string]world.Chain{}
	}
	pool.made[name] = w
	return w
}

// worldOf is the n-th short network.
func worldOf(n int, foreign bool) world.Chain {
	return made(fmt.Sprint(n, foreign), func() world.Config {
		d := newSeededRand(digest("world"), uint64(n))
		cfg := world.Config{
			Seed: d.next(), SecondsPerSlot: uint64(pick(d, 2, 2, 3, 4)), SlotsPerEpoch: uint64(pick(d, 6, 8)),
			CreatorsPerSlot: 2, Validators: 16, CommitteesPerSlot: uint64(pick(d, 1, 1, 2)), MaxBlocksPerSlot: uint64(d.between(1, 3)),
			MissRate: pick(d, 0, 0, 0.1, 0.25), QuietRate: pick(d, 0, 0.1, 0.4), ForkRate: pick(d, 0, 0.04, 0.1),
			FinalizationDelay: uint64(d.between(2, 5)),
		}
		cfg.MaxForkDepth = uint64(d.between(1, 2*int(cfg.SlotsPerEpoch)))
		begin := uint64(d.between(24, 72))
		if d.chance(20) {
			e := primitives.Epoch(begin / cfg.SlotsPerEpoch)
			cfg.StallJustification = []world.EpochRange{{From: e - 1, To: e + primitives.Epoch(d.upTo(3))}}
		}
		if foreign {
			cfg.Seed++
			if d.chance(50) {
				cfg.ChainID = 4242
			} else {
				begin += 7 // the same chain id, and another genesis
			}
		}
		cfg.GenesisTime = bubbleBegin - begin*cfg.SecondsPerSlot
		return cfg
	})
}

// NewPlan makes the plan of a seed.
func NewPlan(seed uint64) *Plan {
	if seed%coordinatedEvery == 0 {
		return newCoordinatedPlan(seed)
	}
	d := newSeededRand(digest("plan"), seed)
	n := d.upTo(worlds)
	p := &Plan{Seed: seed, chain: worldOf(n, false), foreign: worldOf(n, true), driver: beaconsim.DriverOff}
	p.planDaemon(d)
	p.planNodes(d)
	p.polite = d.chance(60)
	p.asks = d.span(3*time.Second, 20*time.Second)
	slot := p.chain.Spec().SlotDuration()
	p.quiet = time.Duration(d.between(15, 60))*slot + offBeat
	p.planLength(newSeededRand(digest("length"), seed))
	count := pick(d, 1, 2, 3, 4, 5, 6, 8)
	if p.deep() {
		count = 0
	}
	for i := range count {
		p.Faults = append(p.Faults, newFault(newSeededRand(digest("fault"), seed, uint64(i)), p))
	}
	p.planGate(newSeededRand(digest("gate"), seed))
	p.planOrders(newSeededRand(digest("orders"), seed))
	p.drives = p.driver == beaconsim.DriverOn && newSeededRand(digest("drives"), seed).chance(50)
	p.beacon.IdleWork = p.beacon.IdleWork || p.polite
	for i, f := range p.Faults {
		f.number = i + 1
	}
	return p
}

// deep reports whether the plan is one of planDeep, whose fault comes alone.
func (p *Plan) deep() bool { return len(p.Faults) > 0 && p.Faults[0].way > 0 }

func (p *Plan) planDaemon(d *seededRand) {
	ms := time.Millisecond
	c := &p.pair
	c.PollInterval = pick(d, 300*ms, 500*ms, time.Second)
	c.ReadyInterval = pick(d, 200*ms, 500*ms, time.Second)
	c.CallTimeout = pick(d, time.Second, 2*time.Second, 3*time.Second)
	c.PushTimeout = pick(d, 2*time.Second, 5*time.Second, 9*time.Second)
	c.LockTime = c.PushTimeout + pick(d, time.Second, 3*time.Second, 8*time.Second)
	c.SegmentBytes = pick(d, 0, 400, 900, 2500)
	c.SegmentTime = pick(d, 0, 0, 200*ms, time.Second)
	c.Capacity = pick(d, 0, 2, 4)
	c.FallbackSlots = pick(d, 0, 8)
	c.PushFromCheckpoint = d.chance(10)
	c.Observe = d.chance(3)
}

func (p *Plan) planNodes(d *seededRand) {
	ms := time.Millisecond
	spec := p.chain.Spec()
	wall := (bubbleBegin - spec.GenesisTime) / spec.SecondsPerSlot
	g := &p.gwat
	g.Peers, g.FallbackSlots = 3, uint64(pick(d, 33, 33, 12))
	g.RollbackCost, g.EntryCost = pick(d, 0, ms, 20*ms), pick(d, 0, 5*ms, 60*ms)
	switch d.upTo(4) {
	case 0: // from genesis
		g.SyncSpeed, g.DAGSpeed = pick(d, 0., 20, 100), pick(d, 0., 10, 40)
	default: // where a working one stopped, maybe on a fork that lost since
		g.StartSlot = primitives.Slot(max(1, int(wall)-pick(d, 0, 1, 3, d.upTo(12), d.upTo(40))))
	}
	b := &p.beacon
	b.Peers = 3
	b.SSETimeout = pick(d, 0, 30*time.Second)
	b.IdleWork = d.chance(8)
	if d.chance(35) {
		b.SyncSpeed = float64(pick(d, 4, 10, 40))
		p.from = primitives.Slot(max(1, int(wall)-d.between(1, 40)))
	}
	if d.chance(10) {
		p.driver = beaconsim.DriverOn
	}
}

// keep leaves only the faults with these numbers.
func (p *Plan) keep(numbers []int) {
	var out []*fault
	for _, f := range p.Faults {
		for _, n := range numbers {
			if f.number == n {
				out = append(out, f)
			}
		}
	}
	p.Faults = out
}

// String lists what is decided, a line for each fault.
func (p *Plan) String() string {
	var out strings.Builder
	if p.coordinated != nil {
		fmt.Fprintf(&out, "seed %d: %s", p.Seed, p.coordinated.describe(p))
		for _, f := range p.Faults {
			fmt.Fprintf(&out, "  %s\n", f)
		}
		return out.String()
	}
	c := p.pair
	spec := p.chain.Spec()
	fmt.Fprintf(&out, "seed %d: slots of %d s, %d an epoch; poll %s, ready %s, call %s, push %s, lock %s, segments %d B %s, capacity %d, full push %v, observe %v\n",
		p.Seed, spec.SecondsPerSlot, spec.SlotsPerEpoch, c.PollInterval, c.ReadyInterval, c.CallTimeout, c.PushTimeout, c.LockTime,
		c.SegmentBytes, c.SegmentTime, c.Capacity, c.PushFromCheckpoint, c.Observe)
	if wall := p.wall(); wall > shortChain || p.far > 0 || p.beacon.AnswerCost > 0 {
		fmt.Fprintf(&out, "  %d slots, last checkpoint at slot %d; hops of up to %s more, REST answers %s\n",
			wall, p.checkpointSlot(p.chain.HeadAt(wall)), p.far, p.beacon.AnswerCost)
	}
	fmt.Fprintf(&out, "  gwat from slot %d, costs %s and %s, fallback %d; beacon from slot %d at %v slots/s, idle %v, polite %v, driver %v; quiet from %s\n",
		p.gwat.StartSlot, p.gwat.RollbackCost, p.gwat.EntryCost, p.gwat.FallbackSlots, p.from, p.beacon.SyncSpeed, p.beacon.IdleWork, p.polite, p.driver == beaconsim.DriverOn, p.quiet)
	if p.beacon.BadBlocks {
		fmt.Fprintf(&out, "  syncd between the nodes: %v; a failed dag_finalize marks a block bad\n", p.gated)
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&out, "  %s\n", f)
	}
	return out.String()
}
