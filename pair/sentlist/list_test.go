package sentlist

import (
	"encoding/binary"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

// root is the root of a branch's block of a slot, spine the spine that it finalizes.
func root(branch byte, slot primitives.Slot) common.Hash { return hash(branch, slot) }
func spine(slot primitives.Slot) common.Hash             { return hash(0xff, slot) }

func hash(kind byte, slot primitives.Slot) (h common.Hash) {
	binary.BigEndian.PutUint64(h[:], uint64(slot))
	h[0] = kind
	return h
}

func info(slot primitives.Slot) checkpoint.ConsensusInfo {
	return checkpoint.ConsensusInfo{Slot: slot, Creators: []common.Address{{1}, {byte(slot)}}, Finalizing: []common.Hash{spine(slot)}}
}

// from returns the entries of the slots from to to.
func from(from, to primitives.Slot) (out []checkpoint.ConsensusInfo) {
	for s := from; s <= to; s++ {
		out = append(out, info(s))
	}
	return out
}

func collect(entries []checkpoint.ConsensusInfo) *Collected {
	c, parent := &Collected{}, common.Hash{}
	for _, e := range entries {
		c.Add(root(1, e.Slot), parent, e)
		parent = root(1, e.Slot)
	}
	return c
}

func all(common.Hash) checkpoint.SpineState { return checkpoint.SpineFinal }

// finish has gwat asked until nothing is left to ask.
func finish(t *testing.T, l *List, state func(common.Hash) checkpoint.SpineState) {
	t.Helper()
	for range 10_000 {
		q := l.Question()
		require.LessOrEqual(t, len(q), readAtOnce)
		if len(q) == 0 {
			return
		}
		l.Answer(state)
	}
	require.Fail(t, "it asks for ever")
}

func TestEqualListsHaveNoDifference(t *testing.T) {
	const slots = 20_000
	c := collect(from(100, 100+slots))
	l := New(from(120, 80+slots), slots-39, "")
	require.False(t, l.Done())
	require.Empty(t, l.Question(), "nothing is justified")
	for at := primitives.Slot(1000); at <= 100+slots; at += 1000 {
		l.Justify(c, root(1, at), at)
	}
	l.Justify(c, root(1, 100+slots), 100+slots)
	require.False(t, l.Done(), "gwat was not asked")
	finish(t, l, all)
	require.True(t, l.Done())
	require.Equal(t, Summary{Entries: slots - 39, Rest: slots - 39, Read: slots - 39}, l.Summary())
}

func TestDifferencesFromREST(t *testing.T) {
	other := info(13)
	other.Finalizing = []common.Hash{{7}}
	creators := info(13)
	creators.Creators = creators.Creators[:1]
	join := func(parts ...[]checkpoint.ConsensusInfo) (out []checkpoint.ConsensusInfo) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	for name, c := range map[string]struct {
		collected, list []checkpoint.ConsensusInfo
		says            string
	}{
		"another spine":     {from(10, 20), join(from(10, 12), []checkpoint.ConsensusInfo{other}, from(14, 20)), "slot 13 has other spines or creators"},
		"fewer creators":    {from(10, 20), join(from(10, 12), []checkpoint.ConsensusInfo{creators}, from(14, 20)), "slot 13 has other spines or creators"},
		"a slot is missing": {from(10, 20), join(from(10, 12), from(14, 20)), "the list lacks slot 13"},
		"a slot too many":   {join(from(10, 12), from(14, 20)), from(10, 20), "slot 13 is in the list and has no block"},
		"a slot twice":      {from(10, 20), join(from(10, 13), from(13, 20)), "slot 13 is in the list twice"},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(c.list, len(c.list), "")
			l.Justify(collect(c.collected), root(1, 12), 12)
			require.Zero(t, l.Summary().Differs, "slot 13 may still be taken back by a reorg")
			for range 3 { // each is counted once
				l.Justify(collect(c.collected), root(1, 20), 20)
			}
			s := l.Summary()
			require.Equal(t, 1, s.Differs, s.First)
			require.Contains(t, s.First[0], c.says)
			require.Equal(t, len(c.list), s.Rest)
		})
	}
}

func TestDifferencesAreCountedAndTheFirstTold(t *testing.T) {
	list := from(10, 200)
	for i := range list {
		list[i].Finalizing = nil
	}
	l := New(list, len(list), "")
	l.Justify(collect(from(10, 200)), root(1, 200), 200)
	require.Equal(t, len(list), l.Summary().Differs)
	require.Len(t, l.Summary().First, 3)
}

// What was collected of a branch that was left is not compared, and neither is what lies
// below the collection.
func TestOnlyTheCanonicalChainCounts(t *testing.T) {
	c := collect(from(15, 20))
	c.Add(root(2, 21), root(1, 20), info(21)) // left: 22 follows on 20
	c.Add(root(1, 22), root(1, 20), info(22))
	c.Add(root(1, 23), root(1, 22), info(23))
	list := append(from(10, 20), from(22, 23)...)
	l := New(list, len(list), "")
	l.Justify(c, root(3, 23), 23)
	require.Zero(t, l.Summary().Rest, "the justified block was not collected")
	l.Justify(c, root(1, 23), 23)
	require.Equal(t, Summary{Entries: len(list), Rest: 8}, l.Summary())
}

func TestGwatLacksEntries(t *testing.T) {
	l := New(from(1, 500), 500, "")
	l.Justify(&Collected{}, root(1, 400), 400)
	require.Len(t, l.Question(), 64, "a question is as long as it may be")
	lacks := func(bad ...primitives.Slot) func(common.Hash) checkpoint.SpineState {
		return func(h common.Hash) checkpoint.SpineState {
			for _, s := range bad {
				if h == spine(s) {
					return checkpoint.SpineUnknown
				}
			}
			return checkpoint.SpineFinal
		}
	}
	for range 20 {
		l.Question()
		l.Answer(lacks(7, 390))
	}
	s := l.Summary()
	require.Equal(t, Summary{Entries: 500, Read: 398, Behind: 2, BehindAt: 7}, s)
	require.ElementsMatch(t, []common.Hash{spine(7), spine(390)}, l.Question(), "they are asked again")
	require.Len(t, l.Question(), 2, "also when the question got no answer")
	l.Answer(lacks(390))
	require.EqualValues(t, 390, l.Summary().BehindAt)
	l.Question()
	l.Answer(all)
	require.Zero(t, l.Summary().Behind)
	l.Justify(&Collected{}, root(1, 500), 500)
	finish(t, l, all)
	require.True(t, l.Done())
	require.Equal(t, 500, l.Summary().Read)
}

// A gwat that lacks very much is asked about all of it in turn.
func TestEveryLackingEntryHasItsTurn(t *testing.T) {
	l := New(from(1, 300), 300, "")
	l.Justify(&Collected{}, root(1, 300), 300)
	for range 20 {
		l.Question()
		l.Answer(func(common.Hash) checkpoint.SpineState { return checkpoint.SpineUnknown })
	}
	require.Equal(t, 300, l.Summary().Behind)
	finish(t, l, all)
	require.True(t, l.Done())
}

func TestAnEmptyOrBrokenList(t *testing.T) {
	l := New(nil, 0, "")
	require.True(t, l.Done())
	l.Justify(&Collected{}, root(1, 5), 5)
	l.Justify(collect(from(1, 5)), root(1, 5), 5)
	require.Empty(t, l.Question())
	require.Equal(t, Summary{}, l.Summary())
	require.Equal(t, Summary{Entries: 9, Malformed: "no slot"}, New(nil, 9, "no slot").Summary())
	long := checkpoint.ConsensusInfo{Slot: 3, Finalizing: make([]common.Hash, 3*readAtOnce)}
	l = New([]checkpoint.ConsensusInfo{long}, 1, "")
	l.Justify(&Collected{}, root(1, 3), 3)
	require.Len(t, l.Question(), 3*readAtOnce, "an entry is never split")
	l.Answer(all)
	require.True(t, l.Done())
}

func TestCollectedIsBounded(t *testing.T) {
	c := &Collected{}
	for s := range primitives.Slot(65_536 + 100) {
		c.Add(root(1, s), root(1, s-1), info(s))
	}
	require.Len(t, c.short, 65_536)
	require.Len(t, c.slots, 65_536)
	_, low, ok := c.chain(root(1, 65_635), 65_635)
	require.True(t, ok)
	require.EqualValues(t, 100, low, "the newest are kept")
	c.Add(root(1, 5), root(1, 4), info(5)) // older than all: it is the one that goes
	require.NotContains(t, c.short, primitives.Slot(5))
	c.Forget()
	require.Empty(t, c.short)
}
