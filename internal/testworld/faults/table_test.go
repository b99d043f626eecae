package faults_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/simulation"
)

var update = flag.Bool("update", false, "write docs/faults.md")

const (
	root     = "../../.."
	measured = "measured.json"
	document = root + "/docs/faults.md"
)

func TestEveryRowNamesTestsThatAreThere(t *testing.T) {
	all, err := faults.Tests(root, "Test")
	require.NoError(t, err)
	require.Contains(t, all, "faults.TestEveryRowNamesTestsThatAreThere")
	seen := map[string]bool{}
	for _, r := range faults.Table() {
		require.NotEmpty(t, r.Tests, r.Fault)
		require.NotEmpty(t, r.Does, r.Fault)
		require.NotEmpty(t, r.Sees, r.Fault)
		require.True(t, (r.Key == "") == (r.Instead != ""), "%s has a measured time, or says why it needs none", r.Fault)
		require.False(t, seen[r.Group+r.Fault], "%s stands twice", r.Fault)
		seen[r.Group+r.Fault] = true
		for _, name := range r.Tests {
			require.Contains(t, all, name, "%s names a test that is not there", r.Fault)
		}
	}
}

// Whatever is injected anywhere has a row.
func TestEveryFaultHasARow(t *testing.T) {
	keys := func(group string) (out []string) {
		for _, r := range faults.Table() {
			if r.Group == group {
				out = append(out, r.Key)
			}
		}
		return out
	}
	require.ElementsMatch(t, simulation.FaultKinds(), keys(faults.GroupSimulation))
	var incidents []string
	for _, r := range faults.Table() {
		if r.Group == faults.GroupIncidents {
			incidents = append(incidents, r.Fault)
		}
	}
	require.ElementsMatch(t, simulation.IncidentKinds(), incidents)
	for _, toxic := range faults.Toxics() {
		require.Contains(t, keys(faults.GroupConnections), toxic.Name)
	}
	hostile, err := faults.Tests(root, "TestHostile")
	require.NoError(t, err)
	require.NotEmpty(t, hostile)
	for _, name := range hostile {
		require.True(t, slices.ContainsFunc(faults.Table(), func(r faults.Row) bool { return slices.Contains(r.Tests, name) }), "%s has no row", name)
	}
}

// docs/faults.md is what the table and the measured times give; -update writes it.
func TestFaultsDocument(t *testing.T) {
	m, err := faults.ReadMeasured(measured)
	require.NoError(t, err)
	proofs, err := faults.ReadProofs(root)
	require.NoError(t, err)
	want := faults.Document(m, proofs)
	rows, _, _ := strings.Cut(want, "\n## "+faults.GroupProofs)
	require.NotContains(t, rows, "not measured", "a row has no measured time: make faults RECORD=1")
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(want), 0o644))
	}
	got, err := os.ReadFile(document)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "docs/faults.md is old: make docs")
	for _, s := range m.Faults {
		require.True(t, slices.ContainsFunc(faults.Table(), func(r faults.Row) bool { return r.Measures(s) }), "no row shows %s on %s", s.Fault, s.On)
	}
}

func TestSummarize(t *testing.T) {
	got := faults.Summarize([]faults.Recovery{
		{Fault: "kill", On: "gwat", Stage: "a", Seconds: 3, Findings: []string{"x"}},
		{Fault: "kill", On: "gwat", Stage: "b", Seconds: 9.04, Findings: []string{"x", "y"}},
		{Fault: "kill", On: "gwat", Stage: "c", Seconds: 1},
		{Fault: "cut", On: "all", Seconds: 2, Lasting: true},
		{Fault: "cut", On: "all", Kept: true},
		{Fault: "cut", On: "all", Kept: true},
		{Fault: "cut", On: "all", Seconds: 1},
	})
	require.Equal(t, []faults.Summary{
		{Fault: "cut", On: "all", Runs: 1, Median: 1, Worst: 1},
		{Fault: "cut", On: "all", Runs: 1, Median: 2, Worst: 2, Lasting: true},
		{Fault: "cut", On: "all", Runs: 2, Kept: true},
		{Fault: "kill", On: "gwat", Runs: 3, Median: 3, Worst: 9, At: "b", Findings: []string{"x"}},
	}, got)
}
