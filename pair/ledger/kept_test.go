package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/journal"
)

// What the ledger took in is in the journal for the next process.
func TestWhatIsToldOutlastsTheProcess(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	j := journal.OpenMemory()
	l := Open(j, quietLogger(), c.now)
	entry := checkpoint.Confirmed{Spine: common.Hash{7}, Number: 9, At: c.at}
	l.SetConfirmed(entry)
	require.Equal(t, entry, *l.Confirmed())
	pause := &journal.Pause{Reason: "upgrade"}
	l.SetPause(pause)
	l.KeepPause()

	next := Open(j, quietLogger(), c.now)
	require.Equal(t, entry.Spine, next.Confirmed().Spine)
	require.Equal(t, "upgrade", next.Pause().Reason)
	next.ClearConfirmed()
	next.SetPause(nil)
	next.KeepPause()
	require.Nil(t, next.Confirmed())

	last := Open(j, quietLogger(), c.now)
	require.Nil(t, last.Confirmed())
	require.Nil(t, last.Pause())
}

// badValues is a store in which one key cannot be read.
type badValues struct {
	journal.Store
	key string
}

func (s badValues) Get(key string) ([]byte, error) {
	if key == s.key {
		return nil, errors.New("input/output error")
	}
	return s.Store.Get(key)
}

// A value that cannot be read is left out with a warning that names it; a value
// that is simply not there is not worth one.
func TestAValueThatCannotBeRead(t *testing.T) {
	for key, says := range map[string]string{"": "", "pending": "pending call", "confirmed": "confirmed entry", "pause": "pause"} {
		t.Run("key "+key, func(t *testing.T) {
			log, hook := logtest.NewNullLogger()
			l := Open(journal.OpenStore(badValues{journal.NewMemory(), key}, ""), log, time.Now)
			require.Nil(t, l.Pending())
			require.Nil(t, l.Confirmed())
			require.Nil(t, l.Pause())
			if says == "" {
				require.Empty(t, hook.AllEntries())
				return
			}
			require.Len(t, hook.AllEntries(), 1)
			require.Equal(t, logrus.WarnLevel, hook.LastEntry().Level)
			require.Contains(t, hook.LastEntry().Message, says)
		})
	}
}

// countedStore counts what is written.
type countedStore struct {
	journal.Store
	sets int
	fail error
}

func (s *countedStore) Set(values map[string][]byte) error {
	s.sets++
	if s.fail != nil {
		return s.fail
	}
	return s.Store.Set(values)
}

// Retry writes nothing while the journal is in order; after a failed write it brings what
// was refused to the disk.
func TestRetry(t *testing.T) {
	store := &countedStore{Store: journal.NewMemory()}
	j := journal.OpenStore(store, "")
	log, hook := logtest.NewNullLogger()
	l := Open(j, log, time.Now)
	l.Retry()
	require.Zero(t, store.sets)

	store.fail = errors.New("disk full")
	l.SetNetwork(journal.Network{ChainID: 1})
	l.SetConfirmed(checkpoint.Confirmed{Slot: 7})
	l.SetPause(&journal.Pause{Reason: "upgrade"})
	l.KeepPause()
	require.Contains(t, l.Trouble(), "disk full")
	require.Contains(t, hook.LastEntry().Message, "pause")
	warned := len(hook.AllEntries())
	l.Retry()
	require.Contains(t, l.Trouble(), "disk full")
	require.Len(t, hook.AllEntries(), warned, "a retry in each poll is no line each")

	store.fail = nil
	l.Retry()
	require.Empty(t, l.Trouble())
	store.sets = 0
	l.Retry()
	require.Zero(t, store.sets)
	next := Open(journal.OpenStore(store.Store, ""), log, time.Now)
	require.Equal(t, "upgrade", next.Pause().Reason)
	require.EqualValues(t, 7, next.Confirmed().Slot)
}

// The end of a pause that the disk refused is written once it takes writes again, also if a
// line of the history was the first: the next process does not find the pause (seed 301219).
func TestTheEndOfAPauseOutlastsAFullDisk(t *testing.T) {
	store := &countedStore{Store: journal.NewMemory()}
	l := Open(journal.OpenStore(store, ""), quietLogger(), time.Now)
	l.SetPause(&journal.Pause{Reason: "upgrade"})
	l.KeepPause()
	store.fail = errors.New("disk full")
	l.SetPause(nil)
	l.KeepPause()
	store.fail = nil
	l.AppendChange(journal.Change{})
	require.Empty(t, l.Trouble())
	l.Retry()
	require.Nil(t, Open(journal.OpenStore(store.Store, ""), quietLogger(), time.Now).Pause())
}

func TestAnEmptyJournalOpensEmpty(t *testing.T) {
	l := Open(journal.OpenMemory(), quietLogger(), time.Now)
	require.Nil(t, l.Pending())
	require.Nil(t, l.Takeable())
	require.False(t, l.Busy(time.Now()))
}
