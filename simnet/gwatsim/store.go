package gwatsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// ErrForeignData tells a data directory of another network, or one that cannot be read as one.
var ErrForeignData = errors.New("the data directory is not of this network")

const stateFile = "gwatsim.json"

// store keeps the state of a node in one small file that is replaced as a
// whole, so that kill -9 leaves the state before or after a change.
type store struct{ dir string }

// stored is the content of the file.
type stored struct {
	GenesisTime uint64          `json:"genesis_time"`
	Finalized   []common.Hash   `json:"finalized"` // position is the number; genesis first
	DAGSlot     primitives.Slot `json:"dag_slot"`
	Stage       Stage           `json:"stage"` // of the node's own sync
	Reached     bool            `json:"reached_checkpoint"`
}

func newStore(dir string) *store { return &store{dir: dir} }

// load reads the state; nil if there is none.
func (s *store) load(genesis common.Hash, genesisTime uint64) (*stored, error) {
	if s.dir == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(s.dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read stored state: %w", err)
	}
	var out stored
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrForeignData, stateFile, err)
	}
	if len(out.Finalized) == 0 || out.Finalized[0] != genesis || out.GenesisTime != genesisTime {
		return nil, fmt.Errorf("%w: %s begins with another genesis", ErrForeignData, stateFile)
	}
	return &out, nil
}

func (s *store) save(state stored) error {
	if s.dir == "" {
		return nil
	}
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	path := filepath.Join(s.dir, stateFile)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace state: %w", err)
	}
	return nil
}

// save stores the state if it changed; a dead node writes no more. n.mu is held.
func (n *Node) save() error {
	if !n.dirty || n.dead() {
		return nil
	}
	n.dirty = false
	return n.store.save(stored{
		GenesisTime: n.spec.GenesisTime,
		Finalized:   n.ledger.order(),
		DAGSlot:     n.dag.to,
		Stage:       n.sync.stage,
		Reached:     n.sync.done,
	})
}

// restore continues a stored state. Blocks of the slots that passed meanwhile
// come with the next slot's, since they are then seen to be missing.
func (n *Node) restore(state stored, now time.Time) error {
	n.dag.loadTo(min(state.DAGSlot, n.spec.SlotAt(now)))
	for number, hash := range state.Finalized[1:] {
		block, ok := n.dag.find(hash)
		if !ok {
			return fmt.Errorf("%w: block %d, %v, is unknown", ErrForeignData, number+1, hash)
		}
		n.ledger.append(block)
	}
	n.sync.done = state.Reached
	n.quietUntil = n.arrived(now)
	n.propagated = n.quietUntil
	n.sync.stage, n.sync.since = state.Stage, now
	switch state.Stage {
	case StageFinalized:
		n.sync.base = n.ledger.height()
	case StageDAG:
		n.sync.base = uint64(n.dag.to)
	}
	return nil
}
