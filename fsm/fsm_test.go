package fsm

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/fsm.mmd and docs/fsm.dot")

func TestEveryStageIsReachableAndLeavable(t *testing.T) {
	next := map[Stage][]Stage{}
	leaves := map[Stage]bool{}
	for _, row := range Table() {
		for _, from := range row.From {
			next[from] = append(next[from], row.To)
			leaves[from] = leaves[from] || row.To != from
		}
	}
	seen := map[Stage]bool{Connecting: true}
	queue := []Stage{Connecting}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, to := range next[s] {
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	for _, s := range Stages() {
		require.True(t, seen[s], "stage %s cannot be reached", s)
		require.True(t, leaves[s], "stage %s cannot be left", s)
	}
	require.Len(t, seen, len(Stages()), "the table names a stage that Stages does not list")
}

func TestTableHasOneAnswerForEachEventAndStage(t *testing.T) {
	type key struct {
		ev   Event
		from Stage
	}
	seen := map[key]bool{}
	for _, row := range Table() {
		for _, from := range row.From {
			k := key{row.Event, from}
			require.False(t, seen[k], "two rows for %s in %s", row.Event, from)
			seen[k] = true
			require.NotEqual(t, from, row.To, "%s in %s leads nowhere: looplab/fsm skips such a step", row.Event, from)
		}
	}
}

// Every event is fired by Decide, by a worker's report or by an operator's order;
// the latter two are named here.
func TestEveryEventIsUsed(t *testing.T) {
	used := map[Event]bool{ReadyAccepted: true, AlreadySynced: true, Pushed: true, PushFailed: true, Reorged: true, ResyncAsked: true}
	forEachFacts(func(f Facts) {
		for _, s := range Stages() {
			if ev, _, ok := Decide(s, f); ok {
				used[ev] = true
			}
		}
	})
	for _, row := range Table() {
		require.True(t, used[row.Event], "event %s is in the table and nothing fires it", row.Event)
		delete(used, row.Event)
	}
	require.Empty(t, used, "events are fired that the table does not have")
}

func TestDecideNeverAsksForAnIllegalEvent(t *testing.T) {
	forEachFacts(func(f Facts) {
		for _, s := range Stages() {
			ev, _, ok := Decide(s, f)
			if !ok {
				continue
			}
			m := New(nil)
			m.m.SetState(string(s))
			require.NoError(t, m.Fire(context.Background(), ev, ""), "stage %s facts %+v", s, f)
		}
	})
}

// Whatever the facts are, repeating Decide comes to rest.
func TestDecideSettles(t *testing.T) {
	forEachFacts(func(f Facts) {
		for _, s := range Stages() {
			m := New(nil)
			m.m.SetState(string(s))
			steps := 0
			for ; steps < 20; steps++ {
				ev, why, ok := Decide(m.Stage(), f)
				if !ok {
					break
				}
				require.NoError(t, m.Fire(context.Background(), ev, why))
			}
			require.Less(t, steps, 20, "never rests from %s with %+v", s, f)
		}
	})
}

func forEachFacts(visit func(Facts)) {
	bits := func(n, i int) bool { return n>>i&1 == 1 }
	for n := 0; n < 1<<9; n++ {
		f := Facts{
			Paused: bits(n, 0), Judged: bits(n, 1), Up: bits(n, 3),
			CheckpointReached: bits(n, 4), DAGSynced: bits(n, 5), FellBehind: bits(n, 6),
			Verified: bits(n, 7), VerifyOver: bits(n, 8),
		}
		if bits(n, 2) {
			f.Conflict = "chain id"
		}
		visit(f)
	}
}

func TestDecideByStage(t *testing.T) {
	ok := Facts{Judged: true, Up: true, CheckpointReached: true, DAGSynced: true, Verified: true}
	change := func(f func(*Facts)) Facts { c := ok; f(&c); return c }
	for name, tc := range map[string]struct {
		stage Stage
		facts Facts
		want  Event
	}{
		"connected":                  {Connecting, ok, NodesReached},
		"not both there":             {Connecting, change(func(f *Facts) { f.Up = false }), ""},
		"not judged yet":             {Connecting, change(func(f *Facts) { f.Judged = false }), ""},
		"wrong network":              {Connecting, change(func(f *Facts) { f.Conflict = "x" }), Conflict},
		"wrong network while down":   {Working, change(func(f *Facts) { f.Conflict = "x"; f.Up = false }), Conflict},
		"halted stays":               {Halted, change(func(f *Facts) { f.Conflict = "x" }), ""},
		"halted, cause not seen":     {Halted, change(func(f *Facts) { f.Judged = false }), ""},
		"halted leaves by itself":    {Halted, ok, ConflictGone},
		"checkpoint reached":         {CheckpointSync, ok, CheckpointReached},
		"checkpoint not reached":     {CheckpointSync, change(func(f *Facts) { f.CheckpointReached = false }), ""},
		"dag synced":                 {DAGSync, ok, DAGSynced},
		"dag not synced":             {DAGSync, change(func(f *Facts) { f.DAGSynced = false }), ""},
		"checkpoint lost":            {DAGSync, change(func(f *Facts) { f.CheckpointReached = false }), CheckpointLost},
		"checkpoint lost later":      {HeadSyncReady, change(func(f *Facts) { f.CheckpointReached = false }), CheckpointLost},
		"spine missing":              {HeadSyncReady, change(func(f *Facts) { f.DAGSynced = false }), DAGIncomplete},
		"ready waits for the worker": {HeadSyncReady, ok, ""},
		"push waits for the worker":  {HeadSync, change(func(f *Facts) { f.DAGSynced = false }), ""},
		"push loses a node":          {HeadSync, change(func(f *Facts) { f.Up = false }), NodeLost},
		"verified":                   {Switching, ok, Verified},
		"not verified yet":           {Switching, change(func(f *Facts) { f.Verified = false }), ""},
		"verification failed":        {Switching, change(func(f *Facts) { f.Verified = false; f.VerifyOver = true }), VerifyFailed},
		"spine lost while switching": {Switching, change(func(f *Facts) { f.DAGSynced, f.Verified, f.VerifyOver = false, false, true }), DAGIncomplete},
		"behind while switching":     {Switching, change(func(f *Facts) { f.FellBehind = true }), FellBehind},
		"working stays":              {Working, ok, ""},
		"working outlives a hole":    {Working, change(func(f *Facts) { f.DAGSynced = false }), ""},
		"work lost":                  {Working, change(func(f *Facts) { f.Verified = false }), WorkLost},
		"resync":                     {Working, change(func(f *Facts) { f.FellBehind = true }), FellBehind},
		"node lost":                  {Working, change(func(f *Facts) { f.Up = false }), NodeLost},
		"pause":                      {Working, change(func(f *Facts) { f.Paused = true }), PauseAsked},
		"paused stays":               {Paused, change(func(f *Facts) { f.Paused = true; f.Up = false }), ""},
		"resume":                     {Paused, ok, ResumeAsked},
	} {
		t.Run(name, func(t *testing.T) {
			ev, _, fired := Decide(tc.stage, tc.facts)
			require.Equal(t, tc.want, ev)
			require.Equal(t, tc.want != "", fired)
		})
	}
}

func TestIllegalEventsAreRefused(t *testing.T) {
	legal := map[Event]map[Stage]bool{}
	for _, row := range Table() {
		legal[row.Event] = map[Stage]bool{}
		for _, s := range row.From {
			legal[row.Event][s] = true
		}
	}
	for ev, from := range legal {
		for _, s := range Stages() {
			m := New(nil)
			m.m.SetState(string(s))
			require.Equal(t, from[s], m.Can(ev), "%s in %s", ev, s)
			err := m.Fire(context.Background(), ev, "")
			if from[s] {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, ErrIllegal, "%s in %s", ev, s)
			require.Equal(t, s, m.Stage(), "a refused event must not move the machine")
		}
	}
}

func TestNoUnknownCallback(t *testing.T) {
	known := map[string]bool{}
	for _, general := range []string{"enter_state", "leave_state", "before_event", "after_event"} {
		known[general] = true
	}
	for name := range New(nil).callbacks() {
		require.True(t, known[name], "looplab/fsm would drop callback %q in silence", name)
	}
}

func TestCancelledContextCannotWedgeIt(t *testing.T) {
	var changes []Change
	m := New(func(c Change) { changes = append(changes, c) })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, m.Fire(ctx, NodesReached, ""), context.Canceled)
	require.Equal(t, Connecting, m.Stage())
	require.Empty(t, changes)

	ctx, cancel = context.WithCancel(context.Background())
	m.onChange = func(c Change) { changes = append(changes, c); cancel() } // cancelled in mid-event
	require.NoError(t, m.Fire(ctx, NodesReached, "both there"))
	require.NoError(t, m.Fire(context.Background(), CheckpointReached, "reached"))
	require.Equal(t, DAGSync, m.Stage())
	require.Equal(t, []Change{
		{Connecting, CheckpointSync, NodesReached, "both there"},
		{CheckpointSync, DAGSync, CheckpointReached, "reached"},
	}, changes)
}

func TestWaitingSaysWhy(t *testing.T) {
	f := Facts{UpWhy: "gwat is down", CheckpointWhy: "cp", DAGWhy: "dag", VerifyWhy: "verify", Conflict: "conflict"}
	for stage, want := range map[Stage]string{
		Connecting: "gwat is down", CheckpointSync: "cp", DAGSync: "dag", Switching: "verify",
		Halted: "conflict", Paused: "the operator to resume (`syncd resume`)", Working: "", HeadSync: "",
	} {
		require.Equal(t, want, Waiting(stage, f), stage)
	}
	f.Up = true
	require.NotEmpty(t, Waiting(Connecting, f))
}

// docs/ holds the diagram; -update writes it.
func TestDocsHoldTheDiagram(t *testing.T) {
	require.True(t, strings.HasPrefix(Mermaid(), "stateDiagram-v2"))
	require.True(t, strings.HasPrefix(DOT(), "digraph"))
	for path, want := range map[string]string{"../docs/fsm.mmd": Mermaid(), "../docs/fsm.dot": DOT()} {
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(got), "%s is old: go test ./fsm -update", path)
	}
}
