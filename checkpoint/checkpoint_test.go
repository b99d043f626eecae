package checkpoint

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var spec = Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 4, DepositChainID: 337733, GenesisTime: 1795209409}

func TestSpecValidate(t *testing.T) {
	require.NoError(t, spec.Validate())
	for name, breakIt := range map[string]func(*Spec){
		"SLOTS_PER_EPOCH is 0":          func(s *Spec) { s.SlotsPerEpoch = 0 },
		"SLOTS_PER_EPOCH is 1844674407": func(s *Spec) { s.SlotsPerEpoch = math.MaxUint64 },
		"SECONDS_PER_SLOT is 0":         func(s *Spec) { s.SecondsPerSlot = 0 },
		"SECONDS_PER_SLOT is 86400":     func(s *Spec) { s.SecondsPerSlot = 86400 },
		"CREATORS_PER_SLOT is 65537":    func(s *Spec) { s.CreatorsPerSlot = 1<<16 + 1 },
		"genesis_time is 1844674407":    func(s *Spec) { s.GenesisTime = math.MaxUint64 },
	} {
		s := spec
		breakIt(&s)
		err := s.Validate()
		require.ErrorIs(t, err, ErrBadSpec)
		require.ErrorContains(t, err, name)
	}
}

func TestSlotArithmetic(t *testing.T) {
	genesis := time.Unix(int64(spec.GenesisTime), 0)
	require.Equal(t, primitives.Slot(0), spec.SlotAt(genesis.Add(-time.Hour)))
	require.Equal(t, primitives.Slot(0), spec.SlotAt(genesis.Add(3*time.Second)))
	require.Equal(t, primitives.Slot(246), spec.SlotAt(genesis.Add(246*4*time.Second)))
	require.Equal(t, genesis.Add(984*time.Second).Unix(), spec.SlotStart(246).Unix())
	require.Equal(t, primitives.Epoch(7), spec.Epoch(246))
	require.Equal(t, primitives.Slot(96), spec.StartSlot(3))
	require.Equal(t, primitives.Slot(math.MaxUint64), spec.StartSlot(math.MaxUint64))
	require.Equal(t, 4*time.Second, spec.SlotDuration())
	require.Equal(t, uint64(5), Lag(5, 10))
	require.Equal(t, uint64(0), Lag(10, 5))
	rapid.Check(t, func(t *rapid.T) {
		slot := primitives.Slot(rapid.Uint64Range(0, 1<<40).Draw(t, "slot"))
		start := spec.StartSlot(spec.Epoch(slot))
		require.LessOrEqual(t, start, slot)
		require.Less(t, uint64(slot-start), spec.SlotsPerEpoch)
		require.Equal(t, slot, spec.SlotAt(spec.SlotStart(slot)))
	})
}

func TestConsensusInfoWireForm(t *testing.T) {
	const wire = `{"slot":"0x60","creators":["0x06cf0469f9a256a5b557ce079b9f5f88cf08e5a6"],"finalizing":["0x2b837e570a0d2707664965009a2733eea94508105702540ae6341c065ba20ef9"]}`
	var info ConsensusInfo
	require.NoError(t, json.Unmarshal([]byte(wire), &info))
	require.Equal(t, primitives.Slot(96), info.Slot)
	spine, ok := info.LastSpine()
	require.True(t, ok)
	require.Equal(t, common.HexToHash("0x2b837e570a0d2707664965009a2733eea94508105702540ae6341c065ba20ef9"), spine)
	back, err := json.Marshal(info)
	require.NoError(t, err)
	require.JSONEq(t, wire, string(back))

	genesis, err := json.Marshal(Genesis())
	require.NoError(t, err)
	require.Equal(t, `{"slot":"0x0","creators":[],"finalizing":[]}`, string(genesis))
	_, ok = Genesis().LastSpine()
	require.False(t, ok)

	require.ErrorIs(t, json.Unmarshal([]byte(`{}`), &info), ErrNoSlot)
	for _, bad := range []string{`{"slot":5}`, `{"slot":"0x05"}`, `{"slot":"0x5","finalizing":["0x12"]}`, `{"slot":"0x5","creators":["0x12"]}`, `[]`} {
		require.Error(t, json.Unmarshal([]byte(bad), &info), bad)
	}
}

func TestIdentityConflict(t *testing.T) {
	ok := Identity{GwatChainID: 337733, Spec: spec, SlotInfo: true}
	require.Empty(t, ok.Conflict())
	chain := ok
	chain.GwatChainID = 1337
	require.Contains(t, chain.Conflict(), "chain id is 1337, the beacon node's DEPOSIT_CHAIN_ID is 337733")
	require.Empty(t, spec.ChainConflict(337733))
	require.Equal(t, chain.Conflict(), spec.ChainConflict(1337))
	era := ok
	era.Spec.CreatorsPerSlot = 0
	require.Equal(t, EraCoordinated, era.Spec.Era())
	require.Equal(t, EraHeadSync, spec.Era())
	require.Contains(t, era.Conflict(), "the beacon node is of the coordinated era")
	slots := ok
	slots.SlotInfo = false
	require.Contains(t, slots.Conflict(), "genesis time 1795209409")
}

func TestSpineState(t *testing.T) {
	n := func(v uint64) *uint64 { return &v }
	require.Equal(t, SpineUnknown, BlockState(false, nil, 0))
	require.Equal(t, SpineOpen, BlockState(true, nil, 7))
	require.Equal(t, SpineFinal, BlockState(true, n(7), 7))
	require.Equal(t, SpineMisplace, BlockState(true, n(0xef), 0xee))
	for s := SpineUnknown; s <= SpineMisplace; s++ {
		require.NotEmpty(t, s.String())
	}
}

func TestCheckpointIsGenesis(t *testing.T) {
	require.True(t, Checkpoint{}.IsGenesis())
	require.False(t, Checkpoint{Epoch: 2, Root: common.HexToHash("0x1")}.IsGenesis())
}

func TestReach(t *testing.T) {
	require.Equal(t, primitives.Slot(0), spec.ExpectedSlot(40))
	require.Equal(t, primitives.Slot(160), spec.ExpectedSlot(246))
	for _, tc := range []struct {
		b        BeaconProgress
		at, near bool
	}{
		{BeaconProgress{Head: 159, Distance: 87, Now: 246}, false, false},
		{BeaconProgress{Head: 160, Distance: 86, Now: 246}, true, false},
		{BeaconProgress{Head: 242, Distance: 4, Now: 246}, true, true},
		{BeaconProgress{Head: 100, Distance: 2, Now: 246}, true, true}, // the distance has come down, though the clock says otherwise
		{BeaconProgress{Head: 250, Distance: 99, Now: 246}, true, true},
	} {
		at, why := tc.b.AtCheckpoint(spec)
		require.Equal(t, tc.at, at, "%+v", tc.b)
		require.NotEmpty(t, why)
		require.Equal(t, tc.near, tc.b.NearHead(), "%+v", tc.b)
	}
}

func TestResyncRule(t *testing.T) {
	// synced epoch < current epoch - 1
	require.False(t, spec.Behind(6*32, 7*32+5), "one epoch behind")
	require.True(t, spec.Behind(6*32-1, 7*32+5), "two epochs behind")
	require.False(t, spec.Behind(0, 31))
	require.False(t, spec.Behind(300, 246))
}

// The wire form is written by hand: it is what encoding/json makes of the same fields.
func TestHandWrittenWireForm(t *testing.T) {
	hashes := func(n int) (out []common.Hash) {
		for i := range n {
			out = append(out, common.BigToHash(big.NewInt(int64(i)*1<<40+0xabcdef)))
		}
		return out
	}
	for _, slot := range []primitives.Slot{0, 1, 15, 16, 255, 256, 0x60, math.MaxUint32, math.MaxUint64} {
		for n := range 4 {
			creators := []common.Address{}
			for _, h := range hashes(3 - n) {
				creators = append(creators, common.BytesToAddress(h[:]))
			}
			info := ConsensusInfo{Slot: slot, Creators: creators, Finalizing: append([]common.Hash{}, hashes(n)...)}
			want, err := json.Marshal(map[string]any{"slot": hexutil.Uint64(slot), "creators": info.Creators, "finalizing": info.Finalizing})
			require.NoError(t, err)
			got, err := json.Marshal(info)
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(got))
			require.Len(t, got, info.JSONSize())
			require.Equal(t, string(got), string(info.AppendJSON(nil)))
			var back ConsensusInfo
			require.NoError(t, json.Unmarshal(got, &back))
			require.Equal(t, info, back)
		}
	}
	empty, err := json.Marshal(ConsensusInfo{})
	require.NoError(t, err)
	require.Equal(t, `{"slot":"0x0","creators":[],"finalizing":[]}`, string(empty))
}

func TestBeforeGenesis(t *testing.T) {
	genesis := time.Unix(int64(spec.GenesisTime), 0)
	before, why := spec.BeforeGenesis(genesis.Add(-25*time.Second - 400*time.Millisecond))
	require.True(t, before)
	require.Equal(t, "genesis at 2026-11-20T21:16:49Z, in 25s", why)
	before, _ = spec.BeforeGenesis(genesis.Add(-time.Nanosecond))
	require.True(t, before)
	before, why = spec.BeforeGenesis(genesis)
	require.False(t, before)
	require.Empty(t, why)
}

// The bounds themselves are good, one more is not.
func TestSpecBounds(t *testing.T) {
	for name, set := range map[string]func(*Spec, uint64){
		"SLOTS_PER_EPOCH":   func(s *Spec, more uint64) { s.SlotsPerEpoch = 65536 + more },
		"SECONDS_PER_SLOT":  func(s *Spec, more uint64) { s.SecondsPerSlot = 3600 + more },
		"CREATORS_PER_SLOT": func(s *Spec, more uint64) { s.CreatorsPerSlot = 65536 + more },
		"genesis_time":      func(s *Spec, more uint64) { s.GenesisTime = math.MaxInt64/2 + more },
	} {
		good, bad := spec, spec
		set(&good, 0)
		require.NoError(t, good.Validate(), name)
		set(&bad, 1)
		require.ErrorContains(t, bad.Validate(), name)
	}
	for _, set := range []func(*Spec){
		func(s *Spec) { s.SlotsPerEpoch = 1 }, func(s *Spec) { s.SecondsPerSlot = 1 }, func(s *Spec) { s.CreatorsPerSlot = 1 }, func(s *Spec) { s.GenesisTime = 0 },
	} {
		least := spec
		set(&least)
		require.NoError(t, least.Validate())
	}
}

func TestSlotEdges(t *testing.T) {
	genesis := time.Unix(int64(spec.GenesisTime), 0)
	require.Equal(t, primitives.Slot(0), spec.SlotAt(genesis.Add(-time.Second)))
	require.Equal(t, primitives.Slot(0), spec.SlotAt(genesis))
	require.Equal(t, primitives.Slot(0), spec.SlotAt(genesis.Add(4*time.Second-time.Nanosecond)))
	require.Equal(t, primitives.Slot(1), spec.SlotAt(genesis.Add(4*time.Second)))
	last := primitives.Slot((math.MaxInt64/2 - spec.GenesisTime) / spec.SecondsPerSlot)
	require.Equal(t, int64(spec.GenesisTime+uint64(last)*4), spec.SlotStart(last).Unix())
	require.Equal(t, int64(math.MaxInt64/2), spec.SlotStart(last+1).Unix())
	lastEpoch := primitives.Epoch(math.MaxUint64 / 32)
	require.Equal(t, primitives.Slot(uint64(lastEpoch)*32), spec.StartSlot(lastEpoch))
	require.Equal(t, primitives.Slot(math.MaxUint64), spec.StartSlot(lastEpoch+1))
}

func TestReachEdges(t *testing.T) {
	for now, want := range map[primitives.Slot]primitives.Slot{0: 0, 31: 0, 63: 0, 64: 0, 95: 0, 96: 32, 127: 32, 128: 64} {
		require.Equal(t, want, spec.ExpectedSlot(now), now)
	}
	for _, tc := range []struct {
		b    BeaconProgress
		near bool
	}{
		{BeaconProgress{Head: 96, Distance: 99, Now: 100}, true},
		{BeaconProgress{Head: 95, Distance: 99, Now: 100}, false},
		{BeaconProgress{Head: 0, Distance: 4, Now: 100}, true},
		{BeaconProgress{Head: 0, Distance: 5, Now: 100}, false},
	} {
		require.Equal(t, tc.near, tc.b.NearHead(), "%+v", tc.b)
	}
	require.True(t, spec.Behind(0, 64))
	require.False(t, spec.Behind(0, 63))
	require.False(t, spec.Behind(32, 95))
	require.True(t, spec.Behind(31, 64))
}
