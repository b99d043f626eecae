package beaconsim

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// blockLimit is how long a real node gives the processing of a gossip block. Then it
// hangs up.
const blockLimit = 30 * time.Second

// gossip processes blocks as the real node does: each with a dag_finalize inside. One
// that fails marks the block bad, and every descendant is ignored in silence, until
// the process ends.
type gossip struct {
	node *Node
	work sync.WaitGroup

	mu   sync.Mutex
	last common.Hash // the newest block that was taken in
	bad  map[common.Hash]bool
}

func newGossip(n *Node) *gossip { return &gossip{node: n, bad: map[common.Hash]bool{}} }

// receive takes the block of a slot in. It does not wait for gwat. Blocks that come
// after a gap are loaded, not gossiped: those are not marked bad.
func (g *gossip) receive(ctx context.Context, block *world.BeaconBlock) error {
	g.mu.Lock()
	known, followed := block.Root == g.last, block.ParentRoot == g.last
	bad := g.bad[block.ParentRoot]
	if bad {
		g.bad[block.Root] = true
	}
	if !bad || followed {
		g.last = block.Root
	}
	g.mu.Unlock()
	switch {
	case known, bad:
		return nil
	case !followed:
		if g.anyBad(block) {
			return nil
		}
		return g.node.setHead(block)
	}
	g.work.Go(func() { g.process(ctx, block) })
	return nil
}

// anyBad reports whether a bad block is among the last ancestors of block.
func (g *gossip) anyBad(block *world.BeaconBlock) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for b, more := block, len(g.bad) > 0; more; b, more = g.node.chain.Block(b.ParentRoot) {
		if g.bad[b.Root] {
			g.bad[block.Root] = true
			return true
		}
		if b.Slot == 0 {
			return false
		}
	}
	return false
}

func (g *gossip) process(ctx context.Context, block *world.BeaconBlock) {
	if finalization := g.node.chain.NextFinalization(block); len(finalization) > 0 {
		limited, cancel := context.WithTimeout(ctx, blockLimit)
		defer cancel()
		var answer struct {
			Error *string `json:"error"`
		}
		var raw json.RawMessage
		err := g.node.gwat.call(limited, blockLimit, &raw, "dag_finalize", finalization)
		if err == nil {
			err = json.Unmarshal(raw, &answer)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded):
			// Its own hang-up: the block is good, but the rest of its processing is skipped,
			// and the disk does not know the new head.
			if g.node.State().Head.Slot < block.Slot {
				g.node.moveHead(block)
			}
			return
		case err != nil || answer.Error != nil:
			g.mu.Lock()
			g.bad[block.Root] = true
			g.mu.Unlock()
			return
		}
	}
	if g.node.State().Head.Slot < block.Slot {
		_ = g.node.setHead(block) // a full disk of the simulated node is no matter here
	}
}

// BadBlocks returns how many blocks are marked bad.
func (n *Node) BadBlocks() int {
	if n.gossip == nil {
		return 0
	}
	n.gossip.mu.Lock()
	defer n.gossip.mu.Unlock()
	return len(n.gossip.bad)
}
