package journal

import (
	"fmt"
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
	values, err := os.ReadFile(path)
	require.NoError(t, err)
	history, err := os.ReadFile(path + ".history")
	require.NoError(t, err)
	return append(values, history...)
}

// spoil applies patches of 4 bytes each (where: 3, what: 1) and a cut.
func spoil(raw, patches []byte, size uint32) []byte {
	for ; len(patches) >= 4 && len(raw) > 0; patches = patches[4:] {
		at := int(patches[0])<<16 | int(patches[1])<<8 | int(patches[2])
		raw[at%len(raw)] = patches[3]
	}
	if size != 0 {
		raw = raw[:min(int(size), len(raw))]
	}
	return raw
}

// FuzzJournalFile opens spoilt journal files, and files of any bytes: each gives
// a journal that can be used and is kept, or an error that names the file.
func FuzzJournalFile(f *testing.F) {
	bases := [][]byte{goodFile(f, 0), goodFile(f, 30)}
	for base := range bases {
		b := uint8(base)
		f.Add(b, []byte{}, uint32(0))
		f.Add(b, []byte{}, uint32(100))
		f.Add(b, []byte{0, 0, 40, '\n'}, uint32(0))
		f.Add(b, []byte{0, 0, 0, 'x', 0, 1, 0, 0}, uint32(700))
	}
	f.Add(uint8(len(bases)), []byte("not a journal"), uint32(0))
	f.Add(uint8(len(bases)), []byte("{}\n{}\nnull\n"), uint32(0))
	f.Fuzz(func(t *testing.T, base uint8, patches []byte, size uint32) {
		raw := patches
		if int(base) < len(bases) {
			raw = spoil(append([]byte(nil), bases[base]...), patches, size)
		}
		path := filepath.Join(t.TempDir(), "pair.journal")
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		require.NoError(t, os.WriteFile(path+".history", raw, 0o600))
		start := time.Now()
		j, err := Open(path)
		require.Less(t, time.Since(start), 10*time.Second)
		if err != nil {
			require.ErrorIs(t, err, failure.NeedsHuman)
			require.ErrorContains(t, err, path)
			return
		}
		require.LessOrEqual(t, len(j.Note()), 2048)
		requireUsable(t, j)
		require.NoError(t, j.Close())

		j, err = Open(path)
		require.NoError(t, err)
		require.Empty(t, j.Note(), "what was usable is so when it is opened again")
		requireKept(t, j)
		require.NoError(t, j.Close())
	})
}
