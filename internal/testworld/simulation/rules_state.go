package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/fsm"
)

// checkConfirmed is S4 and S7 for what the journal holds and the API says.
func (c *record) checkConfirmed() {
	var was *confirmedCommit
	for i, now := range c.disk.confirmed {
		if now.value != nil {
			c.checkStored(now)
			if was != nil && was.value != nil && now.value.Slot < was.value.Slot {
				c.mayMoveBack(was, now.at, now.incarnation, fmt.Sprintf("the confirmed entry moves from slot %d back to slot %d", was.value.Slot, now.value.Slot))
			}
		}
		was = &c.disk.confirmed[i]
	}
	for _, x := range c.ours {
		if x.call == callReady && x.arrived != never {
			c.checkReady(x)
		}
	}
	for _, q := range c.questions {
		c.checkTold(q)
	}
}

// checkStored is S7: gwat's own answers to this incarnation of syncd said that the spine
// is finalized under that number, and it is the last of the block that is named.
func (c *record) checkStored(now confirmedCommit) {
	v := now.value
	if _, b := c.chainOf(v.Root); b == nil || b.Slot != v.Slot || len(b.Finalization) == 0 || b.Finalization[len(b.Finalization)-1] != v.Spine {
		c.broken("S7", now.at, fmt.Sprintf("the stored entry of slot %d is of no block", v.Slot))
		return
	}
	for _, x := range slices.Backward(c.blocks) {
		if x.from == now.incarnation && x.ended <= now.at && strings.Contains(string(x.answer), v.Spine.Hex()) && x.tells(v.Spine, v.Number) {
			return
		}
	}
	c.broken("S7", now.at, fmt.Sprintf("slot %d is stored as confirmed, and gwat did not say that %s has number %d", v.Slot, v.Spine, v.Number))
}

// reports whether an answer says that a block is finalized under a number.
func (x *exchange) tells(hash common.Hash, number uint64) bool {
	return slices.ContainsFunc(x.blocksTold(), func(b toldBlock) bool {
		return b.Hash == hash && b.Number != nil && uint64(*b.Number) == number
	})
}

// checkReady is S4 for gwat itself: a ready that is below the confirmed entry rolls
// it back.
func (c *record) checkReady(x *exchange) {
	infos := x.infos()
	if len(infos) != 1 {
		return
	}
	var was *confirmedCommit
	for i, now := range c.disk.confirmed {
		if now.at <= x.sent {
			was = &c.disk.confirmed[i]
		}
	}
	spine, ok := c.plan.chain.DAGBlock(lastSpine(infos[0]))
	if was == nil || was.value == nil || !ok || spine.Height >= was.value.Number {
		return
	}
	c.mayMoveBack(was, x.sent, x.from, fmt.Sprintf("a ready at slot %d, number %d, below the confirmed entry of slot %d, number %d",
		infos[0].Slot, spine.Height, was.value.Slot, was.value.Number))
}

// mayMoveBack looks for a cause that S4 names, since the entry was confirmed.
func (c *record) mayMoveBack(was *confirmedCommit, at time.Duration, incarnation int, what string) {
	if c.plan.pair.PushFromCheckpoint || c.lowest(was.at, at) < was.value.Number || c.toldDisorder(incarnation, was.at, at, was.value.Root) {
		return
	}
	if c.fullOrdered(incarnation, was.at, at) {
		return
	}
	for _, x := range c.heads {
		if x.from != incarnation || x.ended > at {
			continue
		}
		if chain, head := c.chainOf(x.root()); head != nil && x.ended >= was.at && !isAncestor(chain, head, was.value.Root) {
			return
		}
	}
	c.broken("S4", at, what+", and nothing asked for it")
}

// fullOrdered reports whether the operator ordered a push from the checkpoint, since
// an entry was confirmed or with no push that has ended well since the order.
func (c *record) fullOrdered(incarnation int, confirmed, at time.Duration) bool {
	for _, q := range c.questions {
		if !q.full || q.incarnation != incarnation || q.sent > at {
			continue
		}
		pushed := func(s stageChange) bool {
			return s.Event == string(fsm.Pushed) && s.at > q.sent && s.at < at
		}
		if q.sent >= confirmed || !slices.ContainsFunc(c.stages, pushed) {
			return true
		}
	}
	return false
}

// checkTold is S7 for the API: an entry is not shown as confirmed for long after
// gwat has lost it.
func (c *record) checkTold(q *asked) {
	if q.snap == nil || q.snap.Confirmed == nil {
		return
	}
	since := q.ended - c.patience() - c.plan.pair.PollInterval - c.plan.pair.CallTimeout
	if since < 0 || since < c.incarnations[q.incarnation-1].begin || !c.calm(since, q.ended) {
		return
	}
	for at := since; ; {
		s := c.sampleAt(at)
		if !s.home || !s.up || s.stage == "head" || s.number >= q.snap.Confirmed.Number {
			return
		}
		next := slices.IndexFunc(c.samples, func(s sample) bool { return s.at > at })
		if next < 0 || c.samples[next].at > q.ended {
			break
		}
		at = c.samples[next].at
	}
	c.broken("S7", q.ended, fmt.Sprintf("slot %d, number %d, is shown as confirmed, and gwat has long lost it", q.snap.Confirmed.Slot, q.snap.Confirmed.Number))
}

// calm reports whether syncd's calls went through in a time.
func (c *record) calm(from, to time.Duration) bool {
	for _, x := range c.net.exchanges {
		if (x.link == syncdGwat || x.link == syncdBeacon) && x.stream == nil && x.sent >= from && x.sent <= to && (x.lost != "" || x.ended == never || !x.whole) {
			return false
		}
	}
	return true
}
