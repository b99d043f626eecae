package world

import (
	"bytes"
	"fmt"
	"runtime"
	"sort"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// finalizer finalizes spines by the order rule, written a second time from the spec so
// that it does not share the generator's mistakes.
type finalizer struct {
	chain  Chain
	number map[common.Hash]uint64
	order  []common.Hash
}

func newFinalizer(c Chain) *finalizer {
	genesis := c.DAGGenesis().Hash
	return &finalizer{chain: c, number: map[common.Hash]uint64{genesis: 0}, order: []common.Hash{genesis}}
}

func (f *finalizer) has(block common.Hash) bool {
	_, done := f.number[block]
	return done
}

func (f *finalizer) finalize(spine common.Hash) error {
	if _, done := f.number[spine]; done {
		return nil
	}
	var pending []*DAGBlock
	seen := map[common.Hash]bool{}
	var collect func(hash common.Hash) error
	collect = func(hash common.Hash) error {
		if _, done := f.number[hash]; done || seen[hash] {
			return nil
		}
		block, ok := f.chain.DAGBlock(hash)
		if !ok {
			return fmt.Errorf("block %s is unknown", hash)
		}
		seen[hash] = true
		for _, parent := range block.Parents {
			if err := collect(parent); err != nil {
				return err
			}
		}
		pending = append(pending, block)
		return nil
	}
	if err := collect(spine); err != nil {
		return err
	}
	sort.Slice(pending, func(i, j int) bool {
		a, b := pending[i], pending[j]
		switch {
		case (a.Hash == spine) != (b.Hash == spine):
			return b.Hash == spine
		case a.Slot != b.Slot:
			return a.Slot < b.Slot
		case a.Height != b.Height:
			return a.Height > b.Height
		case len(a.Parents) != len(b.Parents):
			return len(a.Parents) > len(b.Parents)
		}
		return bytes.Compare(a.Hash[:], b.Hash[:]) < 0
	})
	for _, block := range pending {
		f.number[block.Hash] = uint64(len(f.order))
		f.order = append(f.order, block.Hash)
	}
	block, _ := f.chain.DAGBlock(spine)
	if f.number[spine] != block.Height {
		return fmt.Errorf("spine of slot %d gets number %d but has height %d", block.Slot, f.number[spine], block.Height)
	}
	return nil
}

// bodies are the blocks from genesis to head.
func bodies(t require.TestingT, c Chain, head *BeaconBlock) []*BeaconBlock {
	var out []*BeaconBlock
	for head.Slot > 0 {
		out = append(out, head)
		parent, ok := c.Block(head.ParentRoot)
		require.True(t, ok)
		require.Less(t, parent.Slot, head.Slot)
		head = parent
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func requireValidBranch(t require.TestingT, c Chain, head *BeaconBlock) []common.Hash {
	f := newFinalizer(c)
	parent := c.HeadAt(0)
	for _, block := range bodies(t, c, head) {
		require.Equal(t, c.NextFinalization(parent), block.Finalization, "slot %d", block.Slot)
		for _, spine := range block.Finalization {
			require.NoError(t, f.finalize(spine))
		}
		last := uint64(0)
		for _, spine := range block.Candidates {
			candidate, ok := c.DAGBlock(spine)
			require.True(t, ok)
			require.Less(t, candidate.Slot+1, block.Slot)
			require.False(t, f.has(spine))
			require.Greater(t, candidate.Height, last)
			last = candidate.Height
		}
		parent = block
	}
	// What comes next and the candidates are as valid as what is finalized.
	for _, spine := range append(append([]common.Hash{}, c.NextFinalization(head)...), head.Candidates...) {
		require.NoError(t, f.finalize(spine))
	}
	return f.order
}

func TestEverySpineGetsItsHeightAsNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, err := New(Config{
			Seed:              rapid.Uint64().Draw(t, "seed"),
			SlotsPerEpoch:     rapid.SampledFrom([]uint64{4, 8, 32}).Draw(t, "slots per epoch"),
			CommitteesPerSlot: rapid.Uint64Range(1, 2).Draw(t, "committees"),
			MaxBlocksPerSlot:  rapid.Uint64Range(1, 6).Draw(t, "blocks"),
			MissRate:          rapid.Float64Range(0, 0.5).Draw(t, "miss"),
			QuietRate:         rapid.Float64Range(0, 0.6).Draw(t, "quiet"),
			ForkRate:          rapid.Float64Range(0, 0.3).Draw(t, "fork"),
			MaxForkDepth:      rapid.Uint64Range(1, 12).Draw(t, "depth"),
			FinalizationDelay: rapid.Uint64Range(2, 12).Draw(t, "delay"),
		})
		require.NoError(t, err)
		const slots = 120
		for slot := primitives.Slot(1); slot < slots; slot++ {
			before, head := w.HeadAt(slot-1), w.HeadAt(slot)
			if before.Root != head.Root && before.Root != head.ParentRoot {
				requireValidBranch(t, w, before)
			}
		}
		requireValidBranch(t, w, w.HeadAt(slots))
	})
}

func TestThousandsOfSlots(t *testing.T) {
	for seed := range uint64(4) {
		w, err := New(Config{Seed: seed, SlotsPerEpoch: 8, MaxBlocksPerSlot: 5, MissRate: 0.1, QuietRate: 0.1, ForkRate: 0.05})
		require.NoError(t, err)
		order := requireValidBranch(t, w, w.HeadAt(3000))
		require.Greater(t, len(order), 5000)
	}
}

func TestGeneratedWorldHasWhatItPromises(t *testing.T) {
	w, err := New(Config{Seed: 1, SlotsPerEpoch: 8, MissRate: 0.1, QuietRate: 0.2, ForkRate: 0.05, MaxBlocksPerSlot: 4})
	require.NoError(t, err)
	require.Empty(t, w.HeadAt(0).Finalization)
	require.Equal(t, []common.Hash{w.DAGGenesis().Hash}, w.NextFinalization(w.HeadAt(0)))
	count := map[string]int{}
	for slot := primitives.Slot(1); slot < 2000; slot++ {
		before, head := w.HeadAt(slot-1), w.HeadAt(slot)
		blocks := w.DAGSlot(slot)
		if head.Slot != slot {
			count["missed"]++
		} else {
			if len(head.Finalization) == 0 {
				count["empty finalization"]++
			}
			if len(head.Finalization) > 1 {
				count["several finalized"]++
			}
			if len(before.Finalization) > 0 && len(head.Finalization) == 1 && before.Finalization[len(before.Finalization)-1] == head.Finalization[0] {
				count["repeated"]++
			}
			if head.ParentRoot != before.Root {
				count["reorgs"]++
			}
		}
		if len(blocks) == 0 {
			count["quiet"]++
		}
		if len(blocks) > 1 {
			count["wide"]++
		}
		allowed := Creators(w, slot)
		for _, block := range blocks {
			require.Contains(t, allowed, block.Creator)
			if len(block.Parents) > 1 {
				count["merges"]++
			}
		}
	}
	for _, what := range []string{"missed", "empty finalization", "several finalized", "repeated", "reorgs", "quiet", "wide", "merges"} {
		require.Greater(t, count[what], 20, what)
	}
}

func TestForkBranchesOrderTheSameBlocksDifferently(t *testing.T) {
	w, err := New(Config{Seed: 5, SlotsPerEpoch: 8, Reorgs: []Reorg{{Slot: 100, Depth: 60}}})
	require.NoError(t, err)
	left, winner := w.HeadAt(99), w.HeadAt(100)
	a, b := newFinalizer(w), newFinalizer(w)
	for f, head := range map[*finalizer]*BeaconBlock{a: left, b: winner} {
		for _, block := range bodies(t, w, head) {
			for _, spine := range block.Finalization {
				require.NoError(t, f.finalize(spine))
			}
		}
	}
	differs := 0
	for i := range min(len(a.order), len(b.order)) {
		if a.order[i] != b.order[i] {
			require.True(t, b.has(a.order[i]))
			differs++
		}
	}
	require.Positive(t, differs)
}

func TestExactReorg(t *testing.T) {
	reorgs := []Reorg{{Slot: 20, Depth: 1}, {Slot: 25, Depth: 5}, {Slot: 90, Depth: 40}}
	w, err := New(Config{Seed: 9, SlotsPerEpoch: 8, MissRate: 0.3, ForkRate: 0.2, Reorgs: reorgs})
	require.NoError(t, err)
	for _, r := range reorgs {
		old, head := w.HeadAt(r.Slot-1), w.HeadAt(r.Slot)
		require.Equal(t, r.Slot, head.Slot)
		depth := uint64(0)
		for {
			same, ok := w.Ancestor(head, old.Slot)
			if ok && same.Root == old.Root {
				break
			}
			depth++
			old, ok = w.Block(old.ParentRoot)
			require.True(t, ok)
		}
		require.Equal(t, r.Depth, depth)
	}
}

func TestSameWorldInAnySteps(t *testing.T) {
	cfg := Config{Seed: 3, SlotsPerEpoch: 8, MissRate: 0.1, QuietRate: 0.1, ForkRate: 0.1}
	atOnce, err := New(cfg)
	require.NoError(t, err)
	head := atOnce.HeadAt(500)
	bit, err := New(cfg)
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for slot := primitives.Slot(i); slot <= 500; slot += 3 {
				bit.HeadAt(slot)
				bit.DAGSlot(slot)
				bit.Committees(bit.Spec().Epoch(slot))
			}
		})
	}
	group.Wait()
	require.Equal(t, head, bit.HeadAt(500))

	// A block is found by its hash alone, whatever was asked for before.
	fresh, err := New(cfg)
	require.NoError(t, err)
	found, ok := fresh.Block(head.Root)
	require.True(t, ok)
	require.Equal(t, head, found)
	fresh, err = New(cfg)
	require.NoError(t, err)
	spine, ok := fresh.DAGBlock(head.Finalization[0])
	require.True(t, ok)
	require.Contains(t, atOnce.DAGSlot(spine.Slot), spine)

	other, err := New(Config{Seed: 4, SlotsPerEpoch: 8})
	require.NoError(t, err)
	require.NotEqual(t, other.DAGGenesis().Hash, bit.DAGGenesis().Hash)
}

func TestUnknownIsUnknown(t *testing.T) {
	w, err := New(Config{Seed: 1})
	require.NoError(t, err)
	_, ok := w.Block(common.HexToHash("0x1234"))
	require.False(t, ok)
	_, ok = w.DAGBlock(common.HexToHash("0x1234"))
	require.False(t, ok)
	stranger := &BeaconBlock{Root: common.HexToHash("0x55"), Slot: 3}
	_, ok = w.Ancestor(stranger, 2)
	require.False(t, ok)
	require.Zero(t, w.Finality(stranger))
	require.Empty(t, w.NextFinalization(stranger))
	_, ok = w.Ancestor(w.HeadAt(3), 9)
	require.False(t, ok)
	require.Empty(t, w.DAGSlot(MaxSlot+1))
	require.Empty(t, w.Committees(1<<60))
}

func TestFinalityAsRecorded(t *testing.T) {
	w, err := New(Config{Seed: 1, StallJustification: []EpochRange{{From: 8, To: 9}}})
	require.NoError(t, err)
	for _, c := range []struct {
		epoch                         primitives.Epoch
		previous, current, finalized_ primitives.Epoch
	}{
		{0, 0, 0, 0}, {1, 0, 0, 0}, {2, 0, 0, 0}, {3, 0, 2, 0}, {4, 2, 3, 2}, {5, 3, 4, 3}, {8, 6, 7, 6},
		{9, 7, 7, 6}, {10, 7, 7, 6}, {11, 7, 10, 6}, {12, 10, 11, 10},
	} {
		f := w.Finality(w.HeadAt(w.Spec().StartSlot(c.epoch) + 3))
		require.Equal(t, []primitives.Epoch{c.previous, c.current, c.finalized_},
			[]primitives.Epoch{f.PreviousJustified.Epoch, f.CurrentJustified.Epoch, f.Finalized.Epoch}, "epoch %d", c.epoch)
		require.Equal(t, c.current == 0, f.CurrentJustified.IsGenesis())
		if c.current > 0 {
			block, ok := w.Block(f.CurrentJustified.Root)
			require.True(t, ok)
			require.Equal(t, w.Spec().StartSlot(c.current), block.Slot)
		}
	}
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"rate":               {MissRate: 1.5},
		"seconds":            {SecondsPerSlot: 1 << 40},
		"few validators":     {Validators: 3},
		"blocks":             {MaxBlocksPerSlot: 99},
		"fork depth":         {MaxForkDepth: 1 << 20},
		"delay":              {FinalizationDelay: 1},
		"reorg at genesis":   {Reorgs: []Reorg{{Slot: 3, Depth: 3}}},
		"reorg of nothing":   {Reorgs: []Reorg{{Slot: 3}}},
		"overlapping":        {Reorgs: []Reorg{{Slot: 30, Depth: 4}, {Slot: 28, Depth: 3}}},
		"committees":         {CommitteesPerSlot: 1 << 60},
		"reorg past the end": {Reorgs: []Reorg{{Slot: MaxSlot + 1, Depth: 3}}},
	} {
		_, err := New(cfg)
		require.ErrorIs(t, err, ErrBadConfig, name)
	}
}

func TestLongChainIsCheap(t *testing.T) {
	w, err := New(Config{Seed: 1, MissRate: 0.05, ForkRate: 0.01})
	require.NoError(t, err)
	const slots = 50_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w.HeadAt(slots)
	runtime.GC()
	runtime.ReadMemStats(&after)
	perSlot := (after.HeapAlloc - before.HeapAlloc) / slots
	t.Logf("%d bytes a slot", perSlot)
	require.Less(t, perSlot, uint64(4096))
	runtime.KeepAlive(w)
}
