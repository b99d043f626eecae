package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/gwatsync/syncd/failure"
)

const (
	// lockWait is long enough for a predecessor that is just stopping.
	lockWait = 1500 * time.Millisecond
	// lockEvery is how often the lock is tried meanwhile.
	lockEvery = 50 * time.Millisecond
	// keyNone is in a line without values: a line is never empty.
	keyNone = "none"
	// maxValues is the size at which the file of the values is rewritten.
	maxValues = 64 << 10
)

// Open opens or creates the journal at path (directory 0700, files 0600). While
// another syncd has it open the error is ErrInUse. What of it cannot be read is
// moved to <file>.corrupt-<n>, what can is kept, and Note says so; a journal of an
// older syncd is read once and moved to <path>.old. A disk that is full is no
// error: the journal is then in memory, its writes fail, and each tries the disk
// again. Errors are of kind NeedsHuman.
func Open(path string) (*Journal, error) {
	store, note, err := openFile(path, lockWait)
	switch {
	case noRoom(err):
		late := &lateStore{Memory: NewMemory(), path: path}
		return OpenStore(late, fmt.Sprintf("the journal %s cannot be opened yet (%v); going on in memory", path, err)), nil
	case errors.Is(err, ErrInUse):
		return nil, failure.WithKind(failure.NeedsHuman, err)
	case err != nil:
		return nil, failure.WithKind(failure.NeedsHuman, fmt.Errorf("open journal %s: %w", path, err))
	}
	return OpenStore(store, note), nil
}

// noRoom reports whether an error is one of a disk, not of the configuration.
func noRoom(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fileStore is a journal on the disk.
type fileStore struct {
	lock    *flock.Flock
	values  *lineFile
	history *lineFile
	current map[string][]byte // what the newest line of values says
	changes int               // lines in history
	keep    int               // of them, at the last append; 0: not known
}

// openFile opens both files under the lock, for which it waits at most so long.
func openFile(path string, wait time.Duration) (_ *fileStore, note string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, "", fmt.Errorf("create the journal's directory: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link is not replaced by a file
	}
	s := &fileStore{lock: flock.New(path+".lock", flock.SetPermissions(0o600)), current: map[string][]byte{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := acquire(s.lock, wait, path); err != nil {
		return nil, "", err
	}
	removeLeftovers(path)
	old, note, err := readOld(path, wait)
	if err != nil {
		return nil, "", err
	}
	notes := []string{note}
	take := func(object []byte) {
		var values map[string]json.RawMessage
		if json.Unmarshal(object, &values) == nil {
			s.current = map[string][]byte{}
			for key, v := range values {
				if key != keyNone {
					s.current[key] = v
				}
			}
		}
	}
	if s.values, note, err = openOrMove(path, take); err != nil {
		return nil, "", err
	}
	notes = append(notes, note)
	if s.history, note, err = openOrMove(path+".history", func([]byte) { s.changes++ }); err != nil {
		return nil, "", err
	}
	notes = append(notes, note)
	if old != nil {
		if err := s.importOld(old); err != nil {
			return nil, "", err
		}
	}
	return s, strings.Join(slices.DeleteFunc(notes, func(n string) bool { return n == "" }), "; "), nil
}

// acquire takes the lock, or says who has it.
func acquire(lock *flock.Flock, wait time.Duration, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	ok, err := lock.TryLockContext(ctx, lockEvery)
	switch {
	case ok:
		return nil
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("lock it: %w", err)
	}
	return fmt.Errorf("%w: another syncd holds %s", ErrInUse, path)
}

// removeLeftovers removes the files of a replacement that a crash cut off.
func removeLeftovers(path string) {
	for _, path := range []string{path, path + ".history"} {
		pattern := regexp.MustCompile(`^\.` + regexp.QuoteMeta(filepath.Base(path)) + `[0-9]+$`)
		entries, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range entries {
			if pattern.MatchString(e.Name()) {
				_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name())) // it is only in the way
			}
		}
	}
}

// openOrMove opens a file; if it is damaged by more than a cut-off write, it is
// moved aside and its good lines go on in a new one.
func openOrMove(path string, each func([]byte)) (*lineFile, string, error) {
	var good []byte
	l, found, err := openLines(path, func(object []byte) {
		each(object)
		good = append(good, seal(object)...)
	})
	if err != nil || found.bad == 0 && !(found.torn && len(good) == 0) {
		return l, "", err // a cut-off end goes with the next write, for which there may be no room now
	}
	aside, err := moveAside(path)
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("move the unreadable journal aside: %w", err), l.close())
	}
	note := fmt.Sprintf("part of the journal %s could not be read (%d bad lines); it was moved to %s and what could be read is kept", path, max(found.bad, 1), aside)
	if err := l.replace(good); err != nil {
		return nil, "", errors.Join(err, l.close())
	}
	return l, note, nil
}

// Get implements Store.
func (s *fileStore) Get(key string) ([]byte, error) { return s.current[key], nil }

// Set implements Store: one line of some hundred bytes and, but for a pending call that
// is cleared, one fdatasync.
func (s *fileStore) Set(values map[string][]byte) error {
	next := maps.Clone(s.current)
	for key, v := range values {
		if next[key] = v; v == nil {
			delete(next, key)
		}
	}
	object := []byte("{")
	for i, key := range slices.Sorted(maps.Keys(next)) {
		if i > 0 {
			object = append(object, ',')
		}
		object = append(fmt.Appendf(object, "%q:", key), next[key]...)
	}
	if len(next) == 0 {
		object = fmt.Appendf(object, "%q:null", keyNone)
	}
	line := seal(append(object, '}'))
	var err error
	if s.values.stale || s.values.size > maxValues || !s.values.intact() {
		err = s.values.replace(line)
	} else {
		call, named := values[keyPending]
		clears := named && call == nil && len(values) == 1
		err = s.values.append(line, !clears)
	}
	if err == nil {
		s.current = next
	}
	return err
}

// Append implements Store. The history is not synced: it is no hint that anything
// rests on.
func (s *fileStore) Append(value []byte, keep int) error {
	s.keep = keep
	if s.changes >= keep+keep/8 || s.history.stale || !s.history.intact() {
		return s.rewrite(value, keep)
	}
	if err := s.history.append(seal(value), false); err != nil {
		return err
	}
	s.changes++
	return nil
}

// rewrite puts the newest changes and one more into a new file.
func (s *fileStore) rewrite(value []byte, keep int) error {
	kept, err := s.history.newest(max(keep-1, 0))
	if err != nil {
		kept = nil // cut by others: what is gone is gone
	}
	var content []byte
	for _, object := range slices.Backward(kept) {
		content = append(content, seal(object)...)
	}
	if err := s.history.replace(append(content, seal(value)...)); err != nil {
		return err
	}
	s.changes = len(kept) + 1
	return nil
}

// Newest implements Store.
func (s *fileStore) Newest(limit int) ([][]byte, error) {
	if s.keep > 0 {
		limit = min(limit, s.keep)
	}
	return s.history.newest(limit)
}

// Close implements Store.
func (s *fileStore) Close() error {
	err := errors.Join(s.values.close(), s.history.close())
	return errors.Join(err, s.lock.Close())
}

// importOld takes over what an older syncd left.
func (s *fileStore) importOld(old *Memory) error {
	if len(old.values) > 0 {
		if err := s.Set(old.values); err != nil {
			return err
		}
	}
	if s.changes > 0 || len(old.history) == 0 {
		return nil
	}
	var content []byte
	for _, v := range old.history {
		content = append(content, seal(v)...)
	}
	s.changes = len(old.history)
	return s.history.replace(content)
}

// Examine reports whether the journal at path could be opened by this user; it
// makes and changes nothing. While another syncd has it open the error is
// ErrInUse; without a journal it wraps fs.ErrNotExist. note says what Open would
// do about a file that cannot be read.
func Examine(path string) (note string, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, err := os.Stat(path + ".lock"); err == nil {
		lock := flock.New(path+".lock", flock.SetFlag(os.O_RDWR))
		if err := acquire(lock, lockEvery, path); err != nil {
			return "", err
		}
		defer lock.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if isOld(file) {
		return fmt.Sprintf("the journal %s is of an older syncd; the start reads it and moves it aside", path), examineOld(path)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("no regular file but %s", info.Mode().Type())
	}
	if err != nil {
		return "", err
	}
	good := 0
	l := &lineFile{path: path, file: file}
	found, err := l.scan(func([]byte) { good++ })
	if err != nil {
		return "", err
	}
	if found.bad > 0 || found.torn && good == 0 {
		return fmt.Sprintf("part of the journal %s cannot be read; the start moves it aside and keeps what can be read", path), nil
	}
	return "", nil
}
