package proof

import (
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/status"
)

// What judges the status finds each lie.
func TestLies(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	f := Fault{Begin: begin, End: begin.Add(20 * time.Second)}
	told := func(after time.Duration, change func(*status.Snapshot)) Told {
		at := begin.Add(after)
		s := &status.Snapshot{At: at, Stage: "working", Gwat: status.Node{Reachable: true}, Beacon: status.Node{Reachable: true}}
		change(s)
		return Told{Asked: at, At: at.Add(time.Millisecond), Snapshot: s}
	}
	as := func(stage string) func(*status.Snapshot) { return func(s *status.Snapshot) { s.Stage = stage } }
	gone := func(s *status.Snapshot) {
		s.Stage, s.Waiting = "connecting", "gwat"
		s.Gwat.Reachable, s.Gwat.Error = false, &status.Error{Kind: "retry_later", Message: "gone"}
	}
	lost, cut := f, f
	lost.Lost, cut.Cut = "gwat", true
	resync := []gwatsim.Call{
		{End: begin.Add(9 * time.Second), After: gwatsim.Standing{Stage: gwatsim.StageResync}},
		{End: begin.Add(9500 * time.Millisecond), After: gwatsim.Standing{Stage: gwatsim.StageResync}},
	}
	for name, c := range map[string]struct {
		f     Fault
		told  Told
		calls []gwatsim.Call
		want  string
	}{
		"working":                   {f, told(10*time.Second, as("working")), nil, ""},
		"not noticed yet":           {lost, told(time.Second, as("working")), nil, ""},
		"lost and told":             {lost, told(10*time.Second, gone), nil, ""},
		"lost and reachable":        {lost, told(10*time.Second, as("switching")), nil, "said to be reachable"},
		"lost and working":          {lost, told(10*time.Second, as("working")), nil, "without an answer"},
		"after the fault":           {lost, told(21*time.Second, as("working")), nil, ""},
		"cut and working":           {cut, told(10*time.Second, as("working")), nil, "without the beacon's calls"},
		"cut and switching":         {cut, told(10*time.Second, as("switching")), nil, ""},
		"gwat says resync":          {f, told(10*time.Second, as("working")), resync, "(S5)"},
		"gwat says resync, told so": {f, told(10*time.Second, as("switching")), resync, ""},
		"stale":                     {f, told(10*time.Second, func(s *status.Snapshot) { s.At = begin }), nil, "old"},
		"no reason":                 {f, told(time.Second, func(s *status.Snapshot) { gone(s); s.Gwat.Error = nil }), nil, "no error says why"},
		"waits for nothing":         {f, told(time.Second, func(s *status.Snapshot) { gone(s); s.Waiting = "" }), nil, "what is waited for"},
		"works without gwat":        {f, told(time.Second, func(s *status.Snapshot) { gone(s); s.Stage = "working" }), nil, "not reachable in working"},
		"one bad answer": {f, told(time.Second, func(s *status.Snapshot) {
			gone(s)
			s.Stage, s.Gwat.Since = "working", begin.Add(900*time.Millisecond)
		}), nil, ""},
		"bad answers go on": {f, told(10*time.Second, func(s *status.Snapshot) {
			gone(s)
			s.Stage, s.Gwat.Since = "working", begin.Add(900*time.Millisecond)
		}), nil, "not reachable in working"},
	} {
		t.Run(name, func(t *testing.T) {
			found := lies([]Told{c.told}, c.f, c.calls)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.NotEmpty(t, found)
			require.Contains(t, found[0]+found[len(found)-1], c.want)
		})
	}
	confirmed := func(slot primitives.Slot) Told {
		return told(time.Second, func(s *status.Snapshot) { s.Confirmed = &status.Confirmed{Slot: slot} })
	}
	require.Empty(t, lies([]Told{confirmed(8), confirmed(9)}, f, nil))
	require.Contains(t, lies([]Told{confirmed(9), confirmed(8)}, f, nil)[0], "(S4)")
	f.Moved = true
	require.Empty(t, lies([]Told{confirmed(9), confirmed(8)}, f, nil))
}
