package gwatclient

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

const (
	blockBatch    = 100     // requests a batch
	maxBlockRange = 1 << 20 // blocks a BlocksByNumber
)

// Block is what matters of a gwat block.
type Block struct {
	Hash    common.Hash
	Number  *uint64 // nil: not finalized
	Height  uint64
	Slot    primitives.Slot
	Parents []common.Hash
}

// Final reports whether the block is finalized.
func (b *Block) Final() bool { return b.Number != nil }

// IsSpine reports whether the block is finalized with its number equal to its height.
func (b *Block) IsSpine() bool { return b.Number != nil && *b.Number == b.Height }

// Latest is the last finalized block (eth_getBlockByNumber latest).
func (c *Client) Latest(ctx context.Context) (*Block, error) {
	const method = "eth_getBlockByNumber"
	raw, err := c.read(ctx, method, "latest", false)
	if err != nil {
		return nil, err
	}
	block, err := decodeBlock(method, raw)
	switch {
	case err != nil:
		return nil, err
	case block == nil:
		return nil, malformed(method, "no latest block")
	case !block.Final():
		return nil, malformed(method, "the latest block %s has no number", block.Hash)
	}
	return block, nil
}

// BlockByHash is (nil, nil) when the node does not know the block.
func (c *Client) BlockByHash(ctx context.Context, hash common.Hash) (*Block, error) {
	const method = "eth_getBlockByHash"
	raw, err := c.read(ctx, method, hash, false)
	if err != nil {
		return nil, err
	}
	return decodeBlockOf(method, raw, hash)
}

// BlocksByHash asks in batches, each with the client's timeout of its own; the
// answer is as long as list, nil where the node does not know the block.
func (c *Client) BlocksByHash(ctx context.Context, list []common.Hash) ([]*Block, error) {
	const method = "eth_getBlockByHash"
	return c.blocks(ctx, method, len(list),
		func(i int) []any { return []any{list[i], false} },
		func(i int, raw json.RawMessage) (*Block, error) { return decodeBlockOf(method, raw, list[i]) })
}

// BlocksByNumber returns the finalized blocks numbered from to to, both included, as
// BlocksByHash does; nil where the node has none.
func (c *Client) BlocksByNumber(ctx context.Context, from, to uint64) ([]*Block, error) {
	const method = "eth_getBlockByNumber"
	if from > to || to-from >= maxBlockRange {
		return nil, failure.Newf(failure.Abort, "%s: blocks %d to %d are no range of 1 to %d", method, from, to, maxBlockRange)
	}
	return c.blocks(ctx, method, int(to-from+1),
		func(i int) []any { return []any{hexutil.Uint64(from + uint64(i)), false} },
		func(i int, raw json.RawMessage) (*Block, error) {
			block, err := decodeBlock(method, raw)
			if err != nil || block == nil {
				return nil, err
			}
			if want := from + uint64(i); block.Number == nil || *block.Number != want {
				return nil, malformed(method, "asked for block %d, got block %s of another number", want, block.Hash)
			}
			return block, nil
		})
}

// blocks asks for n blocks in batches. A batch whose answer is too large, or that is
// refused, is asked in halves: full blocks list thousands of transaction hashes, and
// some endpoints take few calls a batch.
func (c *Client) blocks(ctx context.Context, method string, n int, args func(int) []any, decode func(int, json.RawMessage) (*Block, error)) ([]*Block, error) {
	out := make([]*Block, 0, n)
	size := blockBatch
	for len(out) < n {
		first, count := len(out), min(size, n-len(out))
		batch := make([][]any, count)
		for i := range batch {
			batch[i] = args(first + i)
		}
		answers, err := c.batch(ctx, method, batch)
		if tooMuch(err) && count > 1 {
			size = count / 2
			continue
		}
		if err != nil {
			return nil, err
		}
		for i, raw := range answers {
			block, err := decode(first+i, raw)
			if err != nil {
				return nil, err
			}
			out = append(out, block)
		}
	}
	return out, nil
}

func decodeBlockOf(method string, raw json.RawMessage, hash common.Hash) (*Block, error) {
	block, err := decodeBlock(method, raw)
	if err != nil || block == nil {
		return nil, err
	}
	if block.Hash != hash {
		return nil, malformed(method, "asked for block %s, got %s", hash, block.Hash)
	}
	return block, nil
}

// decodeBlock returns nil for null.
func decodeBlock(method string, raw json.RawMessage) (*Block, error) {
	var in *struct {
		Hash    *common.Hash    `json:"hash"`
		Number  *hexutil.Uint64 `json:"number"`
		Height  *hexutil.Uint64 `json:"height"`
		Slot    *hexutil.Uint64 `json:"slot"`
		Parents *[]*common.Hash `json:"parentHashes"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, malformed(method, "block: %w", err)
	}
	if in == nil {
		return nil, nil
	}
	if in.Hash == nil || in.Height == nil || in.Slot == nil || in.Parents == nil {
		return nil, malformed(method, "block without hash, height, slot or parentHashes: not a gwat of this era?")
	}
	block := &Block{
		Hash:    *in.Hash,
		Number:  (*uint64)(in.Number),
		Height:  uint64(*in.Height),
		Slot:    primitives.Slot(*in.Slot),
		Parents: make([]common.Hash, 0, len(*in.Parents)),
	}
	for _, parent := range *in.Parents {
		if parent == nil {
			return nil, malformed(method, "block %s: parent hash is null", block.Hash)
		}
		block.Parents = append(block.Parents, *parent)
	}
	return block, nil
}

// tooMuch reports whether a smaller batch may be answered.
func tooMuch(err error) bool {
	return errors.Is(err, jsonrpc.ErrTooLarge) || errors.Is(err, ErrBatchRefused)
}
