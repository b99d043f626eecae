package pair

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
)

// factsSpec has slots of 4 s and epochs of 8 slots.
var factsSpec = checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 4, CreatorsPerSlot: 4, GenesisTime: 1_000_000}

type namedGwat struct{ gwatNode }

func (namedGwat) Endpoint() string { return "gwat.example" }

type namedBeacon struct{ poll.BeaconNode }

func (namedBeacon) URL() string { return "beacon.example" }

// toStage lists the events that bring a machine to a stage.
var toStage = map[fsm.Stage][]fsm.Event{
	fsm.Connecting:     nil,
	fsm.CheckpointSync: {fsm.NodesReached},
	fsm.DAGSync:        {fsm.NodesReached, fsm.CheckpointReached},
	fsm.HeadSyncReady:  {fsm.NodesReached, fsm.CheckpointReached, fsm.DAGSynced},
	fsm.HeadSync:       {fsm.NodesReached, fsm.CheckpointReached, fsm.DAGSynced, fsm.ReadyAccepted},
	fsm.Switching:      {fsm.NodesReached, fsm.CheckpointReached, fsm.DAGSynced, fsm.ReadyAccepted, fsm.Pushed},
	fsm.Working:        {fsm.NodesReached, fsm.CheckpointReached, fsm.DAGSynced, fsm.ReadyAccepted, fsm.Pushed, fsm.Verified},
}

// pairIn returns a pair in a stage, with no loop and no nodes.
func pairIn(t *testing.T, stage fsm.Stage) *Pair {
	t.Helper()
	spec := factsSpec
	p := &Pair{
		nodes: nodes{namedGwat{}, namedBeacon{}}, polls: polls{spec: &spec, identity: &checkpoint.Identity{Spec: spec}},
		machine: fsm.New(func(fsm.Change) {}),
		cfg:     Config{Times: Times{CallTimeout: 5 * time.Second, FallbackSlots: 3}},
	}
	for _, ev := range toStage[stage] {
		require.NoError(t, p.machine.Fire(t.Context(), ev, "test"))
	}
	require.Equal(t, stage, p.machine.Stage())
	return p
}

// lookAt is an observation of two nodes that answered at the begin of a slot.
func lookAt(slot primitives.Slot) *poll.Observation {
	at := factsSpec.SlotStart(slot)
	return &poll.Observation{Start: at, At: at, Done: at, Gwat: poll.Gwat{Latest: block(1, 1, 1)}, Blocks: map[common.Hash]*gwatclient.Block{}}
}

// block is a finalized one.
func block(name byte, number uint64, slot primitives.Slot) *gwatclient.Block {
	return &gwatclient.Block{Hash: common.Hash{name}, Number: &number, Height: number, Slot: slot}
}

func pointAt(slot primitives.Slot, spines ...common.Hash) poll.Entry {
	return poll.Entry{Header: beaconclient.Header{Slot: slot}, Spines: spines}
}

// The resync rule: synced epoch < current epoch - 1, by the older of both nodes.
func TestFellBehindByEitherNode(t *testing.T) {
	const now = 32 // epoch 4
	for name, tc := range map[string]struct {
		head, covered primitives.Slot
		want          bool
	}{
		"both at the clock":            {32, 32, false},
		"begin of the epoch before":    {24, 24, false},
		"beacon an epoch too old":      {23, 32, true},
		"gwat an epoch too old":        {32, 23, true},
		"both far behind":              {3, 2, true},
		"gwat just new enough":         {32, 24, false},
		"beacon's head beyond a clock": {41, 41, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.Working), lookAt(now)
			o.Beacon.Syncing.HeadSlot, p.polls.history.Covered = tc.head, tc.covered
			got, why := p.fellBehind(o, factsSpec, now)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.want, why != "")
			if tc.want {
				require.Contains(t, why, "epoch 4")
			}
		})
	}
}

func TestGwatAtACheckpoint(t *testing.T) {
	justified := checkpoint.Checkpoint{Epoch: 2, Root: common.Hash{0xcc}}
	final, open := common.Hash{10}, common.Hash{11}
	quiet := headsync.QuietSlots * factsSpec.SlotDuration()
	for name, tc := range map[string]struct {
		stage     protocol.Activity
		justified checkpoint.Checkpoint
		points    []poll.Entry
		latest    primitives.Slot
		still     time.Duration
		want      bool
		why       string
	}{
		"nothing is justified yet":                 {want: true, why: "genesis"},
		"genesis, gwat still loads":                {stage: protocol.LoadingChain, why: "finalized-chain sync"},
		"its spine is final":                       {justified: justified, points: []poll.Entry{pointAt(16, open, final)}, want: true, why: "slot 16"},
		"its last spine is open":                   {justified: justified, points: []poll.Entry{pointAt(16, final, open)}, why: "epoch 2"},
		"an older checkpoint is final":             {justified: justified, points: []poll.Entry{pointAt(16, open), pointAt(8, final)}, want: true, why: "slot 8"},
		"no spines, gwat at its slot":              {justified: justified, points: []poll.Entry{pointAt(16)}, latest: 16, want: true, why: "slot 16"},
		"no spines, gwat before it":                {justified: justified, points: []poll.Entry{pointAt(16)}, latest: 15, why: "epoch 2"},
		"an open spine, whatever gwat's slot":      {justified: justified, points: []poll.Entry{pointAt(16, open)}, latest: 99, why: "epoch 2"},
		"below all and moves no more":              {justified: justified, points: []poll.Entry{pointAt(16, open)}, still: quiet, want: true, why: "below the last checkpoint"},
		"below all and unmoved for nearly so long": {justified: justified, points: []poll.Entry{pointAt(16, open)}, still: quiet - 1, why: "epoch 2"},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.CheckpointSync), lookAt(32)
			o.Gwat.Sync.Activity, o.Gwat.Latest.Slot = tc.stage, tc.latest
			o.Beacon.Justified, o.Beacon.Points = tc.justified, tc.points
			o.Blocks[final], o.Blocks[open] = block(10, 7, 15), &gwatclient.Block{Hash: open, Height: 8}
			p.polls.history.NumberFrom = o.At.Add(-tc.still)
			got, why := p.gwatAtCheckpoint(o, factsSpec)
			require.Equal(t, tc.want, got, why)
			require.Contains(t, why, tc.why)
		})
	}
}

// While a push runs some looks may fail; in working mode one may; else none.
func TestAFailedLookInEachStage(t *testing.T) {
	lost := gwatclient.ErrLost
	for name, tc := range map[string]struct {
		stages []fsm.Stage
		worker bool
		fails  int
		err    error
		want   bool
	}{
		"beside a worker":            {[]fsm.Stage{fsm.HeadSync, fsm.HeadSyncReady}, true, 1, lost, true},
		"the last that is borne":     {[]fsm.Stage{fsm.HeadSync, fsm.HeadSyncReady}, true, patience - 1, lost, true},
		"one too many":               {[]fsm.Stage{fsm.HeadSync, fsm.HeadSyncReady}, true, patience, lost, false},
		"gwat is gone":               {[]fsm.Stage{fsm.HeadSync, fsm.HeadSyncReady}, true, 1, gwatclient.ErrDown, false},
		"without a worker":           {[]fsm.Stage{fsm.HeadSync, fsm.HeadSyncReady}, false, 1, lost, false},
		"a stage without a push":     {[]fsm.Stage{fsm.Connecting, fsm.CheckpointSync, fsm.DAGSync, fsm.Switching}, true, 1, lost, false},
		"in working mode":            {[]fsm.Stage{fsm.Working}, false, 1, lost, true},
		"twice in working mode":      {[]fsm.Stage{fsm.Working}, false, 2, lost, false},
		"twice, and a worker is old": {[]fsm.Stage{fsm.Working}, true, 2, lost, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, stage := range tc.stages {
				p, o := pairIn(t, stage), lookAt(32)
				if tc.worker {
					p.job.worker = &worker{}
				}
				p.polls.history.Fails = tc.fails
				up, why := p.up(o)
				require.True(t, up, stage)
				require.Empty(t, why)
				o.Gwat.Err = tc.err
				up, why = p.up(o)
				require.Equal(t, tc.want, up, stage)
				require.Contains(t, why, "gwat at gwat.example")
				o.Gwat.Err, o.Beacon.Err = nil, errors.New("silence")
				_, why = p.up(o)
				require.Contains(t, why, "beacon node at beacon.example")
			}
		})
	}
}

func TestOneBadAnswerIsQuickAndAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		fails  int
		took   time.Duration
		before time.Duration // since the failure before
		spec   bool
		want   bool
	}{
		"quick and alone":        {1, time.Second, time.Hour, true, true},
		"a slot after the last":  {1, time.Second, 4 * time.Second, true, true},
		"sooner than a slot":     {1, time.Second, 4*time.Second - 1, true, false},
		"the second in a row":    {2, time.Second, time.Hour, true, false},
		"half of a call's time":  {1, 2500 * time.Millisecond, time.Hour, true, false},
		"just less than half":    {1, 2500*time.Millisecond - 1, time.Hour, true, true},
		"the network is unknown": {1, time.Second, time.Hour, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.Working), lookAt(32)
			o.Start = o.At.Add(-tc.took)
			p.polls.history.Fails, p.polls.history.BadBefore = tc.fails, o.At.Add(-tc.before)
			if !tc.spec {
				p.polls.spec = nil
			}
			require.Equal(t, tc.want, p.oneBadAnswer(o))
		})
	}
}

func TestDAGSynced(t *testing.T) {
	lacks := common.Hash{9}
	for name, tc := range map[string]struct {
		head    primitives.Slot
		stage   protocol.Activity
		missing time.Duration // for how long it is still waited for; 0: nothing is
		open    bool          // gwat has the missing block
		want    bool
	}{
		"near the clock":        {head: 28, want: true},
		"not near it":           {head: 27},
		"gwat's finalized sync": {head: 32, stage: protocol.LoadingChain},
		"gwat's DAG sync":       {head: 32, stage: protocol.LoadingDAG},
		"gwat holds its lock":   {head: 32, stage: protocol.Prepared, want: true},
		"a block is missing":    {head: 32, missing: 1},
		"it came":               {head: 32, missing: 1, open: true, want: true},
		"its time is over":      {head: 32, missing: -1, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.DAGSync), lookAt(32)
			o.Beacon.Head.Header.Slot, o.Beacon.Syncing.HeadSlot, o.Gwat.Sync.Activity = tc.head, tc.head, tc.stage
			o.Beacon.Syncing.Distance = uint64(32 - tc.head)
			if tc.missing != 0 {
				p.job.missing = &missing{spine: lacks, until: o.At.Add(tc.missing)}
			}
			if tc.open {
				o.Blocks[lacks] = &gwatclient.Block{Hash: lacks, Height: 5}
			}
			got, why := p.dagSynced(o, 32)
			require.Equal(t, tc.want, got, why)
			require.NotEmpty(t, why)
		})
	}
}

func TestVerificationBeginsAtWhatThePushConfirmed(t *testing.T) {
	p := &Pair{polls: polls{history: poll.History{Number: 277}}}
	require.EqualValues(t, 277, p.verifyFrom(fsm.HeadSync), "nothing was pushed")
	p.proof.pushedTo = 1
	require.EqualValues(t, 1, p.verifyFrom(fsm.HeadSync))
	require.EqualValues(t, 277, p.verifyFrom(fsm.Working))
}
