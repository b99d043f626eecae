package headsync

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/protocol"
)

// lookAt is a look in which every spine of the head is in one state, at the height of the head's slot.
func lookAt(at time.Time, slot int, state checkpoint.SpineState, spines ...common.Hash) Evidence {
	l := Evidence{At: at, Clock: primitives.Slot(slot), Head: entry(slot, spines...)}
	for range spines {
		l.States, l.Heights = append(l.States, state), append(l.Heights, uint64(slot))
	}
	return l
}

// The completing call coordinates gwat up to the beacon's head: gwat may have been
// coordinated to that very slot already, but not beyond it.
func TestCompletingCallNeverGoesBack(t *testing.T) {
	const slot = 4 * time.Second
	start := time.Unix(1000, 0)
	for coord, want := range map[primitives.Slot]bool{99: true, 100: true, 101: false} {
		v := NewVerifier(start, slot, 100, 50, nil)
		l := lookAt(start.Add(ResyncSlots*slot), 100, checkpoint.SpineFinal, spine(1))
		l.Sync = protocol.State{Syncing: true, Activity: protocol.Behind, CoordSlot: coord}
		require.Equal(t, want, v.Observe(l).Complete, "last coordinated slot %d, head 100", coord)
	}
}

// A spine at the very height that gwat had at the start was final before.
func TestWhatWasFinalAtTheStartIsNoEvidence(t *testing.T) {
	const slot = 4 * time.Second
	start := time.Unix(1000, 0)
	v := NewVerifier(start, slot, 100, 103, nil)
	for i := 101; i <= 103; i++ {
		require.False(t, v.Observe(lookAt(start.Add(time.Duration(i-100)*slot), i, checkpoint.SpineFinal, spine(i))).Working)
	}
	require.Equal(t, primitives.Slot(100), v.Covered())
	require.False(t, v.Observe(lookAt(start.Add(4*slot), 104, checkpoint.SpineFinal, spine(104))).Working)
	require.True(t, v.Observe(lookAt(start.Add(5*slot), 105, checkpoint.SpineFinal, spine(105))).Working)
}

// Heads without spines are no quiet ones while gwat has not finalized a spine of a head before
// them: nobody may have called it since. Once it is final they count, and so they do after a head
// whose spines are final.
func TestHeadsWithoutSpinesBehindOneThatWaits(t *testing.T) {
	const slot = 4 * time.Second
	start := time.Unix(1000, 0)
	at := func(i int, state checkpoint.SpineState, spines ...common.Hash) Evidence {
		return lookAt(start.Add(time.Duration(i-100)*slot), i, state, spines...)
	}
	v := NewVerifier(start, slot, 100, 50, nil)
	require.False(t, v.Observe(at(101, checkpoint.SpineOpen, spine(101), spine(102))).Working)
	waiting, ok := v.Waiting()
	require.True(t, ok)
	require.Equal(t, spine(102), waiting)
	for i := 102; i <= 105; i++ {
		verdict := v.Observe(at(i, checkpoint.SpineFinal))
		require.False(t, verdict.Working, "slot %d", i)
		require.Contains(t, verdict.Why, "of a head before slot")
	}
	for i := 106; i <= 107; i++ {
		e := at(i, checkpoint.SpineFinal)
		e.Waiting = checkpoint.SpineFinal
		require.Equal(t, i == 107, v.Observe(e).Working, "slot %d", i)
	}
	_, ok = v.Waiting()
	require.False(t, ok)

	// A pair that worked does not any more, two slots after gwat finalizes nothing.
	require.True(t, v.Observe(at(108, checkpoint.SpineOpen, spine(108))).Working)
	require.True(t, v.Observe(at(110, checkpoint.SpineFinal)).Working)
	require.False(t, v.Observe(at(111, checkpoint.SpineFinal)).Working)
	require.True(t, v.Observe(at(112, checkpoint.SpineFinal, spine(112))).Working)
}

// A spine that only a head named which a reorg has removed need not become final: in a quiet
// network no later head would. One that a head of the chain named still must.
func TestAReorgRemovesTheHeadOfAnOpenSpine(t *testing.T) {
	const slot = 4 * time.Second
	start := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		before bool // the head before it named an open spine, too
		missed bool // no poll saw the head before it
		parent int  // of the head that follows
		want   bool
	}{
		"a reorg":  {parent: 102, want: true},
		"no reorg": {parent: 103},
		"a reorg of one of two heads with spines": {before: true, parent: 102},
		"a reorg after a head that no poll saw":   {missed: true, parent: 102},
	} {
		v := NewVerifier(start, slot, 100, 50, nil)
		at := func(i int, state checkpoint.SpineState, spines ...common.Hash) Evidence {
			return lookAt(start.Add(time.Duration(i-100)*slot), i, state, spines...)
		}
		v.Observe(at(101, checkpoint.SpineFinal, spine(101)))
		switch {
		case tc.before:
			v.Observe(at(102, checkpoint.SpineOpen, spine(102)))
		case !tc.missed:
			require.True(t, v.Observe(at(102, checkpoint.SpineFinal, spine(102))).Working)
		}
		v.Observe(at(103, checkpoint.SpineOpen, spine(103)))
		for i := 104; i <= 110; i++ {
			e := at(i, checkpoint.SpineFinal)
			if i == 104 {
				e.Head.Parent = root(tc.parent)
			}
			verdict := v.Observe(e)
			if i > 106 {
				require.Equal(t, tc.want, verdict.Working, "%s, slot %d: %s", name, i, verdict.Why)
			}
		}
	}
}

// After our completing call only heads that bring a spine count, and a spine that waits takes
// back none of them: it takes back quiet heads alone.
func TestASpineThatWaitsTakesBackQuietHeadsOnly(t *testing.T) {
	const slot = 4 * time.Second
	start := time.Unix(1000, 0)
	at := func(i int, state checkpoint.SpineState, spines ...common.Hash) Evidence {
		return lookAt(start.Add(time.Duration(i-100)*slot), i, state, spines...)
	}
	for name, tc := range map[string]struct {
		completed bool
		first     []common.Hash // of the first new head
		want      bool          // whether the second head that brings a spine is enough
	}{
		"brought a spine": {first: []common.Hash{spine(102)}, want: true},
		"brought a spine after our completing call": {completed: true, first: []common.Hash{spine(102)}, want: true},
		"was quiet": {},
	} {
		t.Run(name, func(t *testing.T) {
			v := NewVerifier(start, slot, 100, 50, nil)
			require.False(t, v.Observe(at(101, checkpoint.SpineFinal)).Working)
			if tc.completed {
				v.Completed(101, []common.Hash{spine(101)})
			} else {
				v = NewVerifier(start, slot, 101, 50, nil)
			}
			require.False(t, v.Observe(at(102, checkpoint.SpineFinal, tc.first...)).Working)
			require.False(t, v.Observe(at(103, checkpoint.SpineOpen, spine(103))).Working)
			require.Equal(t, tc.want, v.Observe(at(103, checkpoint.SpineFinal, spine(103))).Working)
		})
	}
}
