package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

var (
	saidAPI      = regexp.MustCompile(`the API is at (http://127\.0\.0\.1:\d+)`)
	saidSnapshot = regexp.MustCompile(`, #(\d+)\)`)
	saidVerdict  = regexp.MustCompile(`(?m)^verdict    ([A-Z]+), stage (\w+) for`)
	saidNode     = regexp.MustCompile(`(?m)^(gwat|beacon) +(up|DOWN)(.*)$`)
	saidPush     = regexp.MustCompile(`(?m)^push +(.*)$`)
	saidFinding  = regexp.MustCompile(`(?m)^(?:findings   | {11})(?:!!| !| i) (\w+) \((?:info|warning|critical), `)
)

// TestTerminalAndLineTellTheSnapshotOfTheAPI: on the whole way of a demo, what the
// live view and the line for scripts show under a number is what JSON-RPC tells
// under the same number.
func TestTerminalAndLineTellTheSnapshotOfTheAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some twelve seconds")
	}
	p := onTerminal(t, 240, 60, []string{"NO_COLOR=1"}, "demo", "--until", "working", "--api.listen", "127.0.0.1:0")
	p.waitFor("the API is at http")
	url := saidAPI.FindStringSubmatch(p.shown())[1]
	client, err := rpc.DialContext(t.Context(), url)
	require.NoError(t, err)
	defer client.Close()

	told, screens, lines := map[uint64]*status.Snapshot{}, map[uint64]string{}, map[uint64]string{}
	for n := 0; ; n++ {
		var snap status.Snapshot
		if client.CallContext(t.Context(), &snap, "syncd_status") != nil {
			break // the demo is at its end
		}
		told[snap.Seq] = &snap
		shown := p.picture()
		if seqs := saidSnapshot.FindAllStringSubmatch(shown, -1); seqs != nil {
			require.Len(t, seqs, 1, "one picture:\n%s", shown)
			number, err := strconv.ParseUint(seqs[0][1], 10, 64)
			require.NoError(t, err)
			screens[number] = shown
		}
		if n%8 == 0 {
			if seq, line := lineOf(t, url); line != "" {
				lines[seq] = line
			}
		}
		time.Sleep(25 * time.Millisecond) // the samples' rate, within the API's limit
	}
	require.NoError(t, p.end())

	stages, compared := map[string]bool{}, 0
	for seq, screen := range screens {
		if snap := told[seq]; snap != nil {
			compared++
			stages[snap.Stage] = true
			requireScreen(t, screen, snap)
		}
	}
	require.Greater(t, compared, 8, "snapshots seen both ways")
	require.Greater(t, len(stages), 3, "in %v", stages)
	compared = 0
	for seq, line := range lines {
		if snap := told[seq]; snap != nil {
			compared++
			requireLine(t, line, snap)
		}
	}
	require.Greater(t, compared, 4, "snapshots seen both ways")
}

// lineOf is what `syncd status` prints, with its number.
func lineOf(t *testing.T, url string) (uint64, string) {
	t.Helper()
	stdout := syncd(t, nil, "status", "--api", url).stdout
	_, rest, ok := strings.Cut(stdout, " seq=")
	if !ok {
		return 0, ""
	}
	number, _, _ := strings.Cut(rest, " ")
	seq, err := strconv.ParseUint(number, 10, 64)
	require.NoError(t, err)
	return seq, strings.TrimSpace(stdout)
}

func requireScreen(t *testing.T, screen string, snap *status.Snapshot) {
	t.Helper()
	verdict := saidVerdict.FindStringSubmatch(screen)
	require.NotNil(t, verdict, screen)
	require.Equal(t, []string{strings.ToUpper(snap.Verdict), snap.Stage}, verdict[1:], screen)
	nodes := saidNode.FindAllStringSubmatch(screen, -1)
	require.Len(t, nodes, 2, screen)
	for i, n := range []status.Node{snap.Gwat, snap.Beacon} {
		require.Equal(t, map[bool]string{true: "up", false: "DOWN"}[n.Reachable], nodes[i][2], screen)
		text, want := nodes[i][3], []string{n.Endpoint}
		if n.Reachable && n.Slot != nil {
			want = append(want, fmt.Sprintf("slot %d (%d behind)", *n.Slot, *n.LagSlots))
		}
		if n.Reachable && n.Peers != nil {
			want = append(want, fmt.Sprintf("%d peers", *n.Peers))
		}
		if n.Reachable && n.Finalized != nil {
			want = append(want, fmt.Sprintf(" %d,", *n.Finalized))
		}
		for _, w := range want {
			require.Contains(t, text, w, "snapshot %d:\n%s", snap.Seq, screen)
		}
	}
	push := saidPush.FindStringSubmatch(screen)
	if snap.Push == nil {
		require.Nil(t, push, screen)
	} else {
		require.Equal(t, fmt.Sprintf("%s, slots %d to %d", snap.Push.Phase, snap.Push.From, snap.Push.To), push[1], screen)
	}
	var names, want []string
	for _, f := range saidFinding.FindAllStringSubmatch(screen, -1) {
		names = append(names, f[1])
	}
	for _, f := range snap.Findings {
		want = append(want, f.Name)
	}
	require.Equal(t, want, names, screen)
}

func requireLine(t *testing.T, line string, snap *status.Snapshot) {
	t.Helper()
	want := []string{"verdict=" + snap.Verdict, "stage=" + snap.Stage, "since=" + snap.Since.UTC().Format(time.RFC3339)}
	for name, n := range map[string]status.Node{"gwat": snap.Gwat, "beacon": snap.Beacon} {
		want = append(want, name+"="+map[bool]string{true: "up", false: "down"}[n.Reachable])
		if n.Slot != nil {
			want = append(want, fmt.Sprintf("%s_slot=%d", name, *n.Slot), fmt.Sprintf("%s_lag=%d", name, *n.LagSlots))
		}
		if n.Peers != nil {
			want = append(want, fmt.Sprintf("%s_peers=%d", name, *n.Peers))
		}
	}
	if snap.Push != nil {
		want = append(want, fmt.Sprintf("push=%d/%d", snap.Push.Progress.Current, snap.Push.Progress.Target))
	}
	names := []string{}
	for _, f := range snap.Findings {
		names = append(names, f.Name)
	}
	if len(names) > 0 {
		want = append(want, "findings="+strings.Join(names, ","))
	}
	for _, w := range want {
		require.Contains(t, " "+line+" ", " "+w+" ", "snapshot %d", snap.Seq)
	}
}
