package simulation

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
)

// fault is one thing that goes wrong, from when on and for how long.
type fault struct {
	number int
	kind   *faultKind
	seed   uint64 // of all that the fault decides itself
	// It begins at a time, or so many await points of syncd after a stage was entered.
	at     time.Duration
	stage  string // "" for at
	visit  int    // which time the stage is entered
	events int
	way    int // or when gwat has so many percent of what it lacks at the start; 0 for the others
	lasts  time.Duration

	forHeal bool // it lasts until syncd has healed it

	left    int // of events
	armed   bool
	begun   bool
	endsNow func()

	began, ended time.Duration // when it really did; for measuring only
}

func (f *fault) String() string {
	when := "at " + f.at.Round(time.Millisecond).String()
	if f.stage != "" {
		when = fmt.Sprintf("%d await points after %s was entered (%d.)", f.events, f.stage, f.visit)
	}
	if f.way > 0 {
		when = fmt.Sprintf("when gwat has %d%% of the way", f.way)
	}
	until := f.lasts.Round(time.Millisecond).String()
	if f.forHeal {
		until = "as long as it is not healed"
	}
	return fmt.Sprintf("%d: %s%s %s for %s", f.number, f.kind.name, f.kind.where, when, until)
}

// faultKind is what can go wrong; begin does it and gives what ends it, or nil.
type faultKind struct {
	name   string
	where  string // shown behind the name
	weight int
	low    time.Duration // how long it lasts
	high   time.Duration
	begin  func(r *run, f *fault, d *seededRand) (end func())
	ends   bool // it ends the process of syncd
	// heal reports whether a heal is on that is there for this; nil if there is none.
	heal func(*coordinatedPlan) bool
}

func newFault(d *seededRand, p *Plan) *fault { return newFaultOf(faultKinds, d, p) }

func newFaultOf(kinds []*faultKind, d *seededRand, p *Plan) *fault {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	f := &fault{seed: d.next()}
	at := d.upTo(total)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			f.kind = k
			break
		}
	}
	f.lasts = min(d.span(f.kind.low, f.kind.high), p.quiet/2)
	f.at = d.span(0, p.quiet-f.lasts)
	if d.chance(55) {
		f.stage = string(pick(d, fsm.HeadSync, fsm.HeadSync, fsm.HeadSyncReady, fsm.HeadSyncReady, fsm.Switching, fsm.Working, fsm.DAGSync))
		f.visit = pick(d, 1, 1, 1, 2, 3)
		f.events = d.upTo(pick(d, 4, 12, 40))
	}
	return f
}

// begin is run by the scheduler.
func (r *run) beginFault(f *fault) {
	if f.begun || r.healed {
		return
	}
	f.begun = true
	f.began, f.ended = r.now(), r.now()
	r.log("fault", f.kind.name, "begins", uint64(f.number))
	end := f.kind.begin(r, f, newSeededRand(f.seed))
	if end == nil {
		return
	}
	f.endsNow = func() {
		f.endsNow = nil
		f.ended = r.now()
		r.log("fault", f.kind.name, "ends", uint64(f.number))
		end()
	}
	r.sched.at(r.now()+f.lasts, digest("fault ends"), func() {
		if f.endsNow != nil {
			f.endsNow()
		}
	})
}

// entered arms the faults that wait for a stage.
func (r *run) entered(stage string) {
	r.visits[stage]++
	for _, f := range r.plan.Faults {
		if f.stage == stage && f.visit == r.visits[stage] && !f.armed {
			f.armed, f.left = true, f.events
		}
	}
}

// wayDone begins the faults that wait for gwat to have so much of the way.
func (r *run) wayDone(number uint64) {
	if r.from == 0 {
		r.from = number
	}
	head := r.chainHead()
	if len(head.Finalization) == 0 || number <= r.from {
		return
	}
	to, ok := r.plan.chain.DAGBlock(head.Finalization[len(head.Finalization)-1])
	if !ok || to.Height <= r.from {
		return
	}
	for _, f := range r.plan.Faults {
		if f.way > 0 && !f.armed && 100*(number-r.from) >= uint64(f.way)*(to.Height-r.from) {
			f.armed = true
			r.sched.at(r.now()+offBeat, digest("fault"), func() { r.beginFault(f) })
		}
	}
}

// awaits counts an await point, where syncd waits for the world: a call that is on its
// way, or a commit. s is the step that will end the waiting.
func (r *run) awaits(s *step) {
	r.awaitPoints++
	if r.crashAt > 0 && r.awaitPoints == r.crashAt {
		r.crashSoon(s)
	}
	for _, f := range r.plan.Faults {
		if !f.armed || f.begun || f.way > 0 {
			continue
		}
		if f.left--; f.left < 0 {
			f.armed = false
			r.sched.at(s.at-1, digest("fault"), func() { r.beginFault(f) })
		}
	}
}

// crashSoon kills syncd right before or right after a step; see Options.CrashAt.
func (r *run) crashSoon(s *step) {
	at := s.at - 1
	if r.crashAfter {
		at = s.at + 1
	}
	r.sched.at(at, digest("crash"), func() { r.killSyncd("at a chosen await point", false, time.Second) })
}

// endFaults ends what the faults still do.
func (r *run) endFaults() {
	r.healed = true
	r.healedAt = r.now()
	for _, f := range r.plan.Faults {
		if f.endsNow != nil {
			f.endsNow()
		}
	}
}

// heal ends all that is wrong: from now on everything is as it should be.
func (r *run) heal() {
	r.endFaults()
	if !r.plan.polite {
		r.beacon.SetIdle(false)
	}
	r.beacon.SetFrozenHead(false)
	if !r.plan.gated && r.beacon.State().Driving { // as recorded, it never ends if gwat does not take its ready
		r.killBeacon()
		r.startBeaconAgain(false, beaconsim.DriverOff)
	}
	r.log("healed", "", "", 0)
}
