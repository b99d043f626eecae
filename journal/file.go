package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/gwatsync/syncd/failure"
)

// lockWait is long enough for a predecessor that is just stopping.
const lockWait = 1500 * time.Millisecond

// lockEvery is how often the lock is tried meanwhile.
const lockEvery = 50 * time.Millisecond

// openTries bounds how often a file that is replaced under us is opened again.
const openTries = 3

var (
	valuesBucket  = []byte("values")
	historyBucket = []byte("history")
)

var (
	// errCorrupt is a file that is no journal, or no longer one.
	errCorrupt = errors.New("not a readable journal")
	// errNoFile is a pipe or a device, which is left where it is.
	errNoFile = errors.New("no regular file")
)

// Open opens or creates the journal file at path (directory 0700, file 0600).
// While another syncd has it open the error is ErrInUse. A corrupt or foreign
// file is moved to <path>.corrupt-<n>, a fresh one is started and Note says so.
// Errors are of kind NeedsHuman.
func Open(path string) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, failure.WithKind(failure.NeedsHuman, fmt.Errorf("create the journal's directory: %w", err))
	}
	var note string
	for range openTries {
		store, err := openFile(path)
		switch {
		case err == nil:
			return OpenStore(store, note), nil
		case errors.Is(err, bolterrors.ErrTimeout):
			return nil, failure.WithKind(failure.NeedsHuman, fmt.Errorf("%w: another syncd holds %s", ErrInUse, path))
		case errors.Is(err, errReplaced):
			continue
		case !errors.Is(err, errCorrupt):
			return nil, failure.WithKind(failure.NeedsHuman, fmt.Errorf("open journal %s: %w", path, err))
		}
		aside, moveErr := moveAside(path)
		if moveErr != nil {
			return nil, failure.WithKind(failure.NeedsHuman, fmt.Errorf("move the unreadable journal aside: %w", moveErr))
		}
		note = fmt.Sprintf("the journal %s could not be read (%v); it was moved to %s and a fresh one started", path, err, aside)
	}
	return nil, failure.Newf(failure.NeedsHuman, "open journal %s: it is replaced again and again", path)
}

// errReplaced: between open and lock the path came to name another file.
var errReplaced = errors.New("journal file was replaced")

// moveAside renames path to the first free <path>.corrupt-<n>.
func moveAside(path string) (string, error) {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.corrupt-%d", path, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, os.Rename(path, aside)
		} else if err != nil {
			return "", err
		}
	}
}

// fileStore is given up after a panic: bbolt may then hold locks of its own
// for ever, so that only the file itself can still be closed.
type fileStore struct {
	db   *bbolt.DB
	file *os.File
	lost error // why it was given up
}

// openFile opens, locks and checks the file.
func openFile(path string) (_ *fileStore, err error) {
	var opened fs.FileInfo
	f := &fileStore{}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	err = f.guard(func() (err error) {
		f.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: lockWait,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				var err error
				if f.file, err = os.OpenFile(name, flag, mode); err != nil {
					return nil, err
				}
				if opened, err = lockAndCheck(f.file); err != nil {
					return nil, errors.Join(err, f.file.Close())
				}
				return f.file, nil
			},
		})
		return err
	})
	if isForeign(err) {
		err = fmt.Errorf("%w: %v", errCorrupt, err)
	}
	// Who waited for the lock may hold a file that the one before moved aside.
	if (err == nil || errors.Is(err, errCorrupt)) && replaced(path, opened) {
		return nil, errReplaced
	}
	if err != nil {
		return nil, err
	}
	if err := f.guard(func() error { return f.db.Update(createBuckets) }); err != nil {
		return nil, err
	}
	return f, nil
}

func replaced(path string, opened fs.FileInfo) bool {
	now, err := os.Stat(path)
	return err != nil || !os.SameFile(opened, now)
}

// isForeign tells bbolt's words for a file that it did not write; a file too
// short for two meta pages has no error value of its own there.
func isForeign(err error) bool {
	if err == nil || errors.Is(err, errCorrupt) {
		return false
	}
	for _, known := range []error{bolterrors.ErrInvalid, bolterrors.ErrVersionMismatch, bolterrors.ErrChecksum, bolterrors.ErrInvalidMapping} {
		if errors.Is(err, known) {
			return true
		}
	}
	var path *fs.PathError
	var errno syscall.Errno
	ours := errors.Is(err, bolterrors.ErrTimeout) || errors.Is(err, errNoFile)
	return !ours && !errors.As(err, &path) && !errors.As(err, &errno)
}

// lockAndCheck takes bbolt's own lock, before anything is read, so that a file in
// use is never judged, and looks at every page. An empty file is a new one.
func lockAndCheck(file *os.File) (fs.FileInfo, error) {
	end := time.Now().Add(lockWait)
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock it: %w", err)
		}
		if time.Now().After(end) {
			return nil, bolterrors.ErrTimeout
		}
		time.Sleep(lockEvery)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w but %s", errNoFile, info.Mode().Type())
	case info.Size() == 0:
		return info, nil
	}
	if damage := checkPages(file, info.Size()); damage != nil {
		err = fmt.Errorf("%w: %v", errCorrupt, damage)
	}
	return info, err
}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{valuesBucket, historyBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// guard turns a panic of bbolt, or a fault of its memory map (a file cut while
// it is open), into an error: neither may end the daemon.
func (f *fileStore) guard(op func() error) (err error) {
	if f.lost != nil {
		return f.lost
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errCorrupt, r)
			f.lost = err
		}
	}()
	return op()
}

func (f *fileStore) Get(key string) (out []byte, err error) {
	err = f.guard(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			out = slices.Clone(tx.Bucket(valuesBucket).Get([]byte(key)))
			return nil
		})
	})
	return out, err
}

func (f *fileStore) Set(values map[string][]byte) error {
	return f.guard(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(valuesBucket)
			for key, v := range values {
				if v == nil {
					if err := b.Delete([]byte(key)); err != nil {
						return err
					}
				} else if err := b.Put([]byte(key), v); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (f *fileStore) Append(value []byte, keep int) error {
	return f.guard(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(historyBucket)
			seq, err := b.NextSequence()
			if err != nil {
				return err
			}
			if err := b.Put(binary.BigEndian.AppendUint64(nil, seq), value); err != nil {
				return err
			}
			if seq <= uint64(keep) {
				return nil
			}
			return trim(b, seq-uint64(keep))
		})
	})
}

// trim deletes the entries numbered up to last. Each round looks at the first
// key anew, since a cursor skips entries after a delete.
func trim(b *bbolt.Bucket, last uint64) error {
	for {
		k, _ := b.Cursor().First()
		if k == nil || len(k) == 8 && binary.BigEndian.Uint64(k) > last {
			return nil
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
}

func (f *fileStore) Newest(limit int) (out [][]byte, err error) {
	err = f.guard(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(historyBucket).Cursor()
			for k, v := c.Last(); k != nil && len(out) < limit; k, v = c.Prev() {
				out = append(out, slices.Clone(v))
			}
			return nil
		})
	})
	return out, err
}

func (f *fileStore) Close() error {
	if f.lost == nil && f.db != nil {
		return f.guard(f.db.Close)
	}
	if f.file == nil || f.lost == nil {
		return nil // bbolt closed it on its own error
	}
	return f.file.Close()
}
