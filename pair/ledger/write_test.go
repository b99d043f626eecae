package ledger

import (
	"errors"
	"testing"
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
