package world

import (
	"errors"
	"fmt"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// Defaults of Config.
const (
	DefaultSecondsPerSlot    = 4
	DefaultSlotsPerEpoch     = 32
	DefaultCreatorsPerSlot   = 4
	DefaultChainID           = 337733
	DefaultValidators        = 64
	DefaultCommitteesPerSlot = 1
	DefaultMaxBlocksPerSlot  = 3
	DefaultMaxForkDepth      = 3
	DefaultFinalizationDelay = 5
)

// MaxSlot is where a generated network ends: it bounds what a wrong clock or a
// forged hash can make a world compute.
const MaxSlot primitives.Slot = 1 << 20

// Limits of Config beyond which the generator's arithmetic or memory suffers.
const (
	minFinalizationDelay = 2
	maxFinalizationDelay = 1 << 10
	maxValidators        = 1 << 16
	maxBlocksPerSlot     = 16
	maxForkDepth         = 1 << 10
)

// ErrBadConfig tells a Config that describes no network.
var ErrBadConfig = errors.New("unusable world config")

// Config describes a generated network completely. The zero value of a field
// takes its default; rates are between 0 and 1.
type Config struct {
	Seed uint64

	GenesisTime     uint64 // Unix seconds
	SecondsPerSlot  uint64
	SlotsPerEpoch   uint64
	CreatorsPerSlot uint64
	ChainID         uint64

	Validators        uint64
	CommitteesPerSlot uint64
	MaxBlocksPerSlot  uint64 // gwat blocks in a slot; 1 makes the DAG a chain

	MissRate     float64 // beacon slots without a block
	QuietRate    float64 // slots without gwat blocks
	ForkRate     float64 // slots in which a fork begins by chance
	MaxForkDepth uint64  // of a fork by chance
	Reorgs       []Reorg // forks at exact slots

	FinalizationDelay  uint64 // slots between a spine and the body that finalizes it
	StallJustification []EpochRange
}

// Reorg is a head switch: HeadAt(Slot) is on another branch than HeadAt(Slot-1)
// and leaves Depth blocks of it behind. The branches part at slot Slot-Depth.
type Reorg struct {
	Slot  primitives.Slot
	Depth uint64
}

// EpochRange holds the epochs From to To, both included.
type EpochRange struct {
	From primitives.Epoch
	To   primitives.Epoch
}

// first is the first slot in which the two branches have different blocks.
func (r Reorg) first() primitives.Slot { return r.Slot - primitives.Slot(r.Depth) }

func (c Config) withDefaults() Config {
	set := func(field *uint64, value uint64) {
		if *field == 0 {
			*field = value
		}
	}
	set(&c.SecondsPerSlot, DefaultSecondsPerSlot)
	set(&c.SlotsPerEpoch, DefaultSlotsPerEpoch)
	set(&c.CreatorsPerSlot, DefaultCreatorsPerSlot)
	set(&c.ChainID, DefaultChainID)
	set(&c.Validators, DefaultValidators)
	set(&c.CommitteesPerSlot, DefaultCommitteesPerSlot)
	set(&c.MaxBlocksPerSlot, DefaultMaxBlocksPerSlot)
	set(&c.MaxForkDepth, DefaultMaxForkDepth)
	set(&c.FinalizationDelay, DefaultFinalizationDelay)
	return c
}

func (c Config) spec() checkpoint.Spec {
	return checkpoint.Spec{
		SlotsPerEpoch:   c.SlotsPerEpoch,
		SecondsPerSlot:  c.SecondsPerSlot,
		CreatorsPerSlot: c.CreatorsPerSlot,
		DepositChainID:  c.ChainID,
		GenesisTime:     c.GenesisTime,
		ConfigName:      "simnet",
	}
}

func (c Config) validate() error {
	if err := c.spec().Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadConfig, err)
	}
	for name, rate := range map[string]float64{"miss": c.MissRate, "quiet": c.QuietRate, "fork": c.ForkRate} {
		if !(rate >= 0 && rate <= 1) {
			return fmt.Errorf("%w: %s rate is %v, want 0 to 1", ErrBadConfig, name, rate)
		}
	}
	inRange := func(name string, value, low, high uint64) error {
		if value < low || value > high {
			return fmt.Errorf("%w: %s is %d, want %d to %d", ErrBadConfig, name, value, low, high)
		}
		return nil
	}
	// Fewer validators than committees would leave slots without creators.
	committees := c.SlotsPerEpoch * min(c.CommitteesPerSlot, maxValidators)
	return errors.Join(
		inRange("validators", c.Validators, committees, maxValidators),
		inRange("blocks per slot", c.MaxBlocksPerSlot, 1, maxBlocksPerSlot),
		inRange("fork depth", c.MaxForkDepth, 1, maxForkDepth),
		inRange("finalization delay", c.FinalizationDelay, minFinalizationDelay, maxFinalizationDelay),
		c.validateReorgs(),
	)
}

// validateReorgs refuses reorgs that would have to share slots.
func (c Config) validateReorgs() error {
	for i, r := range c.Reorgs {
		if r.Depth == 0 || r.Depth >= uint64(r.Slot) || r.Slot > MaxSlot {
			return fmt.Errorf("%w: reorg at slot %d of depth %d, want a depth of 1 up to the slot before it", ErrBadConfig, r.Slot, r.Depth)
		}
		for _, other := range c.Reorgs[:i] {
			if r.first() < other.Slot && other.first() < r.Slot {
				return fmt.Errorf("%w: the reorgs at slots %d and %d overlap", ErrBadConfig, other.Slot, r.Slot)
			}
		}
	}
	return nil
}
