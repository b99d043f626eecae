package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

func TestDiagnosis(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	good := Diagnosis(&status.Snapshot{At: now, Pair: "main", Verdict: status.VerdictWorking, Stage: "working", Since: now.Add(-time.Hour)}, now, textWidth)
	require.Equal(t, "The pair main is WORKING: both nodes were seen to do their normal work.\nIts stage is working, for 1h0m0s.\n\nNothing is found to be wrong.\n", good)
	today := Diagnosis(&status.Snapshot{At: now, Era: "coordinated", Stage: "working"}, now, textWidth)
	require.Contains(t, today, "Its nodes are of the coordinated era: the beacon node drives gwat")
	require.NotContains(t, good, "era")
	old := Diagnosis(&status.Snapshot{At: now.Add(-time.Minute), Stage: "working"}, now, textWidth)
	require.Contains(t, old, "syncd hangs, or the clocks of the two")
	for _, v := range []string{status.VerdictUnknown, status.VerdictSyncing, status.VerdictWorking, status.VerdictFailing, status.VerdictPaused, status.VerdictHalted} {
		require.NotEmpty(t, meanings[terminal.Verdict(&status.Snapshot{Verdict: v})], v)
	}
}

func TestFindingsInWords(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	text := Diagnosis(&status.Snapshot{
		At: now, Pair: "main", Verdict: status.VerdictFailing, Stage: "\x1b[2Jconnecting", Since: now.Add(-time.Minute), Waiting: "gwat.",
		Findings: []status.Finding{{
			Name: "gwat_unreachable", Severity: status.SeverityCritical, Node: "gwat", Since: now.Add(-time.Minute),
			Summary: strings.Repeat("it does not answer ", 10), Evidence: []string{"connection\nrefused"}, Remedy: "start it",
		}, {
			Name: "head_sync_failing", Severity: status.SeverityCritical, Since: now, Summary: "Attempts fail.", Remedy: "not shown", ExplainedBy: "gwat_unreachable",
		}, {Name: "clock_skew", Severity: status.SeverityWarning, Node: "syncd", Since: now}},
	}, now, textWidth)
	require.Contains(t, text, "The pair main is FAILING")
	require.Contains(t, text, "It waits for: gwat.\n")
	require.Contains(t, text, "\n1. gwat_unreachable (critical, gwat, for 1m0s)\n")
	require.Contains(t, text, "   Seen: connection refused\n")
	require.Contains(t, text, "   Do: start it\n")
	require.Contains(t, text, "   It explains head_sync_failing (critical, for 0s): Attempts fail.\n")
	require.NotContains(t, text, "not shown")
	require.Contains(t, text, "\n2. clock_skew (warning")
	require.NotContains(t, text, "\x1b")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), textWidth)
	}
}

func TestOldEvidenceHasItsAge(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	seen := now.Add(-90 * time.Second)
	f := status.Finding{Name: "gwat_unreachable", Since: now, Evidence: []string{"connection refused"}, EvidenceAt: &seen}
	require.Contains(t, Diagnosis(&status.Snapshot{At: now, Findings: []status.Finding{f}}, now, textWidth), "   Last seen 1m30s ago: connection refused\n")
}

// On a narrow terminal no line is broken by the terminal, in the middle of a word.
func TestANarrowTerminal(t *testing.T) {
	s := &status.Snapshot{At: time.Unix(1_700_000_000, 0), Pair: "main", Stage: "connecting", Waiting: "gwat at ws://127.0.0.1:8546 to answer", Findings: []status.Finding{
		{Name: "gwat_unreachable", Severity: status.SeverityCritical, Node: "gwat", Summary: strings.Repeat("it does not answer ", 10), Remedy: "start it"},
	}}
	for line := range strings.Lines(Diagnosis(s, s.At, 40)) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 40, line)
	}
	require.Equal(t, textWidth, Width(&strings.Builder{}), "into a pipe")
}
