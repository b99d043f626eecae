package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

// checkDrivers is S6: no ready while another driver is known to be at work, and no
// second call of syncd's own while one may still run.
func (c *record) checkDrivers() {
	slot := c.plan.chain.Spec().SlotDuration()
	for i, x := range c.ours {
		c.checkAlone(x, c.ours[:i])
		if x.call != callReady {
			continue
		}
		for _, y := range c.syncings {
			if y.from != x.from || y.ended >= x.sent || y.ended < x.sent-3*slot {
				continue
			}
			if stage, _ := y.stageTold(); stage != "head" || !c.heldByAnother(y) || c.ownCallNear(y) {
				continue
			}
			c.broken("S6", x.sent, fmt.Sprintf("a ready %s after gwat said stage head for another driver", (x.sent-y.ended).Round(time.Millisecond)))
			break
		}
		for _, y := range c.ours[:i] {
			if y.call == callPush && y.from == x.from && y.ended != never && y.ended < x.sent && y.ended > x.sent-3*slot &&
				strings.Contains(string(y.answer), `"not ready"`) && y.whole && !c.ranOut(y) && !c.ofAnotherNetwork(y) {
				c.broken("S6", x.sent, fmt.Sprintf("a ready %s after gwat answered not ready", (x.sent-y.ended).Round(time.Millisecond)))
			}
		}
	}
}

// ofAnotherNetwork reports whether a gwat of another network took a call: that it knows no ready
// of syncd's says nothing of the drivers here.
func (c *record) ofAnotherNetwork(y *exchange) bool { return y.node > 0 && !c.gwats[y.node-1].home }

// ranOut reports whether a push was sent when the lock of the ready before it had run out, as the
// empty one that frees a lock may be: "not ready" is no sign of another driver then.
func (c *record) ranOut(y *exchange) bool {
	ready := never
	for _, z := range c.ours {
		if z.call == callReady && z.sent < y.sent {
			ready = z.sent
		}
	}
	return ready != never && y.sent > ready+c.plan.pair.LockTime
}

// diedWith reports whether the process that made a call died before it could write the answer
// down: the next one does not know it.
func (c *record) diedWith(z *exchange) bool {
	end := c.incarnations[z.from-1].end
	return end != never && z.ended != never && end <= z.ended+100*time.Millisecond
}

// heldByAnother reports whether the head lock, when gwat answered, was taken by a
// ready that was not syncd's.
func (c *record) heldByAnother(y *exchange) bool {
	var newest gwatsim.Call
	by := link("")
	for _, z := range c.net.exchanges {
		if z.node != y.node || z.call != callReady || z.arrived == never || z.arrived > y.served {
			continue
		}
		if call, ok := c.calls[z.id()]; ok && call.Answer == "true" && !call.Begin.Before(newest.Begin) {
			newest, by = call, z.link
		} else if !ok && z.link == syncdGwat {
			return false // it is at work right now
		}
	}
	return by != "" && by != syncdGwat
}

// ownCallNear reports whether a call of syncd's own may explain an answer.
func (c *record) ownCallNear(y *exchange) bool {
	window := 2*c.plan.pair.PollInterval + 2*c.plan.pair.CallTimeout
	outlived := c.plan.pair.PushTimeout + c.plan.pair.LockTime
	for _, z := range c.ours {
		if z.call == callSync || z.sent > y.ended {
			continue
		}
		if _, answered := z.result(); (!answered || c.diedWith(z)) && y.ended-z.sent < outlived+window {
			return true
		}
		if z.ended == never || z.ended > y.sent-window {
			return true
		}
	}
	return false
}

// checkAlone: a call whose answer was lost counts as possibly done, until gwat was
// restarted, or for as long as it could hold its lock for it. A push that is on its
// way also ends with its effect, whoever brought it about.
func (c *record) checkAlone(x *exchange, before []*exchange) {
	begin := c.sched.begin
	for _, y := range before {
		if x.sent >= y.sent+c.plan.pair.PushTimeout+c.plan.pair.LockTime || y.conn != x.conn {
			continue
		}
		call, logged := c.calls[y.id()]
		running := y.goesOn && y.arrived == never || y.arrived > x.sent || y.arrived != never && !logged ||
			logged && call.End.Sub(begin) > x.sent
		if y.arrived == never && c.effectTold(y, x) {
			continue
		}
		if running && (y.arrived != never || y.goesOn) {
			c.broken("S6", x.sent, fmt.Sprintf("%s #%d while %s #%d of %.3fs may still run in gwat", x.call, x.id(), y.call, y.id(), y.sent.Seconds()))
			return
		}
	}
}

// effectTold reports whether syncd had read, before it sent x, that gwat has finalized
// the last spine of the push y.
func (c *record) effectTold(y, x *exchange) bool {
	entries := y.infos()
	for i := len(entries) - 1; i >= 0; i-- {
		finalizing := entries[i].Finalizing
		if len(finalizing) == 0 {
			continue
		}
		for _, z := range c.blocks {
			if z.from != x.from || z.sent < y.sent || z.ended > x.sent {
				continue
			}
			for _, b := range z.blocksTold() {
				if b.Hash == finalizing[len(finalizing)-1] && b.Number != nil {
					return true
				}
			}
		}
		return false
	}
	return false
}
