package pair

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// The next attempt begins when it is due and not with the next poll, which may be far off.
func TestAnAttemptBeginsWhenItIsDue(t *testing.T) {
	const every, further = 250 * time.Millisecond, 7
	inFakeTime(t, fakeConfig{
		pair: func(c *Config) { c.ReadyInterval = every },
		started: func(f *fake) {
			f.gwatWire.Put(answeringCall("dag_headSyncReady", `"error":{"code":-32000,"message":"state is broken"}`))
		},
	}, func(f *fake) {
		begun := func(n uint64) func(*status.Snapshot) bool {
			return func(s *status.Snapshot) bool { return s.Attempts >= n }
		}
		f.within(time.Minute, "a second attempt", begun(2))
		took := f.within(time.Minute, "further attempts", begun(2+further))
		require.InDelta(t, (further * every).Seconds(), took.Seconds(), 0.1)
	})
}
