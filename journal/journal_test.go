package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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
		require.NoError(t, j.SetPending(pending), "before the network is known")
		require.NoError(t, j.SetNetwork(first))
		require.NoError(t, j.SetConfirmed(confirmed))
		require.NoError(t, j.AppendChange(Change{To: "connecting"}))

		require.NoError(t, j.SetNetwork(first))
		c, err := j.Confirmed()
		require.NoError(t, err)
		require.NotNil(t, c, "the same chain id and genesis time are the same network")
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
	damage := map[string]func(t *testing.T, path string, good []byte) []byte{
		"text":               func(*testing.T, string, []byte) []byte { return []byte("not a journal\n") },
		"random":             func(*testing.T, string, []byte) []byte { return bytes.Repeat([]byte{0xa5, 0x17, 0x00}, 30_000) },
		"zeroes":             func(*testing.T, string, []byte) []byte { return make([]byte, 1<<16) },
		"cut to one page":    func(_ *testing.T, _ string, good []byte) []byte { return good[:4096] },
		"cut to two pages":   func(_ *testing.T, _ string, good []byte) []byte { return good[:8192] },
		"cut to three pages": func(_ *testing.T, _ string, good []byte) []byte { return good[:3*4096] },
		"pages after the meta pages overwritten": func(_ *testing.T, _ string, good []byte) []byte {
			return append(bytes.Clone(good[:8192]), bytes.Repeat([]byte{0xff}, len(good)-8192)...)
		},
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pair.journal")
			j, err := Open(path)
			require.NoError(t, err)
			for i := range 40 {
				require.NoError(t, j.store.Append(fmt.Appendf(nil, "%0200d", i), historyKept))
			}
			require.NoError(t, j.SetPending(pending))
			require.NoError(t, j.Close())
			good, err := os.ReadFile(path)
			require.NoError(t, err)
			bad := spoil(t, path, good)
			require.NoError(t, os.WriteFile(path, bad, 0o600))
			require.NoError(t, os.WriteFile(path+".corrupt-1", []byte("an earlier one"), 0o600))

			j = open(t, path)
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

func TestForeignBoltFileIsUsable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(valuesBucket)
		if err != nil {
			return err
		}
		if err := b.Put([]byte(keyConfirmed), []byte("garbage")); err != nil {
			return err
		}
		return b.Put([]byte(keyPending), []byte(`{"v":2,"data":{}}`))
	}))
	require.NoError(t, db.Close())

	j := open(t, path)
	for range 2 { // the note is kept once
		c, err := j.Confirmed()
		require.NoError(t, err)
		require.Nil(t, c)
		p, err := j.Pending()
		require.NoError(t, err)
		require.Nil(t, p)
	}
	require.Len(t, j.notes, 2)
	require.Contains(t, j.Note(), "a newer syncd wrote it in form 2, this one reads form 1")
	require.NoError(t, j.store.Append([]byte("garbage"), historyKept))
	require.NoError(t, j.AppendChange(Change{To: "working"}))
	history, err := j.History(0)
	require.NoError(t, err)
	require.Equal(t, []string{"working"}, targets(history))
}

func TestFileCutWhileOpenIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	require.NoError(t, j.SetPending(pending))
	require.NoError(t, os.Truncate(path, 0))
	_, err := j.Pending()
	require.ErrorIs(t, err, failure.RetryLater)
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
