package headsync

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// Errors of the collection.
var (
	// ErrReorg: the chain that was being collected is no longer canonical.
	ErrReorg = failure.As(failure.RestartAttempt, errors.New("the beacon left the collected chain"))
	// ErrInconsistent: answers of the beacon node do not fit together.
	ErrInconsistent = failure.As(failure.RetryLater, errors.New("the beacon node's answers do not fit together"))
)

// Concurrency is how many REST calls a collection has in flight.
const Concurrency = 16

// maxWindow bounds the headers that are asked by slot ahead of the walk.
const maxWindow = 128

// Beacon is what a collection reads from the beacon node.
type Beacon interface {
	Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error)
	Block(ctx context.Context, id beaconclient.BlockID) (beaconclient.Block, error)
	Committees(ctx context.Context, state beaconclient.StateID, epoch primitives.Epoch) ([]beaconclient.Committee, error)
	WithdrawalCredentials(ctx context.Context, state beaconclient.StateID, indices []uint64) (map[uint64]common.Hash, error)
}

// Collector collects canonical entries. It keeps what it has collected of the
// last chain, by root, so that a poll costs only what is new. It is not safe
// for concurrent use.
type Collector struct {
	beacon    Beacon
	spec      checkpoint.Spec
	entries   map[common.Hash]Entry
	addresses map[uint64]common.Address // by validator index; credentials do not change
}

// NewCollector reads from beacon on a network with spec.
func NewCollector(beacon Beacon, spec checkpoint.Spec) *Collector {
	return &Collector{
		beacon: beacon, spec: spec,
		entries: map[common.Hash]Entry{}, addresses: map[uint64]common.Address{},
	}
}

// Collect gives the canonical entries from the first block at or after slot
// from up to head, in slot order, linked by parent roots. progress, if not nil,
// is told how many of how many blocks are there; it is called concurrently.
// Errors: ErrReorg if a block is no longer to be had, ErrInconsistent, and the client's.
func (c *Collector) Collect(ctx context.Context, head beaconclient.Header, from primitives.Slot, progress func(done, total int)) ([]Entry, error) {
	headers, err := c.link(ctx, head, from)
	if err != nil {
		return nil, err
	}
	if err := c.fetch(ctx, headers, progress); err != nil {
		return nil, err
	}
	out := make([]Entry, len(headers))
	kept := make(map[common.Hash]Entry, len(headers))
	for i, h := range headers {
		e := c.entries[h.Root]
		out[len(headers)-1-i] = e
		kept[h.Root] = e
	}
	c.entries = kept
	return out, nil
}

// link walks the parent roots from head down to slot from; newest first.
func (c *Collector) link(ctx context.Context, head beaconclient.Header, from primitives.Slot) ([]beaconclient.Header, error) {
	chain := []beaconclient.Header{head}
	ahead := map[common.Hash]beaconclient.Header{}
	window := primitives.Slot(1)
	for cur := head; cur.Slot > from; {
		next, err := c.parent(ctx, cur, from, ahead, &window)
		if err != nil {
			return nil, err
		}
		if next.Slot >= cur.Slot {
			return nil, fmt.Errorf("%w: the parent %s of the block at slot %d says slot %d", ErrInconsistent, next.Root, cur.Slot, next.Slot)
		}
		if next.Slot < from {
			break
		}
		chain = append(chain, next)
		cur = next
	}
	return chain, nil
}

// parent finds the header of cur's parent: collected before, read ahead by
// slot, or asked by root. Each miss doubles the window that is read ahead.
func (c *Collector) parent(ctx context.Context, cur beaconclient.Header, from primitives.Slot, ahead map[common.Hash]beaconclient.Header, window *primitives.Slot) (beaconclient.Header, error) {
	if e, ok := c.entries[cur.ParentRoot]; ok {
		return beaconclient.Header{Root: e.Root, ParentRoot: e.Parent, Slot: e.Slot(), Canonical: true}, nil
	}
	if h, ok := ahead[cur.ParentRoot]; ok {
		return h, nil
	}
	if *window > 1 {
		low := from
		if cur.Slot > from+*window {
			low = cur.Slot - *window
		}
		if err := c.readAhead(ctx, low, cur.Slot, ahead); err != nil {
			return beaconclient.Header{}, err
		}
	}
	*window = min(*window*2, maxWindow)
	if h, ok := ahead[cur.ParentRoot]; ok {
		return h, nil
	}
	h, err := c.beacon.Header(ctx, beaconclient.AtRoot(cur.ParentRoot))
	switch {
	case errors.Is(err, beaconclient.ErrNotFound):
		return h, fmt.Errorf("%w: the parent %s of the block at slot %d is gone", ErrReorg, cur.ParentRoot, cur.Slot)
	case err != nil:
		return h, fmt.Errorf("read header %s: %w", cur.ParentRoot, err)
	case h.Root != cur.ParentRoot:
		return h, fmt.Errorf("%w: asked for header %s, got %s", ErrInconsistent, cur.ParentRoot, h.Root)
	}
	return h, nil
}

// readAhead asks for the headers of slots [low, high). What it finds is a guess:
// only the walk along parent roots decides what is canonical.
func (c *Collector) readAhead(ctx context.Context, low, high primitives.Slot, into map[common.Hash]beaconclient.Header) error {
	found := make([]*beaconclient.Header, high-low)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(Concurrency)
	for slot := low; slot < high; slot++ {
		g.Go(func() error {
			h, err := c.beacon.Header(ctx, beaconclient.AtSlot(slot))
			if errors.Is(err, beaconclient.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read header at slot %d: %w", slot, err)
			}
			found[slot-low] = &h
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	clear(into)
	for _, h := range found {
		if h != nil {
			into[h.Root] = *h
		}
	}
	return nil
}

// fetch reads bodies and creators of the headers that are not known yet.
func (c *Collector) fetch(ctx context.Context, headers []beaconclient.Header, progress func(done, total int)) error {
	var missing []beaconclient.Header
	for _, h := range headers {
		if _, ok := c.entries[h.Root]; !ok {
			missing = append(missing, h)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	creators, err := c.creators(ctx, missing)
	if err != nil {
		return err
	}
	entries := make([]Entry, len(missing))
	var done atomic.Int64
	done.Store(int64(len(headers) - len(missing)))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(Concurrency)
	for i, h := range missing {
		g.Go(func() error {
			b, err := c.beacon.Block(ctx, beaconclient.AtRoot(h.Root))
			switch {
			case errors.Is(err, beaconclient.ErrNotFound):
				return fmt.Errorf("%w: block %s at slot %d is gone", ErrReorg, h.Root, h.Slot)
			case err != nil:
				return fmt.Errorf("read block at slot %d: %w", h.Slot, err)
			case b.Slot != h.Slot || b.ParentRoot != h.ParentRoot:
				return fmt.Errorf("%w: header %s says slot %d parent %s, its block slot %d parent %s",
					ErrInconsistent, h.Root, h.Slot, h.ParentRoot, b.Slot, b.ParentRoot)
			}
			entries[i] = Entry{Root: h.Root, Parent: h.ParentRoot, Info: checkpoint.ConsensusInfo{
				Slot: h.Slot, Creators: creators[h.Slot], Finalizing: b.Finalization,
			}}
			if n := int(done.Add(1)); progress != nil {
				progress(n, len(headers))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, e := range entries {
		c.entries[e.Root] = e
	}
	return nil
}

// creators gives the creators of each header's slot.
func (c *Collector) creators(ctx context.Context, headers []beaconclient.Header) (map[primitives.Slot][]common.Address, error) {
	wanted := map[primitives.Slot]bool{}
	epochs := map[primitives.Epoch]bool{}
	for _, h := range headers {
		wanted[h.Slot] = true
		epochs[c.spec.Epoch(h.Slot)] = true
	}
	bySlot := map[primitives.Slot][]beaconclient.Committee{}
	for epoch := range epochs {
		committees, err := c.beacon.Committees(ctx, beaconclient.StateHead, epoch)
		if err != nil {
			return nil, fmt.Errorf("read committees of epoch %d: %w", epoch, err)
		}
		for _, k := range committees {
			bySlot[k.Slot] = append(bySlot[k.Slot], k)
		}
	}
	indices := map[primitives.Slot][]uint64{}
	var unknown []uint64
	asked := map[uint64]bool{}
	for slot := range wanted {
		if len(bySlot[slot]) == 0 {
			return nil, fmt.Errorf("%w: no committee for slot %d", ErrInconsistent, slot)
		}
		indices[slot] = CreatorIndices(bySlot[slot], c.spec.CreatorsPerSlot)
		for _, v := range indices[slot] {
			if _, ok := c.addresses[v]; !ok && !asked[v] {
				asked[v] = true
				unknown = append(unknown, v)
			}
		}
	}
	if err := c.learn(ctx, unknown); err != nil {
		return nil, err
	}
	out := make(map[primitives.Slot][]common.Address, len(indices))
	for slot, list := range indices {
		addresses := make([]common.Address, len(list))
		for i, v := range list {
			addresses[i] = c.addresses[v]
		}
		out[slot] = SortCreators(addresses)
	}
	return out, nil
}

func (c *Collector) learn(ctx context.Context, indices []uint64) error {
	if len(indices) == 0 {
		return nil
	}
	credentials, err := c.beacon.WithdrawalCredentials(ctx, beaconclient.StateHead, indices)
	if err != nil {
		return fmt.Errorf("read validators: %w", err)
	}
	for _, v := range indices {
		cred, ok := credentials[v]
		if !ok {
			return fmt.Errorf("%w: no credentials for validator %d", ErrInconsistent, v)
		}
		c.addresses[v] = CreatorAddress(cred)
	}
	return nil
}
