package journal

import "slices"

// memoryStore is the store of OpenMemory; Journal's lock guards it.
type memoryStore struct {
	values  map[string][]byte
	history [][]byte
}

func (m *memoryStore) get(key string) ([]byte, error) { return m.values[key], nil }

func (m *memoryStore) set(values map[string][]byte) error {
	for key, v := range values {
		if v == nil {
			delete(m.values, key)
			continue
		}
		m.values[key] = v
	}
	return nil
}

func (m *memoryStore) append(value []byte, keep int) error {
	m.history = append(m.history, value)
	if extra := len(m.history) - keep; extra > 0 {
		m.history = slices.Delete(m.history, 0, extra)
	}
	return nil
}

func (m *memoryStore) newest(limit int) ([][]byte, error) {
	out := slices.Clone(m.history[max(0, len(m.history)-limit):])
	slices.Reverse(out)
	return out, nil
}

func (m *memoryStore) close() error { return nil }
