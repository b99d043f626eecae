package headsync

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
)

func planChain() ([]Entry, []*gwatclient.Block) {
	var entries []Entry
	var blocks []*gwatclient.Block
	for i := 1; i <= 10; i++ {
		entries = append(entries, entry(i+4, spine(i)))
		b := &gwatclient.Block{Hash: spine(i), Height: uint64(i), Slot: primitives.Slot(i), Parents: []common.Hash{spine(i - 1)}}
		if i <= 6 {
			b.Number = number(uint64(i))
		}
		blocks = append(blocks, b)
	}
	return entries, blocks
}

func TestPositionMovesOverWhatIsProven(t *testing.T) {
	entries, blocks := planChain() // gwat has finalized what the slots 5 to 10 say, the head is at 14
	view := viewOf(blocks...)
	pos, ok := Anchor(entries, 8, view)
	require.True(t, ok)
	require.Equal(t, entries[3], pos.Checkpoint, "the newest one at or before the slot")
	require.Equal(t, 2, pos.Advance(entries[4:], view, nil))
	require.Equal(t, entries[5], pos.Checkpoint)
	require.Equal(t, entries[5], pos.Last)
	require.Equal(t, uint64(6), pos.Number)
	info, at := pos.Info()
	require.Equal(t, entries[5].Info, info)
	require.Equal(t, root(10), at)

	refused := map[common.Hash]bool{root(10): true, root(9): true}
	pos, ok = Anchor(entries, 8, view)
	require.True(t, ok)
	require.Equal(t, 2, pos.Advance(entries[4:], view, refused))
	require.Equal(t, entries[3], pos.Checkpoint, "refused ones are not asked with")
	require.Equal(t, entries[4:6], pos.Rest, "and would be rolled back by a ready at the one before")
	require.Equal(t, Position{Checkpoint: entries[3], At: 4, Last: entries[3], Number: 4, Spine: spine(4)}, pos.RolledBack())

	for _, b := range blocks {
		b.Number = nil
	}
	_, ok = Anchor(entries, 8, view)
	require.False(t, ok)
}

func TestPositionAtGenesis(t *testing.T) {
	entries := []Entry{{Root: root(0)}, entry(1), entry(2, spine(0)), entry(3, spine(1))}
	genesis := &gwatclient.Block{Hash: spine(0), Number: number(0)}
	first := &gwatclient.Block{Hash: spine(1), Height: 1, Slot: 1, Parents: []common.Hash{spine(0)}}
	view := viewOf(genesis, first)
	pos, ok := Anchor(entries[:1], 0, view)
	require.True(t, ok)
	info, at := pos.Info()
	require.Equal(t, checkpoint.Genesis(), info)
	require.Equal(t, common.Hash{}, at)
	require.Equal(t, 2, pos.Advance(entries[1:], view, nil), "gwat's genesis is final from the start")
	require.Equal(t, root(2), pos.Checkpoint.Root)
}

func TestFirstMissing(t *testing.T) {
	entries, blocks := planChain()
	n, _ := firstMissing(entries, viewOf(blocks...))
	require.Equal(t, len(entries), n)
	n, missing := firstMissing(entries, viewOf(blocks[:8]...))
	require.Equal(t, 8, n)
	require.Equal(t, spine(9), missing)
}

func TestSegmentIsCutByBytesAndEntries(t *testing.T) {
	size := entrySize(entry(5, spine(1)))
	var s Batch
	require.True(t, s.Add(entry(5, spine(1)), 1, 1), "a first entry always fits")
	require.False(t, s.Add(entry(6, spine(2)), 2*size-1, 10))
	require.True(t, s.Add(entry(6, spine(2)), 2*size, 10))
	require.False(t, s.Add(entry(7, spine(3)), 100*size, 2))
	require.Len(t, s.Entries, 2)
	raw, err := json.Marshal(Infos(s.Entries))
	require.NoError(t, err)
	require.Equal(t, len(raw), s.bytes+1, "the count is what is sent")
}

func TestPace(t *testing.T) {
	var p Throughput
	require.Equal(t, 256, p.Entries(8*time.Second), "nothing is measured yet: what a restart leaves behind")
	p.Observe(256, 256*time.Millisecond)
	require.Equal(t, 1024, p.Entries(8*time.Second), "8,000 would fit, but only 256 were tried")
	p.Observe(1024, 1024*time.Millisecond)
	p.Observe(4096, 4096*time.Millisecond)
	require.Equal(t, 8000, p.Entries(8*time.Second))
	p.Observe(1000, 10*time.Second)
	require.Equal(t, 800, p.Entries(8*time.Second), "slower counts at once")
	p.Observe(800, 800*time.Millisecond)
	require.Equal(t, 1032, p.Entries(8*time.Second), "faster by and by: a quarter of the way")
	p.Observe(0, time.Hour)
	p.Failed(0, time.Hour)
	p.Failed(800, 20*time.Second)
	require.Equal(t, 80, p.Entries(8*time.Second))
	var stuck Throughput
	stuck.Observe(1, time.Hour)
	require.Equal(t, 1, stuck.Entries(8*time.Second))
}

func TestLimitsTakeDefaults(t *testing.T) {
	l := Limits{Capacity: 1}.complete()
	require.Equal(t, DefaultBatchBytes, l.Bytes)
	require.Equal(t, DefaultSoft, l.Soft)
	require.Equal(t, 2, l.Capacity)
	require.Equal(t, Limits{Bytes: 1 << 20, Soft: 8 * time.Second, Capacity: 3}, Limits{}.complete())
	given := Limits{Bytes: 5, Soft: time.Second, Capacity: 4}
	require.Equal(t, given, given.complete())
	require.Equal(t, time.Duration(1), Limits{Soft: 1}.complete().Soft, "however short")
	given.Hard = 10 * time.Second
	require.Equal(t, given, given.complete())
	given.Hard = time.Second
	require.Equal(t, 500*time.Millisecond, given.complete().Soft, "half of what bounds it")
}

// A push follows its checkpoint without a gap, so it begins with what names no spine.
func TestEmptyEntriesAreKeptForThePush(t *testing.T) {
	entries := []Entry{entry(5, spine(1)), entry(6), entry(7), entry(8, spine(2)), entry(9)}
	view := viewOf(
		&gwatclient.Block{Hash: spine(1), Height: 1, Number: number(1)},
		&gwatclient.Block{Hash: spine(2), Height: 2, Number: number(2), Parents: []common.Hash{spine(1)}},
	)
	pos, ok := Anchor(entries, 5, view)
	require.True(t, ok)
	require.Equal(t, 2, pos.Advance(entries[1:3], view, nil))
	require.Equal(t, entries[0], pos.Checkpoint)
	require.Equal(t, entries[1:3], pos.Rest)
	require.Equal(t, 2, pos.Advance(entries[3:], view, nil))
	require.Equal(t, entries[3], pos.Checkpoint)
	require.Equal(t, entries[4:], pos.Rest)
	require.Equal(t, entries[4], pos.Last)
}
