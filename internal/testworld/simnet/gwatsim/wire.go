package gwatsim

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// ConsensusInfo is the parameter of dag_headSyncReady, dag_headSync and dag_sync
// as gwat decodes it: every field may be missing, and no slot is slot 0.
type ConsensusInfo checkpoint.ConsensusInfo

// HashArray is a list of hashes in a parameter.
type HashArray []common.Hash

// ConsensusInfoMarshaling has the shape in which gwat decodes a ConsensusInfo;
// its name stands in the error texts.
type ConsensusInfoMarshaling struct {
	Slot       *hexutil.Uint64  `json:"slot"`
	Creators   []common.Address `json:"creators"`
	Finalizing HashArray        `json:"finalizing"`
}

// ConsensusInfos is the parameter of dag_headSync.
type ConsensusInfos []ConsensusInfo

// UnmarshalJSON implements json.Unmarshaler.
func (c *ConsensusInfo) UnmarshalJSON(data []byte) error {
	var in ConsensusInfoMarshaling
	if err := json.Unmarshal(data, &in); err != nil {
		return asGwatSays(err)
	}
	*c = ConsensusInfo{Creators: in.Creators, Finalizing: in.Finalizing}
	if in.Slot != nil {
		c.Slot = primitives.Slot(*in.Slot)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *ConsensusInfos) UnmarshalJSON(data []byte) error {
	type list []ConsensusInfo
	var in list
	if err := json.Unmarshal(data, &in); err != nil {
		return asGwatSays(err)
	}
	*c = ConsensusInfos(in)
	return nil
}

// gwatNames gives the types in a decoding error the names they have in gwat.
var gwatNames = strings.NewReplacer(
	"gwatsim.list", "[]types.ConsensusInfo",
	"gwatsim.ConsensusInfoMarshaling", "types.ConsensusInfoMarshaling",
	"gwatsim.HashArray", "common.HashArray",
)

func asGwatSays(err error) error { return errors.New(gwatNames.Replace(err.Error())) }

func (c ConsensusInfo) info() checkpoint.ConsensusInfo { return checkpoint.ConsensusInfo(c) }

func (c ConsensusInfos) infos() []checkpoint.ConsensusInfo {
	out := make([]checkpoint.ConsensusInfo, len(c))
	for i := range c {
		out[i] = c[i].info()
	}
	return out
}

// slotInfo is the parameter of dag_syncSlotInfo; its numbers are plain.
type slotInfo struct {
	GenesisTime    uint64 `json:"genesisTime"`
	SecondsPerSlot uint64 `json:"secondsPerSlot"`
	SlotsPerEpoch  uint64 `json:"slotsPerEpoch"`
}

// finalizeResult, candidatesResult and syncResult carry their error inside.
type finalizeResult struct {
	Error *string `json:"error"`
}

type candidatesResult struct {
	Error      *string       `json:"error"`
	Candidates []common.Hash `json:"candidates"`
}

type syncResult struct {
	Error      *string       `json:"error"`
	Info       *syncInfo     `json:"info"`
	Candidates []common.Hash `json:"candidates"`
}

type syncInfo struct {
	Elapsed string `json:"elapsed"`
}

func inResult(err error) *string {
	text := err.Error()
	return &text
}
