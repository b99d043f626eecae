//go:build page

package page_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

var way = []string{"connecting", "checkpoint_sync", "dag_sync", "head_sync_ready", "head_sync", "switching", "working"}

// state is one that the page is shown, measured and photographed in.
type state struct {
	name  string
	stage string
	way   []string
	snap  func() status.Snapshot
}

// states are the verdicts, each with what such a pair looks like.
func states() []state {
	with := func(change func(*status.Snapshot)) func() status.Snapshot {
		return func() status.Snapshot { s := everything(); s.Findings, s.Observe = nil, false; change(&s); return s }
	}
	return []state{
		{"working", "working", way, working},
		{"syncing", "checkpoint_sync", way[:2], with(func(s *status.Snapshot) {
			s.Verdict, s.Waiting = status.VerdictSyncing, "gwat to finalize the checkpoint at slot 1204160"
			s.Reason = "both nodes answer and are of chain id 8601152"
			s.Gwat.Error, s.Beacon.Error, s.CompetingDriver, s.Lock, s.LastError, s.Push, s.Confirmed = nil, nil, nil, nil, nil, nil, nil
			s.Gwat.SyncStage, s.Gwat.Peers = "checkpoint", ptr(uint64(14))
		})},
		{"pushing", "head_sync", way[:5], with(func(s *status.Snapshot) {
			s.Verdict, s.Waiting, s.NextTry = status.VerdictSyncing, "gwat to finalize what is pushed", nil
			s.Gwat.Error, s.Beacon.Error, s.CompetingDriver, s.LastError = nil, nil, nil, nil
			s.Lock.Ours, s.Gwat.Peers, s.Attempts = true, ptr(uint64(14)), 1
			s.Reason = "gwat is ready for 57 of 57 entries, slots 1204172 to 1204232"
		})},
		{"failing", "head_sync_ready", way[:4], everything},
		{"paused", "paused", append(way[:4:4], "paused"), with(func(s *status.Snapshot) {
			s.Verdict, s.Reason, s.NextTry, s.ETA = status.VerdictPaused, "asked by the operator: disk is being replaced", nil, nil
			s.Gwat.Error, s.Beacon.Error, s.CompetingDriver, s.Lock, s.Waiting = nil, nil, nil, nil, "an operator to resume it"
		})},
		{"halted", "halted", append(way[:2:2], "halted"), with(func(s *status.Snapshot) {
			s.Verdict, s.ETA, s.Push, s.CompetingDriver, s.Lock = status.VerdictHalted, nil, nil, nil, nil
			s.Waiting = "the conflict to be gone: gwat is of chain id 1337, the beacon node's deposit contract of 8601152"
			s.Gwat.Error, s.Beacon.Error = nil, nil
			s.Findings = []status.Finding{{
				Name: "wrong_network", Severity: status.SeverityCritical, Node: "pair", Since: time.Now().Add(-time.Minute),
				Summary: "The two nodes are of different networks.", Evidence: []string{"eth_chainId: 1337", "DEPOSIT_CHAIN_ID: 8601152"},
				Remedy: "Point both endpoints at nodes of one network.",
			}}
		})},
		{"unknown", "connecting", way[:1], with(func(s *status.Snapshot) {
			endpoint, other := s.Gwat.Endpoint, s.Beacon.Endpoint
			*s = status.Snapshot{Pair: s.Pair, Version: s.Version, Verdict: status.VerdictUnknown, Since: time.Now(), Waiting: "the first answer of both nodes"}
			s.Gwat.Endpoint, s.Beacon.Endpoint = endpoint, other
			s.Gwat.Since, s.Beacon.Since = s.Since, s.Since
		})},
	}
}

// put publishes a state and its past.
func (st state) put(src *script) {
	src.history, src.samples = nil, nil
	snap := st.snap()
	snap.Stage = st.stage
	past(src, st.way, 40*time.Second, snap)
	if len(src.history) > 0 {
		snap.Since = src.history[0].At
	}
	src.publish(snap)
}

// pictured are the states of which pictures are kept: those above, and what each verdict
// looks like in other stages and with other causes.
func pictured() []state {
	out := states()
	by := func(name string) state {
		return out[slices.IndexFunc(out, func(s state) bool { return s.name == name })]
	}
	changed := func(name, of, stage string, way []string, change func(*status.Snapshot)) state {
		base := by(of)
		return state{name, stage, way, func() status.Snapshot { s := base.snap(); change(&s); return s }}
	}
	return append(out,
		changed("working-noted", "working", "working", way, func(s *status.Snapshot) {
			s.Findings = findings(time.Now().UTC())[2:]
			s.Beacon.LagSlots = ptr(uint64(1))
		}),
		changed("switching", "pushing", "switching", way[:6], func(s *status.Snapshot) {
			s.Waiting, s.Lock, s.ETA = "2 new heads to be finalized by the beacon's calls", nil, nil
			s.Push.Phase, s.Push.Progress = "done", status.Progress{Unit: "entry", Current: 57, Target: 57}
		}),
		changed("gwat-down", "working", "connecting", append(way[:7:7], "connecting"), func(s *status.Snapshot) {
			now := time.Now().UTC()
			s.Verdict, s.Waiting, s.Reason = status.VerdictFailing, "gwat at ws://127.0.0.1:8546 to answer", "gwat at ws://127.0.0.1:8546 to answer: connection refused"
			s.Gwat = status.Node{Endpoint: s.Gwat.Endpoint, Version: s.Gwat.Version, Since: now.Add(-3 * time.Minute), LagSlots: ptr(uint64(45)),
				LastKnown: &status.LastKnown{At: now.Add(-3 * time.Minute), Slot: ptr(primitives.Slot(wall - 45)), Finalized: s.Gwat.Finalized},
				Error:     &status.Error{Kind: "retry_later", Message: "dial tcp 127.0.0.1:8546: connect: connection refused", At: now}}
			s.Findings = []status.Finding{{
				Name: "gwat_unreachable", Severity: status.SeverityCritical, Node: "gwat", Since: now.Add(-3 * time.Minute), Summary: "gwat does not answer.",
				Evidence: []string{"no answer for 3 min: connection refused"}, Remedy: "See whether gwat runs (`systemctl status gwat`), and its log.",
			}}
		}),
		changed("coordinated", "working", "working", way, func(s *status.Snapshot) {
			s.Era, s.Push, s.Confirmed, s.Attempts = "coordinated", nil, nil, 0
		}),
	)
}

// days gives a pair a memory of eight days with an outage and a restart of syncd in it.
func (s *script) days(end *status.Snapshot) {
	begin := end.At.Add(-8 * 24 * time.Hour)
	for at := begin; at.Before(end.At.Add(-10 * time.Minute)); at = at.Add(50 * time.Second) {
		verdict, left := status.VerdictWorking, end.At.Sub(at)
		switch {
		case left < 5*time.Hour && left > 4*time.Hour, left > 30*time.Hour && left < 40*time.Hour:
			continue // syncd did not run
		case left < 4*time.Hour && left > 3*time.Hour+40*time.Minute, left > 100*time.Hour && left < 104*time.Hour:
			verdict = status.VerdictSyncing
		case left > 12*time.Hour && left < 12*time.Hour+20*time.Minute, left > 60*time.Hour && left < 63*time.Hour:
			verdict = status.VerdictFailing
		}
		wall := wallAt(at, end)
		past := status.Snapshot{At: at, Stage: "working", Verdict: verdict, Findings: findings(at)[:1], Network: &status.Network{CurrentSlot: wall}}
		past.Gwat.Slot, past.Beacon.Slot = &wall, &wall
		end.Past = s.past.Add(&past)
	}
	end.Past = s.past.Add(end)
}

func wallAt(at time.Time, end *status.Snapshot) primitives.Slot {
	return wall - primitives.Slot(end.At.Sub(at)/(4*time.Second))
}

// The pictures of each state in three widths and both themes are artifacts of CI.
func TestScreenshots(t *testing.T) {
	for _, l := range []look{
		{width: 1440, height: 1000}, {width: 1440, height: 1000, dark: true},
		{width: 820, height: 1180}, {width: 820, height: 1180, dark: true},
		{width: 390, height: 844}, {width: 390, height: 844, dark: true},
	} {
		name := fmt.Sprintf("%d-%s", l.width, map[bool]string{false: "light", true: "dark"}[l.dark])
		t.Run(name, func(t *testing.T) {
			b := open(t, l)
			require.Len(t, pictured(), 11, "and the state without an answer")
			for _, st := range pictured() {
				src := &script{}
				st.put(src)
				if remembered := st.name != "unknown"; remembered {
					snap := *src.snap
					src.days(&snap)
					src.publish(snap)
				}
				addr, stop := serve(t, src, "127.0.0.1:0")
				b.visit(addr)
				b.until("document.documentElement.dataset.link === 'live'")
				require.Equal(t, st.snap().Verdict, eval[string](b, "document.documentElement.dataset.verdict"))
				if st.name != "unknown" {
					b.until("document.querySelector('[data-chart=slots]').dataset.points > 600") // three lines of the past
				}
				if st.name != "unknown" {
					b.until("document.querySelectorAll('.strip rect').length > 100")
				}
				b.shoot(st.name + "-" + name)
				b.shootTop(st.name + "-" + name)
				stop()
				b.until("!document.getElementById('lost').hidden")
				if st.name == "working" {
					b.shoot("lost-" + name)
				}
			}
			b.noErrors()
			pictures, err := filepath.Glob(filepath.Join(shots, "*-"+name+".png"))
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(pictures), 12, "as many states")
		})
	}
}

// A syncd that has nothing to tell yet is no lost one.
func TestNothingKnownYet(t *testing.T) {
	src := &script{}
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.run(chromedp.Navigate("http://" + addr + "/"))
	b.until("document.documentElement.dataset.link === 'silent'")
	require.Contains(t, b.text("#link"), "nothing to tell")
	require.Equal(t, "Unknown", b.text("#verdict"))
	require.True(t, eval[bool](b, "document.getElementById('lost').hidden"))
	first := states()[6].snap()
	src.publish(first)
	b.until("document.querySelector('.up').textContent === 'not asked yet'")
	require.Empty(t, eval[string](b, "document.querySelector('.up').dataset.up"), "neither colour")
	src.publish(working())
	b.until("document.documentElement.dataset.verdict === 'working'")
	require.Equal(t, "✓ reachable", b.text(".up"))
}
