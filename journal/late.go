package journal

import (
	"errors"
	"fmt"
)

// lateStore is a journal in memory whose file could not be opened, as on a disk
// that is full at the start. Every write tries the file again and fails until it
// can be opened: what is not durable must not pass for it (S1).
type lateStore struct {
	*Memory
	path string
	file *fileStore // nil until it could be opened
}

// Set implements Store.
func (s *lateStore) Set(values map[string][]byte) error {
	if s.file != nil {
		return s.file.Set(values)
	}
	_ = s.Memory.Set(values) // memory takes everything
	return s.open()
}

// Append implements Store.
func (s *lateStore) Append(value []byte, keep int) error {
	if s.file != nil {
		return s.file.Append(value, keep)
	}
	_ = s.Memory.Append(value, keep)
	return s.open()
}

// open opens the file and puts into it what this process knows, which is newer
// than what the file may hold.
func (s *lateStore) open() error {
	file, _, err := openFile(s.path, lockEvery)
	if err != nil {
		return fmt.Errorf("the journal is still in memory: %w", err)
	}
	values := map[string][]byte{keyPending: nil, keyConfirmed: nil, keyNetwork: nil, keyPause: nil, keyPeers: nil, keyHeals: nil}
	for key := range values {
		values[key] = s.values[key]
	}
	err = file.Set(values)
	for _, v := range s.history {
		if err == nil {
			err = file.Append(v, historyKept)
		}
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	s.file, s.Memory = file, NewMemory()
	return nil
}

// Get implements Store.
func (s *lateStore) Get(key string) ([]byte, error) {
	if s.file != nil {
		return s.file.Get(key)
	}
	return s.Memory.Get(key)
}

// Newest implements Store.
func (s *lateStore) Newest(limit int) ([][]byte, error) {
	if s.file != nil {
		return s.file.Newest(limit)
	}
	return s.Memory.Newest(limit)
}

// Close implements Store.
func (s *lateStore) Close() error {
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}
