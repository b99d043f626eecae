package gwatsim

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// syncTick is how often a syncing node takes the next step by itself.
const syncTick = 100 * time.Millisecond

// unlimited is a number that no chain reaches.
const unlimited = uint64(1 << 62)

// ownSync is what the node does by itself with its network peers: the finalized
// chain up to the last checkpoint, then the DAG up to the wall clock.
type ownSync struct {
	stage Stage // StageFinalized, StageDAG or StageNone
	since time.Time
	base  uint64 // number (finalized) or slot (DAG) at since

	done bool // the checkpoint was reached once

	root   common.Hash   // of the checkpoint that plan leads to
	plan   []common.Hash // spines of the canonical bodies, oldest first
	next   int           // first of plan that is not known to be final
	target uint64        // number of the last of plan
}

// advance brings the node to a time: what it would have done by itself until
// then. It is called before anything looks at the state. n.mu is held.
func (n *Node) advance(now time.Time) {
	if n.sync.stage == StageFinalized {
		n.syncFinalized(now)
	}
	if n.sync.stage == StageDAG {
		n.syncDAG(now)
	}
	if n.sync.stage != StageNone {
		return
	}
	n.propagate(now)
	if n.locked(now) || n.stage(now) != StageResync {
		return
	}
	if n.goOn {
		n.followCheckpoint(now, unlimited)
	}
	silent := time.Duration(n.cfg.FallbackSlots) * n.spec.SlotDuration()
	if now.Sub(n.heard) >= silent {
		n.cfg.Logf("coordinator silent for %v: syncing with peers", silent)
		n.heard = now
		n.startSync(now)
		n.advance(now)
	}
}

func (n *Node) startSync(now time.Time) {
	n.sync.stage, n.sync.since, n.sync.base = StageFinalized, now, n.ledger.height()
}

// syncFinalized finalizes what the speed allows until now, and goes over to the
// DAG once the network's last checkpoint is reached.
func (n *Node) syncFinalized(now time.Time) {
	allowed := unlimited
	if n.cfg.SyncSpeed > 0 {
		allowed = n.sync.base + uint64(now.Sub(n.sync.since).Seconds()*n.cfg.SyncSpeed)
	}
	if !n.followCheckpoint(now, allowed) {
		return
	}
	n.cfg.Logf("checkpoint reached at number %d", n.ledger.height())
	n.sync.stage, n.sync.since, n.sync.base = StageDAG, now, uint64(n.dag.to)
	n.propagated = n.arrived(now)
}

// followCheckpoint finalizes the canonical sequence while the number stays
// within allowed; true means that the last checkpoint is reached.
func (n *Node) followCheckpoint(now time.Time, allowed uint64) bool {
	n.planSync(now)
	for ; n.sync.next < len(n.sync.plan); n.sync.next++ {
		spine := n.sync.plan[n.sync.next]
		if _, final := n.ledger.number(spine); final {
			continue
		}
		block, ok := n.chain.DAGBlock(spine)
		if !ok {
			n.cfg.Logf("the network names a spine it has no block of: %v", spine)
			continue
		}
		if block.Height > allowed {
			return false
		}
		n.dag.loadTo(block.Slot)
		if _, err := n.ledger.finalize(spine, n.dag.find); err != nil {
			n.cfg.Logf("finalize %v in own sync: %v", spine, err)
			continue
		}
		n.dirty = true
	}
	if !n.sync.done {
		n.sync.done, n.dirty = true, true
	}
	return true
}

// planSync lists the spines of every canonical body up to the last checkpoint.
func (n *Node) planSync(now time.Time) {
	justified := n.chain.Finality(n.chain.HeadAt(n.spec.SlotAt(now))).CurrentJustified
	if justified.Root == n.sync.root {
		return
	}
	n.sync.root = justified.Root
	n.sync.plan = n.canonicalSpines(justified.Root)
	n.sync.next = 0
	n.sync.target = 0
	if len(n.sync.plan) > 0 {
		if last, ok := n.chain.DAGBlock(n.sync.plan[len(n.sync.plan)-1]); ok {
			n.sync.target = last.Height
		}
	}
}

// canonicalSpines are the spines that the bodies from genesis to root finalize, in order.
func (n *Node) canonicalSpines(root common.Hash) []common.Hash {
	var bodies [][]common.Hash
	for block, ok := n.chain.Block(root); ok; block, ok = n.chain.Block(block.ParentRoot) {
		bodies = append(bodies, block.Finalization)
		if block.Slot == 0 {
			break
		}
	}
	var out []common.Hash
	for i := len(bodies) - 1; i >= 0; i-- {
		out = append(out, bodies[i]...)
	}
	return out
}

// syncDAG loads the slots that the speed allows; blocks of new slots arrive
// beside it by propagation.
func (n *Node) syncDAG(now time.Time) {
	if now.Before(n.absentUntil) {
		return
	}
	arrived := n.arrived(now)
	for n.propagated < arrived {
		n.propagated++
		n.dag.load(n.propagated)
	}
	to := arrived
	if n.cfg.DAGSpeed > 0 {
		speed := n.cfg.DAGSpeed * now.Sub(n.sync.since).Seconds()
		to = min(to, primitives.Slot(n.sync.base+uint64(speed)))
	}
	if n.dag.to < to {
		n.dag.loadTo(to)
		n.dirty = true
	}
	if n.dag.to >= arrived {
		n.cfg.Logf("DAG loaded up to slot %d", n.dag.to)
		n.sync.stage = StageNone
	}
}

// propagate takes in the blocks that arrived until now, with everything that
// was missed before them, as a node asks for unknown parents.
func (n *Node) propagate(now time.Time) {
	arrived := n.arrived(now)
	if arrived <= n.quietUntil || now.Before(n.absentUntil) || n.dag.to >= arrived {
		return
	}
	n.dag.loadTo(arrived)
	n.dirty = true
}

// arrived is the newest slot whose blocks had the time to reach the node.
func (n *Node) arrived(now time.Time) primitives.Slot {
	return n.spec.SlotAt(now.Add(-n.cfg.Propagation))
}

// nextChange is when the node does something by itself again.
func (n *Node) nextChange(now time.Time) time.Time {
	next := n.spec.SlotStart(n.arrived(now) + 1).Add(n.cfg.Propagation)
	if n.sync.stage != StageNone && now.Add(syncTick).Before(next) {
		next = now.Add(syncTick)
	}
	for _, t := range []time.Time{n.lockedUntil, n.absentUntil} {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	return next
}
