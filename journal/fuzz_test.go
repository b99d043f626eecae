package journal

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// FuzzJournalValue: whatever a stored value holds, it is read as what can be
// written again, or left out with a note.
func FuzzJournalValue(f *testing.F) {
	for _, v := range []any{toPending(pending), toConfirmed(confirmed), Network{ChainID: 1}, Change{To: "working"}} {
		raw, err := encode(v)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Add([]byte(`{"v":1,"data":{"call":"push"}}`))
	f.Add([]byte(`{"v":1,"data":{"slot":-1}}`))
	f.Add([]byte(`{"v":1,"data":{"number":1e999}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		roundTrip[pendingRecord](t, raw)
		roundTrip[confirmedRecord](t, raw)
		roundTrip[Network](t, raw)
		roundTrip[Change](t, raw)

		j := OpenStore(&Memory{
			values:  map[string][]byte{keyPending: raw, keyConfirmed: raw, keyNetwork: raw},
			history: [][]byte{raw},
		}, "")
		requireUsable(t, j)
		require.LessOrEqual(t, len(j.notes), 5)
		require.LessOrEqual(t, len(j.Note()), 2048)
	})
}

// roundTrip: what decodes can be written again and read back as the same.
func roundTrip[T any](t *testing.T, raw []byte) {
	v, err := decode[T](raw)
	if err != nil {
		require.ErrorIs(t, err, ErrBadValue)
		return
	}
	again, err := encode(v)
	if err != nil {
		return // a time outside RFC 3339 cannot be written
	}
	back, err := decode[T](again)
	require.NoError(t, err)
	third, err := encode(back)
	require.NoError(t, err)
	require.Equal(t, string(again), string(third))
}

// requireUsable: everything can be read, written and read back.
func requireUsable(t *testing.T, j *Journal) {
	if p, err := j.Pending(); p != nil {
		require.Contains(t, []string{checkpoint.CallReady, checkpoint.CallPush}, p.Call)
	} else {
		require.NoError(t, err)
	}
	_, err := j.Confirmed()
	require.NoError(t, err)
	_, err = j.History(0)
	require.NoError(t, err)
	require.NoError(t, j.SetNetwork(Network{ChainID: 77, GenesisTime: 78}))
	require.NoError(t, j.SetConfirmed(confirmed))
	require.NoError(t, j.SetPending(pending))
	require.NoError(t, j.AppendChange(Change{To: "fuzzed"}))
	requireKept(t, j)
}

// requireKept: what requireUsable wrote is there.
func requireKept(t *testing.T, j *Journal) {
	p, err := j.Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
	c, err := j.Confirmed()
	require.NoError(t, err)
	require.Equal(t, &confirmed, c)
	n, err := j.Network()
	require.NoError(t, err)
	require.EqualValues(t, 77, n.ChainID)
	history, err := j.History(0)
	require.NoError(t, err)
	require.Contains(t, targets(history), "fuzzed")
}

// goodFile writes a journal with n changes and gives its bytes.
func goodFile(t testing.TB, n int) []byte {
	path := filepath.Join(t.TempDir(), "good.journal")
	j, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, j.SetPending(pending))
	for i := range n {
		require.NoError(t, j.AppendChange(Change{To: fmt.Sprint(i), Reason: fmt.Sprintf("%0100d", i)}))
	}
	require.NoError(t, j.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// spoil applies patches of 4 bytes each (where: 3, what: 1) and a cut.
func spoil(raw, patches []byte, size uint32, sums bool) []byte {
	for ; len(patches) >= 4 && len(raw) > 0; patches = patches[4:] {
		at := int(patches[0])<<16 | int(patches[1])<<8 | int(patches[2])
		raw[at%len(raw)] = patches[3]
	}
	if size != 0 {
		raw = raw[:min(int(size), len(raw))]
	}
	if sums {
		correctSums(raw)
	}
	return raw
}

// correctSums makes both meta pages valid again, so that what they say is believed.
func correctSums(raw []byte) {
	for _, at := range []int{0, os.Getpagesize()} {
		if at+headerSize+metaSize > len(raw) {
			return
		}
		meta := raw[at+headerSize:]
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:metaSize-8])
		binary.NativeEndian.PutUint64(meta[metaSize-8:], sum.Sum64())
	}
}

// patch is a spoil patch of a 64-bit number at a place.
func patch(at int, value uint64) []byte {
	var out []byte
	for i, b := range binary.NativeEndian.AppendUint64(nil, value) {
		out = append(out, byte((at+i)>>16), byte((at+i)>>8), byte(at+i), b)
	}
	return out
}

// FuzzJournalFile opens spoilt journal files, and files of any bytes: each gives
// a journal that can be used and is kept, or an error that names the file.
func FuzzJournalFile(f *testing.F) {
	bases := [][]byte{goodFile(f, 0), goodFile(f, 30), goodFile(f, 300)}
	page := os.Getpagesize()
	for base := range bases {
		b := uint8(base)
		f.Add(b, []byte{}, uint32(0), false)
		f.Add(b, []byte{}, uint32(page+100), false)
		for _, field := range []int{8, 16, 24, 32, 40, 48} { // page size, root, sequence, freelist, end, transaction
			for _, value := range []uint64{0, 1, 3, 1 << 40, 1 << 52, 1<<64 - 1} {
				f.Add(b, append(patch(headerSize+field, value), patch(page+headerSize+field, value)...), uint32(0), true)
			}
		}
		for id := 2; id < 8; id++ { // type and count, first element
			f.Add(b, patch(id*page+8, 0xFFFF_0010), uint32(0), false)
			f.Add(b, patch(id*page+8, 0xFFFF_0001), uint32(0), false)
			f.Add(b, patch(id*page+16, 1<<38), uint32(0), false)
			f.Add(b, patch(id*page+24, uint64(id)), uint32(0), false)
		}
	}
	f.Add(uint8(len(bases)), []byte("not a journal"), uint32(0), false)
	f.Fuzz(func(t *testing.T, base uint8, patches []byte, size uint32, sums bool) {
		raw := patches
		if int(base) < len(bases) {
			raw = spoil(append([]byte(nil), bases[base]...), patches, size, sums)
		}
		path := filepath.Join(t.TempDir(), "pair.journal")
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		start := time.Now()
		j, err := Open(path)
		require.Less(t, time.Since(start), 10*time.Second)
		if err != nil {
			require.ErrorIs(t, err, failure.NeedsHuman)
			require.ErrorContains(t, err, path)
			return
		}
		require.LessOrEqual(t, len(j.Note()), 1024)
		requireUsable(t, j)
		require.NoError(t, j.Close())

		j, err = Open(path)
		require.NoError(t, err)
		require.Empty(t, j.Note(), "what was usable is so when it is opened again")
		requireKept(t, j)
		require.NoError(t, j.Close())
	})
}
