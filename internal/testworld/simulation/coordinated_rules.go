package simulation

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// callAddPeer is the call of heals that changes gwat, beside dag_finalize.
const callAddPeer = "admin_addPeer"

// coordinatedRecord is a run that has ended, as the rules look at it.
type coordinatedRecord struct {
	*coordinatedRun
	found []Violation
}

// check looks at a run of the coordinated era that has ended, rule by rule.
func (c *coordinatedRun) check() []Violation {
	r := &coordinatedRecord{coordinatedRun: c}
	r.checkCalls()
	r.checkTries()
	r.checkDelays()
	r.checkGate()
	r.checkFindings()
	r.checkNamed()
	r.checkWork()
	r.checkEnd()
	slices.SortStableFunc(r.found, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	return r.found
}

func (c *coordinatedRecord) broken(rule string, at time.Duration, format string, args ...any) {
	c.found = append(c.found, Violation{rule, at, fmt.Sprintf(format, args...)})
}

// slack is how old what syncd goes by may be.
func (c *coordinatedRun) slack() time.Duration {
	out := 2*c.plan.pair.CallTimeout + 2*c.plan.pair.PollInterval + time.Second
	for _, f := range c.plan.Faults {
		if f.begun && strings.HasPrefix(f.kind.name, "disk") {
			out += 15 * time.Second // the loop waits for its journal
		}
	}
	return out
}

// changes returns the calls of heals that were sent, in order.
func (c *coordinatedRecord) changes() (out []*exchange) {
	for _, x := range c.run.net.exchanges {
		if x.link == syncdGwat && (x.call == callFinalize || x.call == callAddPeer) {
			out = append(out, x)
		}
	}
	return out
}

// finalizeOf returns the parameter of a dag_finalize.
func finalizeOf(x *exchange) (coordinated.Finalize, bool) {
	var params []coordinated.Finalize
	if json.Unmarshal([]byte(x.params), &params) != nil || len(params) != 1 || params[0].Checkpoint == nil {
		return coordinated.Finalize{}, false
	}
	return params[0], true
}

// checkCalls: no call without a switch, a try and the right to make it; one in flight; a
// checkpoint that is stored is canonical and final; nothing final is lost.
func (c *coordinatedRecord) checkCalls() {
	calls := c.changes()
	for i, x := range calls {
		switch {
		case c.plan.pair.Observe:
			c.broken("observe", x.sent, "%s was sent by an observer", x.call)
		case x.call == callAddPeer && !c.heals.Peers, !c.heals.Peers && !c.heals.Checkpoint && !c.heals.Drive:
			c.broken("observe", x.sent, "%s was sent, and its heal is off", x.call)
		case c.paused(x.sent):
			c.broken("observe", x.sent, "%s was sent while the pair was paused", x.call)
		}
		if !slices.ContainsFunc(c.tries, func(t begunTry) bool { return t.incarnation == x.from && t.at <= x.sent && x.sent < t.at+time.Minute }) {
			c.broken("proof", x.sent, "%s was sent without a try", x.call)
		}
		for _, y := range calls[:i] {
			if y.from == x.from && (y.served == never && y.ended == never || max(y.served, y.ended) > x.sent) && c.survives(y, x.sent) {
				c.broken("one", x.sent, "%s was sent while %s of %s was in flight", x.call, y.call, y.sent)
			}
		}
		if f, ok := finalizeOf(x); ok {
			c.checkFinalize(x, &f)
		} else if x.call == callFinalize {
			c.broken("canonical", x.sent, "a dag_finalize without a checkpoint was sent")
		}
	}
}

// survives reports whether a call may still be at gwat: neither process has ended since.
func (c *coordinatedRecord) survives(x *exchange, at time.Duration) bool {
	return c.worldAt(at).process == c.worldAt(x.sent).process
}

// paused reports whether syncd had said for a while that it is paused, and goes on so.
func (c *coordinatedRecord) paused(at time.Duration) bool {
	var said stageChange
	for _, s := range c.stages {
		if s.at < at {
			said = s
		}
	}
	return said.To == string(fsm.Paused) && said.at < at-50*time.Millisecond
}

// checkFinalize holds one dag_finalize of a heal to the chain and to what gwat has.
func (c *coordinatedRecord) checkFinalize(x *exchange, f *coordinated.Finalize) {
	if _, canonical := c.net.SlotOfRoot(f.Checkpoint.Root); !canonical {
		c.broken("canonical", x.sent, "the checkpoint's root %s is no block of the chain", f.Checkpoint.Root)
	}
	for i := 1; i < len(f.Spines); i++ {
		a, _ := c.net.SlotOfSpine(f.Spines[i-1])
		if b, known := c.net.SlotOfSpine(f.Spines[i]); !known || b != a+1 {
			c.broken("order", x.sent, "spine %d of the call does not follow the one before", i)
			break
		}
	}
	if len(f.Spines) > 0 {
		first, _ := c.net.SlotOfSpine(f.Spines[0])
		if base, known := c.net.SlotOfSpine(*f.BaseSpine); !known || first != base+1 {
			c.broken("order", x.sent, "the first spine of the call does not follow its base")
		}
		for _, l := range c.leaves {
			if l.at < x.sent-c.slack()-3*time.Second && l.epoch >= f.Checkpoint.FinEpoch && l.epoch > 0 {
				c.broken("operations", x.sent, "gwat was driven to epoch %d without the validator that leaves in epoch %d", f.Checkpoint.FinEpoch, l.epoch)
			}
		}
	}
	if x.arrived == never {
		return
	}
	before := c.worldAt(x.arrived)
	spine, known := c.net.SlotOfSpine(f.Checkpoint.Spine)
	covered := *f.BaseSpine == f.Checkpoint.Spine || slices.Contains(f.Spines, f.Checkpoint.Spine)
	if !known || spine > before.gwat.Final && !covered {
		c.broken("final", x.arrived, "the checkpoint's spine of slot %d is not final in gwat, which has %d", spine, before.gwat.Final)
	}
	if x.served != never {
		if after := c.worldAt(x.served + 1); after.process == before.process && after.gwat.Final < before.gwat.Final {
			c.broken("kept", x.served, "gwat had finalized slot %d before the call, and %d after it", before.gwat.Final, after.gwat.Final)
		}
	}
}

// proofs are what has to be true of the world for a try of each heal, for four slots. What
// is only a matter of time is left out: syncd measures it by its own polls.
func (c *coordinatedRecord) proofs(name heal.Name) func(*worldSample) bool {
	switch name {
	case heal.Peers:
		return func(s *worldSample) bool { return s.gwat.Peers == 0 }
	case heal.Checkpoint:
		return func(s *worldSample) bool { return s.foreign || c.ahead(s) }
	case heal.Drive:
		return func(s *worldSample) bool { return !s.gwat.Synced && (s.gwat.Peers > 0 || c.authRPC) } // which reports no peers
	}
	return func(*worldSample) bool { return true }
}

// ahead reports whether gwat's checkpoint is of a block that the beacon node does not have.
func (c *coordinatedRun) ahead(s *worldSample) bool {
	slot, known := c.net.SlotOfRoot(s.gwat.Point)
	return known && slot > s.head
}

// checkTries: a try has a proof that held for four slots, is made once a minute, and three
// times before the pair works again.
func (c *coordinatedRecord) checkTries() {
	for i, t := range c.tries {
		name := heal.Name(t.heal)
		if c.plan.pair.Observe || !c.on(name) {
			c.broken("observe", t.at, "heal %s was begun, and it is off", t.heal)
		}
		held := heal4 * c.slotTime()
		if clock := c.jumped(t.at); clock {
			held = 0 // syncd's clock measured it
		}
		if holds := c.proofs(name); !c.stood(t.at-c.slack(), t.at, max(held-c.slack(), 0), holds) {
			c.broken("proof", t.at, "heal %s was begun, and what calls for it was not so for %d slots", t.heal, heal4)
		}
		tries := 1
		for j := i - 1; j >= 0; j-- {
			u := c.tries[j]
			if u.heal != t.heal {
				continue
			}
			if u.incarnation != t.incarnation || c.worked(u.at, t.at) {
				break
			}
			if tries++; t.at-u.at < healPause-time.Second && !c.jumped(t.at) {
				c.broken("backoff", t.at, "heal %s was tried %s after the last try", t.heal, t.at-u.at)
				break
			}
		}
		if tries > healTries {
			c.broken("backoff", t.at, "heal %s was tried for the %d. time", t.heal, tries)
		}
	}
}

// What the rules say of heals, whatever syncd's constants are.
const (
	heal4     = 4           // slots for which a proof has to hold
	healPause = time.Minute // between two tries
	healTries = 3           // before the pair works again
)

func (c *coordinatedRecord) on(name heal.Name) bool {
	switch name {
	case heal.Peers:
		return c.heals.Peers
	case heal.Checkpoint:
		return c.heals.Checkpoint
	case heal.Drive:
		return c.heals.Drive
	case heal.RestartGwat:
		return c.heals.RestartGwat != ""
	}
	return c.heals.RestartBeacon != ""
}

// worked reports whether syncd said between two times that the pair works.
func (c *coordinatedRecord) worked(from, to time.Duration) bool {
	return slices.ContainsFunc(c.said, func(s saidChange) bool { return s.at > from && s.at <= to && s.verdict == status.VerdictWorking })
}

// jumped reports whether syncd's clock jumped before a time, and not long ago.
func (c *coordinatedRecord) jumped(at time.Duration) bool {
	return slices.ContainsFunc(c.plan.Faults, func(f *fault) bool {
		return f.begun && f.kind.name == "clock jumps" && f.began <= at && at <= f.ended+2*time.Minute
	})
}

// checkDelays: a call of the beacon node waits for one call of a heal at most, and no heal
// goes on driving once the beacon node was seen to drive.
func (c *coordinatedRecord) checkDelays() {
	calls := c.changes()
	if len(calls) == 0 {
		return
	}
	for _, b := range c.run.net.exchanges {
		if b.link != c.driversLink() || b.call != callFinalize || b.arrived == never || b.served == never {
			continue
		}
		waited := 0
		for _, x := range calls {
			if x.call != callFinalize || x.arrived == never || x.served == never {
				continue
			}
			if x.arrived < b.served && x.served > b.arrived && x.served < b.served {
				waited++
			}
			if x.sent > b.served+drivesSeen && c.sameTry(x, b.served) && c.moved(b) && !c.slowedDown(b.served, x.sent) {
				if f, ok := finalizeOf(x); ok && f.Mode != coordinated.NoSync {
					c.broken("delayed", x.sent, "a heal drives gwat although the beacon node drove it at %s", b.served)
				}
			}
		}
		if waited > 1 {
			c.broken("delayed", b.served, "a call of the beacon node waited for %d calls of a heal", waited)
		}
	}
}

// drivesSeen is how long a heal may need from its last reading to its call, with no fault on
// its way.
const drivesSeen = 100 * time.Millisecond

// sameTry reports whether a try that made a call had begun by a time.
func (c *coordinatedRecord) sameTry(x *exchange, at time.Duration) bool {
	var begun *begunTry
	for i := range c.tries {
		if t := &c.tries[i]; t.incarnation == x.from && t.at <= x.sent {
			begun = t
		}
	}
	return begun != nil && begun.at < at
}

// moved reports whether a call changed where gwat is.
func (c *coordinatedRecord) moved(x *exchange) bool {
	before, after := c.worldAt(x.arrived), c.worldAt(x.served+1)
	return before.gwat.Final != after.gwat.Final || before.gwat.Epoch != after.gwat.Epoch || before.gwat.Point != after.gwat.Point
}

// slowedDown reports whether a fault lay on syncd's way between two times.
func (c *coordinatedRecord) slowedDown(from, to time.Duration) bool {
	return slices.ContainsFunc(c.plan.Faults, func(f *fault) bool {
		return f.begun && f.began <= to && f.ended >= from && slices.Contains(faultKinds, f.kind)
	}) || c.was(from, to, func(s *worldSample) bool { return !s.answers || !s.beaconAnswers })
}

// checkWork: the pair is not said to work, nor to be in that stage, while it has not done so for a while.
func (c *coordinatedRecord) checkWork() {
	idle := func(s *worldSample) bool {
		return !s.answers || !s.beaconAnswers || !s.gwat.Synced || s.gwat.Final+6 < s.head-min(s.head, coordinated.FinalizeLag)
	}
	patience := c.slack() + c.plan.pair.PollInterval + c.plan.pair.CallTimeout + 4*c.slotTime()
	for i, s := range c.said {
		if s.verdict != status.VerdictWorking && s.stage != string(fsm.Working) {
			continue // a finding may say that a pair in that stage does not work
		}
		until := c.now()
		if i+1 < len(c.said) {
			until = c.said[i+1].at
		}
		if l := c.incarnations[s.incarnation-1]; l.end != never {
			until = min(until, l.end)
		}
		if until > s.at && c.stood(s.at+1, until, patience, idle) {
			c.broken("work", until, "the pair was said to work until then, and had not worked for %s", patience)
		}
	}
}

// checkEnd: all faults are gone, and the pair works.
func (c *coordinatedRecord) checkEnd() {
	if c.working != never {
		return
	}
	last := saidChange{}
	if n := len(c.said); n > 0 {
		last = c.said[n-1]
	}
	w := c.worldAt(c.now())
	c.broken("liveness", c.now(), "not working %s after the last fault, verdict %s, stage %s, findings %s; gwat %+v, beacon's head %d, initial sync %v, driver %s",
		c.now()-c.healedAt, last.verdict, last.stage, strings.Join(last.names(), " "), w.gwat, w.head, w.initial, c.beacon.Letter())
}
