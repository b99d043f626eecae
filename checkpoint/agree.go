package checkpoint

import "fmt"

// Identity is what two nodes say about the network they are on.
type Identity struct {
	GwatChainID uint64
	Spec        Spec
	// SlotInfo is gwat's answer to dag_syncSlotInfo with the beacon's genesis
	// time, seconds per slot and slots per epoch.
	SlotInfo bool
}

// Conflict returns why two nodes cannot be a pair; "" if they can. gwat's chain
// id must equal the beacon's deposit chain id, and its slot clock the beacon's.
func (i Identity) Conflict() string {
	switch {
	case i.Spec.Era() != EraHeadSync:
		return "the beacon node is of the coordinated era, and gwat of the head-sync era: run both nodes at versions of one network"
	case i.GwatChainID != i.Spec.DepositChainID:
		return i.Spec.ChainConflict(i.GwatChainID)
	case !i.SlotInfo:
		return fmt.Sprintf("wrong network: gwat does not accept the beacon node's genesis time %d, %d s a slot, %d slots an epoch (dag_syncSlotInfo false): point both endpoints at nodes of one network",
			i.Spec.GenesisTime, i.Spec.SecondsPerSlot, i.Spec.SlotsPerEpoch)
	}
	return ""
}

// ChainConflict returns why a gwat of that chain id is not of the beacon node's network;
// "" if it is.
func (s Spec) ChainConflict(gwatChainID uint64) string {
	if gwatChainID == s.DepositChainID {
		return ""
	}
	return fmt.Sprintf("wrong network: gwat's chain id is %d, the beacon node's DEPOSIT_CHAIN_ID is %d: point both endpoints at nodes of one network",
		gwatChainID, s.DepositChainID)
}

// SpineState is what gwat has of one spine.
type SpineState int

// The states of a spine.
const (
	SpineUnknown  SpineState = iota // gwat has no such block
	SpineOpen                       // the block is there, not finalized
	SpineFinal                      // finalized with number equal to height
	SpineMisplace                   // finalized, but number is not its height: finalized in another order
)

func (s SpineState) String() string {
	return [...]string{"unknown to gwat", "not finalized by gwat", "finalized", "finalized by gwat with a number that is not its height"}[s]
}

// BlockState returns the state of a spine by gwat's block: present reports whether
// gwat has it; number is nil if it is not finalized.
func BlockState(present bool, number *uint64, height uint64) SpineState {
	switch {
	case !present:
		return SpineUnknown
	case number == nil:
		return SpineOpen
	case *number != height:
		return SpineMisplace
	}
	return SpineFinal
}
