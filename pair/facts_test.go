package pair

import (
	"errors"
	"syscall"
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
)

// factsSpec has slots of 4 s and epochs of 8 slots.
var factsSpec = checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 4, CreatorsPerSlot: 4, GenesisTime: 1_000_000}

type namedGwat struct{ gwatNode }

func (namedGwat) Endpoint() string { return "gwat.example" }

type namedBeacon struct{ beaconNode }

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
		gwat: namedGwat{}, beacon: namedBeacon{}, spec: &spec, identity: &checkpoint.Identity{Spec: spec},
		machine: fsm.New(func(fsm.Change) {}),
		cfg:     Config{CallTimeout: 5 * time.Second, FallbackSlots: 3},
	}
	for _, ev := range toStage[stage] {
		require.NoError(t, p.machine.Fire(t.Context(), ev, "test"))
	}
	require.Equal(t, stage, p.machine.Stage())
	return p
}

// lookAt is an observation of two nodes that answered at the begin of a slot.
func lookAt(slot primitives.Slot) *observation {
	at := factsSpec.SlotStart(slot)
	return &observation{start: at, at: at, done: at, gwat: gwatLook{latest: block(1, 1, 1)}, blocks: map[common.Hash]*gwatclient.Block{}}
}

// block is a finalized one.
func block(name byte, number uint64, slot primitives.Slot) *gwatclient.Block {
	return &gwatclient.Block{Hash: common.Hash{name}, Number: &number, Height: number, Slot: slot}
}

func pointAt(slot primitives.Slot, spines ...common.Hash) beaconEntry {
	return beaconEntry{header: beaconclient.Header{Slot: slot}, spines: spines}
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
			o.beacon.syncing.HeadSlot, p.track.covered = tc.head, tc.covered
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
		stage     gwatclient.Stage
		justified checkpoint.Checkpoint
		points    []beaconEntry
		latest    primitives.Slot
		still     time.Duration
		want      bool
		why       string
	}{
		"nothing is justified yet":               {want: true, why: "genesis"},
		"genesis, gwat still loads":              {stage: gwatclient.StageFinalized, why: "finalized-chain sync"},
		"its spine is final":                     {justified: justified, points: []beaconEntry{pointAt(16, open, final)}, want: true, why: "slot 16"},
		"its last spine is open":                 {justified: justified, points: []beaconEntry{pointAt(16, final, open)}, why: "epoch 2"},
		"an older checkpoint is final":           {justified: justified, points: []beaconEntry{pointAt(16, open), pointAt(8, final)}, want: true, why: "slot 8"},
		"no spines, gwat at its slot":            {justified: justified, points: []beaconEntry{pointAt(16)}, latest: 16, want: true, why: "slot 16"},
		"no spines, gwat before it":              {justified: justified, points: []beaconEntry{pointAt(16)}, latest: 15, why: "epoch 2"},
		"an open spine, whatever gwat's slot":    {justified: justified, points: []beaconEntry{pointAt(16, open)}, latest: 99, why: "epoch 2"},
		"below all and moves no more":            {justified: justified, points: []beaconEntry{pointAt(16, open)}, still: quiet, want: true, why: "below the last checkpoint"},
		"below all and stood for nearly so long": {justified: justified, points: []beaconEntry{pointAt(16, open)}, still: quiet - 1, why: "epoch 2"},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.CheckpointSync), lookAt(32)
			o.gwat.sync.Stage, o.gwat.latest.Slot = tc.stage, tc.latest
			o.beacon.justified, o.beacon.points = tc.justified, tc.points
			o.blocks[final], o.blocks[open] = block(10, 7, 15), &gwatclient.Block{Hash: open, Height: 8}
			p.track.numberFrom = o.at.Add(-tc.still)
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
					p.worker = &worker{}
				}
				p.track.fails = tc.fails
				up, why := p.up(o)
				require.True(t, up, stage)
				require.Empty(t, why)
				o.gwat.err = tc.err
				up, why = p.up(o)
				require.Equal(t, tc.want, up, stage)
				require.Contains(t, why, "gwat at gwat.example")
				o.gwat.err, o.beacon.err = nil, errors.New("silence")
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
			o.start = o.at.Add(-tc.took)
			p.track.fails, p.track.badBefore = tc.fails, o.at.Add(-tc.before)
			if !tc.spec {
				p.spec = nil
			}
			require.Equal(t, tc.want, p.oneBadAnswer(o))
		})
	}
}

func TestASilentBeaconSide(t *testing.T) {
	for name, tc := range map[string]struct {
		since         time.Duration
		then, now     primitives.Slot
		known, silent bool
	}{
		"for the slots allowed":  {12 * time.Second, 20, 21, true, true},
		"for less than them":     {12*time.Second - 1, 20, 21, true, false},
		"gwat's DAG stands":      {time.Minute, 20, 20, true, false},
		"gwat's DAG fell":        {time.Minute, 20, 19, true, false},
		"the first is not known": {time.Minute, 0, 21, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.DAGSync), lookAt(32)
			p.track = track{headFrom: o.at.Add(-tc.since), dagThen: tc.then, dag: tc.now, dagKnown: tc.known}
			require.Equal(t, tc.silent, p.silent(o) != "")
			p.track.headFrom = time.Time{}
			require.Empty(t, p.silent(o))
		})
	}
}

func TestDAGSynced(t *testing.T) {
	lacks := common.Hash{9}
	for name, tc := range map[string]struct {
		head    primitives.Slot
		stage   gwatclient.Stage
		missing time.Duration // for how long it is still waited for; 0: nothing is
		open    bool          // gwat has the missing block
		want    bool
	}{
		"near the clock":        {head: 28, want: true},
		"not near it":           {head: 27},
		"gwat's finalized sync": {head: 32, stage: gwatclient.StageFinalized},
		"gwat's DAG sync":       {head: 32, stage: gwatclient.StageDAG},
		"gwat holds its lock":   {head: 32, stage: gwatclient.StageHead, want: true},
		"a block is missing":    {head: 32, missing: 1},
		"it came":               {head: 32, missing: 1, open: true, want: true},
		"its time is over":      {head: 32, missing: -1, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.DAGSync), lookAt(32)
			o.beacon.head.header.Slot, o.beacon.syncing.HeadSlot, o.gwat.sync.Stage = tc.head, tc.head, tc.stage
			o.beacon.syncing.Distance = uint64(32 - tc.head)
			if tc.missing != 0 {
				p.missing = &missing{spine: lacks, until: o.at.Add(tc.missing)}
			}
			if tc.open {
				o.blocks[lacks] = &gwatclient.Block{Hash: lacks, Height: 5}
			}
			got, why := p.dagSynced(o, 32)
			require.Equal(t, tc.want, got, why)
			require.NotEmpty(t, why)
		})
	}
}

func TestTrackCountsFailedLooks(t *testing.T) {
	var tr track
	first, second := lookAt(10), lookAt(11)
	first.gwat.err, second.gwat.err = gwatclient.ErrLost, syscall.ECONNREFUSED
	second.start = second.at.Add(-time.Second)
	tr.observe(first)
	require.Equal(t, 1, tr.fails)
	require.Equal(t, first.at, tr.bad)
	require.Zero(t, tr.badBefore)
	require.Zero(t, tr.gwatDown, "a lost answer does not show that the process is gone")
	tr.observe(second)
	require.Equal(t, 2, tr.fails)
	require.Equal(t, second.at, tr.bad)
	require.Equal(t, first.at, tr.badBefore)
	require.Equal(t, second.start, tr.gwatDown)
	tr.observe(lookAt(12))
	require.Zero(t, tr.fails)
	require.Equal(t, second.at, tr.bad)
}

// The DAG's growth is measured from the first slot read under a head.
func TestTrackMeasuresGrowthUnderOneHead(t *testing.T) {
	var tr track
	look := func(slot primitives.Slot, root byte, syncing bool, tip primitives.Slot) {
		o := lookAt(slot)
		o.beacon.head.header = beaconclient.Header{Slot: 5, Root: common.Hash{root}}
		o.gwat.sync = gwatclient.SyncStatus{Syncing: syncing, MaxBlockSlot: tip}
		tr.observe(o)
	}
	look(10, 1, false, 0)
	require.False(t, tr.dagKnown)
	look(11, 1, true, 20)
	look(12, 1, true, 22)
	require.Equal(t, []primitives.Slot{20, 22}, []primitives.Slot{tr.dagThen, tr.dag})
	require.Equal(t, factsSpec.SlotStart(10), tr.headFrom)
	look(13, 2, true, 23)
	require.Equal(t, []primitives.Slot{23, 23}, []primitives.Slot{tr.dagThen, tr.dag})
	require.Equal(t, factsSpec.SlotStart(13), tr.headFrom)
}

func TestTrackKeepsWhenTheNumberMoved(t *testing.T) {
	var tr track
	for _, step := range []struct {
		slot primitives.Slot
		n    uint64
		from primitives.Slot
	}{{10, 0, 10}, {11, 0, 10}, {12, 3, 12}, {13, 3, 12}, {14, 2, 14}} {
		o := lookAt(step.slot)
		o.gwat.latest = block(1, step.n, 1)
		tr.observe(o)
		require.Equal(t, step.n, tr.number)
		require.Equal(t, factsSpec.SlotStart(step.from), tr.numberFrom)
	}
}

// The coordinated slot follows heads whose spines are final, and falls with gwat's finality.
func TestTrackKeepsTheCoordinatedSlot(t *testing.T) {
	var tr track
	look := func(head primitives.Slot, number uint64, state byte, spines ...common.Hash) {
		o := lookAt(head)
		o.beacon.head.header.Slot, o.beacon.head.spines = head, spines
		o.gwat.latest = block(1, number, 1)
		for _, s := range spines {
			if state == 'f' {
				o.blocks[s] = block(s[0], number, head)
			}
		}
		tr.observe(o)
	}
	look(20, 7, 'f')
	require.Zero(t, tr.coord, "a head without spines shows nothing yet")
	look(21, 7, 'o', common.Hash{5})
	require.Zero(t, tr.coord)
	look(22, 8, 'f', common.Hash{5})
	require.EqualValues(t, 22, tr.coord)
	require.EqualValues(t, 8, tr.coordNumber)
	look(23, 8, 'f')
	require.EqualValues(t, 23, tr.coord, "nothing to finalize, of a pair at work")
	look(24, 8, 'o', common.Hash{6})
	require.EqualValues(t, 23, tr.coord)
	look(25, 7, 'o', common.Hash{6})
	require.Zero(t, tr.coord, "gwat was rolled back")
	require.Zero(t, tr.coordNumber)
}

// A reorg of some slots is no step back; a longer one is.
func TestTrackHoldsTheHead(t *testing.T) {
	var tr track
	for _, step := range []struct{ head, want primitives.Slot }{
		{100, 100}, {101, 101}, {100, 101}, {101 - checkpoint.NearHead, 101}, {100 - checkpoint.NearHead, 100 - checkpoint.NearHead},
	} {
		tr.holdHead(step.head)
		require.Equal(t, step.want, tr.highHead)
	}
}

func TestVerificationBeginsAtWhatThePushConfirmed(t *testing.T) {
	p := &Pair{track: track{number: 277}}
	require.EqualValues(t, 277, p.verifyFrom(fsm.HeadSync), "nothing was pushed")
	p.pushedTo = 1
	require.EqualValues(t, 1, p.verifyFrom(fsm.HeadSync))
	require.EqualValues(t, 277, p.verifyFrom(fsm.Working))
}
