package headsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"golang.org/x/sync/singleflight"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// Errors of the collection.
var (
	// ErrReorg: the chain that was being collected is no longer canonical.
	ErrReorg = failure.WithKind(failure.Abort, errors.New("the beacon left the collected chain"))
	// ErrInconsistent: answers of the beacon node do not fit together.
	ErrInconsistent = failure.WithKind(failure.RetryLater, errors.New("the beacon node's answers do not fit together"))
)

// Concurrency is how many REST calls a collection has in flight.
const Concurrency = 24

const (
	keptEntries = 1024 // entries kept for the next attempt

	// keptAddresses is more than the validators of a network of today; beyond it addresses
	// are read again.
	keptAddresses = 1 << 17
	// maxCommittees bounds the committees of a slot that are read.
	maxCommittees = 1024
)

// Beacon is what a collection reads from the beacon node.
type Beacon interface {
	Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error)
	Block(ctx context.Context, id beaconclient.BlockID) (beaconclient.Block, error)
	Committees(ctx context.Context, state beaconclient.StateID, epoch primitives.Epoch) ([]beaconclient.Committee, error)
	WithdrawalCredentials(ctx context.Context, state beaconclient.StateID, indices []uint64) (map[uint64]common.Hash, error)
}

// Collector collects canonical entries. It keeps a bounded part of one attempt for the next.
// One attempt at a time uses it; within the attempt its methods are called concurrently.
type Collector struct {
	// Collected, if not nil, is called with each entry that is read or taken from what is kept.
	// It is called concurrently.
	Collected func(Entry)

	beacon Beacon
	spec   checkpoint.Spec
	chain  HeaderChain // of the last call, from where it was asked to begin

	mu        sync.Mutex
	entries   map[common.Hash]Entry // without creators
	order     []common.Hash         // of entries, oldest first
	creators  map[primitives.Epoch]map[primitives.Slot][]common.Address
	addresses map[uint64]common.Address // by validator index; credentials do not change
	flight    singleflight.Group        // creators of an epoch are read once
}

// NewCollector reads from beacon on a network with spec.
func NewCollector(beacon Beacon, spec checkpoint.Spec) *Collector {
	return &Collector{
		beacon: beacon, spec: spec, entries: map[common.Hash]Entry{},
		creators: map[primitives.Epoch]map[primitives.Slot][]common.Address{}, addresses: map[uint64]common.Address{},
	}
}

// Collect returns the canonical entries from the first block at or after slot
// from up to head, in slot order, linked by parent roots. progress, if not nil, is called
// with how many of how many entries are there. Its errors are those of Chain.
func (c *Collector) Collect(ctx context.Context, head beaconclient.Header, from primitives.Slot, progress func(done, total int)) ([]Entry, error) {
	chain, err := c.Chain(ctx, head, from)
	if err != nil {
		return nil, err
	}
	return c.gather(ctx, chain, progress)
}

// gather reads all of a chain.
func (c *Collector) gather(ctx context.Context, chain HeaderChain, progress func(done, total int)) ([]Entry, error) {
	stream := c.Stream(ctx, chain, chain.from)
	defer stream.Close()
	out := make([]Entry, 0, chain.Len())
	for {
		e, err := stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		out = append(out, e)
		if progress != nil {
			progress(len(out), max(len(out), chain.Len()))
		}
	}
}

// entry reads a block of a chain and the creators of its slot.
func (c *Collector) entry(ctx context.Context, ref named) (Entry, error) {
	c.mu.Lock()
	e, ok := c.entries[ref.Root]
	c.mu.Unlock()
	if ok {
		return c.withCreators(ctx, e)
	}
	b, err := c.beacon.Block(ctx, beaconclient.AtRoot(ref.Root))
	switch {
	case errors.Is(err, beaconclient.ErrNotFound):
		return Entry{}, fmt.Errorf("%w: block %s at slot %d is gone", ErrReorg, ref.Root, ref.Slot)
	case err != nil:
		return Entry{}, fmt.Errorf("read block at slot %d: %w", ref.Slot, err)
	case b.Slot != ref.Slot || b.ParentRoot != ref.parent:
		return Entry{}, fmt.Errorf("%w: by the headers block %s has slot %d and parent %s, by its body slot %d and parent %s",
			ErrInconsistent, ref.Root, ref.Slot, ref.parent, b.Slot, b.ParentRoot)
	}
	e = Entry{Root: ref.Root, Parent: ref.parent, Info: checkpoint.ConsensusInfo{Slot: ref.Slot, Finalizing: b.Finalization}}
	c.remember(e)
	return c.withCreators(ctx, e)
}

// withCreators completes an entry. A root determines a block, but not the committees that the
// head's state has for its slot, so creators are not kept with the entry.
func (c *Collector) withCreators(ctx context.Context, e Entry) (Entry, error) {
	creators, err := c.creatorsAt(ctx, e.Info.Slot)
	if err != nil {
		return Entry{}, err
	}
	e.Info.Creators = creators
	if c.Collected != nil {
		c.Collected(e)
	}
	return e, nil
}

func (c *Collector) has(root common.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.entries[root]
	return ok
}

func (c *Collector) remember(e Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[e.Root]; ok {
		return
	}
	c.entries[e.Root] = e
	c.order = append(c.order, e.Root)
	if len(c.order) > keptEntries {
		delete(c.entries, c.order[0])
		c.order = c.order[1:]
	}
}

// creatorsAt returns the creators of a slot; those of its epoch are read at once.
func (c *Collector) creatorsAt(ctx context.Context, slot primitives.Slot) ([]common.Address, error) {
	epoch := c.spec.Epoch(slot)
	c.mu.Lock()
	of, ok := c.creators[epoch]
	c.mu.Unlock()
	if !ok {
		v, err, _ := c.flight.Do(fmt.Sprint(uint64(epoch)), func() (any, error) { return c.readCreators(ctx, epoch) })
		if err != nil {
			return nil, err
		}
		of = v.(map[primitives.Slot][]common.Address)
	}
	creators, ok := of[slot]
	if !ok {
		return nil, fmt.Errorf("%w: no committee for slot %d", ErrInconsistent, slot)
	}
	return creators, nil
}

// warm reads the creators of the first two epochs from a slot on, so that they are there
// when the entries are; the channel is closed when that has ended, well or not.
func (c *Collector) warm(ctx context.Context, from, head primitives.Slot) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var reads sync.WaitGroup
		for epoch := c.spec.Epoch(from); epoch <= min(c.spec.Epoch(from)+1, c.spec.Epoch(head)); epoch++ {
			reads.Go(func() { _, _ = c.creatorsAt(ctx, c.spec.StartSlot(epoch)) })
		}
		reads.Wait()
	}()
	return done
}

func (c *Collector) readCreators(ctx context.Context, epoch primitives.Epoch) (map[primitives.Slot][]common.Address, error) {
	committees, err := c.beacon.Committees(ctx, beaconclient.StateHead, epoch)
	if err != nil {
		return nil, fmt.Errorf("read committees of epoch %d: %w", epoch, err)
	}
	bySlot := map[primitives.Slot][]beaconclient.Committee{}
	for _, k := range committees {
		if c.spec.Epoch(k.Slot) != epoch || len(bySlot[k.Slot]) == maxCommittees {
			return nil, fmt.Errorf("%w: the committees of epoch %d have a slot %d, or more than %d for it", ErrInconsistent, epoch, k.Slot, maxCommittees)
		}
		bySlot[k.Slot] = append(bySlot[k.Slot], k)
	}
	indices := map[primitives.Slot][]uint64{}
	for slot, of := range bySlot {
		indices[slot] = CreatorIndices(of, c.spec.CreatorsPerSlot)
	}
	addressOf, err := c.learn(ctx, indices)
	if err != nil {
		return nil, err
	}
	start := c.spec.StartSlot(epoch)
	for slot := start; slot < start+primitives.Slot(c.spec.SlotsPerEpoch); slot++ {
		if len(indices[slot]) == 0 { // if it were kept, every attempt from now on would fail
			return nil, fmt.Errorf("%w: the committees of epoch %d have no members for slot %d", ErrInconsistent, epoch, slot)
		}
	}
	out := make(map[primitives.Slot][]common.Address, len(indices))
	c.mu.Lock()
	defer c.mu.Unlock()
	for slot, list := range indices {
		addresses := make([]common.Address, len(list))
		for i, v := range list {
			addresses[i] = addressOf[v]
		}
		out[slot] = SortCreators(addresses)
	}
	c.creators[epoch] = out
	kept := c.keptEpochs()
	for e := range c.creators {
		if e+kept <= epoch || e > epoch+kept {
			delete(c.creators, e)
		}
	}
	return out, nil
}

// keptEpochs is how many epochs' creators are kept: those of the kept entries and of a stream
// that runs ahead of them.
func (c *Collector) keptEpochs() primitives.Epoch {
	return primitives.Epoch((keptEntries+streamAhead)/max(c.spec.SlotsPerEpoch, 1) + 2)
}

// forgetCommittees drops what was read of the network's validators.
func (c *Collector) forgetCommittees() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.creators)
	clear(c.addresses)
}

func (c *Collector) forgetCreators() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.creators)
}

// learn returns the addresses of validators; those not known yet are read.
func (c *Collector) learn(ctx context.Context, indices map[primitives.Slot][]uint64) (map[uint64]common.Address, error) {
	out := map[uint64]common.Address{}
	var unknown []uint64
	asked := map[uint64]bool{}
	c.mu.Lock()
	for _, list := range indices {
		for _, v := range list {
			if address, ok := c.addresses[v]; ok {
				out[v] = address
			} else if !asked[v] {
				asked[v] = true
				unknown = append(unknown, v)
			}
		}
	}
	c.mu.Unlock()
	if len(unknown) == 0 {
		return out, nil
	}
	credentials, err := c.beacon.WithdrawalCredentials(ctx, beaconclient.StateHead, unknown)
	if err != nil {
		return nil, fmt.Errorf("read validators: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.addresses)+len(unknown) > keptAddresses {
		clear(c.addresses)
	}
	for _, v := range unknown {
		cred, ok := credentials[v]
		if !ok {
			return nil, fmt.Errorf("%w: no credentials for validator %d", ErrInconsistent, v)
		}
		out[v] = CreatorAddress(cred)
		if len(c.addresses) < keptAddresses {
			c.addresses[v] = out[v]
		}
	}
	return out, nil
}
