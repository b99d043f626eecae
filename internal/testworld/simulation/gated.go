package simulation

import (
	"context"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/internal/daemon"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/journal"
)

// Shares of the seeds, in percent.
const (
	gatedShare = 45 // syncd is between the nodes
	badShare   = 30 // of the others: the beacon node marks blocks bad, as a real one does
)

// gateURL is what the beacon node's execution endpoint names when syncd is between.
const gateURL = "http://localhost:8550"

// planGate puts syncd between the nodes of some plans. The beacon node is then as real
// ones are: it drives by itself at each start, works from then on, and marks a block
// bad whose dag_finalize fails.
func (p *Plan) planGate(d *seededRand) {
	p.gated = d.chance(gatedShare)
	long := p.wall() > shortChain
	if !p.gated {
		p.beacon.BadBlocks = d.chance(badShare) && !long && p.far == 0 && p.beacon.AnswerCost == 0
		return
	}
	p.beacon.BadBlocks = true
	p.batches = d.chance(25)
	if p.deep() {
		return
	}
	p.polite = p.polite && long // or the first call of a beacon at work would finalize all of a long chain
	for range pick(d, 0, 1, 1, 2) {
		p.Faults = append(p.Faults, newFaultOf(gateKinds, newSeededRand(d.next()), p))
	}
}

// startGate puts the gate into a process of syncd. Its sockets are the service
// manager's: callers wait in them while syncd is away.
func (r *run) startGate(l *incarnation, j *journal.Journal, mends gate.Mends) *gate.Gate {
	g, err := gate.New(gate.Config{
		HTTP: "127.0.0.1:0", Backend: gwatURL, View: daemon.FirstView(r.plan.pair.Observe, j), Mends: mends, Log: r.daemonLog,
		Transport: &wire{r.net, gateGwat, l.number, func() bool { return !l.dead.Load() }},
	})
	if err != nil {
		panic("the gate refuses its config: " + err.Error())
	}
	l.drained = make(chan struct{})
	r.gateHost.start(g.Handler(), func(ctx context.Context) error {
		r.gates.Go(func() {
			defer close(l.drained)
			_ = g.Run(ctx) // it ends with the context
		})
		return nil
	})
	return g
}

// closeGate begins the graceful stop of a gate: its sockets stay, and callers wait in them.
func (r *run) closeGate() {
	if r.plan.gated {
		r.gateHost.closing = true
		r.gateHost.cancel()
	}
}

// gateEnded reports whether a gate that stops has answered what was in flight, or has
// waited for it long enough.
func (r *run) gateEnded(l *incarnation) bool {
	if !r.plan.gated {
		return true
	}
	select {
	case <-l.drained:
	default:
		return false
	}
	return r.gateHost.inFlight() == 0 || r.now() > l.stops+gate.DefaultDrain
}

func (r *run) killGate() {
	if r.plan.gated {
		r.gateHost.kill(func() {})
	}
}

// beaconsWay is the link on which a beacon node that starts now calls gwat, and the
// address that it is given.
func (r *run) beaconsWay() (link, string) {
	if r.plan.gated && !r.bypassed {
		return beaconGate, gateURL
	}
	return beaconGwat, gwatURL
}

// driverOf is how a beacon node drives that would otherwise do it as asked for.
func (p *Plan) driverOf(asked beaconsim.DriverMode) beaconsim.DriverMode {
	if p.gated || p.drives {
		return beaconsim.DriverOn
	}
	return asked
}

// tends has the operator restart a beacon node whose head has stopped for good, once a slot.
func (r *run) tends() {
	if !r.plan.beacon.BadBlocks {
		return
	}
	slot := r.plan.chain.Spec().SlotDuration()
	r.sched.at(r.now()+slot, digest("operator tends"), func() {
		bad := r.beaconHost.up && !r.beaconHost.paused && r.beacon.BadBlocks() > 0
		if bad && r.deadSince != never && r.now() >= r.deadSince+3*slot {
			r.log("restart", "beacon", "its head has stopped for good", 0)
			r.killBeacon()
			r.startBeaconAgain(true, beaconsim.DriverOff)
			bad = false
		}
		switch {
		case !bad:
			r.deadSince = never
		case r.deadSince == never:
			r.deadSince = r.now()
		}
		r.tends()
	})
}

// handsOff reports whether syncd had said by a time, or says a little later, that the
// gate is to hold back nothing.
func (c *record) handsOff(at time.Duration) bool {
	if c.plan.pair.Observe {
		return true
	}
	off := false
	for _, s := range c.stages {
		if s.at > at+time.Millisecond {
			break
		}
		off = s.To == string(fsm.Paused) || s.To == string(fsm.Halted)
		if s.at > at-c.patience() && off {
			return true
		}
	}
	return off
}

// surelyOff reports whether the gate has been holding back nothing for a while, and goes on so.
func (c *record) surelyOff(at time.Duration) bool {
	if c.plan.pair.Observe {
		return true
	}
	said := stageChange{at: never}
	for _, s := range c.stages {
		if s.at > at {
			break
		}
		said = s
	}
	return said.at != never && said.at < at-100*time.Millisecond && said.To == string(fsm.Paused) &&
		c.lives(said.incarnation, at)
}

// lives reports whether a process of syncd ran at a time, and some time after it.
func (c *record) lives(incarnation int, at time.Duration) bool {
	l := c.incarnations[incarnation-1]
	return (l.end == never || l.end > at+100*time.Millisecond) && !(l.stopped && l.stops <= at)
}
