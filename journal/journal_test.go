package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("JOURNAL_TEST_DIE_AFTER_PENDING"); path != "" {
		dieAfterPending(path)
	}
	goleak.VerifyTestMain(m)
}

var pending = checkpoint.Pending{
	Call: checkpoint.CallPush, Attempt: 7, Slot: 96, Root: common.Hash{1}, Spine: common.Hash{2},
	LastSpine: common.Hash{3}, SentAt: time.Unix(1_700_000_000, 5).UTC(),
}

var confirmed = checkpoint.Confirmed{
	Slot: 241, Root: common.Hash{4}, Spine: common.Hash{5}, Number: 240, At: time.Unix(1_700_000_100, 0).UTC(),
}

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// both runs a test on a journal in a file and on one in memory.
func both(t *testing.T, test func(t *testing.T, j *Journal)) {
	t.Run("file", func(t *testing.T) { test(t, open(t, filepath.Join(t.TempDir(), "pair.journal"))) })
	t.Run("memory", func(t *testing.T) { test(t, OpenMemory()) })
}

func TestValues(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		p, err := j.Pending()
		require.NoError(t, err)
		require.Nil(t, p)
		c, err := j.Confirmed()
		require.NoError(t, err)
		require.Nil(t, c)

		require.NoError(t, j.SetPending(pending))
		require.NoError(t, j.SetConfirmed(confirmed))
		p, err = j.Pending()
		require.NoError(t, err)
		require.Equal(t, &pending, p)
		c, err = j.Confirmed()
		require.NoError(t, err)
		require.Equal(t, &confirmed, c)

		require.NoError(t, j.ClearPending())
		require.NoError(t, j.ClearConfirmed())
		p, err = j.Pending()
		require.NoError(t, err)
		require.Nil(t, p)
		c, err = j.Confirmed()
		require.NoError(t, err)
		require.Nil(t, c)
		require.Empty(t, j.Note())
	})
}

func TestNetworkChangeDropsHints(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		first := Network{ChainID: 337733, GenesisTime: 100}
		tries := map[string]Tries{"peers": {Count: 2, Last: time.Unix(7, 0).UTC(), Done: true}}
		require.NoError(t, j.SetPending(pending), "before the network is known")
		require.NoError(t, j.SetHeals(tries))
		require.NoError(t, j.SetNetwork(first))
		require.NoError(t, j.SetConfirmed(confirmed))
		require.NoError(t, j.AppendChange(Change{To: "connecting"}))

		require.NoError(t, j.SetNetwork(first))
		c, err := j.Confirmed()
		require.NoError(t, err)
		require.NotNil(t, c, "the same chain id and genesis time are the same network")
		kept, err := j.Heals()
		require.NoError(t, err)
		require.Equal(t, tries, kept)
		require.Empty(t, j.Note())

		other := first
		other.GenesisTime = 101
		require.NoError(t, j.SetNetwork(other))
		n, err := j.Network()
		require.NoError(t, err)
		require.Equal(t, &other, n)
		c, err = j.Confirmed()
		require.NoError(t, err)
		require.Nil(t, c)
		p, err := j.Pending()
		require.NoError(t, err)
		require.Nil(t, p)
		kept, err = j.Heals()
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Contains(t, j.Note(), "another network")
		history, err := j.History(0)
		require.NoError(t, err)
		require.Len(t, history, 1)
	})
}

func TestHistoryNewestFirst(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		empty, err := j.History(5)
		require.NoError(t, err)
		require.NotNil(t, empty)
		for i := range 10 {
			require.NoError(t, j.AppendChange(Change{To: fmt.Sprint(i)}))
		}
		got, err := j.History(3)
		require.NoError(t, err)
		require.Equal(t, []string{"9", "8", "7"}, targets(got))
		got, err = j.History(0)
		require.NoError(t, err)
		require.Len(t, got, 10)
	})
}

func targets(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.To)
	}
	return out
}

func TestHistoryIsBounded(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		for i := range 12 {
			data, err := encode(Change{To: fmt.Sprint(i)})
			require.NoError(t, err)
			require.NoError(t, j.store.Append(data, 4))
		}
		got, err := j.History(0)
		require.NoError(t, err)
		require.Equal(t, []string{"11", "10", "9", "8"}, targets(got))
	})
}

func TestReopenKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "pair.journal")
	j, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, j.SetPending(pending))
	require.NoError(t, j.AppendChange(Change{From: "connecting", To: "checkpoint_sync", Event: "connected"}))
	require.NoError(t, j.Close())
	require.NoError(t, j.Close(), "twice is harmless")
	require.ErrorIs(t, j.SetPending(pending), ErrClosed)

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	dir, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), dir.Mode().Perm())

	again := open(t, path)
	p, err := again.Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
	history, err := again.History(0)
	require.NoError(t, err)
	require.Len(t, history, 1)
}

// dieAfterPending is the child of TestPendingSurvivesAKill.
func dieAfterPending(path string) {
	j, err := Open(path)
	if err == nil {
		err = j.SetPending(pending)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("written")
	select {} // until the parent kills it
}

func TestPendingSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "JOURNAL_TEST_DIE_AFTER_PENDING="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line := make([]byte, 64)
	n, err := out.Read(line)
	require.NoError(t, err)
	require.Equal(t, "written\n", string(line[:n]))

	_, err = Open(path)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorIs(t, err, failure.NeedsHuman)
	require.ErrorContains(t, err, "another syncd holds "+path)

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	p, err := open(t, path).Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
}

func TestUnreadableFileIsMovedAside(t *testing.T) {
	for name, bad := range map[string][]byte{
		"text":     []byte("not a journal\n"),
		"no end":   []byte("not a journal"),
		"random":   bytes.Repeat([]byte{0xa5, 0x17, 0x00, '\n'}, 30_000),
		"zeroes":   make([]byte, 1<<20),
		"old head": append(make([]byte, 16), 0xda, 0xec, 0x0c, 0xed, '\n'),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pair.journal")
			require.NoError(t, os.WriteFile(path, bad, 0o600))
			require.NoError(t, os.WriteFile(path+".corrupt-1", []byte("an earlier one"), 0o600))
			note, err := Examine(path)
			require.NoError(t, err)
			require.Contains(t, note, "moves it aside")

			j := open(t, path)
			require.Contains(t, j.Note(), path+".corrupt-2")
			p, err := j.Pending()
			require.NoError(t, err)
			require.Nil(t, p)
			require.NoError(t, j.SetPending(pending))
			kept, err := os.ReadFile(path + ".corrupt-2")
			require.NoError(t, err)
			require.Equal(t, bad, kept, "what was moved aside is not changed")
		})
	}
}

// A damaged line in the middle costs that line alone.
func TestGoodLinesOfADamagedFileAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, j.SetConfirmed(confirmed))
	require.NoError(t, j.SetPending(pending))
	for i := range 5 {
		require.NoError(t, j.AppendChange(Change{To: fmt.Sprint(i)}))
	}
	require.NoError(t, j.Close())
	for _, file := range []string{path, path + ".history"} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		raw[10] ^= 1
		require.NoError(t, os.WriteFile(file, raw, 0o600))
	}
	j = open(t, path)
	require.Contains(t, j.Note(), path+".corrupt-1")
	require.Contains(t, j.Note(), path+".history.corrupt-1")
	p, err := j.Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
	history, err := j.History(0)
	require.NoError(t, err)
	require.Equal(t, []string{"4", "3", "2", "1"}, targets(history))
}

// Killed at every byte of every write, the next start sees the state before or
// after it, without a note, and can go on.
func TestAWriteIsWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j, err := Open(path)
	require.NoError(t, err)
	second := pending
	second.Attempt = 8
	require.NoError(t, j.SetPending(pending))
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, j.SetPending(second))
	require.NoError(t, j.Close())
	both, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, first, both[:len(first)])
	for cut := len(first); cut <= len(both); cut++ {
		torn := both[:cut]
		if cut%2 == 1 { // its end came to the disk before its middle
			torn = append(bytes.Clone(both[:cut]), make([]byte, len(both)-cut)...)
			torn[len(both)-1] = '\n'
		}
		require.NoError(t, os.WriteFile(path, torn, 0o600))
		j, err := Open(path)
		require.NoError(t, err)
		require.Empty(t, j.Note())
		p, err := j.Pending()
		require.NoError(t, err)
		if bytes.Equal(torn, both) {
			require.Equal(t, &second, p)
		} else {
			require.Equal(t, &pending, p, "cut at %d", cut)
		}
		require.NoError(t, j.SetConfirmed(confirmed))
		require.NoError(t, j.Close())
		j, err = Open(path)
		require.NoError(t, err)
		c, err := j.Confirmed()
		require.NoError(t, err)
		require.Equal(t, &confirmed, c)
		require.NoError(t, j.Close())
	}
}

// A replacement that a kill cut off leaves the old file, and no rubbish for long.
func TestACutOffReplacementIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), ".pair.journal123"), []byte("half"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), ".pair.journal.mine"), nil, 0o600))
	open(t, path)
	require.NoFileExists(t, filepath.Join(filepath.Dir(path), ".pair.journal123"))
	require.FileExists(t, filepath.Join(filepath.Dir(path), ".pair.journal.mine"))
}

// The file of the values stays small, and each line is JSON for jq.
func TestFilesAreSmallAndReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	for i := range 300 {
		p := pending
		p.Attempt = uint64(i)
		require.NoError(t, j.SetPending(p))
		require.NoError(t, j.ClearPending())
		require.NoError(t, j.AppendChange(Change{To: fmt.Sprint(i), Reason: "a reason\nof two lines"}))
	}
	for _, file := range []string{path, path + ".history"} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.LessOrEqual(t, len(raw), maxValues+maxLine)
		for line := range bytes.Lines(raw) {
			require.True(t, json.Valid(line), string(line))
		}
	}
	require.NoError(t, j.SetPending(pending))
	require.NoError(t, j.SetPause(Pause{Reason: "by hand"}))
	pause, err := j.Pause()
	require.NoError(t, err)
	require.Equal(t, "by hand", pause.Reason)
	require.NoError(t, j.ClearPause())
	pause, err = j.Pause()
	require.NoError(t, err)
	require.Nil(t, pause)
}

// oldFile writes a journal as an older syncd did.
func oldFile(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(valuesBucket)
		require.NoError(t, err)
		raw, err := encode(toConfirmed(confirmed))
		require.NoError(t, err)
		require.NoError(t, b.Put([]byte(keyConfirmed), raw))
		require.NoError(t, b.Put([]byte(keyPending), []byte(`{"v":2,"data":{}}`)))
		require.NoError(t, b.Put([]byte(keyNetwork), []byte("garbage")))
		h, err := tx.CreateBucket(historyBucket)
		require.NoError(t, err)
		for i := range 300 {
			raw, err := encode(Change{To: fmt.Sprint(i)})
			require.NoError(t, err)
			require.NoError(t, h.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), raw))
		}
		return nil
	}))
	require.NoError(t, db.Close())
}

// A journal of an older syncd is read once and moved aside.
func TestAnOldJournalIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	oldFile(t, path)
	note, err := Examine(path)
	require.NoError(t, err)
	require.Contains(t, note, "older syncd")
	for range 2 {
		j, err := Open(path)
		require.NoError(t, err)
		require.Empty(t, j.Note())
		c, err := j.Confirmed()
		require.NoError(t, err)
		require.Equal(t, &confirmed, c)
		p, err := j.Pending()
		require.NoError(t, err)
		require.Nil(t, p)
		require.Contains(t, j.Note(), "a newer syncd wrote it in form 2, this one reads form 1")
		history, err := j.History(0)
		require.NoError(t, err)
		require.Len(t, history, 300)
		require.Equal(t, "299", history[0].To)
		require.NoError(t, j.Close())
	}
	require.FileExists(t, path+".old")
}

// While the older syncd runs, its journal is left alone.
func TestAnOldJournalInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	oldFile(t, path)
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	_, err = Examine(path)
	require.ErrorIs(t, err, ErrInUse)
	_, err = Open(path)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, db.Close())
	c, err := open(t, path).Confirmed()
	require.NoError(t, err)
	require.Equal(t, &confirmed, c)
}

// One that bbolt cannot read costs what it held, once.
func TestASpoiltOldJournalIsLeftAside(t *testing.T) {
	for _, size := range []int64{4096, 8192, 3 * 4096} {
		path := filepath.Join(t.TempDir(), "pair.journal")
		oldFile(t, path)
		require.NoError(t, os.Truncate(path, size))
		j := open(t, path)
		require.Contains(t, j.Note(), path+".old")
		c, err := j.Confirmed()
		require.NoError(t, err)
		require.Nil(t, c)
		require.NoError(t, j.SetPending(pending))
	}
}

// What others do to the open files is repaired by the next write.
func TestAFileThatIsCutOrRemovedWhileOpen(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"cut":      func(path string) error { return os.Truncate(path, 0) },
		"removed":  os.Remove,
		"appended": func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pair.journal")
			j, err := Open(path)
			require.NoError(t, err)
			require.NoError(t, j.SetPending(pending))
			require.NoError(t, j.AppendChange(Change{To: "lost"}))
			require.NoError(t, spoil(path))
			require.NoError(t, spoil(path+".history"))
			require.NoError(t, j.SetConfirmed(confirmed))
			require.NoError(t, j.AppendChange(Change{To: "kept"}))
			require.NoError(t, j.Close())
			j = open(t, path)
			require.Empty(t, j.Note())
			p, err := j.Pending()
			require.NoError(t, err)
			require.Equal(t, &pending, p)
			history, err := j.History(1)
			require.NoError(t, err)
			require.Equal(t, []string{"kept"}, targets(history))
		})
	}
}

// Public report 12 (exit code 2 on 677a403): a disk that has no room at the first
// start. The journal is in memory, its writes fail, and it is on the disk as soon
// as there is room.
func TestADiskThatIsFullAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	late := &lateStore{Memory: NewMemory(), path: filepath.Join(path, "no-directory")}
	require.NoError(t, os.WriteFile(path, nil, 0o600)) // it cannot be opened
	j := OpenStore(late, "")
	require.ErrorIs(t, j.SetPending(pending), failure.RetryLater)
	require.Error(t, j.AppendChange(Change{To: "before"}))
	p, err := j.Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
	require.NoError(t, os.Remove(path))
	require.NoError(t, j.SetConfirmed(confirmed))
	require.NoError(t, j.AppendChange(Change{To: "after"}))
	require.NoError(t, j.Close())

	j = open(t, late.path)
	p, err = j.Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
	history, err := j.History(0)
	require.NoError(t, err)
	require.Equal(t, []string{"after", "before"}, targets(history))

	for _, err := range []error{syscall.ENOSPC, syscall.EDQUOT, &os.PathError{Op: "open", Path: path, Err: syscall.EIO}} {
		require.True(t, noRoom(err))
	}
	require.False(t, noRoom(os.ErrPermission))
}

// A disk that fills while the journal is open: nothing is half written, and it is
// whole again when there is room.
func TestADiskThatFillsUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	require.NoError(t, j.SetPending(pending))
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	require.NoError(t, err)
	store := j.store.(*fileStore)
	real := store.values.file
	store.values.file = full // writes end with ENOSPC
	store.values.stale = false
	require.ErrorIs(t, store.values.append([]byte("x"), true), syscall.ENOSPC)
	store.values.file = real
	require.NoError(t, full.Close())
	require.True(t, store.values.stale)
	require.NoError(t, j.SetConfirmed(confirmed), "the file is rewritten")
	p, err := j.Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
}

// BenchmarkSetPending: what stands between a ready and its sending.
func BenchmarkSetPending(b *testing.B) {
	j, err := Open(filepath.Join(b.TempDir(), "pair.journal"))
	require.NoError(b, err)
	for b.Loop() {
		require.NoError(b, j.SetPending(pending))
	}
	require.NoError(b, j.Close())
}

// BenchmarkSetPendingBbolt is the same in the store that was before.
func BenchmarkSetPendingBbolt(b *testing.B) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "pair.journal"), 0o600, nil)
	require.NoError(b, err)
	require.NoError(b, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(valuesBucket); return err }))
	for b.Loop() {
		raw, err := encode(toPending(pending))
		require.NoError(b, err)
		require.NoError(b, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(valuesBucket).Put([]byte(keyPending), raw) }))
	}
	require.NoError(b, db.Close())
}

// fullDisk is a store on a disk that takes nothing more.
type fullDisk struct{ Memory }

func (fullDisk) Set(map[string][]byte) error { return errNoSpace }
func (fullDisk) Append([]byte, int) error    { return errNoSpace }

var errNoSpace = errors.New("no space left on device")

func TestFullDisk(t *testing.T) {
	j := OpenStore(&fullDisk{}, "")
	for _, err := range []error{
		j.SetPending(pending), j.ClearPending(), j.SetConfirmed(confirmed), j.ClearConfirmed(),
		j.SetNetwork(Network{ChainID: 1}), j.AppendChange(Change{}),
	} {
		require.ErrorIs(t, err, errNoSpace)
		require.ErrorIs(t, err, failure.RetryLater)
	}
}

func TestOpenErrorsNameThePath(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	require.ErrorIs(t, err, failure.NeedsHuman)
	require.ErrorContains(t, err, dir)

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Open(filepath.Join(file, "pair.journal"))
	require.ErrorIs(t, err, failure.NeedsHuman)
	require.ErrorContains(t, err, file)
}

// refusing fails while it is full.
type refusing struct {
	*Memory
	full bool
}

func (s *refusing) Set(values map[string][]byte) error {
	if s.full {
		return syscall.ENOSPC
	}
	return s.Memory.Set(values)
}

// What a full disk refused counts for this process, and the next write takes it along: the
// newest value of each key. A pending call is not written later than it was sent (S1).
func TestWhatAFullDiskRefusedIsWrittenLater(t *testing.T) {
	store := &refusing{Memory: NewMemory()}
	j := OpenStore(store, "")
	require.NoError(t, j.SetPause(Pause{Reason: "upgrade"}))
	require.NoError(t, j.SetPending(checkpoint.Pending{Call: checkpoint.CallPush, Attempt: 1}))
	require.False(t, j.Owes())

	store.full = true
	require.ErrorIs(t, j.SetPeers([]string{"enode://old"}), syscall.ENOSPC)
	require.ErrorIs(t, j.SetPeers([]string{"enode://new"}), syscall.ENOSPC)
	require.ErrorIs(t, j.ClearPause(), syscall.ENOSPC)
	require.ErrorIs(t, j.ClearPending(), syscall.ENOSPC)
	require.ErrorIs(t, j.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, Attempt: 2}), syscall.ENOSPC)
	require.True(t, j.Owes())
	pause, err := j.Pause()
	require.NoError(t, err)
	require.Nil(t, pause)

	store.full = false
	require.NoError(t, j.SetHeals(map[string]Tries{"peers": {}}))
	require.False(t, j.Owes())
	next := OpenStore(store.Memory, "")
	peers, err := next.Peers()
	require.NoError(t, err)
	require.Equal(t, []string{"enode://new"}, peers)
	pause, err = next.Pause()
	require.NoError(t, err)
	require.Nil(t, pause)
	pending, err := next.Pending()
	require.NoError(t, err)
	require.Equal(t, uint64(1), pending.Attempt, "a call that is over is found to be over")
	heals, err := next.Heals()
	require.NoError(t, err)
	require.Len(t, heals, 1)
}
