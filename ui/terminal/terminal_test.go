package terminal

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile are texts with which a node would move the cursor, set a title, write
// to the clipboard, turn the writing round or fill the screen.
var hostile = []string{
	"\x1b[2J\x1b[HGeth", "\x1b]0;owned\x07Geth", "\x1b]52;c;cm0gLXJm\x1b\\Geth", "\u009b31mGeth", "Geth\r\nWORKING", "Geth\tv1\v\f\x00\x08\x7f",
	"Geth \u202ekcab\u2066", "Geth\u2028WORKING", "\xff\xfeGeth\x1b", "\x1bP1$r\x1b\\Geth", "Geth" + strings.Repeat("W", 1<<20), "Geth\x1b[",
}

func TestCleanLeavesNothingThatATerminalObeys(t *testing.T) {
	for _, said := range hostile {
		for _, got := range []string{Clean(said), CleanLine(said)} {
			require.Contains(t, got, "Geth", "%q", said[:min(len(said), 40)])
			require.LessOrEqual(t, len([]rune(got)), maxText+1)
			for _, r := range got {
				require.True(t, unicode.IsPrint(r), "%q in %.40q", r, got)
			}
			require.NotContains(t, got, "owned", "what an escape sequence holds goes with it")
		}
	}
	require.Equal(t, "gwat’s Wert: 5 µs", Clean(" gwat’s   Wert:\n5 µs "), "other writing stays")
	require.Equal(t, "12:00  two columns", CleanLine("12:00  two columns\n"))
}

func TestJSONSaysTheSameAndObeysNothing(t *testing.T) {
	for _, said := range append(hostile, "\U000E0001\U0001F600", "plain") {
		data, err := JSON(map[string]string{"version": said})
		require.NoError(t, err)
		for _, r := range strings.TrimSuffix(string(data), "\n") {
			require.True(t, unicode.IsPrint(r), "%q", r)
		}
		var back map[string]string
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, strings.ToValidUTF8(said, "\ufffd"), strings.ReplaceAll(back["version"], "\ufffd\ufffd", "\ufffd"))
	}
}

func number(n uint64) *uint64 { return &n }

func slot(n uint64) *primitives.Slot { s := primitives.Slot(n); return &s }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// sample is a snapshot with everything in it.
func sample() *status.Snapshot {
	eta := noon.Add(90 * time.Second)
	return &status.Snapshot{
		Seq: 7, At: noon, Pair: "main", Version: "v0.2.0", Verdict: status.VerdictFailing, Stage: "head_sync", Since: noon.Add(-time.Minute),
		Waiting: "gwat finalizes", NextTry: &eta, ETA: &eta,
		Network: &status.Network{Name: "testnet", ChainID: 1337, CurrentSlot: 77},
		Gwat: status.Node{
			Endpoint: "ws://a:1", Reachable: true, Version: "Geth/v0.6", Peers: number(0), LatencyMS: new(1.25), SyncStage: "head",
			Slot: slot(70), LagSlots: number(7), Finalized: number(640),
			Progress: &status.Progress{Unit: "slot", From: 50, Current: 70, Target: 77, Rate: 2, ETA: &eta},
		},
		Beacon: status.Node{
			Endpoint: "http://b:1", Since: noon.Add(-30 * time.Second), Error: &status.Error{Message: "connection refused"},
			LagSlots: number(9), LastKnown: &status.LastKnown{At: noon.Add(-31 * time.Second), Slot: slot(68), Finalized: number(32)},
		},
		Push: &status.Push{Phase: "pushing", From: 65, To: 77, Progress: status.Progress{Unit: "entry", Current: 4, Target: 12}},
		Findings: []status.Finding{
			{Name: "beacon_unreachable", Severity: status.SeverityCritical, Since: noon.Add(-30 * time.Second), Summary: "the beacon node does not answer", Evidence: []string{"3 polls failed"}, Remedy: "start it"},
			{Name: "gwat_no_peers", Severity: status.SeverityWarning, Since: noon.Add(-2 * time.Minute), Summary: "gwat has no peers", Remedy: "check its ports"},
		},
		Lock:            &status.Lock{Ours: true, Until: noon.Add(100 * time.Second)},
		CompetingDriver: &status.CompetingDriver{Sign: "a rollback", Seen: noon.Add(-5 * time.Second)},
		Confirmed:       &status.Confirmed{Slot: 60, Number: 58, At: noon.Add(-3 * time.Second)},
		LastError:       &status.Error{Kind: "retry_later", Message: "not ready", At: noon.Add(-2 * time.Second)},
	}
}

// TestLineIsStable: scripts count on this line.
func TestLineIsStable(t *testing.T) {
	require.Equal(t, `verdict=failing stage=head_sync since=2026-11-21T11:59:00Z seq=7 `+
		`gwat=up gwat_slot=70 gwat_lag=7 gwat_peers=0 beacon=down beacon_slot=- beacon_lag=9 beacon_peers=- `+
		`push=4/12 eta=2026-11-21T12:01:30Z findings=beacon_unreachable,gwat_no_peers waiting="gwat finalizes" era=- explained=-`, Line(sample()))
	require.Equal(t, `verdict=unknown stage=- since=- seq=0 gwat=down gwat_slot=- gwat_lag=- gwat_peers=- `+
		`beacon=down beacon_slot=- beacon_lag=- beacon_peers=- push=- eta=- findings=- waiting=- era=coordinated explained=-`, Line(&status.Snapshot{Era: "coordinated"}))
	for _, said := range hostile {
		s := sample()
		s.Stage, s.Waiting, s.Findings[0].Name = said, said+`" gwat=up`, said+" a=b"
		line := Line(s)
		require.NotContains(t, line, "\n")
		require.NotContains(t, line, "\x1b")
		require.Equal(t, 1, strings.Count(line, " gwat="), "a value does not pass for a field: %.300s", line)
	}
}

// What follows from a finding is folded under it in every view.
func TestConsequencesAreFoldedUnderTheirCause(t *testing.T) {
	s := sample()
	s.Findings[1].ExplainedBy = "beacon_unreachable"
	require.Contains(t, Line(s), " findings=beacon_unreachable waiting=")
	require.Contains(t, Line(s), " explained=gwat_no_peers")
	table := Table(s, noon, 0)
	require.Equal(t, 1, strings.Count(table, "\nfinding "), table)
	require.Contains(t, table, "explains  gwat_no_peers\n")
	live := picture(t, frame{snap: CleanSnapshot(s), fresh: noon, now: noon}, 110, 60, "NO_COLOR=1")
	require.Contains(t, live, "              explains: gwat_no_peers")
	require.NotContains(t, live, "check its ports")
	var out strings.Builder
	view := &plain{out: &out}
	view.Show(Update{Snapshot: s})
	require.Contains(t, out.String(), "do: start it (explains gwat_no_peers)\n")

	s.Findings[1].ExplainedBy = "a finding that is not there"
	require.Contains(t, Line(s), " findings=beacon_unreachable,gwat_no_peers ")
	require.Equal(t, 2, strings.Count(Table(s, noon, 0), "\nfinding "))
}

func picture(t *testing.T, f frame, width, height int, environ ...string) string {
	t.Helper()
	out := f.render(width, height, newStyles(environ))
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), max(width, minWidth), line)
	}
	if height > 0 {
		require.LessOrEqual(t, strings.Count(out, "\n")+1, max(height, 2))
	}
	return out
}

func TestFrameTellsAllWithoutColour(t *testing.T) {
	f := frame{snap: CleanSnapshot(sample()), fresh: noon, now: noon, how: "live", hint: "q quits"}
	got := picture(t, f, 110, 60, "NO_COLOR=1")
	require.NotContains(t, got, "\x1b")
	require.Equal(t, strings.TrimPrefix(`
syncd      v0.2.0, pair main, network testnet, chain id 1337, slot 77 (live, #7)
verdict    FAILING, stage head_sync for 1m0s, may work in 1m30s
stages     x connecting x checkpoint_sync x dag_sync x head_sync_ready > head_sync . switching . working
findings   !! beacon_unreachable (critical, 30s) the beacon node does not answer
              seen: 3 polls failed
              do: start it
            ! gwat_no_peers (warning, 2m0s) gwat has no peers
              do: check its ports
waits      gwat finalizes; next try in 1m30s
gwat       up, head, slot 70 (7 behind), final block 640, 0 peers, 1.2 ms, ws://a:1, Geth/v0.6
           [#################.......]  74% slot 70 of 77 (2.0 a second), done in 1m30s
beacon     DOWN for 30s (last slot 68, 9 behind), http://b:1: connection refused
push       pushing, slots 65 to 77
           [########................]  33% entry 4 of 12
confirmed  slot 60, block number 58, 3s ago
head lock  ours, ends in 1m40s
driver     competing: a rollback, seen 5s ago
last error not ready (retry_later, 2s ago)
q quits`, "\n"), got)

	require.Contains(t, picture(t, f, 110, 60), "\x1b[", "with colour")
	require.Equal(t, got, ansi.Strip(picture(t, f, 110, 60)), "colour adds nothing to the words")
}

func TestFrameFitsEveryWindow(t *testing.T) {
	f := frame{snap: CleanSnapshot(sample()), fresh: noon, now: noon, how: "live", hint: "q quits"}
	for _, width := range []int{0, 1, 20, 33, 46, 80, 103, 104, 300} {
		for _, height := range []int{0, 1, 2, 5, 12, 24, 100} {
			got := picture(t, f, width, height, "NO_COLOR=1")
			if height == 0 || height > 12 {
				require.Contains(t, got, "FAILING")
			}
		}
	}
	narrow := picture(t, f, 46, 60, "NO_COLOR=1")
	require.Contains(t, narrow, "[xxxx>..] 5 of 7: head_sync")
	require.Contains(t, picture(t, f, 80, 6, "NO_COLOR=1"), "more lines: make the window higher")
	// The less room, the less of the findings is shown; their names stay the longest.
	require.Contains(t, picture(t, f, 80, 26, "NO_COLOR=1"), "seen: 3 polls failed")
	old := f
	old.snap = CleanSnapshot(sample())
	old.snap.Findings[0].EvidenceAt = new(noon.Add(-5 * time.Second))
	require.Contains(t, picture(t, old, 80, 26, "NO_COLOR=1"), "last seen 5s ago: 3 polls failed")
	short := picture(t, f, 80, 21, "NO_COLOR=1")
	require.NotContains(t, short, "seen:")
	require.Contains(t, short, "do: start it")
	require.NotContains(t, short, "confirmed", "what only completes the picture goes first")
	short = picture(t, f, 80, 9, "NO_COLOR=1")
	require.NotContains(t, short, "do:")
	require.Contains(t, short, "!! beacon_unreachable (critical, 30s)")
	require.Contains(t, short, "syncd doctor says what to do")
}

// TestSmallWindowsShowWhatIsWrong: at the sizes of a phone and of half a split window, each
// finding is named, with the first step against the worst; no finding is cut off.
func TestSmallWindowsShowWhatIsWrong(t *testing.T) {
	long := "The process is gone, the endpoint is wrong or the network between is cut, and nothing answers."
	remedy := "Look whether it runs and start it; read its log. If it runs, compare the endpoint in the config of syncd with the address that it listens on."
	s := sample()
	lost := "eth_syncing: node not reachable: dial tcp 127.0.0.1:1: connect: connection refused"
	s.Gwat = status.Node{Endpoint: "ws://127.0.0.1:1", Since: noon.Add(-time.Minute), Error: &status.Error{Message: lost}}
	s.Waiting, s.LastError = "gwat at ws://127.0.0.1:1 to answer: "+lost, &status.Error{Message: "poll: " + lost, Kind: "retry_later"}
	s.Findings = nil
	for _, name := range []string{"beacon_unreachable", "gwat_unreachable"} {
		s.Findings = append(s.Findings, status.Finding{Name: name, Severity: status.SeverityCritical, Since: noon, Summary: long, Remedy: remedy, Evidence: []string{"last error: " + lost}})
	}
	f := frame{snap: CleanSnapshot(s), fresh: noon, now: noon, how: "live", hint: "q quits"}
	for _, size := range [][2]int{{40, 24}, {80, 12}, {80, 24}, {110, 60}} {
		got := picture(t, f, size[0], size[1], "NO_COLOR=1")
		require.Less(t, strings.Count(got, "\n")+1, size[1], "a line stays free for what stands above:\n%s", got)
		for _, part := range []string{"FAILING", "!! beacon_unreachable", "!! gwat_unreachable", "do: Look whether", "DOWN"} {
			require.Contains(t, got, part, "%v", size)
		}
		require.NotContains(t, got, "more lines")
		require.LessOrEqual(t, strings.Count(strings.Join(strings.Fields(got), " "), "eth_syncing: node not"), 1, "one error once:\n%s", got)
	}
	require.LessOrEqual(t, strings.Count(Table(s, noon, 0), lost), 1)
	s.Findings = s.Findings[1:]
	one := strings.Join(strings.Fields(picture(t, frame{snap: CleanSnapshot(s), fresh: noon, now: noon, how: "live", hint: "q quits"}, 40, 24, "NO_COLOR=1")), " ")
	require.Contains(t, one, long, "where there is room for it, a finding says what it means")
	require.Contains(t, one, "do: Look whether it runs and start it; read its log.")
}

// In normal work the nodes' progress is complete and incomplete again in each slot: no line
// comes and goes with it.
func TestNoLineJumps(t *testing.T) {
	s := sample()
	s.Findings, s.LastError, s.Beacon = nil, nil, s.Gwat
	for _, stage := range []string{"checkpoint_sync", "working"} {
		s.Stage, s.Verdict = stage, ""
		lines := map[int]bool{}
		for _, current := range []uint64{75, 76, 77} {
			p := *s.Gwat.Progress
			p.Current = current
			s.Gwat.Progress, s.Beacon.Progress = &p, &p
			got := picture(t, frame{snap: CleanSnapshot(s), fresh: noon, now: noon}, 110, 60, "NO_COLOR=1")
			lines[strings.Count(got, "\n")] = true
			require.Equal(t, stage != "working", strings.Contains(got, "[####"), got)
		}
		require.Len(t, lines, 1, stage)
	}
}

func TestFrameOfAHostileNode(t *testing.T) {
	for _, said := range hostile {
		s := sample()
		s.Gwat.Version, s.Beacon.Error.Message, s.Network.Name, s.Reason, s.Waiting = said, said, said, said, said
		s.Findings[0].Evidence[0], s.Findings[0].Remedy, s.LastError.Message, s.Stage = said, said, said, said
		got := picture(t, frame{snap: CleanSnapshot(s), fresh: noon, now: noon}, 80, 24, "NO_COLOR=1")
		for _, r := range strings.ReplaceAll(got, "\n", "") {
			require.True(t, unicode.IsPrint(r), "%q of %.20q", r, said)
		}
		require.NotRegexp(t, `(?m)^WORKING`, got, "no line of its own")
	}
}

func TestModel(t *testing.T) {
	view := func(m tea.Model) string { return ansi.Strip(m.View().Content) }
	start := openedModel()
	require.Contains(t, view(start), "asked for its status")
	step := func(m tea.Model, msg tea.Msg) tea.Model {
		m, cmd := m.Update(msg)
		require.Nil(t, cmd)
		return m
	}
	m := step(start, tea.WindowSizeMsg{Width: 100, Height: 40})
	m = step(m, news{Update: Update{Trouble: "connection refused"}, at: noon})
	m = step(m, noon.Add(9*time.Second))
	require.Contains(t, view(m), "NO ANSWER  for 9s: connection refused")
	m = step(m, news{Update: Update{Snapshot: CleanSnapshot(sample()), How: "live"}, at: noon.Add(10 * time.Second)})
	require.NotContains(t, view(m), "NO ANSWER")
	require.Contains(t, view(m), "FAILING")
	m = step(m, noon.Add(20*time.Second))
	require.NotContains(t, view(m), "STALE")
	same := step(m, news{Update: Update{Snapshot: CleanSnapshot(sample()), How: "live"}, at: noon.Add(26 * time.Second)})
	require.Contains(t, view(same), "STALE      nothing new for 16s", "the same snapshot again is nothing new")
	m = step(m, news{Update: Update{Trouble: "gone"}, at: noon.Add(21 * time.Second)})
	m = step(m, noon.Add(25*time.Second))
	require.Contains(t, view(m), "NO ANSWER  for 4s: gone")
	require.Contains(t, view(m), "OLD        what follows is 15s old")
	require.Contains(t, view(m), "FAILING", "what was known stays in sight")
	for _, key := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: 'c', Mod: tea.ModCtrl}, {Code: tea.KeyEscape}} {
		_, cmd := m.Update(key)
		require.Equal(t, tea.Quit(), cmd(), key)
	}
	_, cmd := m.Update(tea.KeyPressMsg{Code: 'x', Text: "x"})
	require.Nil(t, cmd)
}

func openedModel() model { return newModel(Options{Out: &strings.Builder{}}) }

func TestPlainWritesALineForEachChange(t *testing.T) {
	var out strings.Builder
	view := Open(Options{Out: &out, Environ: []string{"TERM=dumb"}, Terminal: true})
	s := sample()
	view.Show(Update{Trouble: "connection refused"})
	view.Show(Update{Trouble: "connection refused"})
	view.Show(Update{Snapshot: s})
	view.Show(Update{Snapshot: s})
	next := sample()
	next.At, next.Stage, next.Since, next.Reason, next.Verdict, next.Findings = noon.Add(time.Second), "switching", noon.Add(time.Second), "all \x1b[2Jwas pushed", status.VerdictSyncing, nil
	view.Show(Update{Snapshot: next, Changes: []status.Change{{At: next.Since, From: "head_sync", To: "switching", Reason: next.Reason}}})
	view.Show(Update{Snapshot: next})
	overtaken := sample()
	view.Show(Update{Snapshot: overtaken, Changes: []status.Change{{At: noon.Add(-time.Hour), To: "connecting"}}})
	view.Print("syncd: a line")
	require.Nil(t, view.Done())
	view.Close()
	got := out.String()
	require.NotContains(t, got, "\x1b")
	for part, count := range map[string]int{
		"no answer: connection refused": 1, "answers again": 1, "  head_sync\n": 1, "switching: all was pushed\n": 1, "connecting": 0,
		"verdict failing, beacon is down; beacon_unreachable: the beacon node does not answer; do: start it; gwat_no_peers": 2,
		"verdict syncing, beacon is down\n": 1, "gwat: slot 70 of 77 (2.0 a second), done in 1m30s  push: entry 4 of 12\n": 1, "syncd: a line\n": 1,
	} {
		require.Equal(t, count, strings.Count(got, part), "%q in\n%s", part, got)
	}
}

// Stages that a pair goes through at once are all shown, each once, also when the snapshot of the
// last one comes before their changes.
func TestASnapshotHidesNoEarlierChange(t *testing.T) {
	var c changes
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	first, second, third := status.Change{At: at(0), To: "checkpoint_sync"}, status.Change{At: at(1), To: "dag_sync"}, status.Change{At: at(2), To: "switching"}
	last := &status.Snapshot{Stage: "switching", Since: at(2)}
	var shown []string
	for _, u := range []Update{
		{Changes: []status.Change{first}, Snapshot: last}, {Changes: []status.Change{second}, Snapshot: last},
		{Changes: []status.Change{third}, Snapshot: last}, {Changes: []status.Change{first, second, third}}, // again, as after a reconnect
		{Changes: []status.Change{{At: at(3), To: "working"}}},
	} {
		for _, one := range c.of(u) {
			shown = append(shown, one.To)
		}
	}
	require.Equal(t, []string{"checkpoint_sync", "switching", "dag_sync", "working"}, shown)
}

func TestLiveLeavesTheLinesAndTheLastPicture(t *testing.T) {
	var out safeBuilder
	view := Open(Options{Out: &out, Environ: []string{"TERM=xterm", "NO_COLOR=1"}, Terminal: true})
	view.Print("syncd: the API is at " + strings.Repeat("x", 100))
	view.Show(Update{Snapshot: sample(), How: "live", Changes: []status.Change{{At: noon.Add(-time.Minute), To: "head_sync", Reason: "gwat is \x1b[31mready"}}})
	_, err := view.Writer().Write([]byte("level=warn msg=\"\x1b[2Jhostile\"\n"))
	require.NoError(t, err)
	view.Close()
	view.Close()
	select {
	case <-view.Done():
	default:
		t.Fatal("a closed view is done")
	}
	view.Print("after the end nothing blocks")
	got := ansi.Strip(out.String())
	for _, part := range []string{"head_sync: gwat is ready", "verdict    FAILING", "hostile", "beacon_unreachable"} {
		require.Contains(t, got, part)
	}
	require.NotContains(t, out.String(), "\x1b[2J")
}
