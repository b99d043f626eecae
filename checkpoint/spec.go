package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Spec holds the constants of one network as its beacon node states them
// (/eth/v1/config/spec and /eth/v1/beacon/genesis). They are a value and not
// prysm's process-wide config, so that two pairs on different networks can be
// served by one process.
type Spec struct {
	SlotsPerEpoch   uint64
	SecondsPerSlot  uint64
	CreatorsPerSlot uint64 // CREATORS_PER_SLOT; 0 in the coordinated era, which has no such constant
	DepositChainID  uint64 // equals gwat's chain id on the same network
	GenesisTime     uint64 // Unix seconds
	ConfigName      string
}

// Errors of Spec.Validate.
var ErrBadSpec = errors.New("unusable spec value")

// The bounds keep slot times within time.Duration and time.Time.
const (
	maxSecondsPerSlot = 3600
	maxSlotsPerEpoch  = 1 << 16
	maxCreators       = 1 << 16
	maxTime           = math.MaxInt64 / 2
)

// Validate refuses values with which the arithmetic below would be wrong.
func (s Spec) Validate() error {
	switch {
	case s.SlotsPerEpoch == 0 || s.SlotsPerEpoch > maxSlotsPerEpoch:
		return fmt.Errorf("%w: SLOTS_PER_EPOCH is %d, want 1 to %d", ErrBadSpec, s.SlotsPerEpoch, maxSlotsPerEpoch)
	case s.SecondsPerSlot == 0 || s.SecondsPerSlot > maxSecondsPerSlot:
		return fmt.Errorf("%w: SECONDS_PER_SLOT is %d, want 1 to %d", ErrBadSpec, s.SecondsPerSlot, maxSecondsPerSlot)
	case s.CreatorsPerSlot > maxCreators:
		return fmt.Errorf("%w: CREATORS_PER_SLOT is %d, want at most %d", ErrBadSpec, s.CreatorsPerSlot, maxCreators)
	case s.GenesisTime > maxTime:
		return fmt.Errorf("%w: genesis_time is %d", ErrBadSpec, s.GenesisTime)
	}
	return nil
}

// Era returns the protocol that the network's nodes speak with each other.
func (s Spec) Era() Era {
	if s.CreatorsPerSlot == 0 {
		return EraCoordinated
	}
	return EraHeadSync
}

// Epoch is floor(slot / SlotsPerEpoch).
func (s Spec) Epoch(slot primitives.Slot) primitives.Epoch {
	return primitives.Epoch(uint64(slot) / s.SlotsPerEpoch)
}

// StartSlot is the first slot of an epoch; it saturates instead of overflowing.
func (s Spec) StartSlot(epoch primitives.Epoch) primitives.Slot {
	if uint64(epoch) > math.MaxUint64/s.SlotsPerEpoch {
		return primitives.Slot(math.MaxUint64)
	}
	return primitives.Slot(uint64(epoch) * s.SlotsPerEpoch)
}

// SlotDuration is the length of a slot.
func (s Spec) SlotDuration() time.Duration {
	return time.Duration(s.SecondsPerSlot) * time.Second
}

// SlotAt is the wall-clock slot at a time; 0 before genesis.
func (s Spec) SlotAt(now time.Time) primitives.Slot {
	since := now.Unix() - int64(s.GenesisTime)
	if since < 0 {
		return 0
	}
	return primitives.Slot(uint64(since) / s.SecondsPerSlot)
}

// SlotStart is the time at which a slot begins; it saturates instead of overflowing.
func (s Spec) SlotStart(slot primitives.Slot) time.Time {
	if uint64(slot) > (maxTime-s.GenesisTime)/s.SecondsPerSlot {
		return time.Unix(maxTime, 0)
	}
	return time.Unix(int64(s.GenesisTime+uint64(slot)*s.SecondsPerSlot), 0)
}

// Lag is how many slots head is behind now; 0 if it is not.
func Lag(head, now primitives.Slot) uint64 {
	if head >= now {
		return 0
	}
	return uint64(now - head)
}
