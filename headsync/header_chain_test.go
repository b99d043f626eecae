package headsync

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
)

// longBeacon has a chain with a block in each slot but every seventh. From fork on, if it
// is set, the blocks are those of another branch.
type longBeacon struct {
	Beacon
	fork  primitives.Slot
	empty error        // answer to a header by a slot without a canonical block; nil: not found
	reads atomic.Int64 // of headers
}

func (b *longBeacon) root(slot primitives.Slot) (root common.Hash) {
	binary.BigEndian.PutUint64(root[:], uint64(slot)+1)
	if b.fork > 0 && slot >= b.fork {
		root[31] = byte(b.fork) | 1
	}
	return root
}

func (b *longBeacon) parent(slot primitives.Slot) common.Hash {
	if slot--; slot%7 == 3 {
		slot--
	}
	return b.root(slot)
}

func (b *longBeacon) Header(_ context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	b.reads.Add(1)
	slot := primitives.Slot(0)
	if root := common.HexToHash(string(id)); id[0] == '0' && len(id) > 2 && id[1] == 'x' {
		slot = primitives.Slot(binary.BigEndian.Uint64(root[:])) - 1
		if b.root(slot) != root {
			return beaconclient.Header{}, beaconclient.ErrNotFound
		}
	} else {
		for _, digit := range id {
			slot = 10*slot + primitives.Slot(digit-'0')
		}
	}
	if slot%7 == 3 {
		return beaconclient.Header{}, cmp.Or(b.empty, beaconclient.ErrNotFound)
	}
	return beaconclient.Header{Root: b.root(slot), ParentRoot: b.parent(slot), Slot: slot, Canonical: true}, nil
}

func (b *longBeacon) Block(_ context.Context, id beaconclient.BlockID) (beaconclient.Block, error) {
	root := common.HexToHash(string(id))
	slot := primitives.Slot(binary.BigEndian.Uint64(root[:])) - 1
	return beaconclient.Block{Slot: slot, ParentRoot: b.parent(slot)}, nil
}

func (b *longBeacon) Committees(_ context.Context, _ beaconclient.StateID, epoch primitives.Epoch) (out []beaconclient.Committee, _ error) {
	for i := range primitives.Slot(32) {
		out = append(out, beaconclient.Committee{Slot: 32*primitives.Slot(epoch) + i, Validators: []uint64{1}})
	}
	return out, nil
}

func (b *longBeacon) WithdrawalCredentials(context.Context, beaconclient.StateID, []uint64) (map[uint64]common.Hash, error) {
	return map[uint64]common.Hash{1: {}}, nil
}

func (b *longBeacon) head(slot primitives.Slot) beaconclient.Header {
	return beaconclient.Header{Root: b.root(slot), ParentRoot: b.parent(slot), Slot: slot}
}

// requireStream reads a chain from a slot on and requires every block of the beacon's.
func (b *longBeacon) requireStream(t *testing.T, c *Collector, chain HeaderChain, from primitives.Slot) []Entry {
	t.Helper()
	stream := c.Stream(t.Context(), chain, from)
	defer stream.Close()
	var out []Entry
	for slot := from; slot <= chain.Tip().Slot; slot++ {
		if slot%7 == 3 {
			continue
		}
		e, err := stream.Next()
		require.NoError(t, err)
		require.Equal(t, slot, e.Slot())
		require.Equal(t, b.root(slot), e.Root)
		out = append(out, e)
	}
	_, err := stream.Next()
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, CheckLinked(out))
	return out
}

// A real beacon node answers 500 "nil summary" for good to the header of a slot whose only
// block was orphaned when the node was killed: no such slot may end an attempt.
func TestChainOverAnOrphanedBlock(t *testing.T) {
	b := &longBeacon{empty: beaconclient.ErrStarting}
	c := NewCollector(b, checkpoint.Spec{SlotsPerEpoch: 32, CreatorsPerSlot: 1})
	chain, err := c.Chain(t.Context(), b.head(200), 64)
	require.NoError(t, err)
	b.requireStream(t, c, chain, 64)
}

// A chain of any length takes a bounded part of memory, and all of it can be read.
func TestLongChainIsThinned(t *testing.T) {
	t.Parallel()
	const from, top = 100, 60_001
	b := &longBeacon{}
	c := NewCollector(b, checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 1})
	chain, err := c.Chain(t.Context(), b.head(top), from)
	require.NoError(t, err)
	blocks := 0
	for slot := from; slot <= top; slot++ {
		if slot%7 != 3 {
			blocks++
		}
	}
	require.Equal(t, blocks, chain.Len(), "all are counted")
	limit := nearBlocks + tipBlocks + blocks/keptEvery + 2*thinSlack
	require.Less(t, len(chain.refs), limit)
	for i, r := range chain.refs[1:] {
		require.LessOrEqual(t, r.index-chain.refs[i].index, keptEvery)
	}
	entries := b.requireStream(t, c, chain, from)
	require.Len(t, entries, blocks)
	b.requireStream(t, c, chain, 45_000) // it begins where only one in keptEvery is kept

	// The head moves on: nothing is read twice, and what was read is on the new chain.
	for slot := primitives.Slot(top + 1); slot < top+3000; slot++ {
		if slot%7 == 3 {
			continue
		}
		before := b.reads.Load()
		longer, err := c.Chain(t.Context(), b.head(slot), from)
		require.NoError(t, err)
		require.LessOrEqual(t, b.reads.Load()-before, int64(1))
		require.Less(t, len(longer.refs), limit+3000/keptEvery)
		require.Equal(t, len(entries), longer.Canonical(entries, chain))
		chain = longer
	}

	// The beacon leaves the chain in its thinned part: what is below the fork stays.
	const fork = 40_000
	b.fork = fork
	other, err := c.Chain(t.Context(), b.head(top+4000), from)
	require.NoError(t, err)
	kept := other.Canonical(entries, chain)
	require.Less(t, entries[kept-1].Slot(), primitives.Slot(fork))
	require.Greater(t, entries[kept-1].Slot(), primitives.Slot(fork-2*keptEvery))
	require.Zero(t, other.Canonical(entries[kept+2*keptEvery:], HeaderChain{}))
	b.requireStream(t, c, other, 35_000)

	// What comes long before the slot asked for is dropped.
	c.Forget(30_000)
	require.GreaterOrEqual(t, c.chain.refs[0].Slot, primitives.Slot(30_000-2*keptEvery))
	edge, err := c.Chain(t.Context(), b.head(top+4000), 30_000)
	require.NoError(t, err)
	b.requireStream(t, c, edge, 30_000) // from between two kept blocks on
	again, err := c.Chain(t.Context(), b.head(top+4000), 50_000)
	require.NoError(t, err)
	b.requireStream(t, c, again, 50_000)
	below, err := c.Chain(t.Context(), b.head(top+4000), 20_000)
	require.NoError(t, err)
	b.requireStream(t, c, below, 20_000)
}

// The beacon leaves the chain after it was named: what is thinned ends the stream.
func TestThinnedPartThatChanged(t *testing.T) {
	t.Parallel()
	b := &longBeacon{}
	c := NewCollector(b, checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 1})
	chain, err := c.Chain(t.Context(), b.head(50_000), 0)
	require.NoError(t, err)
	b.fork = 30_000
	stream := c.Stream(t.Context(), chain, 29_000)
	defer stream.Close()
	var last Entry
	for err == nil {
		var e Entry
		if e, err = stream.Next(); err == nil {
			last = e
		}
	}
	require.True(t, errors.Is(err, ErrReorg) || errors.Is(err, ErrInconsistent), "%v", err)
	require.Less(t, last.Slot(), primitives.Slot(30_000))
}

// A chain that grows without being thinned counts its blocks exactly, and its names are
// there without a further read.
func TestGrownChainIsWhole(t *testing.T) {
	t.Parallel()
	b := &longBeacon{}
	c := NewCollector(b, checkpoint.Spec{SlotsPerEpoch: 32, CreatorsPerSlot: 1})
	blocks := func(tip int) (n int) {
		for slot := range tip + 1 {
			if slot%7 != 3 {
				n++
			}
		}
		return n
	}
	var collected atomic.Int64
	c.Collected = func(Entry) { collected.Add(1) }
	for _, tip := range []int{100, 102, 110, 200} {
		chain, err := c.Chain(t.Context(), b.head(primitives.Slot(tip)), 0)
		require.NoError(t, err)
		require.Equal(t, blocks(tip), chain.Len(), "up to slot %d", tip)
		before := b.reads.Load()
		b.requireStream(t, c, chain, 0)
		require.Equal(t, before, b.reads.Load(), "no header is read again")
		require.EqualValues(t, blocks(tip), collected.Swap(0), "each is told, also one that was kept")
	}
}

// failingBeacon has no body for one block, or no committees.
type failingBeacon struct {
	*longBeacon
	slot       primitives.Slot
	err        error // of the body
	committees error
}

func (b failingBeacon) Committees(ctx context.Context, state beaconclient.StateID, epoch primitives.Epoch) ([]beaconclient.Committee, error) {
	if b.committees != nil {
		return nil, b.committees
	}
	return b.longBeacon.Committees(ctx, state, epoch)
}

func (b failingBeacon) Block(ctx context.Context, id beaconclient.BlockID) (beaconclient.Block, error) {
	block, err := b.longBeacon.Block(ctx, id)
	if b.err != nil && block.Slot == b.slot {
		return beaconclient.Block{}, b.err
	}
	return block, err
}

// What comes after an entry that could not be read is never returned.
func TestStreamStaysAtItsError(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	b := failingBeacon{longBeacon: &longBeacon{}, slot: 12, err: gone}
	c := NewCollector(b, checkpoint.Spec{SlotsPerEpoch: 32, CreatorsPerSlot: 1})
	chain, err := c.Chain(t.Context(), b.head(20), 11)
	require.NoError(t, err)
	stream := c.Stream(t.Context(), chain, 11)
	defer stream.Close()
	e, err := stream.Next()
	require.NoError(t, err)
	require.EqualValues(t, 11, e.Slot())
	for range 2 {
		_, err = stream.Next()
		require.ErrorIs(t, err, gone)
	}
}

// epochsBeacon keeps the epochs whose committees were read.
type epochsBeacon struct {
	*longBeacon
	epochs chan primitives.Epoch
}

func (b epochsBeacon) Committees(ctx context.Context, state beaconclient.StateID, epoch primitives.Epoch) ([]beaconclient.Committee, error) {
	b.epochs <- epoch
	return b.longBeacon.Committees(ctx, state, epoch)
}

// The creators of two epochs are read ahead, but of none beyond the head.
func TestCreatorsAreReadAhead(t *testing.T) {
	for name, tc := range map[string]struct {
		from, head primitives.Slot
		want       []primitives.Epoch
	}{
		"the head is far":               {40, 500, []primitives.Epoch{1, 2}},
		"the head is in the next epoch": {40, 64, []primitives.Epoch{1, 2}},
		"the head is in the same epoch": {40, 63, []primitives.Epoch{1}},
		"the first slot of an epoch":    {64, 500, []primitives.Epoch{2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			b := epochsBeacon{longBeacon: &longBeacon{}, epochs: make(chan primitives.Epoch, 10)}
			c := NewCollector(b, checkpoint.Spec{SlotsPerEpoch: 32, CreatorsPerSlot: 1})
			<-c.warm(t.Context(), tc.from, tc.head)
			close(b.epochs)
			var got []primitives.Epoch
			for epoch := range b.epochs {
				got = append(got, epoch)
			}
			require.ElementsMatch(t, tc.want, got)
		})
	}
}

// An error of the collection names the slots, and keeps what the beacon said.
func TestWhatCannotBeCollected(t *testing.T) {
	gone := errors.New("gone")
	for name, tc := range map[string]struct {
		beacon failingBeacon
		says   []string
	}{
		"a body":         {failingBeacon{longBeacon: &longBeacon{}, slot: 12, err: gone}, []string{"collect slots 11 to 20"}},
		"the committees": {failingBeacon{longBeacon: &longBeacon{}, committees: gone}, []string{"collect slots 11 to 20", "committees of epoch 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Attempt{}
			a.Collector = NewCollector(tc.beacon, checkpoint.Spec{SlotsPerEpoch: 32, CreatorsPerSlot: 1})
			err := a.openBelow(t.Context(), tc.beacon.head(20), 11, 20)
			require.ErrorIs(t, err, gone)
			for _, want := range tc.says {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// Of the entries kept for the next attempt the oldest goes first.
func TestKeptEntriesAreBounded(t *testing.T) {
	c := NewCollector(nil, checkpoint.Spec{})
	for slot := range keptEntries + 3 {
		c.remember(entry(slot))
	}
	require.Len(t, c.entries, keptEntries)
	for slot := range keptEntries + 3 {
		require.Equal(t, slot >= 3, c.has(root(slot)), "the entry at slot %d", slot)
	}
}

// The names of a chain end with their reader.
func TestNamesEndWithTheirReader(t *testing.T) {
	b := &longBeacon{}
	c := NewCollector(b, checkpoint.Spec{SlotsPerEpoch: 32, CreatorsPerSlot: 1})
	chain, err := c.Chain(t.Context(), b.head(20), 0)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.names(ctx, chain, 0, make(chan named)), context.Canceled)
}
