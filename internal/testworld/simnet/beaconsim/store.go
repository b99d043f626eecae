package beaconsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const headFile = "head.json"

// ErrForeignData tells a data dir that belongs to another network.
var ErrForeignData = errors.New("the data directory belongs to another network")

type storedHead struct {
	Root common.Hash     `json:"root"`
	Slot primitives.Slot `json:"slot"`
}

// loadHead gives the head stored in dir; nil if there is none.
func loadHead(dir string, chain world.Chain) (*world.BeaconBlock, error) {
	if dir == "" {
		return nil, nil
	}
	path := filepath.Join(dir, headFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the stored head: %w", err)
	}
	var stored storedHead
	if err := json.Unmarshal(raw, &stored); err != nil {
		return nil, fmt.Errorf("read the stored head in %s: %w", path, err)
	}
	head, ok := chain.Block(stored.Root)
	if !ok {
		return nil, fmt.Errorf("%w: its head %s is unknown; remove %s", ErrForeignData, stored.Root, path)
	}
	return head, nil
}

// storeHead replaces the stored head at once, so that a kill leaves the old or the new one.
func storeHead(dir string, head *world.BeaconBlock) error {
	if dir == "" {
		return nil
	}
	raw, err := json.Marshal(storedHead{Root: head.Root, Slot: head.Slot})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, headFile)
	if err := os.WriteFile(path+".new", raw, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
