package proof

import (
	"sync"
	"testing"

	"github.com/gwatsync/syncd/internal/testworld/faults"
)

// Recorder gathers what the tests of a run measure.
type Recorder struct {
	mu   sync.Mutex
	list []faults.Recovery
}

// Add takes in what a test measured.
func (r *Recorder) Add(t *testing.T, m faults.Recovery) {
	t.Helper()
	m.Test = t.Name()
	t.Logf("recovered after %.2f s", m.Seconds)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, m)
}

// Write leaves it in a file, if anything was measured.
func (r *Recorder) Write(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return nil
	}
	return faults.WriteRecoveries(path, r.list)
}
