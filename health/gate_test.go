package health

import (
	"slices"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// An absorbed call is a warning; one that met an error no wait heals is critical.
func TestLastingErrorBehindTheGateIsCritical(t *testing.T) {
	j := New(time.Second)
	in := steady(1)
	in.Gate.Absorbed, in.Gate.Since, in.Gate.Error = 1, in.At, "busy"
	require.Equal(t, status.SeverityWarning, findingNamed(j.Observe(in).Findings, "gwat_behind_gate").Severity)
	in = steady(2)
	in.Gate.Absorbed, in.Gate.Lasting, in.Gate.Since, in.Gate.Error = 2, 1, in.At, "spine not found"
	f := findingNamed(j.Observe(in).Findings, "gwat_behind_gate")
	require.Equal(t, status.SeverityCritical, f.Severity)
	require.Contains(t, f.Evidence[2], "spine not found")
}

// A gate without calls is no finding while nothing should call: without a gate, while the
// beacon's head does not move or is far behind, while calls are held, and when gwat is away.
func TestQuietGateWithACause(t *testing.T) {
	for name, cause := range map[string]func(*Input, int){
		"no gate":                func(in *Input, _ int) { in.Gate = nil },
		"the head does not move": func(in *Input, _ int) { frozenHead(in, warmUp) },
		"the head does not move and gwat rises": func(in *Input, n int) {
			number := in.Gwat.Number
			frozenHead(in, warmUp)
			in.Gwat.Number = number
		},
		"gwat has all that the head asks for": func(in *Input, _ int) {
			in.Gwat.Number = steady(warmUp).Gwat.Number
		},
		"the beacon syncs":       func(in *Input, _ int) { in.Beacon.Head -= 40; in.Gwat.Slot -= 40; in.Stage = fsm.CheckpointSync },
		"the head is far behind": func(in *Input, _ int) { in.Beacon.Head -= 40 },
		"calls are held":         func(in *Input, _ int) { in.Gate.Held = 1 },
		"gwat is away":           gwatFails(Down),
	} {
		t.Run(name, func(t *testing.T) {
			j := New(time.Second)
			for n := range 4 * warmUp {
				in := steady(n)
				if n > warmUp {
					in.Gate = steady(warmUp).Gate
					cause(&in, n)
				}
				told := names(j.Observe(in).Findings)
				require.NotContains(t, told, "gate_unused", "poll %d", n)
				require.NotContains(t, told, "gate_bypassed", "poll %d", n)
			}
		})
	}
}

// The beacon node calls in each slot once its head is near the clock, and not before.
func TestAGateIsQuietOnlyNearTheHead(t *testing.T) {
	for behind, want := range map[primitives.Slot]bool{checkpoint.NearHead: true, checkpoint.NearHead + 1: false} {
		j := New(time.Second)
		var told []string
		for n := range 2 * warmUp {
			in := steady(n)
			in.Gate, in.Beacon.Head = steady(0).Gate, in.Beacon.Head-behind
			told = append(told, names(j.Observe(in).Findings)...)
		}
		require.Equal(t, want, slices.Contains(told, "gate_bypassed"), "%d slots behind", behind)
	}
}

// Each way in which the list differs is reported, and only that one.
func TestEachDifferenceOfTheListIsTold(t *testing.T) {
	for want, l := range map[string]List{
		"":                                 {},
		"it cannot be read to its end":     {Malformed: "entry 3 has no slot"},
		"1 difference from REST":           {Differs: 1, First: []string{"slot 7"}},
		"not finalized 2 of its entries, ": {Missing: 2, MissingAt: 7},
	} {
		v := view{Input: &Input{Gate: &Gate{List: &l}}}
		s := v.listDiffers()
		if want == "" {
			require.Equal(t, healthy, s)
			continue
		}
		require.Contains(t, s.evidence[1], want)
		require.Len(t, s.evidence, 2+len(l.First))
	}
}
