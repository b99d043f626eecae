package status

import (
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// NewError returns err as it is shown; nil for nil.
func NewError(err error, at time.Time) *Error {
	if err == nil {
		return nil
	}
	return &Error{Kind: failure.Name(err), Message: err.Error(), At: at}
}

// NewNetwork returns the network of spec as it is shown at a time.
func NewNetwork(spec checkpoint.Spec, at time.Time) *Network {
	return &Network{
		Name: spec.ConfigName, ChainID: spec.DepositChainID, GenesisTime: spec.GenesisTime,
		SecondsPerSlot: spec.SecondsPerSlot, SlotsPerEpoch: spec.SlotsPerEpoch, CurrentSlot: spec.SlotAt(at),
	}
}

// Milliseconds returns d in milliseconds, to the microsecond.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
