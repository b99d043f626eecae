package publish

import (
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// spec has slots of 4 s and epochs of 8 slots.
var spec = checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 4, CreatorsPerSlot: 4, GenesisTime: 1_000_000, ConfigName: "devnet", DepositChainID: 7}

// stateAt is the state of a pair in a stage, whose nodes answered at the begin of slot 32.
func stateAt(stage fsm.Stage) State {
	at := spec.SlotStart(32)
	number := uint64(20)
	o := &poll.Observation{Start: at, At: at, Done: at, Blocks: map[common.Hash]*gwatclient.Block{}}
	o.Gwat.At, o.Beacon.At = at, at
	o.Gwat.Latest = &gwatclient.Block{Hash: common.Hash{1}, Number: &number, Height: number, Slot: 28}
	o.Beacon.Head = poll.Entry{Header: beaconclient.Header{Slot: 31, Root: common.Hash{2}}}
	o.Beacon.Syncing.HeadSlot, o.Beacon.Syncing.Distance = 31, 1
	return State{
		Seq: 5, At: at, Pair: About{Name: "p", Version: "v", GwatURL: "gwat.example", BeaconURL: "beacon.example", PollInterval: time.Second, LockTime: time.Minute},
		Stage: Stage{Name: stage, Since: at.Add(-time.Minute), Reason: "because", Facts: fsm.Facts{Up: true}},
		Nodes: nodesOf(o),
	}
}

// nodesOf is what a poll that read the network has shown, the first one.
func nodesOf(o *poll.Observation) Nodes {
	h := &poll.History{Coordinated: 30}
	o.Beacon.Spec = &spec
	var m Meters
	m.Observe(o, h, o.At)
	measured := m.Measured()
	measured.Gwat, measured.Beacon, measured.GwatSince, measured.BeaconSince = nil, nil, time.Time{}, time.Time{}
	return Nodes{Last: o, History: h, Measured: measured}
}

func TestBuildShowsBothNodes(t *testing.T) {
	s := stateAt(fsm.Working)
	peers := uint64(3)
	s.Nodes.Extras.Gwat = poll.Extra{Version: "gwat/1", Peers: &peers}
	s.Nodes.Measured.GwatSince = s.At.Add(-time.Hour)
	out := Build(s)
	require.Equal(t, []any{uint64(5), "p", "v", "working", "because"}, []any{out.Seq, out.Pair, out.Version, out.Stage, out.Reason})
	require.Equal(t, status.VerdictWorking, out.Verdict)
	require.Equal(t, "devnet", out.Network.Name)
	require.Nil(t, out.NextTry, "a pair at work needs none")
	g := out.Gwat
	require.Equal(t, []any{"gwat.example", "gwat/1", &peers, true}, []any{g.Endpoint, g.Version, g.Peers, g.Reachable})
	require.Equal(t, s.At.Add(-time.Hour), g.Since)
	require.EqualValues(t, 30, *g.Slot, "the newest coordinated slot")
	require.EqualValues(t, 2, *g.LagSlots)
	require.EqualValues(t, 20, *g.Finalized)
	require.EqualValues(t, 31, *out.Beacon.Slot)
	require.Equal(t, "synced", out.Beacon.SyncStage)
	require.Equal(t, out, Build(s), "the same state is the same snapshot")
}

func TestBuildOfANodeThatIsGone(t *testing.T) {
	s := stateAt(fsm.Connecting)
	s.Nodes.Last.Gwat.Err = errors.New("connection refused")
	out := Build(s)
	require.False(t, out.Gwat.Reachable)
	require.Equal(t, "connection refused", out.Gwat.Error.Message)
	require.Nil(t, out.Gwat.Slot)
	require.Nil(t, out.Lock)
	require.True(t, out.Beacon.Reachable)
}

func TestBuildBeforeTheFirstPoll(t *testing.T) {
	s := stateAt(fsm.Connecting)
	s.Nodes = Nodes{History: &poll.History{}}
	out := Build(s)
	require.Equal(t, status.VerdictUnknown, out.Verdict)
	require.Contains(t, out.Waiting, "first answer")
	require.Equal(t, s.Stage.Since, out.Gwat.Since)
	require.Nil(t, out.Network)
	require.Nil(t, out.ETA)
	require.Nil(t, out.Checkpoint)
}

// In head_sync_ready the reason that stops most comes first.
func TestWhatHeadSyncReadyWaitsFor(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*State)
		want   string
	}{
		"nothing else":       {func(*State) {}, "gwat to be ready"},
		"inhibited":          {func(s *State) { s.Work.Inhibit, s.Work.Awaits, s.Work.Running = "paused", "x", true }, "paused"},
		"the attempt waits":  {func(s *State) { s.Work.Awaits, s.Work.Running = "a quiet moment", true }, "a quiet moment"},
		"it waited":          {func(s *State) { s.Work.Awaits = "a quiet moment" }, "gwat to be ready"},
		"the newest error":   {func(s *State) { s.Work.LastError = &status.Error{Message: "busy", At: s.At} }, "busy"},
		"an error before it": {func(s *State) { s.Work.LastError = &status.Error{Message: "busy", At: s.Stage.Since} }, "gwat to be ready"},
		"it collects": {func(s *State) {
			s.Work.Running, s.Work.Push = true, &status.Push{Phase: string(headsync.PhaseCollecting), To: 40}
		}, "slot 40"},
		"it collected": {func(s *State) {
			s.Work.Push = &status.Push{Phase: string(headsync.PhaseCollecting), To: 40}
		}, "gwat to be ready"},
		"it proves": {func(s *State) {
			s.Work.Running, s.Work.Push = true, &status.Push{Phase: string(headsync.PhaseProving), To: 40}
		}, "gwat to be ready"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stateAt(fsm.HeadSyncReady)
			tc.change(&s)
			require.Contains(t, Build(s).Waiting, tc.want)
		})
	}
}

// In any other stage it is what the facts say.
func TestWhatAnotherStageWaitsFor(t *testing.T) {
	s := stateAt(fsm.Connecting)
	s.Stage.Facts = fsm.Facts{UpWhy: "gwat to answer"}
	s.Work.Inhibit = "paused"
	require.Equal(t, "gwat to answer", Build(s).Waiting)
}

func TestNextTry(t *testing.T) {
	for name, tc := range map[string]struct {
		stage   fsm.Stage
		running bool
		attempt time.Duration // from now
		want    time.Duration // -1 for none
	}{
		"the next poll":           {fsm.DAGSync, false, 0, time.Second},
		"the next attempt":        {fsm.HeadSyncReady, false, 5 * time.Second, 5 * time.Second},
		"an attempt that is due":  {fsm.HeadSyncReady, false, -time.Second, time.Second},
		"an attempt runs":         {fsm.HeadSyncReady, true, 5 * time.Second, -1},
		"paused":                  {fsm.Paused, false, 0, -1},
		"a push runs":             {fsm.HeadSync, true, 0, -1},
		"attempts matter nowhere": {fsm.Connecting, false, 5 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := stateAt(tc.stage)
			s.Work.Running, s.Work.NextAttempt = tc.running, s.At.Add(tc.attempt)
			got := Build(s).NextTry
			if tc.want < 0 {
				require.Nil(t, got)
				return
			}
			require.Equal(t, s.At.Add(tc.want), *got)
		})
	}
}

func TestLock(t *testing.T) {
	s := stateAt(fsm.HeadSyncReady)
	s.Work.Driver = Driver{Sign: "stage head", First: s.At.Add(-time.Hour), Last: s.At.Add(-time.Second)}
	require.Nil(t, Build(s).Lock, "gwat's lock is not held")
	require.Nil(t, Lock(nil, s.Pending, s.Work.Driver.Last, s.Stage.Name, time.Minute), "nothing was read")
	s.Nodes.Last.Gwat.Sync.Activity = protocol.Prepared
	out := Build(s)
	require.Equal(t, &status.Lock{Until: s.At.Add(59 * time.Second)}, out.Lock)
	require.Equal(t, &status.CompetingDriver{Sign: "stage head", Seen: s.At.Add(-time.Hour), LastProgress: s.At.Add(-time.Second)}, out.CompetingDriver)
	require.Equal(t, out.CompetingDriver, out.Rival)
	s.Pending = &checkpoint.Pending{SentAt: s.At}
	require.Equal(t, &status.Lock{Ours: true, Until: s.At.Add(time.Minute)}, Build(s).Lock)
	s.Pending, s.Stage.Name = nil, fsm.HeadSync
	require.Nil(t, Build(s).Lock, "the sign is older than our push")
	s.Stage.Name, s.Work.Driver = fsm.HeadSyncReady, Driver{}
	require.Nil(t, Build(s).Lock, "nobody is known to hold it")
	require.Nil(t, Build(s).Rival)
	s.Pending, s.Nodes.Last.Gwat.Err = &checkpoint.Pending{SentAt: s.At}, errors.New("gone")
	require.Nil(t, Build(s).Lock, "what gwat said before is of another poll")
}

func TestCheckpointIsShownWithItsBlock(t *testing.T) {
	s := stateAt(fsm.CheckpointSync)
	root, spine := common.Hash{9}, common.Hash{8}
	s.Nodes.Last.Beacon.Justified = checkpoint.Checkpoint{Epoch: 3, Root: root}
	require.Zero(t, Build(s).Checkpoint.Slot, "its block was not read")
	s.Nodes.Last.Beacon.Points = []poll.Entry{{Header: beaconclient.Header{Slot: 16, Root: common.Hash{7}}, Spines: []common.Hash{{6}}}, {Header: beaconclient.Header{Slot: 24, Root: root}, Spines: []common.Hash{{7}, spine}}}
	got := Build(s).Checkpoint
	require.EqualValues(t, 24, got.Slot)
	require.Equal(t, &spine, got.Spine)
	s.Nodes.Last.Beacon.Points[1].Spines = nil
	require.Nil(t, Build(s).Checkpoint.Spine, "its block names none")
}

func TestETA(t *testing.T) {
	eta := func(stage fsm.Stage, change func(*State)) *time.Time {
		s := stateAt(stage)
		change(&s)
		return Build(s).ETA
	}
	at := spec.SlotStart(32)
	none := func(*State) {}
	require.Nil(t, eta(fsm.Working, none), "it works")
	require.Nil(t, eta(fsm.HeadSyncReady, func(s *State) { s.Work.Inhibit = "x" }))
	require.Nil(t, eta(fsm.HeadSyncReady, func(s *State) { s.Work.Failed = 1 }))
	require.Equal(t, at.Add(SwitchSlots*4*time.Second), *eta(fsm.HeadSyncReady, none))
	require.Equal(t, at.Add(12*time.Second), *eta(fsm.HeadSyncReady, none), "two new heads, and the slot that runs")
	require.Nil(t, eta(fsm.HeadSyncReady, func(s *State) { s.Nodes.Measured.Spec = nil }), "no clock is known")
	require.Nil(t, eta(fsm.HeadSyncReady, func(s *State) { s.Findings = []status.Finding{{Severity: status.SeverityCritical}} }), "it fails")
	require.Nil(t, eta(fsm.HeadSync, none), "no push is known")
	require.Nil(t, eta(fsm.HeadSync, func(s *State) {
		s.Work.Push = &status.Push{Progress: status.Progress{Current: 1, Target: 2}}
	}), "the push shows no pace")
	require.Equal(t, at.Add(12*time.Second), *eta(fsm.HeadSync, func(s *State) {
		s.Work.Push = &status.Push{Progress: status.Progress{Current: 2, Target: 2}}
	}), "all is pushed")
	pushed := at.Add(time.Hour)
	require.Equal(t, pushed.Add(SwitchSlots*4*time.Second), *eta(fsm.HeadSync, func(s *State) {
		s.Work.Push = &status.Push{Progress: status.Progress{Current: 1, Target: 2, ETA: &pushed}}
	}))
	require.Equal(t, at.Add(4*time.Second), *eta(fsm.Switching, none), "a slot at least")
	far := func(p *status.Progress) func(*State) {
		return func(s *State) {
			s.Nodes.Last.Beacon.Syncing.HeadSlot, s.Nodes.Last.Beacon.Syncing.Distance = 1, 31
			s.Nodes.Measured.Beacon = p
		}
	}
	require.Nil(t, eta(fsm.DAGSync, far(nil)))
	soon := at.Add(time.Minute)
	require.Nil(t, eta(fsm.DAGSync, far(&status.Progress{Unit: unitSlot, Current: 1, Target: 32, Rate: 0.2, ETA: &soon})), "slower than the clock")
	require.NotNil(t, eta(fsm.DAGSync, far(&status.Progress{Unit: unitSlot, Current: 1, Target: 32, Rate: 10, ETA: &soon})))
	loads := func(p *status.Progress) func(*State) {
		return func(s *State) { s.Nodes.Last.Gwat.Sync.Activity, s.Nodes.Measured.Gwat = protocol.LoadingChain, p }
	}
	require.Equal(t, at.Add(12*time.Second), *eta(fsm.DAGSync, none), "the beacon is near the clock and gwat loads nothing")
	require.Nil(t, eta(fsm.DAGSync, loads(nil)), "gwat shows no pace")
	require.Equal(t, soon.Add(12*time.Second), *eta(fsm.DAGSync, loads(&status.Progress{Unit: unitBlock, ETA: &soon})))
	genesis := spec.SlotStart(0)
	require.Equal(t, genesis.Add(SwitchSlots*4*time.Second), *eta(fsm.HeadSyncReady, func(s *State) { s.At = genesis.Add(-time.Hour); s.Nodes.Last.At = s.At }))
}

// What counts slots runs after a clock that moves on; what counts blocks does not.
func TestChase(t *testing.T) {
	now := spec.SlotStart(32)
	soon := now.Add(time.Minute)
	for name, tc := range map[string]struct {
		p    *status.Progress
		want time.Duration // from now; -1 for none
	}{
		"nothing":            {nil, -1},
		"no pace":            {&status.Progress{Unit: unitSlot, Current: 1, Target: 32, Rate: 1.25}, -1},
		"blocks":             {&status.Progress{Unit: unitBlock, Current: 1, Target: 32, Rate: 0.01, ETA: &soon}, time.Minute},
		"a slot a second":    {&status.Progress{Unit: unitSlot, Current: 1, Target: 31, Rate: 1.25, ETA: &soon}, 30 * time.Second},
		"as fast as a clock": {&status.Progress{Unit: unitSlot, Current: 1, Target: 31, Rate: 0.25, ETA: &soon}, -1},
		"slower":             {&status.Progress{Unit: unitSlot, Current: 1, Target: 31, Rate: 0.2, ETA: &soon}, -1},
		"a thousand hours":   {&status.Progress{Unit: unitSlot, Target: 3_600_000, Rate: 1.25, ETA: &soon}, 1000 * time.Hour},
		"a second longer":    {&status.Progress{Unit: unitSlot, Target: 3_600_001, Rate: 1.25, ETA: &soon}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			got := chase(tc.p, now, 4*time.Second)
			if tc.want < 0 {
				require.Nil(t, got)
				return
			}
			require.Equal(t, now.Add(tc.want), *got)
		})
	}
}

// After a reset each progress begins where the next poll finds it.
func TestResetBeginsEachProgressAnew(t *testing.T) {
	s := stateAt(fsm.DAGSync)
	o, h := s.Nodes.Last, &poll.History{Number: 20, HighHead: 12}
	var m Meters
	begins := func() []uint64 {
		var from []uint64
		for _, activity := range []protocol.Activity{protocol.Idle, protocol.LoadingDAG} {
			o.Gwat.Sync.Activity = activity
			m.Observe(o, h, o.At)
			from = append(from, m.Measured().Gwat.From)
		}
		return append(from, m.Measured().Beacon.From)
	}
	o.Gwat.Sync.TipSlot = 10
	require.Equal(t, []uint64{20, 10, 12}, begins())
	h.Number, h.HighHead, o.Gwat.Sync.TipSlot = 21, 13, 11
	require.Equal(t, []uint64{20, 10, 12}, begins(), "they go on")
	m.Reset()
	require.Equal(t, []uint64{21, 11, 13}, begins())
}

// The numbers of another network are no progress: they would be a pace that no node has.
func TestProgressBeginsAnewInAnotherNetwork(t *testing.T) {
	for name, change := range map[string]func(*poll.Observation){
		"of the beacon node": func(o *poll.Observation) {
			other := spec
			other.GenesisTime -= 100_000
			o.Beacon.Spec = &other
		},
		"of gwat": func(o *poll.Observation) { o.Identity = &checkpoint.Identity{GwatChainID: 8} },
	} {
		t.Run(name, func(t *testing.T) {
			first := *stateAt(fsm.DAGSync).Nodes.Last
			first.Identity = &checkpoint.Identity{GwatChainID: 7}
			var m Meters
			m.Observe(&first, &poll.History{Number: 20, HighHead: 12}, first.At)
			second := first
			second.At, second.Identity = first.At.Add(time.Second), nil
			m.Observe(&second, &poll.History{Number: 21, HighHead: 13}, second.At)
			require.EqualValues(t, 20, m.Measured().Gwat.From, "a poll that does not ask changes nothing")
			third := second
			third.At = second.At.Add(time.Second)
			change(&third)
			m.Observe(&third, &poll.History{Number: 1000, HighHead: 1200}, third.At)
			require.EqualValues(t, 1000, m.Measured().Gwat.From)
			require.Zero(t, m.Measured().Gwat.Rate)
			require.EqualValues(t, 1200, m.Measured().Beacon.From)
			require.Zero(t, m.Measured().Beacon.Rate)
		})
	}
}

// What a node does not tell is not made up.
func TestMetersOfWhatIsNotTold(t *testing.T) {
	o := stateAt(fsm.DAGSync).Nodes.Last
	o.Beacon.Spec, o.Gwat.Latest = nil, nil
	o.Gwat.Sync.Activity, o.Gwat.Sync.TipSlot = protocol.LoadingDAG, 10
	var m Meters
	m.Observe(o, &poll.History{Number: 20}, o.At)
	got := m.Measured()
	require.Equal(t, unitBlock, got.Gwat.Unit, "without the network there is no clock to count slots up to")
	require.Equal(t, &status.LastKnown{At: o.At}, got.GwatKnown)
	require.Nil(t, got.Beacon)
	s := stateAt(fsm.DAGSync)
	s.Nodes.Measured.GwatKnown = got.GwatKnown
	require.Nil(t, Build(s).Gwat.LagSlots, "no slot of gwat is known")
	s.Nodes.Measured = got
	shown := Build(s)
	require.EqualValues(t, 31, *shown.Beacon.Slot)
	require.Nil(t, shown.Beacon.LagSlots)
	m.Observe(stateAt(fsm.DAGSync).Nodes.Last, &poll.History{}, o.At)
	require.NotNil(t, m.Measured().Spec)
	m.Observe(o, &poll.History{}, o.At)
	require.NotNil(t, m.Measured().Spec, "a poll that does not read the network changes nothing of it")
}

func TestMetersMeasureEachPollOnce(t *testing.T) {
	s := stateAt(fsm.DAGSync)
	o, h := s.Nodes.Last, &poll.History{Number: 20, HighHead: 31}
	var m Meters
	m.Observe(nil, h, s.At)
	require.Equal(t, Measured{}, m.Measured())
	m.Observe(o, h, s.At)
	m.Observe(o, h, s.At.Add(time.Minute))
	first := m.Measured()
	require.Equal(t, s.At, first.GwatSince, "since the change, not since the newest poll")
	require.Zero(t, first.Gwat.Rate)
	next := *o
	next.At = o.At.Add(2 * time.Second)
	next.Gwat.At, next.Beacon.At = next.At, next.At
	h.Number = 26
	m.Observe(&next, h, next.At)
	m.Observe(&next, h, next.At)
	require.InDelta(t, 3, m.Measured().Gwat.Rate, 0.01)
	require.Equal(t, unitBlock, m.Measured().Gwat.Unit)
	next.Gwat.Err = errors.New("gone")
	m.Observe(&next, h, next.At.Add(time.Second))
	require.Nil(t, m.Measured().Gwat)
	require.Equal(t, next.At.Add(time.Second), m.Measured().GwatSince)
	m.Reset()
	next.Gwat.Err, next.Gwat.Sync.Activity, next.Gwat.Sync.TipSlot = nil, protocol.LoadingDAG, 12
	m.Observe(&next, h, next.At)
	require.Equal(t, &status.Progress{Unit: unitSlot, From: 12, Current: 12, Target: 32}, m.Measured().Gwat)
}

func TestPush(t *testing.T) {
	at := time.Unix(1000, 0)
	entry := func(slot primitives.Slot, spine byte) headsync.Entry {
		return headsync.Entry{Info: checkpoint.ConsensusInfo{Slot: slot, Finalizing: []common.Hash{{spine}}}}
	}
	var p Push
	require.Nil(t, p.Status(at))
	p.Fail()
	p.Observe(&poll.Observation{})
	require.False(t, p.Collecting())
	p.Report(headsync.Report{Phase: headsync.PhaseCollecting, From: 1, To: 9, Total: 4}, at, at)
	require.True(t, p.Collecting())
	require.Equal(t, at, p.Status(at).Started)
	p.Report(headsync.Report{Phase: headsync.PhasePushing, From: 1, To: 9, Total: 4, Done: 1, Accepted: true, Push: []headsync.Entry{entry(5, 5), entry(6, 6)}}, at, at)
	require.False(t, p.Collecting())
	require.EqualValues(t, 1, p.Status(at).Progress.Current)
	o := &poll.Observation{At: at.Add(time.Second), Began: at.Add(time.Millisecond)}
	o.Gwat.Latest = &gwatclient.Block{Hash: common.Hash{5}}
	p.Observe(o)
	require.EqualValues(t, 2, p.Status(at).Progress.Current, "gwat has finalized the first of both entries")
	p.Report(headsync.Report{Phase: headsync.PhaseConfirming, Total: 4, Done: 1}, at.Add(2*time.Second), at)
	require.EqualValues(t, 2, p.Status(at).Progress.Current, "it does not go back to the begin of the batch")
	shown := p.Status(at)
	p.Done(4)
	require.Equal(t, string(headsync.PhaseConfirming), shown.Phase, "what was published does not change")
	require.Equal(t, string(headsync.PhaseDone), p.Status(at).Phase)
	require.EqualValues(t, 4, p.Status(at).Progress.Target)
	p.Begin()
	require.EqualValues(t, 4, p.Status(at).Progress.Target, "the last push is shown until the attempt has reported")
	p.Report(headsync.Report{Phase: headsync.PhaseCollecting, Total: 9}, at.Add(time.Minute), at)
	p.Skip()
	require.EqualValues(t, 4, p.Status(at).Progress.Target, "the last push is shown again")
	p.Begin()
	require.EqualValues(t, 4, p.Status(at).Progress.Target, "the last push is shown until the attempt has reported")
	p.Report(headsync.Report{Phase: headsync.PhaseCollecting, Total: 9}, at.Add(time.Minute), at)
	p.Fail()
	require.Equal(t, string(headsync.PhaseFailed), p.Status(at).Phase)
}
