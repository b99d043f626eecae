package poll

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/protocol"
)

var errGone = errors.New("gone")

// told is a gwat that answers what it is told to, and counts what it is asked.
type told struct {
	GwatNode
	asked    map[string]int
	latest   *gwatclient.Block
	blocks   map[common.Hash]*gwatclient.Block
	genesis  *gwatclient.Block
	peers    uint64
	chainErr error
	stateErr error
	peersErr error
	info     gwatclient.SlotInfo
	late     time.Duration // of the answer to State
}

func (g *told) State(context.Context) (protocol.State, error) {
	time.Sleep(g.late)
	return protocol.State{}, g.stateErr
}
func (g *told) Latest(context.Context) (*gwatclient.Block, error) {
	return g.latest, nil
}
func (g *told) BlocksByHash(_ context.Context, spines []common.Hash) ([]*gwatclient.Block, error) {
	g.asked["blocks"]++
	var out []*gwatclient.Block
	for _, s := range spines {
		out = append(out, g.blocks[s])
	}
	return out, nil
}
func (g *told) BlocksByNumber(context.Context, uint64, uint64) ([]*gwatclient.Block, error) {
	return []*gwatclient.Block{g.genesis}, nil
}
func (g *told) Candidates(context.Context, primitives.Slot) ([]common.Hash, error) {
	g.asked["candidates"]++
	return nil, nil
}
func (g *told) PeerCount(context.Context) (uint64, error) {
	g.asked["peers"]++
	return g.peers, g.peersErr
}
func (g *told) ClientVersion(context.Context) (string, error) {
	g.asked["version"]++
	return "Gwat/v1", nil
}
func (g *told) ChainID(context.Context) (uint64, error) { return 7, g.chainErr }
func (g *told) SyncSlotInfo(_ context.Context, info gwatclient.SlotInfo) (bool, error) {
	g.info = info
	return true, nil
}

// toldBeacon is a beacon node that does the same.
type toldBeacon struct {
	BeaconNode
	asked       map[string]int
	specErr     error
	finalityErr error
	peersErr    error
	peers       uint64
	head        beaconclient.Header
	headers     map[common.Hash]error // why a block's header is not answered
	bodies      map[common.Hash]error // why its body is not
	spines      map[common.Hash][]common.Hash
	finality    beaconclient.Finality
}

func (b *toldBeacon) Syncing(context.Context) (beaconclient.Syncing, error) {
	return beaconclient.Syncing{HeadSlot: b.head.Slot, Distance: 3}, nil
}
func (b *toldBeacon) Spec(context.Context) (checkpoint.Spec, error) {
	b.asked["spec"]++
	return testSpec, b.specErr
}
func (b *toldBeacon) Version(context.Context) (string, error) { return "Coordinator/v2", nil }
func (b *toldBeacon) PeerID(context.Context) (string, error)  { return "16U", nil }
func (b *toldBeacon) PeerCount(context.Context) (uint64, error) {
	b.asked["peers"]++
	return b.peers, b.peersErr
}
func (b *toldBeacon) Header(_ context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	if id == beaconclient.Head {
		return b.head, nil
	}
	root := common.HexToHash(string(id))
	return beaconclient.Header{Root: root, Slot: primitives.Slot(root[0])}, b.headers[root]
}
func (b *toldBeacon) Block(_ context.Context, id beaconclient.BlockID) (beaconclient.Block, error) {
	b.asked["bodies"]++
	root := common.HexToHash(string(id))
	return beaconclient.Block{Finalization: b.spines[root]}, b.bodies[root]
}
func (b *toldBeacon) Finality(context.Context, beaconclient.StateID) (beaconclient.Finality, error) {
	b.asked["finality"]++
	return b.finality, b.finalityErr
}

// toldPair is a pair at work: gwat has finalized the spines of the head and of a checkpoint.
func toldPair() (*told, *toldBeacon, *Poller) {
	g := &told{asked: map[string]int{}, latest: finalBlock(31, 31, 31), genesis: finalBlock(200, 0, 0), peers: 5,
		blocks: map[common.Hash]*gwatclient.Block{{1}: finalBlock(1, 20, 20), {2}: finalBlock(2, 31, 31)}}
	b := &toldBeacon{asked: map[string]int{}, peers: 5, head: beaconclient.Header{Root: common.Hash{32}, Slot: 32},
		headers: map[common.Hash]error{}, bodies: map[common.Hash]error{}, spines: map[common.Hash][]common.Hash{{24}: {{1}}, {32}: {{2}}},
		finality: beaconclient.Finality{CurrentJustified: checkpoint.Checkpoint{Epoch: 3, Root: common.Hash{24}}}}
	return g, b, New(g, b, time.Now)
}

func polled(t *testing.T, p *Poller, q Question) *Observation {
	t.Helper()
	q.Within = 5 * time.Second
	return p.Poll(t.Context(), q)
}

// What hardly changes is read every thirty polls, and when it is asked for.
func TestWhatIsReadSeldom(t *testing.T) {
	g, b, p := toldPair()
	read := 0
	for i := range 61 {
		o := polled(t, p, Question{})
		require.Equal(t, i%30 == 0, o.Beacon.Spec != nil, i)
		require.Equal(t, i%30 == 0, o.Gwat.peers != nil, i)
		require.Equal(t, i%30 == 0, o.Beacon.peers != nil, i)
		if i%30 == 0 {
			read++
		}
		require.Equal(t, []int{read, read}, []int{g.asked["version"], b.asked["spec"]}, i)
	}
	require.Equal(t, Extras{Gwat: Extra{"Gwat/v1", &g.peers}, Beacon: Extra{"Coordinator/v2", &b.peers}}, p.Extras())
	o := polled(t, p, Question{Identity: true})
	require.Equal(t, []int{4, 4}, []int{g.asked["version"], b.asked["spec"]})
	require.Equal(t, &checkpoint.Identity{GwatChainID: 7, Spec: testSpec, SlotInfo: true}, o.Identity)
	require.Equal(t, gwatclient.SlotInfo{GenesisTime: testSpec.GenesisTime, SecondsPerSlot: 4, SlotsPerEpoch: 8}, g.info)
	in := GwatHealth(o)
	require.Equal(t, health.Identity{Client: "gwat", Chain: "7 " + g.genesis.Hash.String()}, in.Identity)
	require.Equal(t, health.Identity{Client: "coordinator", Peer: "16U"}, BeaconHealth(o).Identity)
	g.genesis = nil
	require.Empty(t, GwatHealth(polled(t, p, Question{Identity: true})).Identity.Chain, "its genesis was not read")
	g.chainErr = errGone
	require.ErrorIs(t, polled(t, p, Question{Identity: true}).Gwat.Err, errGone)
}

// lateGwat and lateBeacon take a time of their own for each call.
type lateGwat struct {
	*told
	state, latest time.Duration
}

func (g lateGwat) State(ctx context.Context) (protocol.State, error) {
	time.Sleep(g.state)
	return g.told.State(ctx)
}

func (g lateGwat) Latest(ctx context.Context) (*gwatclient.Block, error) {
	time.Sleep(g.latest)
	return g.told.Latest(ctx)
}

type lateBeacon struct {
	*toldBeacon
	syncing, header time.Duration
}

func (b lateBeacon) Syncing(ctx context.Context) (beaconclient.Syncing, error) {
	time.Sleep(b.syncing)
	return b.toldBeacon.Syncing(ctx)
}

func (b lateBeacon) Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	time.Sleep(b.header)
	return b.toldBeacon.Header(ctx, id)
}

// A node's latency is that of its first call, which is a cheap one; its health goes by the
// slowest call. The beacon node's clock is as of the answer that told it.
func TestWhenANodeAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b, _ := toldPair()
		p := New(lateGwat{g, 20 * time.Millisecond, 300 * time.Millisecond}, lateBeacon{b, 30 * time.Millisecond, 200 * time.Millisecond}, time.Now)
		o := polled(t, p, Question{})
		require.Equal(t, 20*time.Millisecond, o.Gwat.Latency)
		require.Equal(t, 30*time.Millisecond, o.Beacon.Latency)
		require.Equal(t, 300*time.Millisecond, GwatHealth(o).Latency)
		require.Equal(t, 200*time.Millisecond, BeaconHealth(o).Latency)
		require.Equal(t, o.Start.Add(30*time.Millisecond), BeaconHealth(o).ClockAt)
	})
}

// patientGwat reads blocks in a second.
type patientGwat struct{ *told }

func (g patientGwat) BlocksByHash(ctx context.Context, spines []common.Hash) ([]*gwatclient.Block, error) {
	select {
	case <-time.After(time.Second):
		return g.told.BlocksByHash(ctx, spines)
	case <-ctx.Done():
		return nil, fmt.Errorf("not sent: %w", ctx.Err())
	}
}

// gwat is not called hung for what it had no time for: the beacon node had taken the poll's time.
func TestWhoTookTheTimeOfAPoll(t *testing.T) {
	for name, tc := range map[string]struct {
		gwat, beacon time.Duration // that their own calls take
		blamed       string
	}{
		"nobody":                           {0, 3500 * time.Millisecond, ""},
		"the beacon node":                  {0, 4500 * time.Millisecond, "beacon"},
		"gwat, which is no faster":         {4500 * time.Millisecond, 4500 * time.Millisecond, "gwat"},
		"gwat, beside a quick beacon node": {4500 * time.Millisecond, 0, "gwat"},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, b, _ := toldPair()
			p := New(patientGwat{g}, lateBeacon{b, tc.beacon, 0}, time.Now)
			g.late = tc.gwat
			o := polled(t, p, Question{Within: 5 * time.Second})
			require.Equal(t, tc.blamed == "gwat", o.Gwat.Err != nil, "%s: %v", name, o.Gwat.Err)
			require.Equal(t, tc.blamed == "beacon", o.Beacon.Err != nil, "%s: %v", name, o.Beacon.Err)
		})
	}
}

// The network's constants are read with each poll until they are known.
func TestTheNetworkIsReadUntilItIsKnown(t *testing.T) {
	_, b, p := toldPair()
	b.specErr = errGone
	require.ErrorIs(t, polled(t, p, Question{}).Beacon.Err, errGone)
	b.specErr = nil
	require.Equal(t, &testSpec, polled(t, p, Question{}).Beacon.Spec)
	require.Nil(t, polled(t, p, Question{}).Beacon.Spec)
}

// A node without peers is asked for them in each poll, and in six more once it has some.
func TestPeersOfANodeThatHadNone(t *testing.T) {
	g, b, p := toldPair()
	g.peers, b.peers = 0, 0
	for range 3 {
		o := polled(t, p, Question{})
		require.Zero(t, *o.Gwat.peers)
		require.Zero(t, *o.Beacon.peers)
	}
	g.peers, b.peers = 2, 3
	for i := range 8 {
		o := polled(t, p, Question{})
		require.Equal(t, i < 6, o.Gwat.peers != nil, i)
		require.Equal(t, i < 6, o.Beacon.peers != nil, i)
	}
	require.EqualValues(t, 2, *p.Extras().Gwat.Peers)
	require.EqualValues(t, 3, *p.Extras().Beacon.Peers)
	require.Equal(t, "Gwat/v1", p.Extras().Gwat.Version)
}

// The number of peers is dropped when a node does not answer, or does not say it any more.
func TestPeersOfANodeThatWasAway(t *testing.T) {
	g, b, p := toldPair()
	polled(t, p, Question{})
	require.NotNil(t, p.Extras().Gwat.Peers)
	require.NotNil(t, p.Extras().Beacon.Peers)
	g.stateErr = errGone
	polled(t, p, Question{})
	require.Nil(t, p.Extras().Gwat.Peers)
	require.NotNil(t, p.Extras().Beacon.Peers)
	g.stateErr = nil
	polled(t, p, Question{})
	require.Nil(t, p.Extras().Gwat.Peers, "not read yet")
	polled(t, p, Question{Identity: true})
	require.NotNil(t, p.Extras().Gwat.Peers)
	b.peersErr, g.peersErr = errGone, errGone
	polled(t, p, Question{Identity: true})
	require.Nil(t, p.Extras().Gwat.Peers)
	require.Nil(t, p.Extras().Beacon.Peers)
}

// Spines are read again only when something may have changed, and the calls of normal
// work are tried only when that is asked for.
func TestWhatIsNotReadAgain(t *testing.T) {
	g, b, p := toldPair()
	reads := func(q Question) int {
		before := g.asked["blocks"]
		o := polled(t, p, q)
		require.NoError(t, o.Gwat.Err)
		require.Equal(t, checkpoint.SpineFinal, o.State(common.Hash{2}))
		return g.asked["blocks"] - before
	}
	require.Equal(t, 1, reads(Question{}))
	require.Equal(t, 0, reads(Question{}), "nothing is new")
	require.Equal(t, 1, reads(Question{Spines: []common.Hash{{9}}}), "another one is asked for")
	require.Equal(t, 1, reads(Question{Spines: []common.Hash{{9}}}), "gwat does not have it")
	g.blocks[common.Hash{9}] = &gwatclient.Block{Height: 33}
	require.Equal(t, 1, reads(Question{Spines: []common.Hash{{9}}}))
	require.Equal(t, 1, reads(Question{Spines: []common.Hash{{9}}}), "it is not final")
	require.Equal(t, 0, reads(Question{}))
	g.latest = finalBlock(32, 32, 32)
	require.Equal(t, 1, reads(Question{}), "gwat has finalized another block")
	require.Equal(t, 0, reads(Question{}))

	require.Zero(t, g.asked["candidates"])
	o := polled(t, p, Question{Calls: true})
	require.True(t, o.Calls)
	require.Equal(t, 1, g.asked["candidates"])

	finality, bodies := b.asked["finality"], b.asked["bodies"]
	require.Equal(t, []int{1, 2}, []int{finality, bodies}, "under one head the checkpoints and their blocks are read once")
	b.head = beaconclient.Header{Root: common.Hash{33}, Slot: 33}
	b.finality.CurrentJustified = checkpoint.Checkpoint{Epoch: 4, Root: common.Hash{32}}
	o = polled(t, p, Question{})
	require.Equal(t, []int{2, 3}, []int{b.asked["finality"], b.asked["bodies"]}, "the new head's block is")
	require.EqualValues(t, 4, o.Beacon.Justified.Epoch)
	require.EqualValues(t, 32, o.Beacon.Points[0].Header.Slot)
	require.Len(t, p.entries, 2, "what neither is the head nor a checkpoint is not kept")
}

// A checkpoint whose block the node does not tell costs nothing but itself.
func TestCheckpointsThatAreNotTold(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *toldBeacon)
		points []primitives.Slot
		err    error
	}{
		"all are":            {func(*toldBeacon) {}, []primitives.Slot{24, 16, 8}, nil},
		"an orphaned one":    {func(b *toldBeacon) { b.headers[common.Hash{24}] = beaconclient.ErrNotFound }, []primitives.Slot{16, 8}, nil},
		"one not there yet":  {func(b *toldBeacon) { b.headers[common.Hash{16}] = beaconclient.ErrStarting }, []primitives.Slot{24, 8}, nil},
		"a body not there":   {func(b *toldBeacon) { b.bodies[common.Hash{24}] = beaconclient.ErrStarting }, []primitives.Slot{16, 8}, nil},
		"none is justified":  {func(b *toldBeacon) { b.finality = beaconclient.Finality{} }, nil, nil},
		"a header fails":     {func(b *toldBeacon) { b.headers[common.Hash{16}] = errGone }, nil, errGone},
		"a body fails":       {func(b *toldBeacon) { b.bodies[common.Hash{16}] = errGone }, nil, errGone},
		"the head's fails":   {func(b *toldBeacon) { b.bodies[common.Hash{32}] = errGone }, nil, errGone},
		"the finality fails": {func(b *toldBeacon) { b.finalityErr = errGone }, nil, errGone},
	} {
		t.Run(name, func(t *testing.T) {
			_, b, p := toldPair()
			b.finality.PreviousJustified = checkpoint.Checkpoint{Epoch: 2, Root: common.Hash{16}}
			b.finality.Finalized = checkpoint.Checkpoint{Epoch: 1, Root: common.Hash{8}}
			tc.change(b)
			o := polled(t, p, Question{})
			require.ErrorIs(t, o.Beacon.Err, tc.err)
			if tc.err != nil {
				return
			}
			var slots []primitives.Slot
			for _, point := range o.Beacon.Points {
				slots = append(slots, point.Header.Slot)
			}
			require.Equal(t, tc.points, slots)
			require.Equal(t, len(tc.points) > 0, o.Beacon.Finalized != nil)
			if o.Beacon.Finalized != nil {
				require.EqualValues(t, 8, *o.Beacon.Finalized)
			}
		})
	}
}

// Polls that are never completed keep what they have read, and not without end.
func TestPollsThatAreNotCompletedKeepABound(t *testing.T) {
	_, b, p := toldPair()
	b.finalityErr = errGone
	for i := range 130 {
		b.head = beaconclient.Header{Root: common.Hash{1, byte(i)}, Slot: primitives.Slot(i)}
		polled(t, p, Question{})
		require.Len(t, p.entries, i%64+1)
	}
}

// A gwat that answers cheap calls and none of normal work hangs; an error that it answers
// is none of that.
func TestHealthOfGwat(t *testing.T) {
	for name, tc := range map[string]struct {
		err, calls error
		want       health.Reach
	}{
		"answers":               {nil, nil, health.Answers},
		"hangs in its work":     {nil, context.DeadlineExceeded, health.Silent},
		"refuses its work":      {nil, gwatclient.ErrLocked, health.Answers},
		"is down":               {gwatclient.ErrDown, nil, health.Down},
		"is down, and was busy": {gwatclient.ErrDown, context.DeadlineExceeded, health.Down},
	} {
		t.Run(name, func(t *testing.T) {
			o := answeredAt(10)
			o.Gwat.Err, o.CallsErr = tc.err, tc.calls
			got := GwatHealth(o)
			require.Equal(t, tc.want, got.Reach)
			require.Equal(t, tc.want != health.Answers, got.Error != "")
		})
	}
}

// Spines are compared only if both nodes answered the same poll.
func TestHealthComparesTheNodes(t *testing.T) {
	_, _, p := toldPair()
	o := polled(t, p, Question{})
	g, b := GwatHealth(o), BeaconHealth(o)
	require.True(t, g.Compared)
	require.Equal(t, []checkpoint.SpineState{checkpoint.SpineFinal}, g.Spines)
	require.EqualValues(t, 31, *g.Number)
	require.EqualValues(t, 31, g.Slot)
	require.Equal(t, []health.Point{{Slot: 24, State: checkpoint.SpineFinal}}, b.Points)
	require.True(t, b.Known)
	require.EqualValues(t, 35, b.Clock, "its head and how far that is behind")

	o.Gwat.Err = errGone
	require.False(t, GwatHealth(o).Compared)
	require.Empty(t, BeaconHealth(o).Points)
	require.True(t, BeaconHealth(o).Known)
	o.Gwat.Err, o.Beacon.Err = nil, errGone
	require.False(t, GwatHealth(o).Compared)
	require.False(t, BeaconHealth(o).Known)
	o.Beacon.Err, o.Gwat.Latest = nil, nil
	require.False(t, GwatHealth(o).Compared)
}

// A call that had no answer of the node's own makes a poll fail; an error that gwat
// answered does not.
func TestAnswered(t *testing.T) {
	for err, want := range map[error]bool{
		nil: true, gwatclient.ErrLocked: true, gwatclient.ErrMalformed: false, gwatclient.ErrHTTPStatus: false, gwatclient.ErrLost: false,
	} {
		o := answeredAt(10)
		o.CallsErr = err
		require.Equal(t, want, o.Answered(), err)
		o.Gwat.Err = errGone
		require.False(t, o.Answered())
		o.Gwat.Err, o.Beacon.Err = nil, errGone
		require.False(t, o.Answered())
	}
}

func TestWhatGwatHasOfASpine(t *testing.T) {
	o := answeredAt(10)
	o.Blocks[common.Hash{1}] = finalBlock(1, 20, 20)
	o.Blocks[common.Hash{2}] = &gwatclient.Block{Height: 21}
	require.Equal(t, checkpoint.SpineFinal, o.State(common.Hash{1}))
	require.Equal(t, checkpoint.SpineOpen, o.State(common.Hash{2}))
	require.Equal(t, checkpoint.SpineUnknown, o.State(common.Hash{3}))
	require.Equal(t, []uint64{20, 21, 0}, []uint64{o.Height(common.Hash{1}), o.Height(common.Hash{2}), o.Height(common.Hash{3})})
	o.Start = o.At.Add(-2 * time.Second)
	require.Equal(t, 2*time.Second, o.Took())
}
