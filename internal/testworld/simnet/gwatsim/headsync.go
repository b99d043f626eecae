package gwatsim

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// The refusals of dag_headSyncReady and dag_headSync.
var (
	errBadParams    = errors.New("bad params")
	errLocked       = errors.New("procedure is locked")
	errUnknownSpine = errors.New("unknown spine hash")
	errNotFinalized = errors.New("checkpoint not finalized")
	errBadNumber    = errors.New("checkpoint bad number")
	errNotReady     = errors.New("not ready")
)

// headSyncReady takes the head lock and rolls back to a checkpoint. The order of
// the checks is the recorded one: parameters, lock, spine.
func (n *Node) headSyncReady(info *ConsensusInfo) (bool, error) {
	if info == nil || (info.Slot > 0 && len(info.Finalizing) == 0) {
		return false, errBadParams
	}
	if err := n.takeLock(); err != nil {
		return false, err
	}
	n.work <- struct{}{}
	defer func() { <-n.work }()

	number, err := n.checkCheckpoint(info)
	if err == nil {
		err = n.rollbackTo(number)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy = false
	if err != nil {
		n.lockedUntil = time.Time{}
		return false, err
	}
	n.goOn = false
	return true, n.save()
}

// takeLock takes the head lock; its time runs from here, not from the answer.
func (n *Node) takeLock() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.advance(now)
	if n.sync.stage != StageNone || n.locked(now) {
		return errLocked
	}
	n.heard = now
	n.busy = true
	n.lockedUntil = now.Add(n.cfg.Lock)
	return nil
}

// checkCheckpoint gives the number to roll back to; of slot 0, which stands for
// genesis, it is whatever is final now: nothing is rolled back.
func (n *Node) checkCheckpoint(info *ConsensusInfo) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if info.Slot == 0 {
		return n.ledger.height(), nil
	}
	block, ok := n.dag.find(info.Finalizing[len(info.Finalizing)-1])
	if !ok {
		return 0, errUnknownSpine
	}
	number, final := n.ledger.number(block.Hash)
	if !final {
		return 0, errNotFinalized
	}
	if number != block.Height {
		return 0, errBadNumber
	}
	return number, nil
}

// rollbackTo takes the finality from one block after the other.
func (n *Node) rollbackTo(number uint64) error {
	for n.rollbackOne(number) {
		if err := n.sleep(n.cfg.RollbackCost); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) rollbackOne(number uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ledger.height() <= number {
		return false
	}
	n.ledger.rollback()
	n.dirty = true
	return true
}

// headSync finalizes what the entries name and, well or not, uses the ready up.
func (n *Node) headSync(infos []checkpoint.ConsensusInfo) (bool, error) {
	n.work <- struct{}{}
	defer func() { <-n.work }()
	if err := n.beginPush(); err != nil {
		return false, err
	}
	var err error
	for _, info := range sortPush(infos) {
		if err = n.sleep(n.cfg.EntryCost); err != nil {
			break
		}
		if err = n.apply(info); err != nil {
			break
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy = false
	n.lockedUntil = time.Time{}
	n.heard = time.Now()
	if saveErr := n.save(); err == nil {
		err = saveErr
	}
	return err == nil, err
}

func (n *Node) beginPush() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.advance(now)
	if !n.locked(now) {
		return errNotReady
	}
	n.busy = true
	return nil
}

// sortPush orders entries by slot; of several of one slot the last counts.
func sortPush(infos []checkpoint.ConsensusInfo) []checkpoint.ConsensusInfo {
	last := make(map[primitives.Slot]checkpoint.ConsensusInfo, len(infos))
	for _, info := range infos {
		last[info.Slot] = info
	}
	out := make([]checkpoint.ConsensusInfo, 0, len(last))
	for _, info := range last {
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b checkpoint.ConsensusInfo) int { return cmp.Compare(a.Slot, b.Slot) })
	return out
}

// apply stores the creators of an entry and finalizes its spines.
func (n *Node) apply(info checkpoint.ConsensusInfo) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.creators[info.Slot] = info.Creators
	return n.finalizeAll(info.Finalizing)
}
