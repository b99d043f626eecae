package health

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

func bothCatalogs() []Entry { return slices.Concat(Catalog(), CoordinatedCatalog()) }

// Each row names two findings of one era, no row comes twice, no info explains what must
// be acted on, and the causes of causes end.
func TestTheTableOfCausesIsSound(t *testing.T) {
	byName := map[string]Entry{}
	for _, e := range bothCatalogs() {
		byName[e.Name] = e
	}
	seen, kept := map[[2]string]bool{}, map[[2]string]bool{}
	for _, x := range slices.Concat(Explanations(Catalog()), Explanations(CoordinatedCatalog())) {
		kept[[2]string{x.Finding, x.By}] = true
	}
	causes := map[string][]string{}
	for _, x := range explanations {
		pair := [2]string{x.Finding, x.By}
		require.False(t, seen[pair], "%v comes twice", pair)
		seen[pair] = true
		require.True(t, kept[pair], "%v: no era has both", pair)
		require.NotEqual(t, status.SeverityInfo, byName[x.By].Severity, pair)
		require.True(t, strings.HasSuffix(x.Why, "."), x.Why)
		causes[x.Finding] = append(causes[x.Finding], x.By)
	}
	var walk func(name string, path []string)
	walk = func(name string, path []string) {
		require.NotContains(t, path, name, "a circle")
		for _, by := range causes[name] {
			walk(by, append(path, name))
		}
	}
	for name := range causes {
		walk(name, nil)
	}
}

// An era's causes are about findings of that era only.
func TestCausesOfAnEra(t *testing.T) {
	for _, catalog := range [][]Entry{Catalog(), CoordinatedCatalog(), Catalog()[:1], nil} {
		names := map[string]bool{}
		for _, e := range catalog {
			names[e.Name] = true
		}
		var want []Explanation
		for _, x := range explanations {
			if names[x.Finding] && names[x.By] {
				want = append(want, x)
			}
		}
		got := Explanations(catalog)
		require.Len(t, got, len(want))
		for i, x := range got {
			require.Equal(t, [2]string{want[i].Finding, want[i].By}, [2]string{x.Finding, x.By})
		}
	}
}

// Each row of the table folds its finding under its cause, in the engine of each era that has both.
func TestEachCauseExplains(t *testing.T) {
	for era, build := range map[string]func(time.Duration) *Engine{"head-sync": New, "coordinated": NewCoordinated} {
		for _, x := range explanations {
			t.Run(era+" "+x.By+" explains "+x.Finding, func(t *testing.T) {
				e := build(time.Second)
				found := map[string]bool{}
				for i := range e.rules {
					name := e.rules[i].Name
					e.runs[i].reported = name == x.Finding || name == x.By
					found[name] = e.runs[i].reported
				}
				if !found[x.Finding] || !found[x.By] {
					t.Skip("not of this era")
				}
				in := steady(1)
				require.Equal(t, map[string]string{x.Finding: x.By}, e.causes(&view{Input: &in, mem: &e.mem}))
				list := []status.Finding{
					{Name: x.Finding, Severity: status.SeverityCritical, ExplainedBy: x.By}, {Name: "another", Severity: status.SeverityWarning},
					{Name: x.By, Severity: status.SeverityWarning},
				}
				fold(list)
				require.Equal(t, []string{x.By, x.Finding, "another"}, names(list), "the cause is as bad as what it explains")
			})
		}
	}
}

// told is a finding with its cause.
func told(list []status.Finding) (out []string) {
	for _, f := range list {
		if f.ExplainedBy != "" {
			f.Name = f.ExplainedBy + " > " + f.Name
		}
		out = append(out, f.Name)
	}
	return out
}

// The incidents for which the table was made.
func TestCausesComeBeforeConsequences(t *testing.T) {
	foreign := func(in *Input, n int) {
		windowCases["gwat_rolled_back"].fault(in, n)
		in.Conflict = "chain ids differ"
	}
	for name, tc := range map[string]struct {
		fault func(*Input, int)
		polls int
		want  []string
	}{
		"gwat is of another chain": {foreign, 5, []string{"wrong_network", "wrong_network > gwat_rolled_back"}},
		"both nodes are down": {func(in *Input, n int) { gwatFails(Down)(in, n); beaconFails(Down)(in, n) }, 5,
			[]string{"nodes_unreachable", "nodes_unreachable > beacon_unreachable", "nodes_unreachable > gwat_unreachable"}},
		"the beacon's head stays below gwat": {func(in *Input, n int) {
			frozenHead(in, begun(in, n))
			in.Gwat.Slot = in.Beacon.Head + 3
		}, 40, []string{"beacon_stalled_head", "beacon_stalled_head > gwat_ahead_of_beacon"}},
		"a competing driver has the lock, and nothing comes on": {func(in *Input, n int) {
			frozenGwat(in, begun(in, n))
			in.Competing, in.Lock = "stage head without a call of ours", &Lock{}
		}, 40, []string{"second_driver", "second_driver > gwat_stalled", "second_driver > lock_held", "second_driver > beacon_ahead_of_gwat"}},
		"our own lost call has the lock": {func(in *Input, n int) {
			in.Competing, in.Lock = "an older sign", &Lock{Ours: true}
		}, 10, []string{"lock_held", "second_driver"}},
		"gwat hangs under a gate": {func(in *Input, n int) {
			gwatFails(Silent)(in, n)
			in.Gate.Absorbed, in.Gate.Since, in.Stage = 3, in.At, fsm.Connecting
		}, 10, []string{"gwat_hung", "gwat_hung > gwat_behind_gate"}},
		"gwat's error lasts": {func(in *Input, n int) {
			gwatFails(Silent)(in, n)
			in.Gate.Absorbed, in.Gate.Lasting, in.Gate.Since = 3, 1, in.At
		}, 10, []string{"gwat_behind_gate", "gwat_hung"}},
	} {
		t.Run(name, func(t *testing.T) {
			j, n := New(time.Second), 0
			for ; n < warmUp; n++ {
				j.Observe(steady(n))
			}
			var appeared []string
			for i := 1; i <= tc.polls; i++ {
				in := steady(n)
				tc.fault(&in, i)
				appeared = append(appeared, names(j.Observe(in).Appeared)...)
				n++
			}
			require.Equal(t, tc.want, told(j.Findings()))
			require.Equal(t, status.VerdictFailing == Of(fsm.Working, j.Findings(), true), slices.ContainsFunc(j.Findings(), func(f status.Finding) bool {
				return f.Severity == status.SeverityCritical
			}))
			slices.Sort(appeared)
			require.Equal(t, slices.Compact(slices.Clone(appeared)), appeared, "each is reported once")
			for range warmUp {
				n++
				j.Observe(steady(n))
			}
			require.Empty(t, j.Findings())
		})
	}
}

// A consequence is reported neither when it comes nor when it goes; if it outlasts its
// cause it is reported once its own window is over.
func TestAConsequenceIsReportedOnlyByItself(t *testing.T) {
	j, n := New(time.Second), 0
	var log []string
	observe := func(change func(*Input)) {
		in := steady(n)
		change(&in)
		r := j.Observe(in)
		for _, f := range r.Gone {
			log = append(log, "- "+f.Name)
		}
		for _, f := range r.Appeared {
			log = append(log, "+ "+f.Name)
		}
		n++
	}
	refused := func(in *Input) { in.Failed, in.FailedFor, in.FailedWhy = 9, time.Minute, "broken" }
	for range warmUp {
		observe(func(*Input) {})
	}
	for i := range 8 {
		observe(func(in *Input) {
			if gwatFails(Down)(in, 1); i > 4 {
				refused(in)
			}
		})
	}
	require.Equal(t, []string{"gwat_unreachable", "gwat_unreachable > head_sync_failing"}, told(j.Findings()))
	for range 10 {
		observe(refused)
	}
	require.Equal(t, []string{"head_sync_failing"}, told(j.Findings()))
	for range 5 {
		observe(func(*Input) {})
	}
	require.Equal(t, []string{"+ gwat_unreachable", "- gwat_unreachable", "+ head_sync_failing", "- head_sync_failing"}, log)

	log = nil
	observe(func(in *Input) { in.Lock = &Lock{} })
	observe(func(in *Input) { in.Lock = &Lock{} })
	for range 3 {
		observe(func(in *Input) { in.Lock, in.Competing = &Lock{}, "a sign" })
	}
	require.Equal(t, []string{"second_driver", "second_driver > lock_held"}, told(j.Findings()))
	observe(func(in *Input) { in.Lock = &Lock{} })
	require.Empty(t, j.Findings(), "what was left of the cause must last its own window")
	for range 3 {
		observe(func(*Input) {})
	}
	require.Equal(t, []string{"+ second_driver", "- second_driver"}, log)
}

// Once another node answers at an endpoint, nothing is held against it that was seen of
// the one before.
func TestHistoryIsVoidWhenTheIdentityChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		fault   func(*Input, int)
		polls   int
		finding string
		change  func(*Input)
	}{
		"gwat with another genesis": {windowCases["gwat_rolled_back"].fault, 3, "gwat_rolled_back", func(in *Input) { in.Gwat.Identity.Chain = "2" }},
		"gwat that does not move":   {func(in *Input, n int) { frozenGwat(in, begun(in, n)) }, 40, "gwat_stalled", func(in *Input) { in.Gwat.Identity.Chain = "2" }},
		"beacon node with another peer id": {windowCases["beacon_rolled_back"].fault, 3, "beacon_rolled_back",
			func(in *Input) { in.Beacon.Identity.Peer = "b" }},
		"beacon node that lags": {windowCases["beacon_behind"].fault, 60, "beacon_behind", func(in *Input) { in.Beacon.Identity.Peer = "b" }},
		"beacon node whose head does not move": {func(in *Input, n int) { frozenHead(in, begun(in, n)) }, 40, "beacon_stalled_head",
			func(in *Input) { in.Beacon.Identity.Peer = "b" }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, other := range []bool{false, true} {
				j, n := New(time.Second), 0
				observe := func(i int) Report {
					in := steady(n)
					n++
					in.Gwat.Identity, in.Beacon.Identity = Identity{Chain: "1"}, Identity{Client: "prysm", Peer: "a"}
					if i > 0 {
						tc.fault(&in, i)
					}
					if i > tc.polls && other {
						tc.change(&in)
					}
					if i > tc.polls+1 { // it is read seldom
						in.Gwat.Identity, in.Beacon.Identity = Identity{}, Identity{Client: "prysm"}
					}
					return j.Observe(in)
				}
				for range warmUp {
					observe(0)
				}
				for i := 1; i <= tc.polls; i++ {
					observe(i)
				}
				require.Contains(t, names(j.Findings()), tc.finding)
				r := observe(tc.polls + 1)
				require.Equal(t, other, !slices.Contains(names(r.Findings), tc.finding), "other: %v", other)
				require.Equal(t, other, slices.Contains(names(r.Gone), tc.finding))
				require.Equal(t, other, !slices.Contains(names(observe(tc.polls+2).Findings), tc.finding))
			}
		})
	}
}

// The same holds in the coordinated era.
func TestHistoryOfACoordinatedPairIsVoid(t *testing.T) {
	for _, who := range []string{"", "the same", "other"} {
		e := NewCoordinated(time.Second)
		for n := range 40 {
			in := coordinatedSteady(n)
			in.Gwat.Identity.Peer = "the same"
			if n == 20 {
				in.Gwat = Gwat{Node: failing(Down)}
			}
			if n > 20 { // it comes back with less
				number := uint64(10)
				in.Gwat.Number, in.Gwat.Identity.Peer = &number, who
			}
			e.Observe(in)
		}
		require.Equal(t, who != "other", slices.Contains(names(e.Findings()), "gwat_restart_rollback"), who)
	}
}

func TestEveryFindingHasAdvice(t *testing.T) {
	used := map[string]bool{}
	for _, e := range bothCatalogs() {
		used[e.Name] = true
		require.NotEmpty(t, e.Why, e.Name)
		require.NotEmpty(t, e.Commands, e.Name)
		require.False(t, strings.HasSuffix(e.Why, ".") || strings.HasSuffix(e.Risk, "."), e.Name)
		if e.Severity == status.SeverityInfo {
			require.False(t, e.Urgent, e.Name)
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(advice)))
}

// What was only ever shown behind its cause was never announced: when its node goes away it is
// not announced as gone, and its cause is.
func TestAnExplainedFindingGoesInSilence(t *testing.T) {
	e := New(time.Second)
	require.Empty(t, e.Resume([]status.Finding{{Name: "gwat_no_peers"}, {Name: "gwat_stalled", ExplainedBy: "gwat_no_peers"}}))
	var gone []string
	for n := range 4 {
		in := steady(n)
		in.Gwat = Gwat{Node: failing(Down)}
		gone = append(gone, names(e.Observe(in).Gone)...)
	}
	require.Equal(t, []string{"gwat_no_peers"}, gone)
	require.Equal(t, []string{"gwat_unreachable"}, names(e.Findings()))
}
