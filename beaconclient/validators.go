package beaconclient

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"golang.org/x/sync/errgroup"
)

// Committee is one committee of one slot; Validators are indices, in order.
type Committee struct {
	Slot       primitives.Slot
	Index      uint64
	Validators []uint64
}

// Committees asks for all committees of an epoch, in the node's order. That
// every slot has its committees is for the caller to check, who knows the spec.
func (c *Client) Committees(ctx context.Context, state StateID, epoch primitives.Epoch) ([]Committee, error) {
	path := statePath(state) + "/committees"
	var in []struct {
		Slot       *decimal    `json:"slot"`
		Index      *decimal    `json:"index"`
		Validators *[]*decimal `json:"validators"`
	}
	if err := c.getUpTo(ctx, c.maxBody, path, url.Values{"epoch": {strconv.FormatUint(uint64(epoch), 10)}}, &in); err != nil {
		return nil, err
	}
	if in == nil {
		return nil, malformed(path, "no data")
	}
	committees := make([]Committee, 0, len(in))
	for i, one := range in {
		if err := missing(map[string]bool{"slot": one.Slot != nil, "index": one.Index != nil, "validators": one.Validators != nil}); err != nil {
			return nil, malformed(path, "committee %d %w", i, err)
		}
		committee := Committee{Slot: primitives.Slot(*one.Slot), Index: uint64(*one.Index), Validators: make([]uint64, 0, len(*one.Validators))}
		for _, index := range *one.Validators {
			if index == nil {
				return nil, malformed(path, "committee %d holds null", i)
			}
			committee.Validators = append(committee.Validators, uint64(*index))
		}
		committees = append(committees, committee)
	}
	return committees, nil
}

// idsPerRequest keeps the URL under 3 KB; servers take 8 KB and more.
const idsPerRequest = 100

// credentialsAtOnce is how many of these requests are in flight.
const credentialsAtOnce = 4

// WithdrawalCredentials asks for the credentials of validators by index, in
// several requests if need be, each with the timeout of its own. Every asked
// index is in the answer.
func (c *Client) WithdrawalCredentials(ctx context.Context, state StateID, indices []uint64) (map[uint64]common.Hash, error) {
	asked := slices.Clone(indices)
	slices.Sort(asked)
	asked = slices.Compact(asked)
	out := make(map[uint64]common.Hash, len(asked))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(credentialsAtOnce)
	for chunk := range slices.Chunk(asked, idsPerRequest) {
		group.Go(func() error {
			answered, err := c.credentials(ctx, state, chunk)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(out, answered)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// credentials asks for at most idsPerRequest validators; exactly these are in the answer.
func (c *Client) credentials(ctx context.Context, state StateID, chunk []uint64) (map[uint64]common.Hash, error) {
	path := statePath(state) + "/validators"
	query := make(url.Values)
	for _, index := range chunk {
		query.Add("id", strconv.FormatUint(index, 10))
	}
	var in []struct {
		Index     *decimal `json:"index"`
		Validator struct {
			Credentials *common.Hash `json:"withdrawal_credentials"`
		} `json:"validator"`
	}
	if err := c.get(ctx, path, query, &in); err != nil {
		return nil, err
	}
	answered := make(map[uint64]common.Hash, len(in))
	for i, one := range in {
		if err := missing(map[string]bool{"index": one.Index != nil, "withdrawal_credentials": one.Validator.Credentials != nil}); err != nil {
			return nil, malformed(path, "validator %d %w", i, err)
		}
		index, credentials := uint64(*one.Index), *one.Validator.Credentials
		if before, twice := answered[index]; twice && before != credentials {
			return nil, malformed(path, "validator index %d twice, with different credentials", index)
		}
		answered[index] = credentials
	}
	out := make(map[uint64]common.Hash, len(chunk))
	for _, index := range chunk {
		credentials, ok := answered[index]
		if !ok {
			return nil, malformed(path, "validator index %d was asked and is not in the answer", index)
		}
		out[index] = credentials
	}
	return out, nil
}
