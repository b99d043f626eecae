package journal

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// The records below are what is stored. Their JSON names are part of the file's
// form (version, in codec.go) and do not follow renames elsewhere.

// Network is the network that a journal belongs to. Chain id and genesis time tell two
// networks apart. The rest is zero in a journal of an older syncd.
type Network struct {
	ChainID         uint64 `json:"chainId"`
	GenesisTime     uint64 `json:"genesisTime"` // Unix time in seconds
	Name            string `json:"name,omitempty"`
	SecondsPerSlot  uint64 `json:"secondsPerSlot,omitempty"`
	SlotsPerEpoch   uint64 `json:"slotsPerEpoch,omitempty"`
	CreatorsPerSlot uint64 `json:"creatorsPerSlot,omitempty"` // 0 in the coordinated era
}

// NetworkOf returns the network of a spec.
func NetworkOf(s checkpoint.Spec) Network {
	return Network{
		ChainID: s.DepositChainID, GenesisTime: s.GenesisTime, Name: s.ConfigName,
		SecondsPerSlot: s.SecondsPerSlot, SlotsPerEpoch: s.SlotsPerEpoch, CreatorsPerSlot: s.CreatorsPerSlot,
	}
}

// Spec returns the spec of the network; nil if an older syncd wrote the record, or if its
// values are not those of a spec.
func (n Network) Spec() *checkpoint.Spec {
	s := &checkpoint.Spec{
		DepositChainID: n.ChainID, GenesisTime: n.GenesisTime, ConfigName: n.Name,
		SecondsPerSlot: n.SecondsPerSlot, SlotsPerEpoch: n.SlotsPerEpoch, CreatorsPerSlot: n.CreatorsPerSlot,
	}
	if s.Validate() != nil {
		return nil
	}
	return s
}

// Is reports whether both are the same network.
func (n Network) Is(other Network) bool {
	return n.ChainID == other.ChainID && n.GenesisTime == other.GenesisTime
}

// Pause is an operator's order to keep hands off, which outlives a restart.
type Pause struct {
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Change is one stage change of the history.
type Change struct {
	At     time.Time `json:"at"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Event  string    `json:"event"`
	Reason string    `json:"reason,omitempty"`
}

// Tries is how often a heal was tried, when last, and whether one of the tries succeeded.
type Tries struct {
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
	Done  bool      `json:"done,omitempty"`
}

type peersRecord struct {
	Enodes []string `json:"enodes"`
}

type healsRecord struct {
	Tries map[string]Tries `json:"tries"`
}

type pendingRecord struct {
	Call      string          `json:"call"`
	Attempt   uint64          `json:"attempt"`
	Slot      primitives.Slot `json:"slot"`
	Root      common.Hash     `json:"root"`
	Spine     common.Hash     `json:"spine"`
	LastSpine common.Hash     `json:"lastSpine"`
	SentAt    time.Time       `json:"sentAt"`
}

type confirmedRecord struct {
	Slot   primitives.Slot `json:"slot"`
	Root   common.Hash     `json:"root"`
	Spine  common.Hash     `json:"spine"`
	Number uint64          `json:"number"`
	At     time.Time       `json:"at"`
}

// The records have the fields of the domain's types, so that a field that is
// added there and forgotten here does not compile.

func toPending(p checkpoint.Pending) pendingRecord        { return pendingRecord(p) }
func toConfirmed(c checkpoint.Confirmed) confirmedRecord  { return confirmedRecord(c) }
func (r pendingRecord) pending() checkpoint.Pending       { return checkpoint.Pending(r) }
func (r confirmedRecord) confirmed() checkpoint.Confirmed { return checkpoint.Confirmed(r) }
