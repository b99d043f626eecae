package watch

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/watch/heal"
)

// atWork is an observation of a pair at work in slot 40 with epochs of 8 slots, and what
// the loop knows beside it.
func atWork() (*Observation, *standing) {
	o := &Observation{}
	o.Gwat.Mark = &protocol.Mark{Epoch: 5, Root: common.Hash{1}}
	o.Beacon.Head.Slot = 40
	o.Beacon.Finality.CurrentJustified.Epoch = 4
	return o, &standing{spec: &checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 4}, judged: true, now: 40, followed: 2, since: 30, follows: true}
}

// Each fact, and the change of what was read that takes it away or brings it.
func TestFactsOfAnObservation(t *testing.T) {
	reached := func(f fsm.Facts) bool { return f.CheckpointReached }
	synced := func(f fsm.Facts) bool { return f.DAGSynced }
	behind := func(f fsm.Facts) bool { return f.FellBehind }
	verified := func(f fsm.Facts) bool { return f.Verified }
	over := func(f fsm.Facts) bool { return f.VerifyOver }
	for name, tc := range map[string]struct {
		change func(*Observation, *standing)
		fact   func(fsm.Facts) bool
		want   bool
	}{
		"checkpoint: at work":                             {func(*Observation, *standing) {}, reached, true},
		"checkpoint: the beacon syncs far from the clock": {func(o *Observation, _ *standing) { o.Beacon.Syncing.IsSyncing, o.Beacon.Head.Slot = true, 35 }, reached, false},
		"checkpoint: it syncs near the clock":             {func(o *Observation, _ *standing) { o.Beacon.Syncing.IsSyncing, o.Beacon.Head.Slot = true, 36 }, reached, true},
		"checkpoint: far from the clock, past its sync":   {func(o *Observation, _ *standing) { o.Beacon.Head.Slot = 35 }, reached, true},
		"checkpoint: gwat loads":                          {func(o *Observation, _ *standing) { o.Gwat.Mark = nil }, reached, false},
		"checkpoint: gwat is at it":                       {func(o *Observation, _ *standing) { o.Gwat.Mark.Epoch = 4 }, reached, true},
		"checkpoint: gwat is before it":                   {func(o *Observation, _ *standing) { o.Gwat.Mark.Epoch = 3 }, reached, false},

		"dag: at work":                                  {func(*Observation, *standing) {}, synced, true},
		"dag: the head is near":                         {func(o *Observation, _ *standing) { o.Beacon.Head.Slot = 36 }, synced, true},
		"dag: the head is not near":                     {func(o *Observation, _ *standing) { o.Beacon.Head.Slot = 35 }, synced, false},
		"checkpoint: gwat loads, and was driven to it":  {func(o *Observation, s *standing) { o.Gwat.Mark, s.mark = nil, &protocol.Mark{Epoch: 4} }, reached, true},
		"checkpoint: gwat loads, and was driven before": {func(o *Observation, s *standing) { o.Gwat.Mark, s.mark = nil, &protocol.Mark{Epoch: 3} }, reached, false},
		"checkpoint: what gwat says now counts":         {func(o *Observation, s *standing) { o.Gwat.Mark.Epoch, s.mark = 3, &protocol.Mark{Epoch: 5} }, reached, false},

		"dag: gwat loads":                {func(o *Observation, _ *standing) { o.Gwat.Mark = nil }, synced, false},
		"dag: gwat is an epoch behind":   {func(o *Observation, _ *standing) { o.Gwat.Mark.Epoch = 4 }, synced, true},
		"dag: gwat is two epochs behind": {func(o *Observation, _ *standing) { o.Gwat.Mark.Epoch = 3 }, synced, false},

		"behind: at work":                  {func(*Observation, *standing) {}, behind, false},
		"behind: the head's epoch is old":  {func(o *Observation, _ *standing) { o.Beacon.Head.Slot = 31 }, behind, true},
		"behind: it is just new enough":    {func(o *Observation, _ *standing) { o.Beacon.Head.Slot = 32 }, behind, false},
		"behind: gwat's epoch is old":      {func(o *Observation, _ *standing) { o.Gwat.Mark.Epoch = 3 }, behind, true},
		"behind: gwat's is new enough":     {func(o *Observation, _ *standing) { o.Gwat.Mark.Epoch = 4 }, behind, false},
		"behind: gwat loads, the head not": {func(o *Observation, _ *standing) { o.Gwat.Mark = nil }, behind, false},

		"work: verified":                {func(*Observation, *standing) {}, verified, true},
		"work: eth_syncing":             {func(o *Observation, _ *standing) { o.Gwat.Syncing = true }, verified, false},
		"work: it does not follow":      {func(_ *Observation, s *standing) { s.follows = false }, verified, false},
		"work: it followed one head":    {func(_ *Observation, s *standing) { s.followed = 1 }, verified, false},
		"over: verified":                {func(*Observation, *standing) {}, over, false},
		"over: waited for eight slots":  {func(_ *Observation, s *standing) { s.follows, s.since = false, 32 }, over, true},
		"over: waited for seven":        {func(_ *Observation, s *standing) { s.follows, s.since = false, 33 }, over, false},
		"no network: no checkpoint":     {func(_ *Observation, s *standing) { s.spec = nil }, reached, false},
		"a node is away: no checkpoint": {func(o *Observation, _ *standing) { o.Beacon.Err = errors.New("gone") }, reached, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, s := atWork()
			tc.change(o, s)
			require.Equal(t, tc.want, tc.fact(facts(o, s)))
		})
	}
}

// What a stage waits for names the node, and how far gwat is if it says so.
func TestWhatAStageWaitsFor(t *testing.T) {
	o, s := atWork()
	require.Equal(t, "both nodes answer", facts(o, s).UpWhy)
	require.Contains(t, facts(nil, s).UpWhy, "first answer")
	o.Beacon.Err = errors.New("gone")
	require.Equal(t, "the beacon node to answer: gone", facts(o, s).UpWhy)
	o.Gwat.Err = errors.New("lost")
	require.Equal(t, "gwat to answer: lost", facts(o, s).UpWhy)

	o, s = atWork()
	o.Gwat.Mark = nil
	require.NotContains(t, facts(o, s).CheckpointWhy, "DAG is at")
	o.Gwat.Wat = &gwatclient.WatInfo{DAG: 17}
	require.Contains(t, facts(o, s).CheckpointWhy, "its DAG is at slot 17")
	o, s = atWork()
	s.followed = 1
	require.Contains(t, facts(o, s).VerifyWhy, "1 of 2 new heads")
}

// At the change of an epoch both rules would hold: a pair that fell behind is not level.
func TestAPairThatFellBehindIsNotLevel(t *testing.T) {
	o, s := atWork()
	s.now, o.Beacon.Head.Slot, o.Gwat.Mark.Epoch = 40, 39, 3
	f := facts(o, s)
	require.True(t, f.FellBehind)
	require.False(t, f.DAGSynced)
	require.Equal(t, f.FellBehindWhy, f.DAGWhy)
}

// A heal is on by its own switch alone.
func TestEachHealHasItsSwitch(t *testing.T) {
	require.False(t, Heals{}.any())
	for name, h := range map[string]Heals{
		"peers": {Peers: true}, "checkpoint": {Checkpoint: true}, "drive": {Drive: true}, "restart-gwat": {RestartGwat: "a"}, "restart-beacon": {RestartBeacon: "b"},
	} {
		require.True(t, h.any(), name)
		for _, row := range []struct {
			name string
			on   bool
		}{{"peers", h.Peers}, {"checkpoint", h.Checkpoint}, {"drive", h.Drive}, {"restart-gwat", h.RestartGwat != ""}, {"restart-beacon", h.RestartBeacon != ""}} {
			require.Equal(t, row.on, h.on(heal.Name(row.name)), row.name)
		}
		require.Equal(t, h.RestartGwat, h.command(heal.RestartGwat))
		require.Equal(t, h.RestartBeacon, h.command(heal.RestartBeacon))
	}
}
