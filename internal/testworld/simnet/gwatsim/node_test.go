package gwatsim

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const slotTime = 4 * time.Second

// lineChain has one block a slot up to slot last, and bodies that finalize the
// spine of five slots before. Genesis is now.
func lineChain(last primitives.Slot) *testChain {
	c := newTestChain(uint64(time.Now().Unix()), h("G"))
	parent := h("G")
	for slot := primitives.Slot(1); slot <= last; slot++ {
		parent = c.block(line(slot), slot, parent).Hash
		if slot > 5 {
			c.body(slot, line(slot-5))
		}
	}
	return c
}

func line(slot primitives.Slot) common.Hash { return h("line-" + strconv.Itoa(int(slot))) }

func info(slot primitives.Slot, spines ...common.Hash) *ConsensusInfo {
	return &ConsensusInfo{Slot: slot, Finalizing: spines}
}

func push(slot primitives.Slot, spines ...common.Hash) []checkpoint.ConsensusInfo {
	return []checkpoint.ConsensusInfo{info(slot, spines...).info()}
}

// live runs a node until the test ends.
func live(t *testing.T, cfg Config) *Node {
	p := &player{t: t, cfg: cfg}
	p.start()
	t.Cleanup(p.stop)
	return p.node
}

func TestOwnSyncFromZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lineChain(200)
		c.justified = checkpoint.Checkpoint{Epoch: 3, Root: c.HeadAt(65).Root}
		time.Sleep(100 * slotTime)
		n := live(t, Config{Chain: c, SyncSpeed: 10, DAGSpeed: 4, Logf: t.Logf})

		time.Sleep(3*time.Second + time.Millisecond)
		require.Equal(t, StageFinalized, n.State().Stage)
		require.EqualValues(t, 30, n.State().Finalized)
		answer := n.syncing().(syncing)
		require.EqualValues(t, 30, answer.CurrentBlock)
		require.EqualValues(t, 60, answer.HighestBlock)
		_, err := n.headSyncReady(info(0))
		require.ErrorIs(t, err, errLocked)
		_, err = n.headSync(nil)
		require.ErrorIs(t, err, errNotReady)
		require.Equal(t, "synchronization", *n.getCandidates(99).Error)

		time.Sleep(8 * time.Second)
		state := n.State()
		require.Equal(t, StageDAG, state.Stage)
		require.EqualValues(t, 60, state.Finalized)
		require.Equal(t, line(60), state.FinalizedHash)
		require.Less(t, state.DAGSlot, primitives.Slot(90))
		require.EqualValues(t, 102, state.MaxBlockSlot, "new blocks propagate beside the DAG sync")
		require.False(t, n.validateSpines([]common.Hash{line(90)}))
		_, err = n.headSyncReady(info(60, line(60)))
		require.ErrorIs(t, err, errLocked)
		result, err := n.dagSync(info(101).info())
		require.NoError(t, err)
		require.Equal(t, "synchronization", *result.Error)
		final, err := n.dagFinalize(nil)
		require.NoError(t, err)
		require.Equal(t, "synchronization", *final.Error)

		time.Sleep(12 * time.Second)
		state = n.State()
		require.Equal(t, StageResync, state.Stage)
		require.EqualValues(t, 60, state.Finalized, "it stands at the checkpoint")
		require.Equal(t, state.MaxBlockSlot, state.DAGSlot)
		require.True(t, n.validateSpines([]common.Hash{line(90)}))
	})
}

func TestGoOnFollowsTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := world.New(world.Config{Seed: 3, GenesisTime: uint64(time.Now().Unix()), SlotsPerEpoch: 8})
		require.NoError(t, err)
		time.Sleep(60 * slotTime)
		stands := live(t, Config{Chain: w, FallbackSlots: 1000})
		goesOn := live(t, Config{Chain: w, FallbackSlots: 1000, GoOn: true})
		before := stands.State().Finalized
		require.Equal(t, before, goesOn.State().Finalized)
		time.Sleep(20 * slotTime)
		require.Equal(t, before, stands.State().Finalized)
		require.Greater(t, goesOn.State().Finalized, before)
		require.Equal(t, StageResync, goesOn.State().Stage)

		ok, err := goesOn.headSyncReady(info(1, w.DAGGenesis().Hash))
		require.NoError(t, err)
		require.True(t, ok)
		time.Sleep(DefaultLock + 8*slotTime)
		require.Zero(t, goesOn.State().Finalized, "a node that was rolled back stays so")
	})
}

func TestFallbackWhenTheCoordinatorIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := world.New(world.Config{Seed: 4, GenesisTime: uint64(time.Now().Unix()), SlotsPerEpoch: 8})
		require.NoError(t, err)
		time.Sleep(60 * slotTime)
		n := live(t, Config{Chain: w})
		before := n.State().Finalized
		time.Sleep(20 * slotTime)
		_, err = n.dagSync(info(80).info()) // breaks the silence
		require.NoError(t, err)
		time.Sleep(30 * slotTime)
		require.Equal(t, before, n.State().Finalized)
		time.Sleep(4 * slotTime)
		require.Greater(t, n.State().Finalized, before)
	})
}

func TestResyncIsTheCoordinatorBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lineChain(300)
		time.Sleep(100 * slotTime)
		n := live(t, Config{Chain: c, StartSlot: 100})
		require.Equal(t, StageResync, n.State().Stage, "after a start any slot behind counts")
		require.EqualValues(t, 95, n.State().Finalized)
		for slot := primitives.Slot(100); slot < 110; slot++ {
			_, err := n.dagSync(info(slot, line(slot-5)).info())
			require.NoError(t, err)
			for range 4 {
				require.Equal(t, false, n.syncing())
				time.Sleep(slotTime / 4)
			}
		}
		time.Sleep(slotTime)
		require.Equal(t, false, n.syncing(), "one slot behind is still current")
		time.Sleep(slotTime)
		require.Equal(t, StageResync, n.State().Stage)
		_, err := n.dagSync(info(3).info())
		require.NoError(t, err)
		require.EqualValues(t, 3, n.State().LastCoordSlot, "it goes to whatever slot is named")
	})
}

func TestRollbackTakesItsTimeAndOutlivesTheLockCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lineChain(300)
		time.Sleep(100 * slotTime)
		n := live(t, Config{Chain: c, StartSlot: 100, RollbackCost: 50 * time.Millisecond, EntryCost: 200 * time.Millisecond})
		begin := time.Now()
		answered := make(chan error, 1)
		go func() {
			_, err := n.headSyncReady(info(60, line(55)))
			answered <- err
		}()
		time.Sleep(time.Second - time.Millisecond)
		state := n.State()
		require.Equal(t, StageHead, state.Stage)
		require.EqualValues(t, 95-20, state.Finalized)
		require.Equal(t, begin.Add(DefaultLock), state.LockedUntil)
		_, err := n.headSyncReady(info(60, line(55)))
		require.ErrorIs(t, err, errLocked)
		require.NoError(t, <-answered)
		require.Equal(t, 40*50*time.Millisecond, time.Since(begin))
		require.EqualValues(t, 55, n.State().Finalized)

		begin = time.Now()
		ok, err := n.headSync(append(push(70, line(65)), push(61, line(56))...))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, 400*time.Millisecond, time.Since(begin))
		require.EqualValues(t, 65, n.State().Finalized)
		require.Zero(t, n.State().LockedUntil)
	})
}

func TestLockRunsOutAndLeavesTheRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lineChain(300)
		time.Sleep(100 * slotTime)
		n := live(t, Config{Chain: c, StartSlot: 100, Lock: 10 * time.Second})
		ok, err := n.headSyncReady(info(60, line(55)))
		require.NoError(t, err)
		require.True(t, ok)
		time.Sleep(9 * time.Second)
		_, err = n.headSyncReady(info(60, line(55)))
		require.ErrorIs(t, err, errLocked)
		time.Sleep(time.Second)
		require.Equal(t, StageResync, n.State().Stage, "a second ready does not extend the lock")
		require.EqualValues(t, 55, n.State().Finalized)
		_, err = n.headSync(push(70, line(65)))
		require.ErrorIs(t, err, errNotReady)
	})
}

func TestCreatorsAreStoredAsPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lineChain(20)
		time.Sleep(15 * slotTime)
		n := live(t, Config{Chain: c, StartSlot: 15})
		_, err := n.headSyncReady(info(0))
		require.NoError(t, err)
		creators := []common.Address{{1}, {2}}
		_, err = n.headSync([]checkpoint.ConsensusInfo{{Slot: 9, Creators: creators[:1]}, {Slot: 9, Creators: creators}})
		require.NoError(t, err)
		require.Equal(t, creators, n.Creators(9))
	})
}

func TestKilledNodeContinuesItsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lineChain(300)
		c.justified = checkpoint.Checkpoint{Epoch: 3, Root: c.HeadAt(95).Root}
		time.Sleep(100 * slotTime)
		dir := t.TempDir()
		cfg := Config{Chain: c, DataDir: dir, SyncSpeed: 10, DAGSpeed: 1}

		p := &player{t: t, cfg: cfg}
		p.start()
		time.Sleep(5050 * time.Millisecond)
		p.stop()
		p.start()
		require.Equal(t, StageFinalized, p.node.State().Stage)
		require.InDelta(t, 50, p.node.State().Finalized, 1)
		time.Sleep(6 * time.Second)
		require.Equal(t, StageDAG, p.node.State().Stage)
		loaded := p.node.State().DAGSlot
		p.stop()
		p.start()
		require.Equal(t, StageDAG, p.node.State().Stage)
		require.GreaterOrEqual(t, p.node.State().DAGSlot+1, loaded)
		time.Sleep(60 * slotTime)
		_, err := p.node.dagSync(info(170, line(100)).info())
		require.NoError(t, err)
		require.Equal(t, StageNone, p.node.State().Stage)
		order := p.node.FinalizedOrder()
		require.Len(t, order, 101)
		p.stop()

		time.Sleep(10 * slotTime)
		p.start()
		state := p.node.State()
		require.Equal(t, StageResync, state.Stage)
		require.Zero(t, state.LastCoordSlot)
		require.Equal(t, order, p.node.FinalizedOrder())
		missed := state.MaxBlockSlot
		time.Sleep(slotTime)
		require.GreaterOrEqual(t, p.node.State().MaxBlockSlot, missed+10, "missed blocks come with the next ones")
		require.NoError(t, p.node.RollbackTo(7))
		p.stop()
		p.start()
		require.EqualValues(t, 7, p.node.State().Finalized)
		p.stop()
		_, err = (&dagAPI{p.node}).HeadSyncReady(t.Context(), info(0))
		require.ErrorIs(t, err, errStopped, "a dead node does nothing more")

		foreign := newTestChain(c.spec.GenesisTime, h("another"))
		_, err = New(Config{Chain: foreign, DataDir: dir})
		require.ErrorIs(t, err, ErrForeignData)
	})
}

func TestUnreadableData(t *testing.T) {
	dir := t.TempDir()
	c := lineChain(3)
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600))
	_, err := New(Config{Chain: c, DataDir: dir})
	require.ErrorIs(t, err, ErrForeignData)
	unknown := []byte(`{"genesis_time":` + strconv.FormatUint(c.spec.GenesisTime, 10) + `,"finalized":["` + h("G").Hex() + `","` + h("no").Hex() + `"]}`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateFile), unknown, 0o600))
	_, err = New(Config{Chain: c, DataDir: dir})
	require.ErrorIs(t, err, ErrForeignData)
	_, err = New(Config{Chain: c, DataDir: filepath.Join(dir, stateFile)})
	require.ErrorContains(t, err, "read stored state")
	for _, cfg := range []Config{{}, {Chain: c, SyncSpeed: -1}, {Chain: c, Lock: -1}} {
		_, err := New(cfg)
		require.ErrorIs(t, err, ErrBadConfig)
	}
}

func TestDroppedBlocksComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lineChain(300)
		time.Sleep(100 * slotTime)
		n := live(t, Config{Chain: c, StartSlot: 100})
		n.DropDAG(50, 3*slotTime)
		state := n.State()
		require.EqualValues(t, 95, state.Finalized, "what is final stays")
		require.EqualValues(t, 95, state.MaxBlockSlot)
		_, err := n.headSyncReady(info(95, line(95)))
		require.NoError(t, err)
		_, err = n.headSync(append(push(101, line(96)), push(100, line(95))...))
		require.ErrorIs(t, err, errSpineNotFound)
		time.Sleep(3 * slotTime)
		require.Greater(t, n.State().MaxBlockSlot, primitives.Slot(100))
		_, err = n.headSyncReady(info(95, line(95)))
		require.NoError(t, err)
		_, err = n.headSync(push(101, line(96)))
		require.NoError(t, err)
		require.EqualValues(t, 96, n.State().Finalized)
	})
}

func TestRecordedChainGetsItsNumbers(t *testing.T) {
	truth, err := world.RecordedTruth()
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		w, err := world.LoadRecorded(nil, world.RecordedOptions{GenesisTime: uint64(time.Now().Unix())})
		require.NoError(t, err)
		time.Sleep(250 * slotTime)
		n := live(t, Config{Chain: w, StartSlot: 246})
		order := n.FinalizedOrder()
		require.Len(t, order, 242, "the bodies end at number 241")
		for number, hash := range order {
			require.EqualValues(t, number, truth.Numbers[hash])
		}
	})
}
