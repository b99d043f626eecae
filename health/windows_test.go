package health

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

const (
	firstSlot = 400
	warmUp    = 40 // polls, ten slots
)

// steady is poll n of a working pair: one a second, a block in every slot.
func steady(n int) Input {
	slot := primitives.Slot(firstSlot + n/4)
	number := uint64(slot) * 3
	var root common.Hash
	binary.BigEndian.PutUint64(root[:], uint64(slot))
	wall := testSpec.SlotStart(firstSlot).Add(time.Duration(n)*time.Second + 300*time.Millisecond)
	up := Node{Reach: Answers, Latency: 5 * time.Millisecond, Peers: ptr(5)}
	return Input{
		At: wall, Elapsed: time.Duration(n) * time.Second, Stage: fsm.Working, Spec: &testSpec, Events: uint64(slot),
		Gate: &Gate{Calls: number},
		Gwat: Gwat{Node: up, Number: &number, Slot: slot - 5, Compared: true, Spines: []checkpoint.SpineState{checkpoint.SpineFinal}},
		Beacon: Beacon{
			Node: up, Known: true, Head: slot, Root: root, Clock: slot, ClockAt: wall, Justified: testSpec.Epoch(slot) - 2,
			Points: []Point{{Slot: slot - 64, State: checkpoint.SpineFinal}},
		},
	}
}

func ptr(n uint64) *uint64 { return &n }

// begun is the last poll before a fault of which this is poll n.
func begun(in *Input, n int) int { return int(in.Elapsed/time.Second) - n }

func frozenHead(in *Input, at int) {
	was := steady(at)
	in.Beacon.Head, in.Beacon.Root, in.Events = was.Beacon.Head, was.Beacon.Root, was.Events
	in.Gwat.Number, in.Gwat.Slot = was.Gwat.Number, was.Gwat.Slot
}

func frozenGwat(in *Input, at int) {
	was := steady(at)
	in.Gwat.Number, in.Gwat.Slot = was.Gwat.Number, was.Gwat.Slot
	in.Gwat.Spines = []checkpoint.SpineState{checkpoint.SpineOpen}
}

func failing(how Reach) Node { return Node{Reach: how, Error: "what it said"} }

func gwatFails(how Reach) func(*Input, int) {
	return func(in *Input, _ int) { in.Gwat = Gwat{Node: failing(how)} }
}

func beaconFails(how Reach) func(*Input, int) {
	return func(in *Input, _ int) { in.Beacon, in.Gwat.Compared = Beacon{Node: failing(how)}, false }
}

// windowCases hold each finding to its window: a fault that begins with a poll
// is reported with poll number tells from then on, and is gone with poll number goes
// after it has ended. also names other findings that the same fault brings.
var windowCases = map[string]struct {
	fault       func(in *Input, n int) // n counts the polls of the fault from 1 on
	tells, goes int
	also        []string
}{
	"nodes_unreachable": {func(in *Input, n int) { gwatFails(Down)(in, n); beaconFails(Silent)(in, n) }, 3, 1,
		[]string{"gwat_unreachable", "beacon_hung"}},
	"gwat_unreachable":    {gwatFails(Down), 3, 3, nil},
	"gwat_hung":           {gwatFails(Silent), 3, 3, nil},
	"gwat_auth":           {gwatFails(Denied), 3, 3, nil},
	"gwat_bad_answers":    {gwatFails(Garbled), 3, 3, nil},
	"beacon_unreachable":  {beaconFails(Down), 3, 3, nil},
	"beacon_hung":         {beaconFails(Silent), 3, 3, nil},
	"beacon_bad_answers":  {beaconFails(Garbled), 3, 3, nil},
	"gwat_rate_limited":   {gwatFails(Limited), 3, 3, nil},
	"beacon_rate_limited": {beaconFails(Limited), 3, 3, nil},
	// A minute, from the first poll that shows it.
	"beacon_starting": {beaconFails(Starting), 1 + StartingSeconds, 1, nil},
	"gwat_slow":       {func(in *Input, _ int) { in.Gwat.Latency = SlowCall }, 5, 5, nil},
	"beacon_slow":     {func(in *Input, _ int) { in.Beacon.Latency = SlowCall }, 5, 5, nil},
	"gwat_no_peers":   {func(in *Input, _ int) { in.Gwat.Peers = ptr(0) }, 10, 3, nil},
	"beacon_no_peers": {func(in *Input, _ int) { in.Beacon.Peers = ptr(0) }, 10, 3, nil},
	"gwat_rolled_back": {func(in *Input, n int) {
		in.Gwat.Number, in.Gwat.Spines = ptr(uint64(900+n)), []checkpoint.SpineState{checkpoint.SpineOpen}
	}, 1, 3, nil},
	"head_sync_rollback": {func(in *Input, n int) {
		in.Stage, in.Gwat.Ours = fsm.HeadSync, true
		in.Gwat.Number, in.Gwat.Spines = ptr(uint64(900+n)), []checkpoint.SpineState{checkpoint.SpineOpen}
	}, 1, 1, nil},
	// Six slots, from the first poll that shows it.
	"gwat_stalled":       {func(in *Input, n int) { frozenGwat(in, begun(in, n)) }, 25, 3, []string{"beacon_ahead_of_gwat"}},
	"lock_held":          {func(in *Input, _ int) { in.Lock = &Lock{} }, 3, 2, nil},
	"checkpoint_refused": {func(in *Input, _ int) { in.Refused = 3 }, 1, 1, nil},
	// Eight slots from the last new head, four polls before the fault's first.
	"beacon_stalled_head": {func(in *Input, n int) { frozenHead(in, begun(in, n)) }, 29, 9, nil},
	// Twelve slots, from the first poll that shows it.
	"beacon_behind": {func(in *Input, n int) {
		was := steady(begun(in, n) + n - 4*9)
		in.Beacon.Head, in.Beacon.Root, in.Gwat.Slot = was.Beacon.Head, was.Beacon.Root, was.Gwat.Slot
	}, 49, 3, []string{"beacon_rolled_back"}},
	"beacon_rolled_back": {func(in *Input, n int) {
		was := steady(begun(in, n) + n - 4*9)
		in.Stage = fsm.CheckpointSync
		in.Beacon.Head, in.Beacon.Root, in.Gwat.Slot = was.Beacon.Head, was.Beacon.Root, was.Gwat.Slot
	}, 1, 1, nil},
	"finality_stalled": {func(in *Input, _ int) { in.Beacon.Justified = testSpec.Epoch(in.Beacon.Head) - OldEpochs }, 3, 3, nil},
	// Four slots from the first new head that came without an event.
	"sse_silent": {func(in *Input, n int) { in.Events = steady(begun(in, n)).Events }, 17, 9, nil},
	"beacon_ahead_of_gwat": {func(in *Input, _ int) {
		in.Gwat.Slot, in.Gwat.Spines = in.Gwat.Slot-20, []checkpoint.SpineState{checkpoint.SpineUnknown}
	}, 9, 3, nil},
	"gwat_ahead_of_beacon": {func(in *Input, _ int) { in.Gwat.Slot = in.Beacon.Head + 1 }, 3, 3, nil},
	"spines_differ":        {func(in *Input, _ int) { in.Gwat.Spines = []checkpoint.SpineState{checkpoint.SpineMisplace} }, 9, 3, nil},
	"second_driver":        {func(in *Input, _ int) { in.Competing = "stage head without a call of ours" }, 1, 1, nil},
	"wrong_network":        {func(in *Input, _ int) { in.Conflict = "chain ids differ" }, 1, 1, nil},
	"needs_human":          {func(in *Input, _ int) { in.Human = "method not served" }, 1, 1, nil},
	"head_sync_failing": {func(in *Input, n int) {
		in.Stage, in.Failed, in.FailedFor, in.FailedWhy = fsm.HeadSyncReady, FailedAttempts+n, time.Duration(n-1)*time.Second, "state is broken"
	}, 49, 1, nil},
	"clock_skew":       {func(in *Input, _ int) { in.Beacon.Clock += SkewSlots }, 3, 17, nil},
	"gwat_behind_gate": {func(in *Input, _ int) { in.Gate.Absorbed, in.Gate.Since = 2, in.At }, 1, 1, nil},
	"beacon_list_differs": {func(in *Input, _ int) {
		in.Gate.List = &List{Entries: 9, Compared: 9, Differs: 1, First: []string{"slot 7 has other spines or creators in the list than by REST"}}
	}, 9, 1, nil},
	// Four slots from the last call, four polls before the fault's first.
	"gate_unused": {func(in *Input, n int) {
		frozenGwat(in, begun(in, n))
		in.Gate = steady(begun(in, n)).Gate
	}, 13, 1, []string{"beacon_ahead_of_gwat"}},
	"gate_bypassed":   {func(in *Input, n int) { in.Gate = steady(begun(in, n)).Gate }, 13, 1, nil},
	"journal_failing": {func(in *Input, _ int) { in.Journal = "no space left on device" }, 1, 1, nil},
}

func names(list []status.Finding) (out []string) {
	for _, f := range list {
		out = append(out, f.Name)
	}
	return out
}

func TestEachFindingKeepsItsWindow(t *testing.T) {
	for _, entry := range Catalog() {
		t.Run(entry.Name, func(t *testing.T) {
			tc, ok := windowCases[entry.Name]
			require.True(t, ok, "the catalog's %s has no case", entry.Name)
			j, n := New(time.Second), 0
			for ; n < warmUp; n++ {
				require.Empty(t, j.Observe(steady(n)).Findings)
			}
			begin := steady(n).At
			const longer = 3
			for i := 1; i < tc.tells+longer; i++ {
				in := steady(n)
				tc.fault(&in, i)
				r := j.Observe(in)
				told := names(r.Findings)
				require.Equal(t, i >= tc.tells, slices.Contains(told, entry.Name), "poll %d of the fault tells %v", i, told)
				require.Equal(t, i == tc.tells, slices.Contains(names(r.Appeared), entry.Name), "poll %d", i)
				n++
			}
			f := findingNamed(j.Findings(), entry.Name)
			require.Equal(t, []string{entry.Severity, entry.Node, entry.Meaning, entry.Remedy}, []string{f.Severity, f.Node, f.Summary, f.Remedy})
			require.NotEmpty(t, f.Evidence)
			require.WithinDuration(t, begin, f.Since, 5*time.Second, "since when the signals began")
			for _, name := range names(j.Findings()) {
				require.Contains(t, append(tc.also, entry.Name), name, "the fault brings a finding that is not its own")
			}
			for i := 1; i <= tc.goes; i++ {
				r := j.Observe(steady(n))
				require.Equal(t, i < tc.goes, slices.Contains(names(r.Findings), entry.Name), "poll %d after the fault", i)
				require.Equal(t, i == tc.goes, slices.Contains(names(r.Gone), entry.Name), "poll %d after the fault", i)
				n++
			}
			for range warmUp {
				n++
				j.Observe(steady(n))
			}
			require.Empty(t, j.Findings())
		})
	}
	require.Len(t, windowCases, len(Catalog()), "a case of a finding that is not in the catalog")
}

// What comes and goes within the window is never reported: nothing flickers.
func TestNothingFlickers(t *testing.T) {
	for name, tc := range windowCases {
		if tc.tells == 1 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			j, in := New(time.Second), 0
			for range 4 {
				for i := range 2 * warmUp {
					poll := steady(in)
					if i >= warmUp && i < warmUp+tc.tells-1 {
						tc.fault(&poll, i-warmUp+1)
					}
					j.Observe(poll)
					in++
					require.NotContains(t, names(j.Findings()), name)
				}
			}
		})
	}
}

// A reported finding does not go and come with every good poll in between.
func TestFlappingNodeIsToldOnce(t *testing.T) {
	j, appeared := New(time.Second), 0
	for n := range 300 {
		in := steady(n)
		if n > warmUp && n%5 != 0 && n%5 != 1 { // three bad polls, two good ones
			in.Gwat = Gwat{Node: failing(Down)}
		}
		appeared += len(j.Observe(in).Appeared)
	}
	require.Equal(t, 1, appeared)
	require.Equal(t, []string{"gwat_unreachable"}, names(j.Findings()))
}

// A poll that an event woke does not bring the third one forward.
func TestWokenPollsDoNotCount(t *testing.T) {
	j := New(time.Second)
	for n := range 3 {
		in := steady(warmUp)
		in.Elapsed += time.Duration(n) * 200 * time.Millisecond
		in.Gwat = Gwat{Node: failing(Down)}
		require.Empty(t, j.Observe(in).Findings)
	}
}

// Nor does it make a finding go earlier than its counted polls.
func TestWokenPollsDoNotClear(t *testing.T) {
	j := New(time.Second)
	for n := range warmUp {
		j.Observe(steady(n))
	}
	in := steady(warmUp)
	windowCases["gwat_rolled_back"].fault(&in, 1)
	require.Equal(t, []string{"gwat_rolled_back"}, names(j.Observe(in).Findings))
	for n := range 3 {
		in := steady(warmUp + 1)
		in.Elapsed += time.Duration(n) * 100 * time.Millisecond
		require.Equal(t, []string{"gwat_rolled_back"}, names(j.Observe(in).Findings))
	}
}

// A poll that an event woke neither adds to a window of several polls nor interrupts it, and is
// as good as any where one poll is enough.
func TestWokenPollsAndWindows(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, woken := range []signal{shows("wrong"), healthy} {
			said := healthy
			e := &Engine{poll: time.Second, runs: make([]run, 1), rules: []rule{{
				Entry: Entry{Name: "custom", Severity: status.SeverityInfo}, window: polls(n), clear: polls(1), look: func(*view) signal { return said },
			}}}
			reported := func(after time.Duration, s signal) bool {
				said = s
				in := steady(0)
				in.Elapsed, in.At = after, in.At.Add(after)
				return len(e.Observe(in).Findings) > 0
			}
			require.False(t, reported(0, healthy))
			if n == 1 {
				require.Equal(t, woken.state == present, reported(300*time.Millisecond, woken))
				continue
			}
			for i := 1; i <= n; i++ { // polls that count take two intervals each
				counted := time.Duration(i) * 2 * time.Second
				require.Equal(t, i == n, reported(counted, shows("wrong")), "poll %d of %d", i, n)
				require.Equal(t, i == n, reported(counted+300*time.Millisecond, woken) && i == n, "woken after poll %d of %d", i, n)
			}
		}
	}
}

func TestCatalogIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Catalog() {
		require.False(t, seen[e.Name], "%s twice", e.Name)
		seen[e.Name] = true
		for what, text := range map[string]string{"meaning": e.Meaning, "window": e.Window, "clears": e.Clears, "remedy": e.Remedy} {
			require.NotEmpty(t, text, "%s of %s", what, e.Name)
		}
		require.Contains(t, []string{"gwat", "beacon", "pair", "syncd"}, e.Node)
		require.GreaterOrEqual(t, rank(e.Severity), 0)
		require.Greater(t, len(e.Remedy), 30, "the remedy of %s helps nobody", e.Name)
	}
	for _, asked := range []string{"gwat_hung", "gwat_no_peers", "gwat_rolled_back", "beacon_stalled_head", "beacon_ahead_of_gwat", "second_driver", "lock_held", "wrong_network", "clock_skew", "sse_silent"} {
		require.True(t, seen[asked], asked)
	}
}
