package gwatclient

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// HeadSyncReady asks gwat to roll back to the checkpoint and wait for a push
// (dag_headSyncReady). It changes state: after an error for which PossiblyDone
// is true gwat may still do it, minutes later. Only ctx bounds it.
func (c Changes) HeadSyncReady(ctx context.Context, info checkpoint.ConsensusInfo) (bool, error) {
	const method = "dag_headSyncReady"
	return boolAnswer(method)(c.change(ctx, method, info))
}

// HeadSync pushes the entries that follow the checkpoint (dag_headSync). The
// errors are those of HeadSyncReady. True does not prove that they were applied.
func (c Changes) HeadSync(ctx context.Context, infos []checkpoint.ConsensusInfo) (bool, error) {
	const method = "dag_headSync"
	return boolAnswer(method)(c.change(ctx, method, encodeInfos(infos)))
}

// encodeInfos encodes a push at once and into one buffer: it may have megabytes.
func encodeInfos(infos []checkpoint.ConsensusInfo) json.RawMessage {
	size := len("[]") + len(infos)
	for i := range infos {
		size += infos[i].JSONSize()
	}
	out := append(make([]byte, 0, size), '[')
	for i := range infos {
		if i > 0 {
			out = append(out, ',')
		}
		out = infos[i].AppendJSON(out)
	}
	return append(out, ']')
}

// ValidateSpines asks whether gwat knows every hash as a spine
// (dag_validateSpines); it answers while the head lock is held, too.
func (c *Client) ValidateSpines(ctx context.Context, spines []common.Hash) (bool, error) {
	const method = "dag_validateSpines"
	return boolAnswer(method)(c.read(ctx, method, hashes(spines)))
}

// SlotInfo is the network's clock: Unix seconds, seconds, slots.
type SlotInfo struct {
	GenesisTime    uint64 `json:"genesisTime"`
	SecondsPerSlot uint64 `json:"secondsPerSlot"`
	SlotsPerEpoch  uint64 `json:"slotsPerEpoch"`
}

// SyncSlotInfo sends gwat the beacon's clock (dag_syncSlotInfo); false means
// that gwat's own differs, so that the two do not belong together.
func (c *Client) SyncSlotInfo(ctx context.Context, info SlotInfo) (bool, error) {
	const method = "dag_syncSlotInfo"
	return boolAnswer(method)(c.read(ctx, method, info))
}

// Sync makes a dag_sync call of normal work and returns the candidates.
func (c Changes) Sync(ctx context.Context, info checkpoint.ConsensusInfo) ([]common.Hash, error) {
	const method = "dag_sync"
	raw, err := c.work(ctx, method, info)
	if err != nil {
		return nil, err
	}
	return decodeCandidates(method, raw)
}

// Candidates asks for the candidates of normal work up to a slot (dag_getCandidates).
func (c *Client) Candidates(ctx context.Context, slot primitives.Slot) ([]common.Hash, error) {
	const method = "dag_getCandidates"
	raw, err := c.read(ctx, method, uint64(slot))
	if err != nil {
		return nil, err
	}
	return decodeCandidates(method, raw)
}

// Finalize makes a dag_finalize call of normal work.
func (c Changes) Finalize(ctx context.Context, spines []common.Hash) error {
	const method = "dag_finalize"
	raw, err := c.work(ctx, method, hashes(spines))
	if err != nil {
		return err
	}
	_, err = decodeResult(method, raw)
	return err
}

// hashes never returns null, which gwat would read as a missing argument.
func hashes(list []common.Hash) []common.Hash {
	if list == nil {
		return []common.Hash{}
	}
	return list
}

func boolAnswer(method string) func(json.RawMessage, error) (bool, error) {
	return func(raw json.RawMessage, err error) (bool, error) {
		if err != nil {
			return false, err
		}
		return decodeBool(method, raw)
	}
}

// decodeBool takes true and false only: null would else read as false.
func decodeBool(method string, raw json.RawMessage) (bool, error) {
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, malformed(method, "want true or false, got %s", failure.Text(string(raw)))
}

// decodeResult reads an answer that carries its error inside, and returns its
// members if that error is null.
func decodeResult(method string, raw json.RawMessage) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, malformed(method, "result: %w", err)
	}
	inner, ok := members["error"]
	if !ok {
		return nil, malformed(method, "result without error: %s", failure.Text(string(raw)))
	}
	var text *string
	if err := json.Unmarshal(inner, &text); err != nil {
		return nil, malformed(method, "result.error: %w", err)
	}
	if text != nil {
		return nil, nodeError(method, *text, ErrResult)
	}
	return members, nil
}

// decodeCandidates reads the candidates of an answer; null means none.
func decodeCandidates(method string, raw json.RawMessage) ([]common.Hash, error) {
	members, err := decodeResult(method, raw)
	if err != nil {
		return nil, err
	}
	list, ok := members["candidates"]
	if !ok {
		return nil, malformed(method, "result without candidates: %s", failure.Text(string(raw)))
	}
	var candidates []common.Hash
	if err := json.Unmarshal(list, &candidates); err != nil {
		return nil, malformed(method, "candidates: %w", err)
	}
	return candidates, nil
}
