package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// checkPushes is S1, S2 and S3, from what went over the network: for each push of
// syncd that went out it looks for the ready it rests on, and compares it with
// the chain of the last head that syncd has read.
func (c *record) checkPushes() {
	for i, x := range c.ours {
		if strings.HasSuffix(x.call, "[]") {
			c.broken("S1", x.sent, x.shown()+" is in a batch")
		}
		if c.plan.pair.Observe {
			c.broken("observe", x.sent, x.call+" by a syncd that only observes")
		}
		if x.call != callPush {
			continue
		}
		ready, why := c.readyOf(x, c.ours[:i])
		if ready == nil {
			c.broken("S1", x.sent, why)
			continue
		}
		c.checkEntries(x, ready)
	}
}

// readyOf finds the ready that a push rests on: the last one of the same incarnation that
// was answered true before, and that no push has used up; or one whose answer was
// lost, if it was journalled before it was sent and gwat said that it is there.
func (c *record) readyOf(push *exchange, before []*exchange) (*exchange, string) {
	var ready *exchange
	for _, y := range slices.Backward(before) {
		if y.call == callPush {
			if used := y.ended == never || y.ended > push.sent || y.arrived != never || y.lost != ""; used {
				break
			}
		}
		if y.call == callReady {
			ready = y
			break
		}
	}
	if ready == nil || len(ready.infos()) != 1 {
		return nil, "a push, and no ready since the push before"
	}
	if ready.from == push.from && ready.ended <= push.sent && ready.saidTrue() {
		return ready, ""
	}
	spine := lastSpine(ready.infos()[0])
	if !c.journalled(ready, spine) {
		return nil, fmt.Sprintf("a push on ready #%d, which did not answer true and was not journalled before it was sent", ready.id())
	}
	if _, answered := ready.result(); answered && ready.from == push.from {
		return nil, fmt.Sprintf("a push on ready #%d, which answered otherwise", ready.id())
	}
	syncing := last(c.syncings, push.from, push.sent)
	if syncing == nil || syncing.served < ready.sent {
		return nil, fmt.Sprintf("a push on ready #%d of unknown end, without asking gwat", ready.id())
	}
	if stage, _ := syncing.stageTold(); stage != "head" {
		return nil, fmt.Sprintf("a push on ready #%d of unknown end, and gwat said stage %q", ready.id(), stage)
	}
	latest := c.lastLatest(push)
	if !strings.Contains(latest, spine.Hex()) {
		return nil, fmt.Sprintf("a push on ready #%d of unknown end, and gwat did not say that it is at its spine", ready.id())
	}
	return ready, ""
}

// lastLatest is the newest answer about gwat's last finalized block before a push.
func (c *record) lastLatest(push *exchange) string {
	for _, x := range slices.Backward(c.blocks) {
		if x.from == push.from && x.ended <= push.sent && strings.Contains(x.params, `"latest"`) {
			return string(x.answer)
		}
	}
	return ""
}

// journalled reports whether the disk said, when a ready was sent, that it is pending.
func (c *record) journalled(ready *exchange, spine [32]byte) bool {
	var value *checkpoint.Pending
	for _, p := range c.disk.pending {
		if p.at <= ready.sent && p.incarnation == ready.from {
			value = p.value
		}
	}
	return value != nil && value.Call == checkpoint.CallReady && value.Spine == spine
}

// checkEntries compares a push with the chain of the last head answer.
func (c *record) checkEntries(x, ready *exchange) {
	cp, entries := ready.infos()[0], x.infos()
	if len(entries) == 0 {
		return // it gives the lock back
	}
	answer := last(c.heads, x.from, x.sent)
	if answer == nil {
		c.broken("S3", x.sent, "a push, and no head was read")
		return
	}
	if age := x.sent - answer.ended; age > time.Second {
		c.broken("S3", x.sent, fmt.Sprintf("the last head answer is %s old when the push is sent", age))
		return
	}
	chain, head := c.chainOf(answer.root())
	if head == nil {
		c.broken("S3", x.sent, "the last head answer names a block that there is not")
		return
	}
	if x.node > 0 && x.node == ready.node && c.gwats[x.node-1].home != (chain == c.plan.chain) {
		c.broken("network", x.sent, "a push from a beacon node of one network to a gwat of another")
		return
	}
	why := c.follows(chain, head, cp, entries)
	if why == "" {
		return
	}
	if tip := c.tipOf(chain, entries[len(entries)-1]); tip != nil && tip.Root != head.Root && c.follows(chain, tip, cp, entries) == "" {
		c.broken("S3", x.sent, fmt.Sprintf("what is pushed up to slot %d is not on the chain of the head at slot %d", tip.Slot, head.Slot))
		return
	}
	c.broken("S2", x.sent, why)
}

// follows returns why entries are not the blocks that follow a checkpoint on the
// chain of a head; "" if they are.
func (c *record) follows(chain world.Chain, head *world.BeaconBlock, cp checkpoint.ConsensusInfo, entries []checkpoint.ConsensusInfo) string {
	blocks, below := ancestors(chain, head, cp.Slot)
	if cp.Slot > 0 && (below == nil || below.Slot != cp.Slot || !slices.Equal(below.Finalization, cp.Finalizing)) {
		return fmt.Sprintf("the checkpoint at slot %d is not on the chain", cp.Slot)
	}
	for i, e := range entries {
		switch {
		case i >= len(blocks):
			return fmt.Sprintf("slot %d is beyond the head at slot %d", e.Slot, head.Slot)
		case e.Slot != blocks[i].Slot:
			return fmt.Sprintf("slot %d follows where slot %d has to", e.Slot, blocks[i].Slot)
		case !slices.Equal(e.Finalizing, blocks[i].Finalization):
			return fmt.Sprintf("slot %d has other spines than its block", e.Slot)
		case !slices.Equal(e.Creators, world.Creators(chain, e.Slot)):
			return fmt.Sprintf("slot %d has other creators than its committees give", e.Slot)
		}
	}
	return ""
}

// tipOf finds the block that an entry may be of, on whatever branch was head once.
func (c *record) tipOf(chain world.Chain, e checkpoint.ConsensusInfo) *world.BeaconBlock {
	for slot := e.Slot; slot <= e.Slot+64; slot++ {
		if b, ok := chain.Ancestor(chain.HeadAt(slot), e.Slot); ok && slices.Equal(b.Finalization, e.Finalizing) {
			return b
		}
	}
	return nil
}
