package watch

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// fullDisk takes no value while it is full.
type fullDisk struct {
	*journal.Memory
	full atomic.Bool
}

func (d *fullDisk) Set(values map[string][]byte) error {
	if d.full.Load() {
		return syscall.ENOSPC
	}
	return d.Memory.Set(values)
}

// What a full disk refused is written by a poll that finds room again: the end of a pause
// outlasts a restart, and the finding goes without any further event.
func TestAFullDiskIsWrittenLater(t *testing.T) {
	disk := &fullDisk{Memory: journal.NewMemory()}
	besideAPairWith(t, func(_ *simulated, c *Config) { c.Journal = journal.OpenStore(disk, "") }, func(t *testing.T, p *simulated) {
		within(t, p.watcher, time.Minute, "working", func(s *status.Snapshot) bool { return s.Verdict == status.VerdictWorking })
		require.NoError(t, p.watcher.Pause(t.Context(), "upgrade"))
		disk.full.Store(true)
		require.NoError(t, p.watcher.Resume(t.Context()))
		within(t, p.watcher, time.Minute, "the finding", hasFinding("journal_failing"))
		disk.full.Store(false)
		within(t, p.watcher, time.Minute, "its end", func(s *status.Snapshot) bool { return !hasFinding("journal_failing")(s) })
		kept, err := journal.OpenStore(disk.Memory.Clone(), "").Pause()
		require.NoError(t, err)
		require.Nil(t, kept)
	})
}
