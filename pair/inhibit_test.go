package pair

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/ledger"
	"github.com/gwatsync/syncd/protocol"
)

// An attempt sends nothing while a call that is not its own is open, however long
// the attempt runs.
func TestAnInheritedCallKeepsHandsOff(t *testing.T) {
	l := ledger.Open(journal.OpenMemory(), quietLog(), time.Now)
	l.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, SentAt: time.Now()}, 1)
	p := &Pair{nodes: nodes{gwat: protocol.HeadSync{}}, ledger: l, cfg: Config{Now: time.Now, Times: Times{PushTimeout: time.Minute, LockTime: time.Minute}}}
	require.NotEmpty(t, p.inhibit())
	p.job.worker = &worker{attempt: 2}
	require.NotEmpty(t, p.inhibit())
	p.job.worker = &worker{attempt: 1}
	require.Empty(t, p.inhibit(), "the call is the worker's own")
}
