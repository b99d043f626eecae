package simulation

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
)

var measureFlag = flag.String("measure", "", "file that TestRecoveries leaves its measured times in")

// measuredRuns is how many faults of each kind are measured.
const measuredRuns = 5

// One fault of a seed comes alone, so that what the recovery takes, in
// fake time, is its doing.
func TestRecoveries(t *testing.T) {
	if *measureFlag == "" {
		t.Skip("it measures only if --measure names a file")
	}
	var list []faults.Recovery
	measured := map[string]int{}
	for seed := uint64(1); slices.ContainsFunc(FaultKinds(), func(k string) bool { return measured[k] < measuredRuns }); seed++ {
		plan := NewPlan(seed)
		if !plan.healthy() {
			continue
		}
		for _, f := range plan.Faults {
			// One that waits for no stage falls anywhere, often where nothing is at stake.
			if f.stage == "" || measured[f.kind.name] == measuredRuns {
				continue
			}
			result := Run(t, seed, Options{Keep: []int{f.number}})
			require.Empty(t, result.Violations, "seed %d, fault %d", seed, f.number)
			if len(result.Recoveries) == 0 {
				continue // alone, the fault never comes: what it waits for does not happen
			}
			w := result.Recoveries[0]
			require.NotEqual(t, never, w.Works, "seed %d, fault %d", seed, f.number)
			measured[f.kind.name]++
			list = append(list, faults.Recovery{
				Test: "TestRecoveries", Fault: f.kind.name, On: "simulation", Stage: w.Stage, Lasting: w.Under(), Kept: w.Held(),
				Held: (w.Ended - w.Began).Seconds(), Seconds: w.Took().Seconds(),
			})
			t.Logf("seed %d: %s in %s from %s to %s, works since %s: %s", seed, f, w.Stage, w.Began, w.Ended, w.Works, w.Took())
		}
	}
	require.NoError(t, faults.WriteRecoveries(*measureFlag, list))
}

// A recovery counts from a fault's end, or from its beginning if work came under it.
func TestRecoveryTakes(t *testing.T) {
	for name, c := range map[string]struct {
		works       int
		held, under bool
		took        int
	}{
		"held throughout":    {works: 3, held: true},
		"came under it":      {works: 7, under: true, took: 2},
		"came after its end": {works: 13, took: 4},
	} {
		w := Recovery{Began: 5 * second, Ended: 9 * second, Works: time.Duration(c.works) * second}
		require.Equal(t, c.held, w.Held(), name)
		require.Equal(t, c.under, w.Under(), name)
		require.Equal(t, time.Duration(c.took)*second, w.Took(), name)
	}
}

func TestMeasuringFindsTheFaultsOwnTimes(t *testing.T) {
	r := &run{plan: &Plan{}, incarnations: []*incarnation{{number: 1, end: 6 * second}, {number: 2, begin: 9 * second, end: never}}}
	killed := &fault{number: 1, kind: &faultKind{name: "killed", ends: true}, begun: true, began: 6 * second, ended: 6 * second}
	slow := &fault{number: 2, kind: &faultKind{name: "slow"}, begun: true, began: 2 * second, ended: 4 * second}
	r.plan.Faults = []*fault{killed, {number: 3, kind: &faultKind{name: "never came"}}, slow}
	say := func(at, incarnation int, stage string) {
		s := stageChange{at: time.Duration(at) * second, incarnation: incarnation}
		s.To = stage
		r.stages = append(r.stages, s)
	}
	say(1, 1, "switching")
	say(3, 1, "working")
	require.Equal(t, never, r.recoveries()[0].Works, "the process that said it is gone")
	say(10, 2, "connecting")
	require.Equal(t, never, r.recoveries()[0].Works)
	say(12, 2, "working")
	require.Equal(t, []Recovery{
		{Number: 1, Kind: "killed", Stage: "working", Began: 6 * second, Ended: 9 * second, Works: 12 * second},
		{Number: 2, Kind: "slow", Stage: "switching", Began: 2 * second, Ended: 4 * second, Works: 12 * second},
	}, r.recoveries())
}
