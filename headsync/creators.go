package headsync

import (
	"sort"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
)

// CreatorIndices are the validators that may create gwat blocks in the slot of
// these committees: of each, in committee order, the first perSlot members.
func CreatorIndices(committees []beaconclient.Committee, perSlot uint64) []uint64 {
	ordered := append([]beaconclient.Committee(nil), committees...)
	sort.Slice(ordered, func(i, j int) bool { return ordered[i].Index < ordered[j].Index })
	var out []uint64
	for _, c := range ordered {
		n := min(uint64(len(c.Validators)), perSlot)
		out = append(out, c.Validators[:n]...)
	}
	return out
}

// CreatorAddress is the gwat address in a validator's withdrawal credentials:
// their last 20 bytes.
func CreatorAddress(credentials common.Hash) common.Address {
	return common.BytesToAddress(credentials[common.HashLength-common.AddressLength:])
}

// SortCreators returns each address once, in the ASCII order of the EIP-55
// checksummed strings, as the beacon node sends them.
func SortCreators(addresses []common.Address) []common.Address {
	type keyed struct {
		key     string
		address common.Address
	}
	seen := make(map[common.Address]bool, len(addresses))
	var list []keyed
	for _, a := range addresses {
		if !seen[a] {
			seen[a] = true
			list = append(list, keyed{a.Hex(), a})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].key < list[j].key })
	out := make([]common.Address, len(list))
	for i, k := range list {
		out[i] = k.address
	}
	return out
}
