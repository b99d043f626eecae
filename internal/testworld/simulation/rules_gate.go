package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// callFinalize is the call that the gate holds.
const callFinalize = "dag_finalize"

// callChainID is the call that the gate answers while gwat does not.
const callChainID = "eth_chainId"

// owned reports whether the gate may do anything but forward a call.
func owned(call string) bool {
	return call == callReady || call == callPush || call == callFinalize
}

// checkGate is S8, S9 and S10, from what went over the network on both sides of the gate.
func (c *record) checkGate() {
	if !c.plan.gated {
		return
	}
	c.byBody = map[uint64][]*exchange{}
	for _, x := range c.net.exchanges {
		switch x.link {
		case gateGwat:
			c.byBody[digestBytes(x.body)] = append(c.byBody[digestBytes(x.body)], x)
			c.behind = append(c.behind, x)
		case beaconGate:
			c.before = append(c.before, x)
		}
	}
	slices.SortStableFunc(c.before, func(a, b *exchange) int { return int(a.arrived - b.arrived) })
	slices.SortStableFunc(c.behind, func(a, b *exchange) int { return int(a.sent - b.sent) })
	for _, x := range c.before {
		if x.arrived == never || x.arrived >= c.endsAt {
			continue
		}
		if !owned(x.call) || c.handsOff(x.arrived) {
			c.checkForwarded(x)
		}
	}
	c.checkOwned()
	c.checkHeld()
	c.checkLock()
	c.checkProved()
	c.checkBatches()
}

// checkForwarded: a call leaves the gate at once, once and as it came, and gwat's
// answer reaches its caller as it was.
func (c *record) checkForwarded(x *exchange) {
	if c.killedIn(x.arrived, x.arrived+time.Millisecond) {
		return
	}
	if owned(x.call) && !c.surelyOff(x.arrived) {
		return // the view that forwards it may be a turn of the loop older or younger
	}
	var sent []*exchange
	later := false
	for _, y := range c.byBody[digestBytes(x.body)] {
		switch {
		case y.from != x.node || y.sent < x.arrived:
		case y.sent == x.arrived:
			sent = append(sent, y)
		case x.ended == never || y.sent <= x.ended:
			later = true
		}
	}
	switch {
	case len(sent) == 0 && later:
		c.broken("S10", x.arrived, fmt.Sprintf("%s #%d was held back, and the table does not name it", x.call, x.id()))
		return
	case len(sent) == 0:
		c.broken("S8", x.arrived, fmt.Sprintf("%s #%d did not leave the gate as it came", x.call, x.id()))
		return
	case len(sent) > 1 || later:
		c.broken("S8", x.arrived, fmt.Sprintf("%s #%d left the gate more than once", x.call, x.id()))
		return
	}
	y := sent[0]
	for name, values := range x.header {
		if name != "Accept-Encoding" && !slices.Equal(values, y.header[name]) {
			c.broken("S8", x.arrived, fmt.Sprintf("%s #%d lost its header %s on the way", x.call, x.id(), name))
		}
	}
	if x.hit || y.hit || x.ended == never || x.gaveUp || c.killedIn(x.arrived, x.ended) || x.ended >= c.endsAt {
		return
	}
	whole := y.whole && y.ended != never && y.err == nil && !y.gaveUp
	switch {
	case whole && (x.err != nil || x.status != y.status || !bytes.Equal(x.answer, y.answer)):
		c.broken("S8", x.ended, fmt.Sprintf("gwat's answer to %s #%d did not reach its caller as it was", x.call, x.id()))
	case !whole && x.err == nil && x.status == http.StatusOK && x.call != callChainID: // the gate vouches for the network
		c.broken("S8", x.ended, fmt.Sprintf("%s #%d was answered, and gwat gave no whole answer", x.call, x.id()))
	}
}

// checkOwned: the beacon node's own driver is answered at once, and never reaches gwat.
func (c *record) checkOwned() {
	for _, x := range c.before {
		if x.call != callReady && x.call != callPush || x.arrived == never || c.handsOff(x.arrived) || c.killedIn(x.arrived, x.arrived+time.Second) {
			continue
		}
		if x.served == never || x.served != x.arrived {
			c.broken("S9", x.arrived, fmt.Sprintf("%s #%d was not answered at its first ask", x.call, x.id()))
		} else if x.ended != never && x.whole && !x.hit && x.err == nil && !x.saidTrue() {
			c.broken("S9", x.ended, fmt.Sprintf("%s #%d was not answered true", x.call, x.id()))
		}
	}
	for _, y := range c.behind {
		if (y.call == callReady || y.call == callPush) && !c.handsOff(y.sent) {
			c.broken("S6", y.sent, fmt.Sprintf("%s of the beacon node's driver went through the gate", y.call))
		}
	}
}

// checkBatches: a batch of owned and other calls is answered in order, and what is not
// owned goes to gwat as it came.
func (c *record) checkBatches() {
	sent := map[uint64][]part{}
	for _, parts := range c.batches {
		sent[digestBytes(batchOf(parts))] = parts
	}
	for _, x := range c.net.exchanges {
		if x.link != clientGate || x.arrived == never || c.handsOff(x.arrived) || x.node > 0 && c.killedIn(x.arrived, x.arrived+time.Millisecond) {
			continue
		}
		parts := sent[digestBytes(x.body)]
		if x.hit || x.gaveUp || x.ended == never || x.err != nil || c.killedIn(x.arrived, x.ended) || x.ended >= c.endsAt {
			continue
		}
		for _, body := range forwardedOf(parts) {
			within := func(y *exchange) bool { return y.sent >= x.arrived && y.sent <= x.ended }
			if !slices.ContainsFunc(c.byBody[digestBytes(body)], within) {
				c.broken("S8", x.arrived, "what a batch has beside owned calls did not go to gwat as it came: "+string(body))
			}
		}
		if why := answersBatch(x, parts); why != "" {
			c.broken("S8", x.ended, why)
		}
	}
}

// forwardedOf are the batches that go to gwat of one with owned calls between the others.
func forwardedOf(parts []part) [][]byte {
	var out [][]byte
	for len(parts) > 0 {
		n := slices.IndexFunc(parts, func(p part) bool { return p.owned })
		if n < 0 {
			n = len(parts)
		}
		if n > 0 {
			out = append(out, batchOf(parts[:n]))
		}
		parts = parts[min(n+1, len(parts)):]
	}
	return out
}

// answersBatch returns what is wrong with the answer to a batch; "" if nothing is.
func answersBatch(x *exchange, parts []part) string {
	var answers []struct {
		ID     json.RawMessage `json:"id"`
		Result json.RawMessage `json:"result"`
	}
	if x.status != http.StatusOK || json.Unmarshal(x.answer, &answers) != nil {
		return fmt.Sprintf("a batch was answered with HTTP %d: %.80q", x.status, x.answer)
	}
	for _, p := range parts {
		if p.id == "" {
			continue
		}
		if len(answers) == 0 || string(answers[0].ID) != p.id {
			return "the answers of a batch are not in its order: " + string(x.answer)
		}
		if p.owned && string(answers[0].Result) != "true" && !strings.Contains(p.raw, callFinalize) {
			return "an owned call of a batch was not answered true: " + string(x.answer)
		}
		answers = answers[1:]
	}
	if len(answers) > 0 {
		return "a batch has more answers than calls"
	}
	return ""
}

// killedIn reports whether a process of syncd was killed in a time.
func (c *record) killedIn(from, to time.Duration) bool {
	return slices.ContainsFunc(c.incarnations, func(l *incarnation) bool { return l.dead.Load() && l.end >= from && l.end <= to })
}
