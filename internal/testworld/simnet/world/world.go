package world

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// keptCommittees is how many epochs of committees are remembered.
const keptCommittees = 64

// World is a generated network. It is extended slot by slot up to the newest
// slot asked for; what it holds of a slot does not depend on how it got there.
type World struct {
	cfg        Config
	spec       checkpoint.Spec
	validators []Validator

	mu     sync.RWMutex
	dag    *dag
	beacon *beacon

	committeesMu sync.Mutex
	committees   map[primitives.Epoch][]Committee
}

var _ Chain = (*World)(nil)

// New builds the network of cfg. Errors are ErrBadConfig.
func New(cfg Config) (*World, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	d := newDAG(cfg)
	return &World{
		cfg:        cfg,
		spec:       cfg.spec(),
		validators: generateValidators(cfg),
		dag:        d,
		beacon:     newBeacon(cfg, d),
		committees: make(map[primitives.Epoch][]Committee),
	}, nil
}

// Spec implements Chain.
func (w *World) Spec() checkpoint.Spec { return w.spec }

// Validators implements Chain.
func (w *World) Validators() []Validator { return w.validators }

// Committees implements Chain.
func (w *World) Committees(epoch primitives.Epoch) []Committee {
	if epoch > w.spec.Epoch(MaxSlot) {
		return nil
	}
	w.committeesMu.Lock()
	defer w.committeesMu.Unlock()
	if known, ok := w.committees[epoch]; ok {
		return known
	}
	if len(w.committees) >= keptCommittees {
		clear(w.committees)
	}
	w.committees[epoch] = generateCommittees(w.cfg, epoch)
	return w.committees[epoch]
}

// HeadAt implements Chain; past MaxSlot the head does not move.
func (w *World) HeadAt(slot primitives.Slot) *BeaconBlock {
	slot = min(slot, MaxSlot)
	defer w.extended(slot)()
	return &w.beacon.heads[slot].block
}

// Block implements Chain.
func (w *World) Block(root common.Hash) (*BeaconBlock, bool) {
	defer w.extended(slotOf(root))()
	n, ok := w.beacon.byRoot[root]
	if !ok {
		return nil, false
	}
	return &n.block, true
}

// Ancestor implements Chain.
func (w *World) Ancestor(head *BeaconBlock, slot primitives.Slot) (*BeaconBlock, bool) {
	defer w.extended(slotOf(head.Root))()
	n := w.beacon.atOrBefore(w.beacon.byRoot[head.Root], slot)
	if n == nil || n.block.Slot != slot {
		return nil, false
	}
	return &n.block, true
}

// Finality implements Chain.
func (w *World) Finality(head *BeaconBlock) Finality {
	defer w.extended(slotOf(head.Root))()
	n, ok := w.beacon.byRoot[head.Root]
	if !ok {
		return Finality{}
	}
	return w.beacon.finality(n)
}

// NextFinalization implements Chain.
func (w *World) NextFinalization(head *BeaconBlock) []common.Hash {
	defer w.extended(slotOf(head.Root))()
	n, ok := w.beacon.byRoot[head.Root]
	if !ok {
		return nil
	}
	finalization, _ := w.beacon.nextFinalization(n)
	return finalization
}

// DAGGenesis implements Chain.
func (w *World) DAGGenesis() *DAGBlock {
	defer w.extended(0)()
	return w.dag.spine(0)
}

// DAGSlot implements Chain; the spine of the slot comes first.
func (w *World) DAGSlot(slot primitives.Slot) []*DAGBlock {
	if slot > MaxSlot {
		return nil
	}
	defer w.extended(slot)()
	return w.dag.slots[slot].blocks
}

// DAGBlock implements Chain.
func (w *World) DAGBlock(hash common.Hash) (*DAGBlock, bool) {
	defer w.extended(slotOf(hash))()
	block, ok := w.dag.byHash[hash]
	return block, ok
}

// extended makes slot known (not past MaxSlot) and holds the read lock until
// the function it gives is called.
func (w *World) extended(slot primitives.Slot) func() {
	w.mu.RLock()
	if slot < primitives.Slot(len(w.beacon.heads)) || slot > MaxSlot {
		return w.mu.RUnlock
	}
	w.mu.RUnlock()

	w.mu.Lock()
	for next := primitives.Slot(len(w.beacon.heads)); next <= slot; next++ {
		w.dag.extend(creators(w.slotCommittees(next), w.validators, next, w.spec.CreatorsPerSlot))
		w.beacon.extend()
	}
	w.mu.Unlock()

	w.mu.RLock()
	return w.mu.RUnlock
}

// slotCommittees are the committees of one slot.
func (w *World) slotCommittees(slot primitives.Slot) []Committee {
	epoch := w.spec.Epoch(slot)
	first := uint64(slot-w.spec.StartSlot(epoch)) * w.cfg.CommitteesPerSlot
	return w.Committees(epoch)[first : first+w.cfg.CommitteesPerSlot]
}
