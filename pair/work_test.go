package pair

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/ledger"
)

// One refusal may be of the moment: a checkpoint is left after three in a row.
func TestACheckpointIsLeftAfterThreeRefusals(t *testing.T) {
	root := common.Hash{7}
	p := &Pair{job: job{refused: map[common.Hash]int{}}}
	require.Empty(t, p.refusedRoots())
	for times, want := range []bool{1: false, 2: false, 3: true, 4: true} {
		p.job.refused[root] = times
		require.Equal(t, want, p.refusedRoots()[root], "%d times", times)
	}
}

// Findings that blame gwat for not moving must know that a worker still reads the beacon's blocks.
func TestTheVerdictKnowsThatBlocksAreCollected(t *testing.T) {
	for name, tc := range map[string]struct {
		worker bool
		phase  headsync.Phase
		want   bool
	}{
		"collecting":           {true, headsync.PhaseCollecting, true},
		"proving":              {true, headsync.PhaseProving, true},
		"pushing":              {true, headsync.PhasePushing, false},
		"no push yet":          {true, "", false},
		"the worker has ended": {false, headsync.PhaseCollecting, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := pairIn(t, fsm.HeadSyncReady)
			p.ledger = ledger.Open(journal.OpenMemory(), quietLog(), time.Now)
			if tc.phase != "" {
				p.shown.push.Report(headsync.Report{Phase: tc.phase}, time.Now(), time.Now())
			}
			if tc.worker {
				p.job.worker = &worker{}
			}
			require.Equal(t, tc.want, p.healthInput(lookAt(32), nil).Collecting)
		})
	}
}

// The refusals are shown while the pair is on its way, the highest of them.
func TestTheVerdictKnowsOfRefusals(t *testing.T) {
	for stage, want := range map[fsm.Stage]int{fsm.HeadSyncReady: 5, fsm.Working: 0} {
		p := pairIn(t, stage)
		p.ledger = ledger.Open(journal.OpenMemory(), quietLog(), time.Now)
		p.job.refused = map[common.Hash]int{{1}: 2, {2}: 5, {3}: 1}
		require.Equal(t, want, p.healthInput(lookAt(32), nil).Refused)
	}
}
