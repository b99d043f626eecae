package headsync

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
)

// tailGwat has finalized what order says, and counts the blocks that are read.
type tailGwat struct {
	Gwat
	order []*gwatclient.Block // by number, genesis first
	reads atomic.Int64
}

func (g *tailGwat) BlocksByNumber(_ context.Context, from, to uint64) ([]*gwatclient.Block, error) {
	g.reads.Add(int64(to - from + 1))
	out := make([]*gwatclient.Block, to-from+1)
	for i := range out {
		if n := from + uint64(i); n < uint64(len(g.order)) {
			out[i] = g.order[n]
		}
	}
	return out, nil
}

// crossingDAG has a spine in every slot and beside it blocks that the spines of later
// slots reach; finalize orders it from a number on, by the spines that are given.
type crossingDAG struct {
	blocks []*gwatclient.Block // by the order in which they were made
	byHash map[common.Hash]*gwatclient.Block
	spines []*gwatclient.Block
}

func newCrossingDAG(random *rand.Rand, slots int, crossing float64) *crossingDAG {
	d := &crossingDAG{byHash: map[common.Hash]*gwatclient.Block{}}
	add := func(slot int, parents ...common.Hash) *gwatclient.Block {
		b := &gwatclient.Block{Slot: primitives.Slot(slot), Parents: parents}
		for i := range b.Hash {
			b.Hash[i] = byte(random.Uint32())
		}
		d.blocks, d.byHash[b.Hash] = append(d.blocks, b), b
		b.Height = uint64(len(d.finalize(nil, []*gwatclient.Block{b})) - 1) // how many ancestors it has
		return b
	}
	genesis := add(0)
	last, loose := genesis, []*gwatclient.Block(nil)
	for slot := 1; slot <= slots; slot++ {
		parents := []common.Hash{last.Hash}
		if len(loose) > 0 && random.Float64() < 0.5 { // a block of an earlier slot comes in late
			parents, loose = append(parents, loose[0].Hash), loose[1:]
		}
		if random.Float64() < crossing {
			loose = append(loose, add(slot, last.Hash))
		}
		last = add(slot, parents...)
		d.spines = append(d.spines, last)
	}
	return d
}

// finalize appends what each spine finalizes to order, in the order rule.
func (d *crossingDAG) finalize(order []*gwatclient.Block, spines []*gwatclient.Block) []*gwatclient.Block {
	final := map[common.Hash]bool{}
	for _, b := range order {
		final[b.Hash] = true
	}
	for _, s := range spines {
		var past []*gwatclient.Block
		var walk func(h common.Hash)
		walk = func(h common.Hash) {
			if final[h] {
				return
			}
			final[h] = true
			past = append(past, d.byHash[h])
			for _, p := range d.byHash[h].Parents {
				walk(p)
			}
		}
		walk(s.Hash)
		slices.SortFunc(past, func(a, b *gwatclient.Block) int {
			if finalizedBefore(a, b) {
				return -1
			}
			return 1
		})
		order = append(order, past...)
	}
	return order
}

// Whatever gwat was rolled back to under a push: the witnesses differ if, and only if, any
// block up to the checkpoint does, and the slot below which nothing changed is right.
func TestTailWitnessesProveAsMuchAsAllBlocks(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	changed, same, reads, runs := 0, 0, 0, 0
	for range 400 {
		d := newCrossingDAG(random, 60, random.Float64()*0.6)
		order := d.finalize(nil, d.spines[:50])
		cp := uint64(len(order) - 1)
		number := cp
		a := &Attempt{Spec: checkpoint.Spec{SlotsPerEpoch: 4}, course: course{pos: Position{
			Checkpoint: Entry{Info: checkpoint.ConsensusInfo{Slot: 50, Finalizing: []common.Hash{order[cp].Hash}}},
			At:         number, Number: number, Spine: order[cp].Hash,
		}}}
		gwat := &tailGwat{order: order}
		a.Gwat = gwat
		before, err := a.captureTail(t.Context(), a.pos)
		require.NoError(t, err)
		for _, keep := range []int{0, 10, 30, 45, 48, 49, 50} {
			// Rolled back to the spine of slot keep; then the push from slot 51 on.
			back := []*gwatclient.Block{d.blocks[0]}
			for n, b := range order {
				if n > 0 && (keep == 0 || n > slices.Index(order, d.spines[keep-1])) {
					break
				} else if n > 0 {
					back = append(back, b)
				}
			}
			after := d.finalize(slices.Clone(back), d.spines[50:])
			gwat.order = after
			gwat.reads.Store(0)
			err := a.verifyTail(t.Context(), before)
			runs++
			if slices.Equal(order, after[:cp+1]) {
				require.NoError(t, err, "nothing changed")
				same, reads = same+1, reads+int(gwat.reads.Load())
				continue
			}
			changed++
			var rolledBack *RolledBackError
			require.ErrorAs(t, err, &rolledBack, "kept %d", keep)
			for n := range order {
				if order[n] != after[n] {
					require.LessOrEqual(t, rolledBack.Below, min(order[n].Slot, after[n].Slot), fmt.Sprintf("number %d changed", n))
					break
				}
			}
		}
	}
	require.Greater(t, changed, 100)
	require.Greater(t, same, 100)
	require.LessOrEqual(t, reads, 3*same, "three numbers are read")
}

// tailAt is an attempt at a checkpoint of a gwat that has finalized one block a slot.
func tailAt(number uint64) (*Attempt, *tailGwat) {
	gwat := &tailGwat{}
	for n := range int(number) + 1 {
		gwat.order = append(gwat.order, &gwatclient.Block{Hash: spine(n), Slot: primitives.Slot(n)})
	}
	top := gwat.order[number]
	a := &Attempt{Spec: checkpoint.Spec{SlotsPerEpoch: 8}, course: course{pos: Position{
		Checkpoint: Entry{Info: checkpoint.ConsensusInfo{Slot: primitives.Slot(number), Finalizing: []common.Hash{top.Hash}}}, At: number, Number: number, Spine: top.Hash,
	}}}
	a.Gwat = gwat
	return a, gwat
}

// Where the order rule is never broken, 128 blocks are searched at most, and the lowest of
// them is a witness beside the checkpoint's own spine.
func TestHowFarAWitnessIsSearched(t *testing.T) {
	for number, lowest := range map[uint64]uint64{1: 1, 2: 1, 16: 1, 17: 1, 128: 1, 129: 2, 300: 173} {
		a, gwat := tailAt(number)
		got, err := a.captureTail(t.Context(), a.pos)
		require.NoError(t, err)
		require.EqualValues(t, number-lowest+1, gwat.reads.Load(), "of %d", number)
		want := map[uint64]*gwatclient.Block{number: gwat.order[number], lowest: gwat.order[lowest]}
		require.Equal(t, tail{slot: primitives.Slot(number), last: number, blocks: want}, got)
	}
	a, gwat := tailAt(5)
	got, err := a.captureTail(t.Context(), Position{})
	require.NoError(t, err)
	require.Empty(t, got.blocks, "genesis does not change")
	require.Zero(t, gwat.reads.Load())
}

// Two neighbours that break the rule among the newest sixteen end the search.
func TestTheNearestWitnessEndsTheSearch(t *testing.T) {
	a, gwat := tailAt(300)
	gwat.order[290].Slot = 292 // above block 291, which is of slot 291
	got, err := a.captureTail(t.Context(), a.pos)
	require.NoError(t, err)
	require.EqualValues(t, 16, gwat.reads.Load())
	require.Equal(t, map[uint64]*gwatclient.Block{300: gwat.order[300], 291: gwat.order[291], 290: gwat.order[290]}, got.blocks)
}

// A checkpoint whose spine is gone was rolled back: the begin of the change is looked for
// over 1,024 blocks at most, two epochs below it is safe.
func TestHowFarARollbackIsTraced(t *testing.T) {
	for name, tc := range map[string]struct {
		number uint64
		change func(g *tailGwat)
		below  primitives.Slot
		reads  int
	}{
		"the rule holds throughout": {2000, func(*tailGwat) {}, 977 - 16, 16 + 1024},
		"as far as it goes":         {100, func(*tailGwat) {}, 0, 16 + 100},
		"it was broken on the way":  {2000, func(g *tailGwat) { g.order[1500].Slot = 1502 }, 1501 - 16, 16 + 1024},
		"it was broken at its end":  {2000, func(g *tailGwat) { g.order[1999].Slot = 2001 }, 2000 - 16, 16 + 1024},
		"not finalized so far again": {2000, func(g *tailGwat) {
			clear(g.order[1900:])
			g.order[1500].Slot = 1502
		}, 1501 - 16, 16 + 1024},
	} {
		t.Run(name, func(t *testing.T) {
			a, gwat := tailAt(tc.number)
			other := *gwat.order[tc.number]
			other.Hash = common.Hash{1}
			gwat.order[tc.number] = &other
			tc.change(gwat)
			_, err := a.captureTail(t.Context(), a.pos)
			var rolledBack *RolledBackError
			require.ErrorAs(t, err, &rolledBack)
			require.Equal(t, tc.number, rolledBack.Number)
			require.ErrorContains(t, err, fmt.Sprintf("block %d is not the one", tc.number))
			require.Equal(t, tc.below, rolledBack.Below)
			require.EqualValues(t, tc.reads, gwat.reads.Load())
		})
	}
}
