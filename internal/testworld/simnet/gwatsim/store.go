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

// store keeps the state of a node.
type store interface {
	// load gives the state; nil if there is none.
	load(genesis common.Hash, genesisTime uint64) (*stored, error)
	save(stored) error
}

// fileStore keeps it in one small file that is replaced as a whole, so that
// kill -9 leaves the state before or after a change.
type fileStore struct{ dir string }

// Disk keeps the state of a node in memory, for the next node of one process.
type Disk struct{ state *stored }

// Lose forgets the finality of every block past number, as a node does that was
// killed before it wrote its state to disk, and the blocks after slot.
func (d *Disk) Lose(number uint64, slot primitives.Slot) {
	if d.state == nil {
		return
	}
	d.state.Finalized = d.state.Finalized[:min(uint64(len(d.state.Finalized)), number+1)]
	d.state.DAGSlot = min(d.state.DAGSlot, slot)
}

func (d *Disk) load(genesis common.Hash, genesisTime uint64) (*stored, error) {
	if d.state == nil {
		return nil, nil
	}
	if d.state.Finalized[0] != genesis || d.state.GenesisTime != genesisTime {
		return nil, fmt.Errorf("%w: it begins with another genesis", ErrForeignData)
	}
	return d.state, nil
}

func (d *Disk) save(state stored) error {
	d.state = &state
	return nil
}

// stored is the content of the file.
type stored struct {
	GenesisTime uint64          `json:"genesis_time"`
	Finalized   []common.Hash   `json:"finalized"` // position is the number; genesis first
	DAGSlot     primitives.Slot `json:"dag_slot"`
	Stage       Stage           `json:"stage"` // of the node's own sync
	Reached     bool            `json:"reached_checkpoint"`
}

func newStore(cfg Config) store {
	if cfg.Disk != nil {
		return cfg.Disk
	}
	return &fileStore{dir: cfg.DataDir}
}

func (s *fileStore) load(genesis common.Hash, genesisTime uint64) (*stored, error) {
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

func (s *fileStore) save(state stored) error {
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
