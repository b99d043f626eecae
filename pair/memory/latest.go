package memory

import (
	"encoding/json"
	"os"
	"time"

	"github.com/gwatsync/syncd/status"
)

// LatestEvery is how often Keep writes what changes with each poll.
const LatestEvery = time.Minute

// latest is the small file beside the past: what was known last of the verdict and of both
// nodes. It is written more often than the past, which is larger.
type latest struct {
	At     time.Time `json:"at"` // of the newest snapshot
	Record record    `json:"record"`
}

// latestPath returns the path of the small file of the past at path.
func latestPath(path string) string { return path + ".latest" }

// saveLatest writes the small file.
func (m *Memory) saveLatest(path string) error {
	m.mu.Lock()
	raw, err := json.Marshal(latest{At: m.last, Record: m.record})
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return write(latestPath(path), append(raw, '\n'))
}

// loadLatest takes the small file in if it is newer than the past. One that is missing or
// cannot be read adds nothing: the past has older values of the same.
func (m *Memory) loadLatest(path string) {
	raw, err := os.ReadFile(latestPath(path))
	if err != nil {
		return
	}
	var l latest
	if err := json.Unmarshal(raw, &l); err != nil || !l.At.After(m.last) {
		return
	}
	m.record, m.last, m.verdict = l.Record, l.At, status.VerdictUnknown
	m.record.resume()
}
