package journal

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/gwatsync/syncd/failure"
)

// A value of 64 KiB is read, one of a byte more is not.
func TestValuesAreBounded(t *testing.T) {
	for size, ok := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		raw := fmt.Appendf(nil, `{"v":1,"data":{"reason":"%s"}}`, strings.Repeat("x", size-len(`{"v":1,"data":{"reason":""}}`)))
		require.Len(t, raw, size)
		_, err := decode[Pause](raw)
		require.Equal(t, ok, err == nil, err)
	}
}

// Who has written a value that cannot be read is told by its form.
func TestAFormOfAnotherAge(t *testing.T) {
	for raw, age := range map[string]string{`{"v":0,"data":{}}`: "an older syncd", `{"v":2,"data":{}}`: "a newer syncd"} {
		_, err := decode[Pause]([]byte(raw))
		require.ErrorContains(t, err, age)
	}
}

// The longest line is one of several full values.
func TestALineOfFullValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j, err := Open(path)
	require.NoError(t, err)
	values := map[string][]byte{}
	for _, key := range []string{keyPending, keyConfirmed, keyNetwork, keyPause} {
		values[key] = fmt.Appendf(nil, `{"v":1,"data":"%s"}`, strings.Repeat("x", maxValue-len(`{"v":1,"data":""}`)))
	}
	require.NoError(t, j.store.Set(values))
	require.NoError(t, j.Close())
	j = open(t, path)
	require.Empty(t, j.Note())
	for key, want := range values {
		got, err := j.store.Get(key)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// At most 10,000 changes are told, however many there are and whoever asks for more: of a
// file as well as of an older syncd's journal.
func TestTheHistoryThatIsFound(t *testing.T) {
	const there = historyKept + 100
	for name, write := range map[string]func(t *testing.T, path string){
		"file": func(t *testing.T, path string) {
			var content []byte
			for i := range there {
				content = append(content, seal(fmt.Appendf(nil, `{"v":1,"data":{"to":"%d"}}`, i))...)
			}
			require.NoError(t, os.WriteFile(path+".history", content, 0o600))
		},
		"older": func(t *testing.T, path string) {
			oldFile(t, path)
			db, err := bbolt.Open(path, 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
				for i := range there {
					require.NoError(t, tx.Bucket(historyBucket).Put(binary.BigEndian.AppendUint64(nil, uint64(i)), fmt.Appendf(nil, `{"v":1,"data":{"to":"%d"}}`, i)))
				}
				return nil
			}))
			require.NoError(t, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pair.journal")
			write(t, path)
			j := open(t, path)
			for _, limit := range []int{0, historyKept, 2 * historyKept} {
				got, err := j.History(limit)
				require.NoError(t, err)
				require.Len(t, got, historyKept)
				require.Equal(t, fmt.Sprint(there-1), got[0].To)
			}
			got, err := j.History(1)
			require.NoError(t, err)
			require.Len(t, got, 1)
		})
	}
}

// A history that is in a file already is not replaced by an older syncd's.
func TestAnOldJournalBesideAHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	oldFile(t, path)
	require.NoError(t, os.WriteFile(path+".history", seal([]byte(`{"v":1,"data":{"to":"newer"}}`)), 0o600))
	j := open(t, path)
	c, err := j.Confirmed()
	require.NoError(t, err)
	require.Equal(t, &confirmed, c)
	history, err := j.History(0)
	require.NoError(t, err)
	require.Equal(t, []string{"newer"}, targets(history))
}

// Only what is one line of an object is taken from an older syncd's journal.
func TestWhatIsTakenFromAnOldJournal(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"v":1,"data":{}}`: true, "": false, `7`: false, "{\"v\":1,\n\"data\":{}}": false, `{"v":`: false, ` {"v":1,"data":{}}`: false,
	} {
		require.Equal(t, want, readable([]byte(raw)), raw)
	}
}

// The operations on a store are made one after the other.
func TestAStoreIsAskedOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &countingStore{Memory: NewMemory()}
		j := OpenStore(s, "")
		s.during = func() {
			go func() {
				_, err := j.Pause()
				require.NoError(t, err)
			}()
			synctest.Wait()
			require.Zero(t, s.gets)
		}
		require.NoError(t, j.SetPending(pending))
		synctest.Wait()
		require.Equal(t, 1, s.gets)
	})
}

// countingStore counts the values that are asked for.
type countingStore struct {
	*Memory
	during func()
	gets   int
}

func (s *countingStore) Get(key string) ([]byte, error) { s.gets++; return s.Memory.Get(key) }
func (s *countingStore) Set(values map[string][]byte) error {
	s.during()
	return s.Memory.Set(values)
}

// Nobody but the owner reads what syncd writes, from the first moment on.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	only := func() {
		t.Helper()
		for _, file := range []string{path, path + ".history", path + ".lock"} {
			info, err := os.Stat(file)
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), file)
		}
	}
	only()
	require.NoError(t, j.SetPending(pending))
	require.NoError(t, j.AppendChange(Change{To: "working"}))
	only()
}

// The first line of a new file comes by a replacement, which makes the file's name durable;
// the next ones are appended. A line says what is set and nothing else.
func TestTheFirstLineAndTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j, err := Open(path)
	require.NoError(t, err)
	file := func() fs.FileInfo {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info
	}
	created := file()
	require.NoError(t, j.SetPending(pending))
	first := file()
	require.False(t, os.SameFile(created, first))
	require.NoError(t, j.ClearPending())
	require.NoError(t, j.Close())
	j = open(t, path)
	require.NoError(t, j.SetPause(Pause{Reason: "upgrade"}))
	require.True(t, os.SameFile(first, file()))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	require.Len(t, lines, 3)
	require.True(t, strings.HasPrefix(lines[1], `{"none":null,"crc":`), lines[1])
	require.True(t, strings.HasPrefix(lines[2], `{"pause":{`), lines[2])
}

// The file of the values is rewritten when it has grown beyond 64 KiB, never later.
func TestTheFileOfTheValuesIsWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	j := open(t, path)
	largest := 0
	for range 300 {
		require.NoError(t, j.SetPending(pending))
		info, err := os.Stat(path)
		require.NoError(t, err)
		largest = max(largest, int(info.Size()))
	}
	require.Greater(t, largest, 64<<10)
	require.Less(t, largest, 64<<10+1024)
}

// What is told to be written is on the disk, but for a pending call that is cleared and a
// stage change: those may come back, or be lost, without harm (S1). /dev/null takes writes
// and cannot bring them to a disk.
func TestWhatWaitsForTheDisk(t *testing.T) {
	null := func(t *testing.T) *lineFile {
		path := filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink(os.DevNull, path))
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		t.Cleanup(func() { file.Close() })
		return &lineFile{path: path, file: file}
	}
	raw := []byte(`{"v":1,"data":{}}`)
	for name, tc := range map[string]struct {
		values map[string][]byte
		waits  bool
	}{
		"a pending call":             {map[string][]byte{keyPending: raw}, true},
		"a cleared one":              {map[string][]byte{keyPending: nil}, false},
		"a cleared one and more":     {map[string][]byte{keyPending: nil, keyNetwork: raw}, true},
		"another value":              {map[string][]byte{keyConfirmed: raw}, true},
		"another value that is gone": {map[string][]byte{keyConfirmed: nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &fileStore{values: null(t), current: map[string][]byte{keyPause: raw}}
			err := s.Set(tc.values)
			require.Equal(t, tc.waits, err != nil, err)
			require.Equal(t, tc.waits, s.values.stale)
		})
	}
	s := &fileStore{history: null(t)}
	require.NoError(t, s.Append(raw, 4))
}

// A replacement that cannot be made is told, each time: here the name leaves no room for
// that of the new file.
func TestAReplacementThatFails(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), strings.Repeat("x", 246)))
	for range 2 {
		require.ErrorIs(t, j.SetPending(pending), syscall.ENAMETOOLONG)
		require.ErrorIs(t, j.AppendChange(Change{To: "working"}), syscall.ENAMETOOLONG)
	}
	p, err := j.Pending()
	require.NoError(t, err)
	require.Nil(t, p)
}

// A journal behind a link stays there.
func TestALinkIsNotReplaced(t *testing.T) {
	real, link := filepath.Join(t.TempDir(), "real"), filepath.Join(t.TempDir(), "pair.journal")
	require.NoError(t, os.WriteFile(real, nil, 0o600))
	require.NoError(t, os.Symlink(real, link))
	j, err := Open(link)
	require.NoError(t, err)
	require.NoError(t, j.SetPending(pending))
	require.NoError(t, j.Close())
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeSymlink)
	p, err := open(t, real).Pending()
	require.NoError(t, err)
	require.Equal(t, &pending, p)
}

// What is no file at all is no journal: it is neither waited for nor moved, and the lock is free afterwards.
func TestWhatIsNoJournal(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(path string) error
		says string
	}{
		"a directory": {func(path string) error { return os.Mkdir(path, 0o700) }, "is a directory"},
		"a pipe":      {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pair.journal")
			require.NoError(t, tc.make(path))
			_, err := Examine(path)
			require.ErrorContains(t, err, tc.says)
			_, err = Open(path)
			require.ErrorIs(t, err, failure.NeedsHuman)
			require.ErrorContains(t, err, tc.says)
			require.NoError(t, os.Remove(path))
			require.NoError(t, open(t, path).SetPending(pending))
		})
	}
}

// A lock that cannot be taken at all is not one that another syncd holds.
func TestALockThatCannotBeMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	require.NoError(t, os.Mkdir(path+".lock", 0o700))
	_, err := Open(path)
	require.ErrorIs(t, err, failure.NeedsHuman)
	require.NotErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "lock it")
}

// Examine looks at what is there, and waits for nobody.
func TestExamine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	_, err := Examine(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, path+".lock")
	j, err := Open(path)
	require.NoError(t, err)
	_, err = Examine(path)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, j.Close())
	note, err := Examine(path)
	require.NoError(t, err)
	require.Empty(t, note)
	open(t, path) // Examine has left the lock free
}

// What lies behind a line longer than any of ours is not read.
func TestALineThatIsNoneOfOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	good := seal([]byte(`{"v":1}`))
	content := append(append(append([]byte{}, good...), strings.Repeat("x", maxLine+(128<<10))+"\n"...), good...)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	l := &lineFile{path: path, file: file, size: int64(len(content))}
	got, err := l.newest(5)
	require.NoError(t, err)
	require.Len(t, got, 1)
}

// One value alone is taken from an old journal, and what cannot be written is told.
func TestAValueOfAnOldJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.journal")
	s, _, err := openFile(path, time.Second)
	require.NoError(t, err)
	old := &Memory{values: map[string][]byte{"confirmed": []byte(`{"v":1}`)}}
	require.NoError(t, s.importOld(old))
	got, err := s.Get("confirmed")
	require.NoError(t, err)
	require.JSONEq(t, `{"v":1}`, string(got))
	require.NoError(t, s.Close())

	full, _, err := openFile(filepath.Join(t.TempDir(), strings.Repeat("x", 246)), time.Second)
	require.NoError(t, err)
	require.ErrorIs(t, full.importOld(old), syscall.ENAMETOOLONG)
	require.NoError(t, full.Close())
}
