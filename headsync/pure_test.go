package headsync

import (
	"bytes"
	"errors"
	"math/rand"
	"sort"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

func root(n int) common.Hash { return common.BytesToHash([]byte{0xbe, byte(n >> 8), byte(n)}) }

func spine(n int) common.Hash { return common.BytesToHash([]byte{0x5b, byte(n >> 8), byte(n)}) }

func number(n uint64) *uint64 { return &n }

func entry(slot int, spines ...common.Hash) Entry {
	return Entry{Root: root(slot), Parent: root(slot - 1), Info: checkpoint.ConsensusInfo{Slot: primitives.Slot(slot), Finalizing: spines}}
}

func TestCheckLinked(t *testing.T) {
	good := []Entry{entry(5), entry(6), entry(7)}
	require.NoError(t, CheckLinked(good))
	require.NoError(t, CheckLinked(nil))
	require.Error(t, CheckLinked([]Entry{entry(5), entry(7)}), "a gap")
	backwards := entry(5)
	backwards.Parent = root(6)
	require.Error(t, CheckLinked([]Entry{entry(6), backwards}), "a slot that falls")
}

func chainOf(entries ...Entry) HeaderChain {
	h := HeaderChain{parent: entries[0].Parent}
	for i, e := range entries {
		h.refs = append(h.refs, chainRef{BlockRef{Root: e.Root, Slot: e.Slot()}, i})
	}
	return h
}

func TestCanonical(t *testing.T) {
	push := []Entry{entry(5), entry(6), entry(7)}
	require.Equal(t, 3, chainOf(append(push[:3:3], entry(8))...).Canonical(push, HeaderChain{}))
	fork := entry(6)
	fork.Root = root(600)
	require.Equal(t, 1, chainOf(entry(5), fork).Canonical(push, HeaderChain{}))
	require.Equal(t, 0, chainOf(fork).Canonical(push, HeaderChain{}))
}

func TestSpinesAreNamedOnce(t *testing.T) {
	entries := []Entry{entry(1, spine(1)), entry(2, spine(1)), entry(3), entry(4, spine(2), spine(3))}
	require.Equal(t, []common.Hash{spine(1), spine(2), spine(3)}, Spines(entries))
	require.Len(t, Infos(entries), 4)
}

func TestCreatorIndices(t *testing.T) {
	committees := []beaconclient.Committee{
		{Index: 1, Validators: []uint64{9, 8}},
		{Index: 0, Validators: []uint64{1, 2, 3, 4, 5}},
	}
	require.Equal(t, []uint64{1, 2, 3, 4, 9, 8}, CreatorIndices(committees, 4), "committee order, the first four of each")
	require.Equal(t, uint64(1), committees[0].Index, "the caller's list stays as it was")
}

func TestSortCreators(t *testing.T) {
	// In the recorded network 0x06.. stands before 0xd9.., and checksummed
	// strings put upper-case letters before lower-case ones.
	a := common.HexToAddress("0x06cf0469f9a256a5b557ce079b9f5f88cf08e5a6")
	b := common.HexToAddress("0x1a0c8615da87dac3fa6d4f4950663ae3ba249743")
	c := common.HexToAddress("0xe9a1e59d3b66313df54088c1f3b3582666049e4f")
	d := common.HexToAddress("0xd970d1d00a5ba05f8e312ddf5780443e8f11f1d5")
	got := SortCreators([]common.Address{c, a, d, a, b})
	require.Len(t, got, 4)
	require.True(t, sort.SliceIsSorted(got, func(i, j int) bool { return got[i].Hex() < got[j].Hex() }))
	require.Equal(t, a, got[0])
	require.Equal(t, a, CreatorAddress(common.HexToHash("0x01000000000000000000000006cf0469f9a256a5b557ce079b9f5f88cf08e5a6")))
}

// The example of the spec: A (slot 5) and X (slot 6) on S0, S (slot 7) on both.
func forkedDAG() (s0, a, x, s *gwatclient.Block) {
	s0 = &gwatclient.Block{Hash: spine(10), Number: number(10), Height: 10, Slot: 4}
	a = &gwatclient.Block{Hash: spine(11), Height: 11, Slot: 5, Parents: []common.Hash{s0.Hash}}
	x = &gwatclient.Block{Hash: spine(12), Height: 11, Slot: 6, Parents: []common.Hash{s0.Hash}}
	s = &gwatclient.Block{Hash: spine(13), Height: 13, Slot: 7, Parents: []common.Hash{a.Hash, x.Hash}}
	return s0, a, x, s
}

func viewOf(blocks ...*gwatclient.Block) View {
	v := View{ByHash: map[common.Hash]*gwatclient.Block{}, ByNumber: map[uint64]*gwatclient.Block{}}
	for _, b := range blocks {
		v.ByHash[b.Hash] = b
		if b.Number != nil {
			v.ByNumber[*b.Number] = b
		}
	}
	return v
}

func TestProvenTellsTheOrderOfAnAbandonedFork(t *testing.T) {
	s0, a, x, s := forkedDAG()
	a.Number, x.Number, s.Number = number(11), number(12), number(13)
	canonical := []Entry{entry(8, s.Hash)}
	require.Equal(t, 1, Proven(10, s0.Hash, canonical, viewOf(s0, a, x, s)), "S alone finalizes A, X, S")

	a.Number, x.Number = number(12), number(11) // X was a spine of the abandoned fork
	require.True(t, s.IsSpine(), "heights equal numbers in both orders")
	require.Equal(t, 0, Proven(10, s0.Hash, canonical, viewOf(s0, a, x, s)))
	fork := []Entry{entry(7, x.Hash), entry(8, s.Hash)}
	require.Equal(t, 2, Proven(10, s0.Hash, fork, viewOf(s0, a, x, s)), "on the fork it is right")
}

func TestProvenStopsAt(t *testing.T) {
	chain := func() []*gwatclient.Block {
		var out []*gwatclient.Block
		for i := 0; i <= 4; i++ {
			b := &gwatclient.Block{Hash: spine(i), Number: number(uint64(i)), Height: uint64(i), Slot: primitives.Slot(i)}
			if i > 0 {
				b.Parents = []common.Hash{spine(i - 1)}
			}
			out = append(out, b)
		}
		return out
	}
	entries := []Entry{entry(1, spine(1)), entry(2, spine(1)), entry(3), entry(4, spine(2), spine(3)), entry(5, spine(4))}
	for name, tc := range map[string]struct {
		change func(b []*gwatclient.Block, v *View)
		want   int
	}{
		"nothing":               {func([]*gwatclient.Block, *View) {}, 5},
		"an unknown spine":      {func(_ []*gwatclient.Block, v *View) { v.ByHash[spine(2)] = nil }, 3},
		"a spine not finalized": {func(b []*gwatclient.Block, _ *View) { b[3].Number = nil }, 3},
		"a number not height":   {func(b []*gwatclient.Block, _ *View) { b[4].Number = number(5) }, 4},
		"a number that falls":   {func(b []*gwatclient.Block, _ *View) { b[4].Number, b[4].Height = number(1), 1 }, 4},
		"a hole in the numbers": {func(b []*gwatclient.Block, v *View) {
			b[4].Number, b[4].Height = number(6), 6
			v.ByNumber[6] = b[4]
		}, 4},
		"a stranger among them": {func(b []*gwatclient.Block, v *View) {
			b[4].Number, b[4].Height = number(5), 5
			v.ByNumber[5] = b[4]
			v.ByNumber[4] = &gwatclient.Block{Hash: spine(99), Number: number(4), Height: 4, Slot: 4}
		}, 4},
		"another block by number": {func(_ []*gwatclient.Block, v *View) {
			v.ByNumber[4] = &gwatclient.Block{Hash: spine(99), Number: number(4), Height: 4, Slot: 4}
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			blocks := chain()
			view := viewOf(blocks...)
			tc.change(blocks, &view)
			require.Equal(t, tc.want, Proven(0, spine(0), entries, view))
		})
	}
}

// Whatever order the rule gives, a shuffled one is distinguished from it.
func TestOrderRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 8).Draw(t, "blocks")
		var blocks []*gwatclient.Block
		for i := range n {
			blocks = append(blocks, &gwatclient.Block{
				Hash: spine(i + 1), Slot: primitives.Slot(rapid.IntRange(1, 3).Draw(t, "slot")),
				Height:  uint64(rapid.IntRange(1, 3).Draw(t, "height")),
				Parents: make([]common.Hash, rapid.IntRange(1, 3).Draw(t, "parents")),
			})
		}
		sort.Slice(blocks, func(i, j int) bool { return finalizedBefore(blocks[i], blocks[j]) })
		for i := 1; i < n; i++ {
			a, b := blocks[i-1], blocks[i]
			switch {
			case a.Slot != b.Slot:
				require.Less(t, a.Slot, b.Slot)
			case a.Height != b.Height:
				require.Greater(t, a.Height, b.Height)
			case len(a.Parents) != len(b.Parents):
				require.Greater(t, len(a.Parents), len(b.Parents))
			default:
				require.Negative(t, bytes.Compare(a.Hash[:], b.Hash[:]))
			}
			require.False(t, finalizedBefore(b, a), "the order is total")
		}
	})
}

func TestVerifier(t *testing.T) {
	const slot = 4 * time.Second
	start := time.Unix(1000, 0)
	look := func(after int, headSlot int, state checkpoint.SpineState, spines ...common.Hash) Evidence {
		l := Evidence{At: start.Add(time.Duration(after) * time.Second), Head: entry(headSlot, spines...)}
		for range spines {
			l.States, l.Heights = append(l.States, state), append(l.Heights, uint64(headSlot))
		}
		return l
	}
	resync := protocol.State{Syncing: true, Activity: protocol.Behind, CoordSlot: 5}

	t.Run("two new heads", func(t *testing.T) {
		v := NewVerifier(start, slot, 100, 50, []common.Hash{spine(1)})
		require.False(t, v.Observe(look(0, 100, checkpoint.SpineFinal, spine(1))).Working, "the old head is no evidence")
		require.False(t, v.Observe(look(4, 101, checkpoint.SpineFinal, spine(2))).Working)
		require.False(t, v.Observe(look(5, 101, checkpoint.SpineFinal, spine(2))).Working, "the same head counts once")
		verdict := v.Observe(look(8, 102, checkpoint.SpineFinal, spine(3)))
		require.True(t, verdict.Working)
		require.Equal(t, primitives.Slot(102), v.Covered())
		require.False(t, v.Observe(Evidence{At: start.Add(9 * time.Second), Clock: 102, Head: entry(102, spine(3)), Sync: resync}).Working)
		lost := look(10, 102, checkpoint.SpineFinal, spine(3))
		lost.CallsErr = errors.New("synchronization")
		require.Contains(t, v.Observe(lost).Why, "synchronization")
	})
	t.Run("resync between a block and its dag_sync", func(t *testing.T) {
		between := func(after int, coord, clock primitives.Slot) Evidence {
			l := look(after, int(clock), checkpoint.SpineFinal, spine(int(clock)))
			l.Clock, l.Sync = clock, protocol.State{Syncing: true, Activity: protocol.Behind, CoordSlot: coord}
			return l
		}
		v := NewVerifier(start, slot, 100, 50, nil)
		v.Observe(look(4, 101, checkpoint.SpineFinal, spine(101)))
		require.False(t, v.Observe(between(8, 101, 102)).Working, "the first verification asks for false")
		require.True(t, v.Observe(look(9, 102, checkpoint.SpineFinal, spine(102))).Working)
		require.True(t, v.Observe(between(12, 102, 103)).Working)
		require.False(t, v.Observe(between(16, 102, 104)).Working, "a slot later the beacon's call is missing")
		require.False(t, v.Observe(between(17, 103, 104)).Working, "what was lost is verified by false again")
		other := between(20, 104, 105)
		require.True(t, v.Observe(look(18, 104, checkpoint.SpineFinal, spine(104))).Working)
		other.Sync.Activity = protocol.Prepared
		require.False(t, v.Observe(other).Working, "no other stage counts as work")
	})
	t.Run("spines stay open", func(t *testing.T) {
		v := NewVerifier(start, slot, 100, 50, nil)
		var verdict Verdict
		for i := 1; i < 12; i++ {
			verdict = v.Observe(look(4*i, 100+i, checkpoint.SpineOpen, spine(i)))
			require.False(t, verdict.Working)
			require.False(t, verdict.Over)
		}
		verdict = v.Observe(look(48, 112, checkpoint.SpineOpen, spine(12)))
		require.True(t, verdict.Over)
		require.Contains(t, verdict.Why, "not finalized by gwat")
	})
	t.Run("a late spine is borne for two slots", func(t *testing.T) {
		v := NewVerifier(start, slot, 100, 50, nil)
		v.Observe(look(4, 101, checkpoint.SpineFinal, spine(1)))
		require.True(t, v.Observe(look(8, 102, checkpoint.SpineFinal, spine(2))).Working)
		require.True(t, v.Observe(look(12, 103, checkpoint.SpineOpen, spine(3))).Working)
		require.True(t, v.Observe(look(20, 104, checkpoint.SpineOpen, spine(4))).Working)
		require.False(t, v.Observe(look(21, 104, checkpoint.SpineOpen, spine(4))).Working)
		require.True(t, v.Observe(look(22, 104, checkpoint.SpineFinal, spine(4))).Working, "and forgiven when it comes")
	})
	t.Run("a quiet network", func(t *testing.T) {
		v := NewVerifier(start, slot, 100, 50, []common.Hash{spine(1)})
		locked := look(4, 101, checkpoint.SpineFinal, spine(1))
		locked.Sync = resync
		require.False(t, v.Observe(locked).Working)
		require.False(t, v.Observe(look(5, 101, checkpoint.SpineFinal, spine(1))).Working)
		require.False(t, v.Observe(look(8, 102, checkpoint.SpineFinal)).Working, "what syncd pushed shows nothing")
		require.True(t, v.Observe(look(12, 103, checkpoint.SpineFinal)).Working)
		doubted := NewVerifier(start, slot, 100, 50, []common.Hash{spine(1)})
		doubted.Doubt()
		doubted.Observe(look(4, 101, checkpoint.SpineFinal, spine(1)))
		require.False(t, doubted.Observe(look(8, 102, checkpoint.SpineFinal)).Working)
	})
	t.Run("a reorg to what was final before", func(t *testing.T) {
		v := NewVerifier(start, slot, 100, 50, nil)
		old := func(after, slot int, s common.Hash) Evidence {
			l := look(after, slot, checkpoint.SpineFinal, s)
			l.Heights[0] = 49
			return l
		}
		v.Observe(old(0, 100, spine(1)))
		require.False(t, v.Observe(old(4, 101, spine(1))).Working)
		require.False(t, v.Observe(look(8, 102, checkpoint.SpineOpen, spine(2))).Working, "a spine waits, so this is no quiet network")
		require.False(t, v.Observe(old(12, 103, spine(1))).Working)
		require.False(t, v.Observe(old(16, 104, spine(3))).Working, "final before, on another branch")
		require.True(t, v.Observe(look(20, 105, checkpoint.SpineFinal, spine(4))).Working)
	})
	t.Run("the completing call is asked for once", func(t *testing.T) {
		v := NewVerifier(start, slot, 100, 50, nil)
		l := look(7, 101, checkpoint.SpineFinal, spine(1))
		l.Sync = resync
		require.False(t, v.Observe(l).Complete, "two slots are for the beacon")
		l.At = start.Add(8 * time.Second)
		require.True(t, v.Observe(l).Complete)
		older := l
		older.Head = entry(4)
		older.States = nil
		require.False(t, v.Observe(older).Complete, "never below the last coordinated slot")
		v.Completed(101, []common.Hash{spine(1)})
		require.False(t, v.Observe(l).Complete)
		quiet := look(12, 102, checkpoint.SpineFinal, spine(1))
		v.Observe(quiet)
		quiet.Head = entry(103)
		require.False(t, v.Observe(quiet).Working, "what our own call did is no evidence")
		require.False(t, v.Observe(look(20, 104, checkpoint.SpineFinal, spine(2))).Working)
		require.True(t, v.Observe(look(24, 105, checkpoint.SpineFinal, spine(3))).Working)
	})
}

func TestMissingSpineIsOfAKind(t *testing.T) {
	err := error(&MissingSpine{Spine: spine(3)})
	require.ErrorIs(t, err, ErrSpineMissing)
	require.Equal(t, "retry_later", failure.Name(err))
	require.Contains(t, err.Error(), spine(3).Hex())
}

// A DAG with forks: finalizing it spine by spine and proving it agree.
func TestProvenOnAGeneratedDAG(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for range 50 {
		entries, blocks := randomDAG(rnd, 30)
		view := viewOf(blocks...)
		require.Equal(t, len(entries), Proven(0, blocks[0].Hash, entries, view))
		// Two neighbours of one interval changed places: whatever follows is not proven.
		i := 1 + rnd.Intn(len(blocks)-2)
		a, b := view.ByNumber[uint64(i)], view.ByNumber[uint64(i+1)]
		if a.IsSpine() || b.IsSpine() {
			continue
		}
		a.Number, b.Number = b.Number, a.Number
		view.ByNumber[*a.Number], view.ByNumber[*b.Number] = a, b
		require.Less(t, Proven(0, blocks[0].Hash, entries, view), len(entries))
	}
}

// randomDAG makes slots with one to three blocks on the blocks of the slot
// before, and finalizes the first of each slot, in the order rule.
func randomDAG(rnd *rand.Rand, slots int) ([]Entry, []*gwatclient.Block) {
	genesis := &gwatclient.Block{Hash: spine(0), Number: number(0)}
	blocks := []*gwatclient.Block{genesis}
	tips := []common.Hash{genesis.Hash}
	var entries []Entry
	next := uint64(1)
	for slot := 1; slot <= slots; slot++ {
		first := len(blocks)
		var made []common.Hash
		for range 1 + rnd.Intn(3) {
			b := &gwatclient.Block{Hash: common.BytesToHash([]byte{byte(rnd.Intn(256)), byte(slot), byte(len(blocks))}),
				Slot: primitives.Slot(slot), Height: uint64(first), Parents: tips}
			blocks = append(blocks, b)
			made = append(made, b.Hash)
		}
		of := blocks[first:]
		sort.Slice(of, func(i, j int) bool { return finalizedBefore(of[i], of[j]) })
		// The spine of the next slot finalizes what is left of this one.
		entries = append(entries, entry(slot, of[0].Hash))
		tips = made
	}
	for slot := 1; slot <= slots; slot++ {
		var of []*gwatclient.Block
		for _, b := range blocks {
			if b.Slot == primitives.Slot(slot-1) && b.Number == nil {
				of = append(of, b)
			}
		}
		sort.Slice(of, func(i, j int) bool { return finalizedBefore(of[i], of[j]) })
		for _, b := range of {
			b.Number = number(next)
			next++
		}
		for _, b := range blocks {
			if b.Hash == entries[slot-1].Info.Finalizing[0] {
				b.Number = number(next)
				next++
			}
		}
	}
	return entries, blocks
}
