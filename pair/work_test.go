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

// recorded is the trace of an attempt that a test keeps.
type recorded struct {
	attempt uint64
	phases  []headsync.Phase
	ends    int
	result  headsync.Result
	err     error
}

func (r *recorded) Report(rep headsync.Report) { r.phases = append(r.phases, rep.Phase) }
func (r *recorded) End(res headsync.Result, err error) {
	r.ends, r.result, r.err = r.ends+1, res, err
}

// Each attempt has one trace, which sees all that it reports and how it ended.
func TestEachAttemptIsTraced(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		var traces []*recorded
		d := b.start(func(c *Config) {
			c.Trace = func(attempt uint64) Trace {
				traces = append(traces, &recorded{attempt: attempt})
				return traces[len(traces)-1]
			}
		})
		d.reaches(fsm.Working)
		d.stop()
		require.NotEmpty(t, traces)
		pushed := 0
		for i, r := range traces {
			require.EqualValues(t, i+1, r.attempt)
			require.Equal(t, 1, r.ends)
			pushed += r.result.Pushed
			if r.result.Pushed > 0 {
				require.Contains(t, r.phases, headsync.PhaseCollecting)
				require.Contains(t, r.phases, headsync.PhaseReady)
				require.Contains(t, r.phases, headsync.PhasePushing)
				require.Contains(t, r.phases, headsync.PhaseConfirming)
			}
		}
		require.Positive(t, pushed)
	})
}
