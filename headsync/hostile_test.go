package headsync

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
)

// inventing is a beacon node whose committees name other validators in every epoch.
type inventing struct {
	Beacon
	slots, perSlot uint64
}

func (b inventing) Committees(_ context.Context, _ beaconclient.StateID, epoch primitives.Epoch) ([]beaconclient.Committee, error) {
	var out []beaconclient.Committee
	for i := range b.slots * b.perSlot {
		first := (uint64(epoch)*b.slots*b.perSlot + i) * 2
		slot := primitives.Slot(uint64(epoch)*b.slots + i%b.slots)
		out = append(out, beaconclient.Committee{Slot: slot, Index: i / b.slots, Validators: []uint64{first, first + 1}})
	}
	return out, nil
}

func (b inventing) WithdrawalCredentials(_ context.Context, _ beaconclient.StateID, indices []uint64) (map[uint64]common.Hash, error) {
	out := map[uint64]common.Hash{}
	for _, v := range indices {
		out[v] = common.BytesToHash(binary.BigEndian.AppendUint64(nil, v+1))
	}
	return out, nil
}

// However many validators a beacon node invents, what is kept of them is bounded,
// and the creators of each slot are those it named.
func TestHostileValidatorsAreNotKeptWithoutEnd(t *testing.T) {
	spec := checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 2}
	c := NewCollector(inventing{slots: 32, perSlot: 900}, spec)
	for epoch := range primitives.Epoch(5) {
		creators, err := c.creatorsAt(t.Context(), spec.StartSlot(epoch))
		require.NoError(t, err)
		require.Len(t, creators, 2*900)
		require.NotContains(t, creators, common.Address{})
		require.LessOrEqual(t, len(c.addresses), keptAddresses)
	}
}

// The creators of a long chain are not kept without end, whichever way it is read, and those of
// the epochs that were read last are.
func TestCreatorsOfALongChainAreBounded(t *testing.T) {
	spec := checkpoint.Spec{SlotsPerEpoch: 512, SecondsPerSlot: 4, CreatorsPerSlot: 2}
	c := NewCollector(inventing{slots: 512, perSlot: 1}, spec)
	kept := c.keptEpochs()
	read := func(epoch primitives.Epoch) {
		_, err := c.creatorsAt(t.Context(), spec.StartSlot(epoch))
		require.NoError(t, err)
		require.Contains(t, c.creators, epoch)
		require.LessOrEqual(t, len(c.creators), int(2*kept))
	}
	for epoch := range 3 * kept {
		read(epoch)
		require.Contains(t, c.creators, max(epoch, kept-1)-(kept-1), "epoch %d", epoch)
		require.LessOrEqual(t, len(c.creators), int(kept))
	}
	read(0)
	require.Len(t, c.creators, 1, "the others are too far ahead")
}

func TestHostileCommitteesAreRefused(t *testing.T) {
	spec := checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 2}
	for name, hostile := range map[string]inventing{
		"too many for a slot":      {slots: 32, perSlot: maxCommittees + 1},
		"slots of another epoch":   {slots: 64, perSlot: 1},
		"a slot without committee": {slots: 16, perSlot: 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCollector(hostile, spec).creatorsAt(t.Context(), 0)
			require.ErrorIs(t, err, ErrInconsistent)
			require.Equal(t, failure.RetryLater, failure.Kind(err))
			require.ErrorContains(t, err, "epoch 0")
		})
	}
}

// boasting is a gwat that states a far number for every spine.
type boasting struct {
	Gwat
	number uint64
}

func (g boasting) BlocksByHash(_ context.Context, list []common.Hash) ([]*gwatclient.Block, error) {
	out := make([]*gwatclient.Block, len(list))
	for i, hash := range list {
		out[i] = &gwatclient.Block{Hash: hash, Number: &g.number, Height: g.number}
	}
	return out, nil
}

func (boasting) BlocksByNumber(_ context.Context, from, to uint64) ([]*gwatclient.Block, error) {
	return make([]*gwatclient.Block, to-from+1), nil
}

// A number that gwat states makes us read no more than a bound, what is left
// unread is reported, and nothing of it counts as proven.
func TestHostileNumberIsNotReadUpTo(t *testing.T) {
	entries := []Entry{entry(10, spine(1))}
	view, err := ReadView(t.Context(), boasting{number: math.MaxUint64}, entries, 5)
	require.NoError(t, err)
	require.EqualValues(t, uint64(math.MaxUint64)-5-readNumbers, view.Unread)
	require.Zero(t, Proven(5, spine(0), entries, view))

	var told []Report
	a := &Attempt{
		Nodes: Nodes{Gwat: boasting{number: 1 << 30}}, Limits: Limits{}.complete(), Report: func(r Report) { told = append(told, r) },
		course: course{chain: chainOf(entries...), pos: Position{Number: 5, Spine: spine(0), Last: entry(9)}},
	}
	c := NewCollector(nil, checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 2})
	c.remember(entries[0])
	c.creators[0] = map[primitives.Slot][]common.Address{entries[0].Slot(): nil}
	stream := c.Stream(t.Context(), a.chain, 0)
	defer stream.Close()
	left, _, err := a.prove(t.Context(), stream)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Contains(t, told[len(told)-1].Note, "up to 1073741819 past block 5 for slots 10 to 10")
}
