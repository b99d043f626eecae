//go:build page

package page_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
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
			s.Gwat.Error, s.Beacon.Error, s.Rival, s.Lock, s.LastError, s.Push, s.Confirmed = nil, nil, nil, nil, nil, nil, nil
			s.Gwat.SyncStage, s.Gwat.Peers = "checkpoint", ptr(uint64(14))
		})},
		{"pushing", "head_sync", way[:5], with(func(s *status.Snapshot) {
			s.Verdict, s.Waiting, s.NextTry = status.VerdictSyncing, "gwat to finalize what is pushed", nil
			s.Gwat.Error, s.Beacon.Error, s.Rival, s.LastError = nil, nil, nil, nil
			s.Lock.Ours, s.Gwat.Peers, s.Attempts = true, ptr(uint64(14)), 1
			s.Reason = "gwat is ready for 57 of 57 entries, slots 1204172 to 1204232"
		})},
		{"failing", "head_sync_ready", way[:4], everything},
		{"paused", "paused", append(way[:4:4], "paused"), with(func(s *status.Snapshot) {
			s.Verdict, s.Reason, s.NextTry, s.ETA = status.VerdictPaused, "asked by the operator: disk is being replaced", nil, nil
			s.Gwat.Error, s.Beacon.Error, s.Rival, s.Lock, s.Waiting = nil, nil, nil, nil, "an operator to resume it"
		})},
		{"halted", "halted", append(way[:2:2], "halted"), with(func(s *status.Snapshot) {
			s.Verdict, s.ETA, s.Push, s.Rival, s.Lock = status.VerdictHalted, nil, nil, nil, nil
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

func TestScreenshots(t *testing.T) {
	for _, l := range []look{
		{width: 1280, height: 1000}, {width: 1280, height: 1000, dark: true},
		{width: 360, height: 780}, {width: 360, height: 780, dark: true},
	} {
		name := fmt.Sprintf("%d-%s", l.width, map[bool]string{false: "light", true: "dark"}[l.dark])
		t.Run(name, func(t *testing.T) {
			b := open(t, l)
			for _, st := range states() {
				src := &script{}
				st.put(src)
				addr, stop := serve(t, src, "127.0.0.1:0")
				b.visit(addr)
				b.until("document.documentElement.dataset.link === 'live'")
				require.Equal(t, st.snap().Verdict, eval[string](b, "document.documentElement.dataset.verdict"))
				if st.name != "unknown" {
					b.until("document.querySelector('[data-chart=slots]').dataset.points > 600") // three lines of the past
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
	src.publish(working())
	b.until("document.documentElement.dataset.verdict === 'working'")
}
