package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/journal"
)

// fullDisk is a store that refuses writes while full is set.
type fullDisk struct {
	journal.Store
	full bool
}

func (s *fullDisk) Set(values map[string][]byte) error {
	if s.full {
		return errors.New("disk full")
	}
	return s.Store.Set(values)
}

func quietLogger() logrus.FieldLogger {
	log := logrus.New()
	log.SetLevel(logrus.PanicLevel)
	return log
}

// clock is a fake one that moves only when a test moves it.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func keptReady(at time.Time) checkpoint.Pending {
	return checkpoint.Pending{Call: checkpoint.CallReady, Spine: common.Hash{1}, SentAt: at}
}

// What was kept of another network is gone, in memory as in the journal.
func TestAnotherNetworkForgetsTheCallAndTheEntry(t *testing.T) {
	one, other := journal.Network{ChainID: 1, GenesisTime: 10}, journal.Network{ChainID: 2, GenesisTime: 10}
	for name, tc := range map[string]struct {
		now  journal.Network
		kept bool
	}{"the same": {one, true}, "another": {other, false}} {
		t.Run(name, func(t *testing.T) {
			c := &clock{time.Unix(1000, 0)}
			j := journal.OpenMemory()
			require.NoError(t, j.SetNetwork(one))
			require.NoError(t, j.SetPending(keptReady(c.at)))
			require.NoError(t, j.SetConfirmed(checkpoint.Confirmed{Spine: common.Hash{1}, Number: 4, At: c.at}))
			l := Open(j, quietLogger(), c.now)
			require.NotNil(t, l.Pending())
			require.NotNil(t, l.Confirmed())
			l.SetNetwork(tc.now)
			require.Equal(t, tc.kept, l.Pending() != nil)
			require.Equal(t, tc.kept, l.Left(0) != nil)
			require.Equal(t, tc.kept, l.Takeable() != nil)
			require.Equal(t, tc.kept, l.Confirmed() != nil)
			require.Empty(t, l.Trouble())
		})
	}
}

// A call that the journal could not take was sent all the same: naming the network, as a
// retry after a full disk does, keeps it, and it is not taken over (S1).
func TestACallThatWasNotWrittenDownIsKept(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	disk := &fullDisk{Store: journal.NewMemory()}
	l := Open(journal.OpenStore(disk, ""), quietLogger(), c.now)
	network := journal.Network{ChainID: 1}
	l.SetNetwork(network)
	disk.full = true
	l.SetPending(keptReady(c.at), 3)
	require.NotEmpty(t, l.Trouble())
	require.NotNil(t, l.Pending())
	require.Nil(t, l.Takeable())
	disk.full = false
	l.Retry()
	l.SetNetwork(network)
	require.Empty(t, l.Trouble())
	require.NotNil(t, l.Pending())
	require.Nil(t, l.Takeable())
	require.Nil(t, Open(journal.OpenStore(disk, ""), quietLogger(), c.now).Takeable(), "the next process does not take it over either")
}

// Nobody waits for a call that is not of the running attempt.
func TestWhoAnswersForThePendingCall(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	j := journal.OpenMemory()
	l := Open(j, quietLogger(), c.now)
	require.Nil(t, l.Left(0))
	l.SetPending(keptReady(c.at), 3)
	require.Nil(t, l.Left(3), "its own attempt runs")
	require.NotNil(t, l.Left(4))
	require.NotNil(t, l.Left(0), "no attempt runs")
	l.Adopt(4)
	require.Nil(t, l.Left(4))
	require.NotNil(t, l.Left(3))
	l.ClearPending()
	require.Nil(t, l.Pending())
	require.Nil(t, l.Left(0))
	kept, err := j.Pending()
	require.NoError(t, err)
	require.Nil(t, kept, "nor does the next process find it")
}

// A call was open since a time if it is open now or ended after it.
func TestBusy(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	l := Open(journal.OpenMemory(), quietLogger(), c.now)
	require.False(t, l.Busy(c.at.Add(-time.Hour)))
	l.SetPending(keptReady(c.at), 1)
	require.True(t, l.Busy(c.at.Add(time.Hour)), "it is open")
	c.at = c.at.Add(time.Second)
	l.ClearPending()
	require.True(t, l.Busy(c.at.Add(-1)))
	require.False(t, l.Busy(c.at))
}

func TestAClockSetBackBeforeTheStart(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	j := journal.OpenMemory()
	later := c.at.Add(time.Hour)
	require.NoError(t, j.SetPending(keptReady(later)))
	require.NoError(t, j.SetConfirmed(checkpoint.Confirmed{Number: 4, At: later}))
	l := Open(j, quietLogger(), c.now)
	require.True(t, c.at.Equal(l.Pending().SentAt))
	require.True(t, c.at.Equal(l.Confirmed().At))
}

func TestAStageChangeIsInTheHistory(t *testing.T) {
	j := journal.OpenMemory()
	l := Open(j, quietLogger(), time.Now)
	l.AppendChange(journal.Change{To: "working"})
	history, err := j.History(1)
	require.NoError(t, err)
	require.Equal(t, "working", history[0].To)
	require.Empty(t, l.Trouble())
	require.NoError(t, j.Close())
	l.AppendChange(journal.Change{To: "paused"})
	require.NotEmpty(t, l.Trouble())
}

// A journal that cannot be read says nothing of another network: what is in memory stays.
func TestAnUnreadableJournalForgetsNothing(t *testing.T) {
	for _, key := range []string{"pending", "confirmed"} {
		t.Run(key, func(t *testing.T) {
			l := Open(journal.OpenStore(badValues{journal.NewMemory(), key}, ""), quietLogger(), time.Now)
			l.SetPending(keptReady(time.Now()), 1)
			l.SetConfirmed(checkpoint.Confirmed{Number: 4})
			l.SetNetwork(journal.Network{ChainID: 1})
			require.NotNil(t, l.Takeable())
			require.NotNil(t, l.Confirmed())
		})
	}
}
