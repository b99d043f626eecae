package gwatsim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// Stage is what eth_syncing calls the state of the node.
type Stage string

// The stages. With StageNone eth_syncing answers false.
const (
	StageNone      Stage = ""
	StageFinalized Stage = "finalized" // own sync of the finalized chain
	StageDAG       Stage = "dag"       // own sync of the DAG
	StageHead      Stage = "head"      // the head lock is held
	StageResync    Stage = "resync"    // nothing runs and the coordinator is behind or silent
)

// coordSlack is how many slots the coordinator may be behind the tips. The
// blocks of a slot arrive beside its dag_sync, not after it, and real nodes of a
// working pair never said resync in that moment. It holds from the first
// dag_sync on; before it, as after a restart, any slot behind is resync.
const coordSlack = 1

// Node is a simulated gwat. It is safe for concurrent use. Every call that
// reads or changes it first does what the node would have done by itself until
// now; Run does it between calls and keeps the stored state fresh.
type Node struct {
	cfg   Config
	spec  checkpoint.Spec
	chain world.Chain
	rpc   *rpc.Server
	store store
	calls callLog
	conns conns

	// work is held by the one call that rolls back or pushes. It is a channel
	// because a waiter must not keep a fake clock from running.
	work      chan struct{}
	stopped   chan struct{}
	closeOnce sync.Once

	mu            sync.Mutex
	dag           *dag
	ledger        *ledger
	sync          ownSync
	propagated    primitives.Slot // newest slot taken in beside DAG sync
	quietUntil    primitives.Slot // blocks up to it were missed while the node was down
	absentUntil   time.Time       // no peer gives blocks until then
	goOn          bool
	lastCoordSlot primitives.Slot
	coordinated   bool      // a dag_sync was answered since the start
	heard         time.Time // last call of a coordinator
	lockedUntil   time.Time
	busy          bool // a ready or a push is at work
	creators      map[primitives.Slot][]common.Address
	fault         func(method string) Fault
	peers         uint64
	dirty         bool // the stored state is behind
}

// New makes a node; with a DataDir it continues where the stored state ends.
// Errors: ErrBadConfig, ErrForeignData, and those of reading the directory.
func New(cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg:      cfg,
		spec:     cfg.Chain.Spec(),
		chain:    cfg.Chain,
		store:    newStore(cfg),
		calls:    callLog{told: cfg.OnCall},
		work:     make(chan struct{}, 1),
		stopped:  make(chan struct{}),
		dag:      newDAG(cfg.Chain),
		ledger:   newLedger(cfg.Chain.DAGGenesis()),
		goOn:     cfg.GoOn,
		peers:    cfg.Peers,
		creators: make(map[primitives.Slot][]common.Address),
	}
	if err := n.begin(time.Now()); err != nil {
		return nil, err
	}
	if n.rpc, err = n.newServer(); err != nil {
		return nil, err
	}
	return n, nil
}

// begin puts the node in its first state: the stored one, the configured one or genesis.
func (n *Node) begin(now time.Time) error {
	n.heard = now
	stored, err := n.store.load(n.chain.DAGGenesis().Hash, n.spec.GenesisTime)
	if err != nil {
		return err
	}
	switch {
	case stored != nil:
		if err := n.restore(*stored, now); err != nil {
			return err
		}
	case n.cfg.StartSlot > 0:
		n.dag.loadTo(n.cfg.StartSlot)
		for _, spine := range n.canonicalSpines(n.chain.HeadAt(n.cfg.StartSlot).Root) {
			if _, err := n.ledger.finalize(spine, n.dag.find); err != nil {
				n.cfg.Logf("finalize %v at start: %v", spine, err)
			}
		}
		n.sync.done = true
		n.quietUntil = n.arrived(now)
	default:
		n.startSync(now)
	}
	n.advance(now)
	n.dirty = true
	return n.save()
}

// Run lets the node live: it syncs, takes in blocks and lets the lock run out
// until ctx ends; then the node is dead, calls that hang included.
func (n *Node) Run(ctx context.Context) error {
	defer n.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.stopped:
			return nil
		case <-timer.C:
		}
		n.mu.Lock()
		now := time.Now()
		n.advance(now)
		err := n.save()
		next := n.nextChange(now)
		n.mu.Unlock()
		if err != nil {
			return err
		}
		timer.Reset(time.Until(next))
	}
}

// Close ends every open WebSocket and IPC connection and every call that waits
// inside, as the death of the process would.
func (n *Node) Close() {
	n.closeOnce.Do(func() {
		n.mu.Lock() // so that no state is stored after it
		close(n.stopped)
		n.mu.Unlock()
		n.rpc.Stop()
	})
}

// State is what the node is at one moment.
type State struct {
	Stage         Stage
	Finalized     uint64 // number of the last finalized block
	FinalizedHash common.Hash
	DAGSlot       primitives.Slot // every slot up to it is loaded
	MaxBlockSlot  primitives.Slot
	LastCoordSlot primitives.Slot
	LockedUntil   time.Time // zero if the head lock is free
}

// State tells what the node is now.
func (n *Node) State() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.advance(now)
	s := State{
		Stage:         n.stage(now),
		Finalized:     n.ledger.height(),
		FinalizedHash: n.ledger.last().Hash,
		DAGSlot:       n.dag.to,
		MaxBlockSlot:  n.dag.newest,
		LastCoordSlot: n.lastCoordSlot,
	}
	if now.Before(n.lockedUntil) {
		s.LockedUntil = n.lockedUntil
	}
	return s
}

// FinalizedOrder lists the finalized blocks; the position is the number.
func (n *Node) FinalizedOrder() []common.Hash {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance(time.Now())
	return n.ledger.order()
}

// Creators are those stored for a slot by dag_sync or dag_headSync.
func (n *Node) Creators(slot primitives.Slot) []common.Address {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.creators[slot])
}

// RollbackTo takes the finality from every block past number, as another
// driver would.
func (n *Node) RollbackTo(number uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance(time.Now())
	n.goOn = false
	for n.ledger.height() > number {
		n.ledger.rollback()
	}
	n.dirty = true
	return n.save()
}

// SetPeers changes the number of peers that net_peerCount tells; blocks arrive all
// the same, as DropDAG is there to keep them away.
func (n *Node) SetPeers(peers uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers = peers
}

func (n *Node) peerCount() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.peers
}

// DropDAG makes the node lose the blocks of a slot and all later ones that are
// not final; no peer gives them again for a time. Then they come back at once.
func (n *Node) DropDAG(from primitives.Slot, absent time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.advance(now)
	n.absentUntil = now.Add(absent)
	n.dag.drop(max(from, n.ledger.last().Slot+1))
	n.propagated = min(n.propagated, n.dag.to)
	n.quietUntil = min(n.quietUntil, n.dag.to)
	n.dirty = true
}

// locked reports whether the head lock is held.
func (n *Node) locked(now time.Time) bool { return n.busy || now.Before(n.lockedUntil) }

func (n *Node) stage(now time.Time) Stage {
	switch {
	case n.sync.stage != StageNone:
		return n.sync.stage
	case n.locked(now):
		return StageHead
	case n.lastCoordSlot >= n.dag.newest:
		return StageNone
	case n.coordinated && n.lastCoordSlot+coordSlack >= n.dag.newest:
		return StageNone
	default:
		return StageResync
	}
}

// errStopped reports whether the node died while a call was inside.
var errStopped = errors.New("the node has stopped")

// sleep waits inside a call, which only the death of the node cuts short: calls
// outlive their callers.
func (n *Node) sleep(d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-n.stopped:
		}
	}
	if n.dead() {
		return errStopped
	}
	return nil
}

func (n *Node) dead() bool {
	select {
	case <-n.stopped:
		return true
	default:
		return false
	}
}
