package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"go.etcd.io/bbolt"
)

// A syncd up to this one kept its journal in a bbolt file. It is read once; see
// docs/decisions for how long this reader, and bbolt with it, stays.

const boltMagic = 0xED0CDAED

var (
	valuesBucket  = []byte("values")
	historyBucket = []byte("history")
)

// isOld reports whether a file begins as one of bbolt's does.
func isOld(file *os.File) bool {
	head := make([]byte, 24)
	if _, err := file.ReadAt(head, 0); err != nil {
		return false
	}
	return binary.NativeEndian.Uint32(head[16:]) == boltMagic
}

// examineOld returns ErrInUse while an older syncd has the file open.
func examineOld(path string) error {
	lock := flock.New(path, flock.SetFlag(os.O_RDWR))
	if err := acquire(lock, lockEvery, path); err != nil {
		return err
	}
	return lock.Close()
}

// readOld moves a journal of an older syncd aside and reads it; nil if there is
// none. It is moved first: a file that makes its reader crash is read once.
func readOld(path string, wait time.Duration) (*Memory, string, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	old := isOld(file)
	if err := file.Close(); err != nil || !old {
		return nil, "", err
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDWR)) // as an older syncd locks it
	if err := acquire(lock, wait, path); err != nil {
		return nil, "", err
	}
	aside := path + ".old"
	err = os.Rename(path, aside)
	if err := errors.Join(err, lock.Close()); err != nil {
		return nil, "", fmt.Errorf("move the older journal aside: %w", err)
	}
	content, err := readBolt(aside)
	if err != nil {
		return nil, fmt.Sprintf("the journal %s of an older syncd could not be read (%v); a fresh one is started", aside, err), nil
	}
	return content, "", nil
}

// readBolt reads a bbolt file; a fault of its memory map or a panic of bbolt over
// a damaged page is an error.
func readBolt(path string) (content *Memory, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not a readable journal: %v", r)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockEvery})
	if err != nil {
		return nil, err
	}
	content = NewMemory()
	err = db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(valuesBucket); b != nil {
			for _, key := range []string{keyPending, keyConfirmed, keyNetwork} {
				if v := b.Get([]byte(key)); readable(v) {
					content.values[key] = slices.Clone(v)
				}
			}
		}
		if b := tx.Bucket(historyBucket); b != nil {
			c := b.Cursor()
			for k, v := c.Last(); k != nil && len(content.history) < historyKept; k, v = c.Prev() {
				if readable(v) {
					content.history = append(content.history, slices.Clone(v))
				}
			}
			slices.Reverse(content.history)
		}
		return nil
	})
	return content, errors.Join(err, db.Close())
}

// readable reports whether a value has the form of those that are kept today.
func readable(v []byte) bool {
	if len(v) == 0 || v[0] != '{' || bytes.ContainsRune(v, '\n') {
		return false
	}
	_, err := envelopeOf(v)
	return err == nil
}
