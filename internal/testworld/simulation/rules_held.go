package simulation

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/fsm"
)

// heldLimit is how long the gate may take for a call that it holds: the beacon node
// waits for 30 s.
const heldLimit = 20*time.Second + 100*time.Millisecond

// checkHeld is S9 for each dag_finalize of the beacon node: no error, no refusal and no
// reset reaches it, it is answered before its caller hangs up, and in its order.
func (c *record) checkHeld() {
	var previous *exchange
	for _, x := range c.before {
		if x.call != callFinalize || x.ended >= c.endsAt {
			continue
		}
		from := x.sent
		if x.arrived != never {
			from = x.arrived
		}
		if x.gaveUp && x.arrived != never && x.served == never && !c.handsOff(from) && x.ended-x.arrived > heldLimit {
			c.broken("S9", x.ended, fmt.Sprintf("the beacon node's dag_finalize #%d had no answer after %s", x.id(), x.ended-x.arrived))
		}
		if x.ended == never || x.gaveUp || x.hit || c.handsOff(from) || c.killedIn(from, x.ended) {
			continue
		}
		switch {
		case x.err != nil:
			c.broken("S9", x.ended, fmt.Sprintf("the beacon node's dag_finalize #%d: %s", x.id(), x.lost))
		case !x.saidDone():
			c.broken("S9", x.ended, fmt.Sprintf("the beacon node's dag_finalize #%d was answered with HTTP %d: %.120s", x.id(), x.status, x.answer))
		case x.served-x.arrived > heldLimit:
			c.broken("S9", x.ended, fmt.Sprintf("the beacon node's dag_finalize #%d was held for %s", x.id(), x.served-x.arrived))
		}
		if previous != nil && previous.node == x.node && previous.served > x.served {
			c.broken("S8", x.ended, fmt.Sprintf("dag_finalize #%d was answered before #%d, which came first", x.id(), previous.id()))
		}
		previous = x
	}
	var trying *exchange
	for _, y := range c.behind {
		if y.call != callFinalize || c.handsOff(y.sent) {
			continue
		}
		if trying != nil && trying.from == y.from && (trying.ended == never || trying.ended > y.sent+time.Millisecond) {
			c.broken("S8", y.sent, fmt.Sprintf("two dag_finalize at gwat at a time, #%d and #%d", trying.id(), y.id()))
		}
		trying = y
	}
}

// saidDone reports whether a dag_finalize was answered without an error.
func (x *exchange) saidDone() bool {
	raw, ok := x.result()
	return ok && strings.Contains(string(raw), `"error":null`)
}

// checkLock: no held call goes to gwat while a ready or a push of syncd's is there.
func (c *record) checkLock() {
	for _, y := range c.behind {
		if y.call != callFinalize || c.handsOff(y.sent) {
			continue
		}
		for _, x := range c.ours {
			if x.call != callSync && x.from == y.from && y.sent > x.sent && (x.ended == never || y.sent < x.ended) {
				c.broken("S9", y.sent, fmt.Sprintf("a held dag_finalize went to gwat during %s #%d", x.call, x.id()))
			}
		}
	}
}

// absorbed reports whether a dag_finalize was answered well though gwat gave no such answer.
func (c *record) absorbed(x *exchange) bool {
	if x.call != callFinalize || x.served == never || !x.saidDone() {
		return false
	}
	for _, y := range c.byBody[digestBytes(x.body)] {
		if y.from == x.node && y.sent >= x.arrived && y.saidDone() {
			return false
		}
	}
	return true
}

// checkProved: when working is said, gwat has what was absorbed before, as far as the
// chain of the head has it.
func (c *record) checkProved() {
	var absorbed []*exchange
	for _, x := range c.before {
		if c.absorbed(x) {
			absorbed = append(absorbed, x)
		}
	}
	for _, s := range c.stages {
		if s.To != string(fsm.Working) || len(absorbed) == 0 {
			continue
		}
		answer := last(c.heads, s.incarnation, s.at)
		if answer == nil {
			continue
		}
		chain, head := c.chainOf(answer.root())
		if head == nil || chain != c.plan.chain {
			continue
		}
		number := c.highest(chain, s.at-c.plan.pair.PollInterval-c.plan.pair.CallTimeout, s.at)
		for _, x := range absorbed {
			if x.served >= s.at {
				continue
			}
			for _, spine := range finalizes(x) {
				if b, ok := chain.DAGBlock(spine); ok && b.Height > number && c.isOn(spine) {
					c.broken("S9", s.at, fmt.Sprintf("working, and spine %s of dag_finalize #%d, which was absorbed, has height %d; gwat is at %d", spine, x.id(), b.Height, number))
					return
				}
			}
		}
	}
}

// isOn reports whether a spine of an absorbed call is on the chain that won.
func (c *record) isOn(spine common.Hash) bool {
	if c.canonical == nil {
		c.canonical = map[common.Hash]bool{}
		blocks, _ := ancestors(c.plan.chain, c.chainHead(), 0)
		for _, b := range blocks {
			for _, s := range b.Finalization {
				c.canonical[s] = true
			}
		}
	}
	return c.canonical[spine]
}

// finalizes are the spines of a dag_finalize.
func finalizes(x *exchange) []common.Hash {
	var params [][]common.Hash
	if json.Unmarshal([]byte(x.params), &params) != nil || len(params) == 0 {
		return nil
	}
	return params[0]
}
