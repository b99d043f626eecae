package terminal

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestStatusTable(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	peers := uint64(3)
	next, eta := now.Add(800*time.Millisecond), now.Add(90*time.Second)
	full := &status.Snapshot{
		Pair: "main", Version: "v0.1.0", Observe: true, Stage: "head_sync", Since: now.Add(-time.Minute), Reason: "ready accepted",
		Waiting: "gwat finalizes", NextTry: &next,
		Network:         &status.Network{Name: "testnet", ChainID: 1337, CurrentSlot: 77},
		Gwat:            status.Node{Endpoint: "ws://a", Reachable: true, Version: "GWAT/v0", Peers: &peers, SyncStage: "head"},
		Beacon:          status.Node{Endpoint: "http://b", Error: &status.Error{Message: "connection refused"}},
		Push:            &status.Push{Phase: "pushing", From: 65, To: 77, Progress: status.Progress{Unit: "entry", Current: 4, Target: 12, Rate: 2, ETA: &eta}},
		Checkpoint:      &status.Checkpoint{Checkpoint: checkpoint.Checkpoint{Epoch: 2, Root: common.Hash{0xab}}, Slot: 64},
		Confirmed:       &status.Confirmed{Slot: 60, Number: 58, At: now.Add(-3 * time.Second)},
		Lock:            &status.Lock{Ours: true, Until: now.Add(100 * time.Second)},
		CompetingDriver: &status.CompetingDriver{Sign: "a rollback", Seen: now.Add(-5 * time.Second)},
		Verdict:         status.VerdictSyncing,
		Findings:        []status.Finding{{Name: "gwat_no_peers", Severity: status.SeverityWarning, Since: now.Add(-time.Minute), Summary: "gwat has no peers", Remedy: "check its ports"}},
		LastError:       &status.Error{Kind: "retry_later", Message: "not ready", At: now.Add(-2 * time.Second)},
	}
	const golden = "testdata/status.txt"
	got := Table(full, now, 0)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	require.NotContains(t, got, "\nera ")
	require.Contains(t, Table(&status.Snapshot{Era: "coordinated"}, now, 0), "era      coordinated\n")
	require.NotPanics(t, func() { Table(&status.Snapshot{}, now, 0) })

	// On a terminal it is broken between words.
	full.Findings[0].Remedy = strings.Repeat("word ", 40)
	for line := range strings.Lines(Table(full, now, 60)) {
		require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 60, line)
	}
	require.Contains(t, Table(full, now, 60), "\n  do        word word")
	require.Zero(t, Width(&strings.Builder{}))
	require.Zero(t, Width(os.Stdin), "a test has no terminal")
}
