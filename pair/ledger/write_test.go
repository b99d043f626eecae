package ledger

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/journal"
)

// slowStore tells what the ledger says while a write is under way.
type slowStore struct {
	*journal.Memory
	during func()
}

func (s *slowStore) Set(values map[string][]byte) error {
	if s.during != nil {
		s.during()
	}
	return s.Memory.Set(values)
}

// A call that is still being written down was not sent: what gwat does meanwhile
// is not its work, or a competing driver would be taken for syncd itself.
func TestACallThatIsNotSentExplainsNothing(t *testing.T) {
	store := &slowStore{Memory: journal.NewMemory()}
	l := Open(journal.OpenStore(store, ""), quietLogger(), time.Now)
	before := time.Now()
	store.during = func() { require.False(t, l.Busy(before)) }
	l.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, Spine: common.Hash{1}}, 1)
	require.True(t, l.Busy(time.Now()))
	store.during = func() { require.True(t, l.Busy(time.Now()), "its ready is in force while the push is written") }
	l.SetPending(checkpoint.Pending{Call: checkpoint.CallPush, Spine: common.Hash{1}}, 1)
	require.NotNil(t, l.Pending())
}

// A call is sent when it has been written down; a clock that is set back meanwhile does not
// make it older than it is.
func TestWhenACallWasSent(t *testing.T) {
	begun := time.Unix(1000, 0)
	for name, tc := range map[string]struct{ clock, want time.Time }{
		"a slow disk":      {begun.Add(3 * time.Second), begun.Add(3 * time.Second)},
		"a clock set back": {begun.Add(-time.Hour), begun},
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{begun}
			store := &slowStore{Memory: journal.NewMemory(), during: func() { c.at = tc.clock }}
			l := Open(journal.OpenStore(store, ""), quietLogger(), c.now)
			l.SetPending(keptReady(begun), 1)
			require.Equal(t, tc.want, l.Pending().SentAt)
		})
	}
}

// While one write is at the disk the next one waits, and changes nothing in memory either.
func TestWritesKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Memory: journal.NewMemory()}
		l := Open(journal.OpenStore(store, ""), quietLogger(), time.Now)
		store.during = func() {
			store.during = nil
			go l.SetConfirmed(checkpoint.Confirmed{Number: 4})
			synctest.Wait()
			require.Nil(t, l.Confirmed())
		}
		l.SetPending(checkpoint.Pending{Call: checkpoint.CallPush}, 1)
		synctest.Wait()
		require.EqualValues(t, 4, l.Confirmed().Number)
	})
}

var errNoDisk = errors.New("no space left on device")

// A disk that takes nothing does not make a call forgotten, but it is not taken over.
func TestAnUnwrittenCallIsKeptInMemory(t *testing.T) {
	l := Open(journal.OpenStore(&fullStore{journal.NewMemory()}, ""), quietLogger(), time.Now)
	l.SetPending(checkpoint.Pending{Call: checkpoint.CallReady}, 1)
	require.NotNil(t, l.Pending())
	require.Nil(t, l.Takeable())
	require.True(t, l.Busy(time.Now()))
}

type fullStore struct{ *journal.Memory }

func (fullStore) Set(map[string][]byte) error { return errNoDisk }
