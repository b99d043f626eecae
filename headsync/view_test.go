package headsync

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
)

// reading is a gwat that has every number, each of a block with that height, and keeps
// the ranges that were read.
type reading struct {
	Gwat
	spines map[common.Hash]uint64
	ranges chan [2]uint64
	err    error
}

func (g reading) BlocksByHash(_ context.Context, list []common.Hash) ([]*gwatclient.Block, error) {
	out := make([]*gwatclient.Block, len(list))
	for i, hash := range list {
		if n, ok := g.spines[hash]; ok {
			out[i] = &gwatclient.Block{Hash: hash, Number: &n, Height: n}
		}
	}
	return out, nil
}

func (g reading) BlocksByNumber(_ context.Context, from, to uint64) ([]*gwatclient.Block, error) {
	g.ranges <- [2]uint64{from, to}
	out := []*gwatclient.Block{}
	for n := from; n <= to; n++ {
		out = append(out, &gwatclient.Block{Hash: spine(int(n)), Number: &n, Height: n})
	}
	return out, g.err
}

// Every finalized number after the given one, up to the highest spine, is read once.
func TestViewReadsTheNumbersBetween(t *testing.T) {
	for name, tc := range map[string]struct {
		after uint64
		last  uint64
		want  [][2]uint64
	}{
		"two beyond":                 {4, 7, [][2]uint64{{5, 7}}},
		"nothing but the spine":      {4, 5, nil},
		"gwat is there":              {4, 4, nil},
		"gwat is below":              {4, 3, nil},
		"exactly one batch":          {4, 4 + readBatch, [][2]uint64{{5, 4 + readBatch}}},
		"one more, and it is known":  {4, 5 + readBatch, [][2]uint64{{5, 4 + readBatch}}},
		"two more than one batch":    {4, 6 + readBatch, [][2]uint64{{5, 4 + readBatch}, {5 + readBatch, 6 + readBatch}}},
		"a batch and a half, from 0": {0, 300, [][2]uint64{{1, 200}, {201, 300}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := reading{spines: map[common.Hash]uint64{spine(int(tc.last)): tc.last}, ranges: make(chan [2]uint64, 10)}
			view, err := ReadView(t.Context(), g, []Entry{entry(10, spine(int(tc.last)))}, tc.after)
			require.NoError(t, err)
			close(g.ranges)
			var got [][2]uint64
			for r := range g.ranges {
				got = append(got, r)
			}
			require.ElementsMatch(t, tc.want, got)
			require.Zero(t, view.Unread)
			for n := tc.after + 1; n <= tc.last; n++ {
				require.NotNil(t, view.ByNumber[n], n)
				require.Equal(t, spine(int(n)), view.ByNumber[n].Hash)
			}
			require.Nil(t, view.ByNumber[tc.last+1])
		})
	}
}

func TestViewThatCannotBeRead(t *testing.T) {
	bad := errors.New("bad answer")
	g := reading{spines: map[common.Hash]uint64{spine(9): 9}, ranges: make(chan [2]uint64, 10), err: bad}
	_, err := ReadView(t.Context(), g, []Entry{entry(10, spine(9))}, 4)
	require.ErrorIs(t, err, bad)
	require.ErrorContains(t, err, "from 5 on")
}

// A head counts by its slot: neither the one the verification began at nor an older one
// does, and an old one ends the wait for a late spine.
func TestVerifierTakesNewerHeadsOnly(t *testing.T) {
	const slot = 4 * time.Second
	start := time.Unix(1000, 0)
	look := func(after, head int, state checkpoint.SpineState) Evidence {
		return Evidence{
			At: start.Add(time.Duration(after) * time.Second), Head: entry(head, spine(head)),
			States: []checkpoint.SpineState{state}, Heights: []uint64{uint64(head)},
		}
	}
	v := NewVerifier(start, slot, 100, 50, nil)
	for _, old := range []int{99, 100, 100} {
		require.Contains(t, v.Observe(look(1, old, checkpoint.SpineFinal)).Why, "0 of 2")
		require.EqualValues(t, 100, v.Covered())
	}
	require.Contains(t, v.Observe(look(4, 101, checkpoint.SpineFinal)).Why, "1 of 2")
	require.Contains(t, v.Observe(look(5, 101, checkpoint.SpineFinal)).Why, "1 of 2")
	require.True(t, v.Observe(look(8, 102, checkpoint.SpineFinal)).Working)

	require.True(t, v.Observe(look(12, 103, checkpoint.SpineOpen)).Working)
	require.True(t, v.Observe(look(19, 102, checkpoint.SpineOpen)).Working, "a reorg back to what is covered")
	require.True(t, v.Observe(look(21, 103, checkpoint.SpineOpen)).Working, "waited for again")
	require.True(t, v.Observe(look(29, 103, checkpoint.SpineOpen)).Working)
	require.False(t, v.Observe(look(30, 103, checkpoint.SpineOpen)).Working)
}

// A spine counts if its height is beyond the number at the start, and it is not ours.
func TestVerifierCountsSpinesBeyondTheStart(t *testing.T) {
	for name, tc := range map[string]struct {
		ours   []common.Hash
		height uint64
		good   string
	}{
		"beyond":        {nil, 51, "1 of 2"},
		"at the start":  {nil, 50, "0 of 2"},
		"pushed by us":  {[]common.Hash{spine(101)}, 51, "0 of 2"},
		"one of others": {[]common.Hash{spine(102)}, 51, "1 of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			v := NewVerifier(time.Unix(1000, 0), 4*time.Second, 100, 50, tc.ours)
			// Two spines: no quiet head, whatever came before.
			v.Observe(Evidence{Head: entry(100, spine(90))})
			got := v.Observe(Evidence{
				At: time.Unix(1004, 0), Head: entry(101, spine(1), spine(101)),
				States: []checkpoint.SpineState{checkpoint.SpineFinal, checkpoint.SpineFinal}, Heights: []uint64{1, tc.height},
			})
			require.Contains(t, got.Why, tc.good)
		})
	}
}

// Of what was pushed, gwat has applied the spines that it finalized with rising numbers.
// The spine that gwat is at may be repeated; another spine with the same number may not.
func TestApplied(t *testing.T) {
	block := func(n int, at, height uint64) *gwatclient.Block {
		return &gwatclient.Block{Hash: spine(n), Number: &at, Height: height}
	}
	base, next := block(1, 10, 10), block(2, 11, 11)
	entries := []Entry{entry(20, spine(1)), entry(21, spine(2))}
	for name, tc := range map[string]struct {
		baseHash common.Hash
		view     View
		want     int
	}{
		"both":                   {spine(1), viewOf(base, next), 2},
		"the base's hash is new": {common.Hash{}, viewOf(base, next), 2},
		"another base":           {spine(9), viewOf(base, next), 0},
		"the second is unknown":  {spine(1), viewOf(base), 1},
		"the second is no spine": {spine(1), viewOf(base, block(2, 11, 12)), 1},
		"the number is taken":    {spine(1), viewOf(base, block(2, 10, 10)), 1},
		"taken by the unnamed":   {common.Hash{}, viewOf(base, block(2, 10, 10)), 1},
		"the number falls":       {spine(1), viewOf(base, block(2, 9, 9)), 1},
		"there is a hole":        {spine(1), viewOf(base, block(2, 15, 15)), 2},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Applied(10, tc.baseHash, entries, tc.view))
		})
	}
}

// One open spine is enough: those before it may be final.
func TestVerifierLooksAtEverySpine(t *testing.T) {
	v := NewVerifier(time.Unix(1000, 0), 4*time.Second, 100, 50, nil)
	got := v.Observe(Evidence{
		At: time.Unix(1004, 0), Head: entry(101, spine(1), spine(2)),
		States: []checkpoint.SpineState{checkpoint.SpineFinal, checkpoint.SpineOpen}, Heights: []uint64{51, 52},
	})
	require.Contains(t, got.Why, spine(2).Hex())
}
