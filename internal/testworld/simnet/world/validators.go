package world

import (
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// withdrawalAddresses is how many different addresses the validators share:
// fewer than validators, as on the recorded network, so that creators repeat.
const withdrawalAddresses = 8

// Creators gives the addresses that may create gwat blocks in a slot: of every
// committee of the slot, in order, the first CREATORS_PER_SLOT members; each
// address (last 20 bytes of the withdrawal credentials) once; sorted by the
// EIP-55 string.
func Creators(c Chain, slot primitives.Slot) []common.Address {
	spec := c.Spec()
	return creators(c.Committees(spec.Epoch(slot)), c.Validators(), slot, spec.CreatorsPerSlot)
}

func creators(committees []Committee, validators []Validator, slot primitives.Slot, perSlot uint64) []common.Address {
	seen := make(map[common.Address]bool)
	var out []common.Address
	for _, committee := range committees {
		if committee.Slot != slot {
			continue
		}
		members := committee.Validators
		if uint64(len(members)) > perSlot {
			members = members[:perSlot]
		}
		for _, index := range members {
			address := common.BytesToAddress(validators[index].WithdrawalCredentials[12:])
			if !seen[address] {
				seen[address] = true
				out = append(out, address)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Hex() < out[j].Hex() })
	return out
}

func generateValidators(cfg Config) []Validator {
	out := make([]Validator, cfg.Validators)
	for i := range out {
		r := random(cfg.Seed, forValidator, uint64(i))
		pubkey := make([]byte, 48)
		for j := range pubkey {
			pubkey[j] = byte(r.Uint32())
		}
		pubkey[0] = 0x80 | pubkey[0]&0x3f // a compressed BLS key has its first bit set

		d := newDigest("withdrawal", cfg.Seed)
		d.number(r.Uint64N(withdrawalAddresses))
		var credentials common.Hash
		copy(credentials[12:], d.Sum(nil)[:20])
		credentials[0] = 1 // ETH1_ADDRESS_WITHDRAWAL_PREFIX
		out[i] = Validator{Pubkey: pubkey, WithdrawalCredentials: credentials}
	}
	return out
}

// generateCommittees deals all validators of an epoch out to its slots.
func generateCommittees(cfg Config, epoch primitives.Epoch) []Committee {
	order := random(cfg.Seed, forCommittees, uint64(epoch)).Perm(int(cfg.Validators))
	count := int(cfg.SlotsPerEpoch * cfg.CommitteesPerSlot)
	start := cfg.spec().StartSlot(epoch)
	out := make([]Committee, count)
	for i := range out {
		members := order[len(order)*i/count : len(order)*(i+1)/count]
		out[i] = Committee{
			Slot:       start + primitives.Slot(uint64(i)/cfg.CommitteesPerSlot),
			Index:      uint64(i) % cfg.CommitteesPerSlot,
			Validators: make([]uint64, len(members)),
		}
		for j, member := range members {
			out[i].Validators[j] = uint64(member)
		}
	}
	return out
}
