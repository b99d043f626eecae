package simulation

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

// Options of a run beside its plan.
type Options struct {
	Keep       []int              // numbers of the faults to keep; nil keeps all
	NoFaults   bool               // keep none
	NoCrash    bool               // leave out the faults that end syncd
	CrashAt    int                // kill syncd at this await point, where it waits for the world; 0 never
	CrashAfter bool               // right after the step it waits for and not right before
	Log        func(line string)  // called with each event; nil for none
	Daemon     logrus.FieldLogger // the daemon's own log; nil for none
}

// Result of a run.
type Result struct {
	Seed        uint64
	Plan        *Plan
	CrashAt     int
	CrashAfter  bool
	Hash        uint64 // of the event log
	Events      int
	Steps       int
	AwaitPoints int           // in which syncd waited for the world
	Took        time.Duration // in fake time
	Recovered   time.Duration // from the end of the last fault to working mode; never if it was not reached
	Recoveries  []Recovery    // of each fault that began, in the plan's order
	Violations  []Violation
}

// run is one simulated world at work.
type run struct {
	seed  uint64
	plan  *Plan
	sched *scheduler
	net   *network
	clock *clock
	disk  *disk

	gwatHost, beaconHost *host
	gateHost             *host           // the gate in syncd's process
	gates                sync.WaitGroup  // that have not ended
	onGateCall           func()          // is called once, with the next call that the gate sends to gwat
	endBatches           func()          // nil if no other client sends any
	batches              [][]part        // that another client sent through the gate
	beaconsFrom          []time.Duration // when beacon nodes began that were not synced, or began again
	endsAt               time.Duration   // when all that runs is stopped
	bypassed             bool            // a beacon node that starts now calls gwat past the gate
	deadSince            time.Duration   // since when the operator sees a head that has stopped for good
	gwatDisk             *gwatsim.Disk
	gwat                 *gwatsim.Node
	beacon               *beaconsim.Node
	incarnations         []*incarnation
	coordinated          *coordinatedRun // of a run of that era, whose nodes it has; else nil
	helpers              sync.WaitGroup

	visits      map[string]int
	awaitPoints int
	crashAt     int
	crashAfter  bool
	healed      bool
	healedAt    time.Duration
	onStop      []func() bool
	daemonLog   logrus.FieldLogger

	// what the rules are checked by
	gwats          []gwatIncarnation
	samples        []sample
	stages         []stageChange
	questions      []*asked
	competitorActs []time.Duration
	progress       progress
	shown          shownPushes
	from           uint64        // number that gwat began at
	stuck          string        // how progress ended; "" if it did not
	working        time.Duration // since when syncd says so after all was healed; never if not

	hash   uint64
	events int
	print  func(string)
}

// realLimit is the real time that a run may take: the longest ones take seconds, tens under the race detector.
const realLimit = 10 * time.Minute

// Run makes the run of a seed in a bubble of its own. A run that never ends, which no clock
// of the bubble can show, ends the process with the seed's name.
func Run(t *testing.T, seed uint64, o Options) Result {
	watchdog := time.AfterFunc(realLimit, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("the run of seed %d has not ended after %s of real time", seed, realLimit))
	})
	defer watchdog.Stop()
	plan := NewPlan(seed)
	switch {
	case o.NoFaults:
		plan.Faults = nil
	case o.Keep != nil:
		plan.keep(o.Keep)
	}
	if o.NoCrash {
		plan.Faults = slices.DeleteFunc(plan.Faults, func(f *fault) bool { return f.kind.ends })
	}
	var result Result
	synctest.Test(t, func(*testing.T) {
		r := newRun(plan, o)
		if plan.coordinated != nil {
			newCoordinatedRun(r).play()
		} else {
			r.play()
		}
		result = r.result()
	})
	return result
}

func newRun(plan *Plan, o Options) *run {
	r := &run{
		seed: plan.Seed, plan: plan, sched: newScheduler(plan.Seed), visits: map[string]int{},
		crashAt: o.CrashAt, crashAfter: o.CrashAfter, print: o.Log, daemonLog: o.Daemon, working: never, deadSince: never,
	}
	if r.daemonLog == nil {
		r.daemonLog = quiet()
	}
	r.clock = &clock{begin: r.sched.begin}
	r.net = &network{run: r, inFlight: map[*exchange]bool{}}
	r.gwatHost, r.beaconHost = &host{net: r.net, name: "gwat"}, &host{net: r.net, name: "beacon", links: []link{beaconGwat, beaconGate}}
	r.gateHost = &host{net: r.net, name: "gate", links: []link{gateGwat}, queues: true}
	r.net.hosts = map[link]*host{
		syncdGwat: r.gwatHost, beaconGwat: r.gwatHost, competitorGwat: r.gwatHost, gateGwat: r.gwatHost,
		syncdBeacon: r.beaconHost, beaconGate: r.gateHost, clientGate: r.gateHost,
	}
	r.net.callers = map[link]*host{beaconGwat: r.beaconHost, beaconGate: r.beaconHost}
	r.gwatDisk, r.disk = &gwatsim.Disk{}, newDisk(r)
	return r
}

// play lets the world run until the pair works or its time is over, and ends it.
func (r *run) play() {
	// The clocks of the three processes never meet.
	r.sched.at(1*time.Millisecond+313, 0, r.startGwat)
	r.sched.at(2*time.Millisecond+571, 0, func() { r.startBeacon(r.plan.from, r.plan.driver) })
	r.sched.at(3*time.Millisecond+797, 0, r.startSyncd)
	for _, f := range r.plan.Faults {
		if f.stage == "" && f.way == 0 {
			r.sched.at(f.at, digest("fault"), func() { r.beginFault(f) })
		}
	}
	r.asks(0)
	r.tends()
	if r.plan.batches {
		r.endBatches = r.sendBatches()
	}
	r.sched.at(r.plan.quiet, digest("heal"), r.heal)
	r.sched.run(r.over)
	r.end()
}

// over takes in what was said and reports whether the run is over.
func (r *run) over() bool {
	if l := r.syncd(); l != nil {
		r.drain(l)
		r.watchPush(l)
	}
	for i := 0; i < len(r.onStop); i++ {
		if r.onStop[i]() {
			r.onStop = append(r.onStop[:i], r.onStop[i+1:]...)
			i--
		}
	}
	r.look()
	if r.watchProgress() {
		return true
	}
	if !r.healed {
		return false
	}
	now := r.now()
	slot := r.plan.chain.Spec().SlotDuration()
	if r.plan.pair.Observe {
		return now > r.healedAt+20*slot
	}
	if l := r.syncd(); l != nil && l.pair.Snapshot().Stage == string(fsm.Working) {
		if r.working == never {
			r.working = now
		}
		return now > r.working+settleSlots*slot
	}
	r.working = never
	return now > r.healedAt+r.bound()
}

// end stops all that runs.
func (r *run) end() {
	r.log("end", "", "", 0)
	r.endsAt = r.now()
	if r.endBatches != nil {
		r.endBatches()
	}
	for _, l := range r.incarnations {
		if l.end == never {
			l.dead.Store(true)
			l.cancel()
			r.disk.die(newSeededRand(r.seed))
			r.killGate()
			r.net.reap(l.done, syncdGwat, syncdBeacon)
		}
	}
	r.killGwat()
	r.killBeacon()
	for _, f := range r.plan.Faults {
		if f.endsNow != nil {
			f.endsNow()
		}
	}
	helped := make(chan struct{})
	go func() { r.helpers.Wait(); close(helped) }()
	r.net.reap(helped, competitorGwat, clientGate)
	r.gates.Wait()
}

func (r *run) now() time.Duration { return r.sched.now() }

// log adds an event to the log's hash and passes it to the reader of the log, if there is one.
func (r *run) log(kind, who, what string, number uint64) {
	r.events++
	now := r.now()
	r.hash = mix(r.hash, uint64(now), digest(kind, who, what), number)
	if r.print != nil {
		r.print(fmt.Sprintf("%12.6f %-8s %-12s %s %x", now.Seconds(), kind, who, what, number))
	}
}

func (r *run) result() Result {
	out := Result{
		Seed: r.seed, Plan: r.plan, CrashAt: r.crashAt, CrashAfter: r.crashAfter, Hash: r.hash, Events: r.events, Steps: r.sched.count, AwaitPoints: r.awaitPoints,
		Took: r.now(), Recovered: never,
	}
	if r.working != never {
		out.Recovered = r.working - r.healedAt
	}
	out.Recoveries = r.recoveries()
	out.Violations = r.check()
	return out
}
