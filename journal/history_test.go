package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An entry that cannot be decoded is left out with one note; the older ones behind
// it are still read.
func TestAnUnreadableHistoryEntryIsLeftOut(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		require.NoError(t, j.AppendChange(Change{To: "oldest"}))
		require.NoError(t, j.store.Append([]byte(`{"v":1,"data":7}`), historyKept))
		require.NoError(t, j.AppendChange(Change{To: "newest"}))
		for range 2 {
			history, err := j.History(0)
			require.NoError(t, err)
			require.Equal(t, []string{"newest", "oldest"}, targets(history))
		}
		require.Equal(t, "the journal's history has an entry that cannot be read", j.Note())
	})
}

// The history is read from its end in chunks of 64 KiB. Lines that lie across
// their borders are whole, and the order is kept.
func TestHistoryLongerThanOneChunk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	var want []string
	for i := range 400 {
		to := fmt.Sprintf("%d %s", i, strings.Repeat("x", 37*i%1500))
		require.NoError(t, j.AppendChange(Change{To: to}))
		want = append([]string{to}, want...)
	}
	info, err := os.Stat(path + ".history")
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(4*64<<10))
	for _, limit := range []int{1, 50, 399, 400} {
		got, err := j.History(limit)
		require.NoError(t, err)
		require.Equal(t, want[:limit], targets(got))
	}
}

// A single entry may be longer than several chunks.
func TestAHistoryEntryLongerThanAChunk(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "pair.journal"))
	long := strings.Repeat("y", 200<<10)
	raw := fmt.Appendf(nil, `{"v":1,"data":{"to":%q}}`, long)
	require.NoError(t, j.AppendChange(Change{To: "before"}))
	require.NoError(t, j.store.Append(raw, historyKept))
	require.NoError(t, j.AppendChange(Change{To: "after"}))
	got, err := j.store.Newest(3)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, raw, got[1])
}

// The file holds at most an eighth more than is kept, and is rewritten no more
// often than that eighth asks for.
func TestHistoryIsRewrittenAnEighthAtATime(t *testing.T) {
	const keep = 16
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	rewritten := 0
	var before os.FileInfo
	for i := range 3 * keep {
		data, err := encode(Change{To: fmt.Sprint(i)})
		require.NoError(t, err)
		require.NoError(t, j.store.Append(data, keep))
		raw, err := os.ReadFile(path + ".history")
		require.NoError(t, err)
		lines := bytes.Count(raw, []byte("\n"))
		require.LessOrEqual(t, lines, keep+keep/8)
		require.GreaterOrEqual(t, lines, min(i+1, keep))
		now, err := os.Stat(path + ".history")
		require.NoError(t, err)
		if before != nil && !os.SameFile(before, now) {
			rewritten++
			require.Equal(t, keep, lines, "a new file has what is kept")
		}
		before = now
	}
	require.Equal(t, (3*keep-(keep+keep/8)+2)/3, rewritten, "each rewrite makes room for two more lines")
	// A syncd that opens it later counts what is there.
	require.NoError(t, j.Close())
	j = open(t, path)
	for i := range 2 * keep {
		data, err := encode(Change{To: fmt.Sprint(i)})
		require.NoError(t, err)
		require.NoError(t, j.store.Append(data, keep))
		raw, err := os.ReadFile(path + ".history")
		require.NoError(t, err)
		require.LessOrEqual(t, bytes.Count(raw, []byte("\n")), keep+keep/8)
	}
}

// A history of one change keeps the newest one only.
func TestHistoryOfOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	for i := range 5 {
		data, err := encode(Change{To: fmt.Sprint(i)})
		require.NoError(t, err)
		require.NoError(t, j.store.Append(data, 1))
		raw, err := os.ReadFile(path + ".history")
		require.NoError(t, err)
		require.Equal(t, 1, bytes.Count(raw, []byte("\n")))
		require.Contains(t, string(raw), fmt.Sprintf("%d", i))
	}
}

// Examine says of each file what Open does with it.
func TestExamineAgreesWithOpen(t *testing.T) {
	line := string(seal([]byte(`{"none":null}`)))
	for name, c := range map[string]struct {
		content string
		moved   bool
	}{
		"empty":                        {"", false},
		"one line":                     {line, false},
		"a cut-off end":                {line + line[:9], false},
		"a bad line last":              {line + "x\n", false},
		"nothing but a cut-off end":    {line[:9], true},
		"nothing but a bad line":       {"x\n", true},
		"a bad line first":             {"x\n" + line, true},
		"a bad line, then a cut end":   {line + "x\n" + line[:9], true},
		"a good line between bad ones": {"x\n" + line + "x\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pair.journal")
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
			note, err := Examine(path)
			require.NoError(t, err)
			require.Equal(t, c.moved, note != "", note)
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, c.content, string(raw), "examining changes nothing")
			j := open(t, path)
			require.Equal(t, c.moved, j.Note() != "", j.Note())
			_, err = os.Stat(path + ".corrupt-1")
			require.Equal(t, c.moved, err == nil)
		})
	}
}

// Once the disk has room the journal is in its file alone: values and history are
// read from there, and closing it frees the file for another syncd.
func TestALateJournalGoesOnInItsFile(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "blocked")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	late := &lateStore{Memory: NewMemory(), path: filepath.Join(blocked, "pair.journal")}
	j := OpenStore(late, "")
	require.Error(t, j.SetPending(pending))
	require.NoError(t, os.Remove(blocked))
	require.NoError(t, j.AppendChange(Change{To: "first"}))

	p, err := j.Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
	require.NoError(t, j.SetConfirmed(confirmed))
	c, err := j.Confirmed()
	require.NoError(t, err)
	require.Equal(t, &confirmed, c)
	require.NoError(t, j.AppendChange(Change{To: "second"}))
	history, err := j.History(0)
	require.NoError(t, err)
	require.Equal(t, []string{"second", "first"}, targets(history))

	_, _, err = openFile(late.path, 0)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, j.Close())
	p, err = open(t, late.path).Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
}
