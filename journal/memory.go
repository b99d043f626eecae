package journal

import (
	"maps"
	"slices"
)

// Memory is the store of OpenMemory.
type Memory struct {
	values  map[string][]byte
	history [][]byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{values: map[string][]byte{}} }

// Clone returns a store with the same content, like a copy of the disk.
func (m *Memory) Clone() *Memory {
	return &Memory{values: maps.Clone(m.values), history: slices.Clone(m.history)}
}

// Get implements Store.
func (m *Memory) Get(key string) ([]byte, error) { return m.values[key], nil }

// Set implements Store.
func (m *Memory) Set(values map[string][]byte) error {
	for key, v := range values {
		if v == nil {
			delete(m.values, key)
			continue
		}
		m.values[key] = v
	}
	return nil
}

// Append implements Store.
func (m *Memory) Append(value []byte, keep int) error {
	m.history = append(m.history, value)
	if extra := len(m.history) - keep; extra > 0 {
		m.history = slices.Delete(m.history, 0, extra)
	}
	return nil
}

// Newest implements Store.
func (m *Memory) Newest(limit int) ([][]byte, error) {
	out := slices.Clone(m.history[max(0, len(m.history)-limit):])
	slices.Reverse(out)
	return out, nil
}

// Close implements Store.
func (m *Memory) Close() error { return nil }
