package health

import (
	"math/big"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
)

// coordinatedSteady is poll n of a healthy pair: a poll a second, three to a slot.
func coordinatedSteady(n int) Input {
	head := primitives.Slot(330 + n/3)
	number, peers, known := uint64(300+n/3), uint64(2), true
	in := Input{
		At: time.Unix(int64(liveSpec.GenesisTime)+int64(head)*3+int64(n%3), 0), Elapsed: time.Duration(n) * time.Second,
		Stage: fsm.Working, Spec: &liveSpec,
		Gwat: Gwat{Node: Node{Reach: Answers, Peers: &peers}, Number: &number, Slot: head - 4},
		Beacon: Beacon{Node: Node{Reach: Answers, Peers: &peers}, Known: true, Head: head, Root: common.BigToHash(big.NewInt(int64(head))),
			Clock: head, Justified: liveSpec.Epoch(head) - 2},
		Coordinated: &Coordinated{CheckpointKnown: &known, State: &CoordinatedState{LastFinalized: common.BigToHash(big.NewInt(int64(number))), Epoch: liveSpec.Epoch(head)}},
	}
	in.Beacon.ClockAt = in.At
	return in
}

// The incidents that the recordings lack: what brings them, and the first poll that
// tells and that clears them.
func TestWindowsOfTheCoordinatedEra(t *testing.T) {
	no := false
	none := uint64(0)
	stuck := CoordinatedState{LastFinalized: common.Hash{1}, Epoch: 10, Checkpoint: common.Hash{2}}
	for name, tc := range map[string]struct {
		fault       func(*Input)
		tells, goes int
		also        []string
	}{
		"foreign_checkpoint": {fault: func(in *Input) { in.Coordinated.CheckpointKnown, in.Coordinated.State = &no, &stuck },
			tells: 2, goes: 1},
		"beacon_without_peers": {fault: func(in *Input) { in.Beacon.Peers = &none },
			tells: 11, goes: 2},
		"finalize_silently_failed": {fault: func(in *Input) { in.Coordinated.NullAnswers = 2 },
			tells: 1, goes: 1},
		"no_peers_loop": {fault: func(in *Input) { in.Gwat.Peers, in.Gwat.Syncing, in.Coordinated.State = &none, true, &stuck },
			tells: 14, goes: 1, also: []string{"duties_at_risk"}},
		"gwat_wedged": {fault: func(in *Input) { in.Coordinated.State = &stuck },
			tells: 31, goes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			engine, n := NewCoordinated(time.Second), 0
			for ; n < 30; n++ {
				require.Empty(t, engine.Observe(coordinatedSteady(n)).Findings)
			}
			for i := 1; i <= tc.tells; i++ {
				in := coordinatedSteady(n)
				tc.fault(&in)
				told := names(engine.Observe(in).Findings)
				require.Equal(t, i == tc.tells, slices.Contains(told, name), "poll %d of the fault: %v", i, told)
				require.Subset(t, append(tc.also, name), told)
				n++
			}
			for i := 1; i <= tc.goes; i++ {
				told := names(engine.Observe(coordinatedSteady(n)).Findings)
				require.Equal(t, i < tc.goes, slices.Contains(told, name), "poll %d after the fault: %v", i, told)
				n++
			}
		})
	}
}

// A poll in which a node did not answer is no second sign: what the poll still
// carries of that node's state is from before.
func TestAPollWithoutAnAnswerIsNoSign(t *testing.T) {
	no := false
	for name, tc := range map[string]struct{ fault, unanswered func(*Input) }{
		"foreign_checkpoint": {
			func(in *Input) { in.Coordinated.CheckpointKnown = &no },
			func(in *Input) { in.Gwat.Reach = Down },
		},
		"private_fork": {
			func(in *Input) { in.Beacon.Justified-- },
			func(in *Input) { in.Beacon.Reach, in.Beacon.Known = Down, false },
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine := NewCoordinated(time.Second)
			observe := func(n int, faults ...func(*Input)) []string {
				in := coordinatedSteady(n)
				for _, f := range faults {
					f(&in)
				}
				return names(engine.Observe(in).Findings)
			}
			for n := range 5 {
				require.Empty(t, observe(n))
			}
			require.Empty(t, observe(5, tc.fault))
			require.Empty(t, observe(6, tc.fault, tc.unanswered))
			require.Contains(t, observe(7, tc.fault), name)
		})
	}
}

// Before the network's constants are known nothing is judged by its epochs.
func TestCoordinatedPairOfAnUnknownNetwork(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 10 {
		in := coordinatedSteady(n)
		in.Spec, in.Beacon.Justified = nil, 0
		require.Empty(t, engine.Observe(in).Findings)
	}
}

// Before genesis gwat is not in normal work and nothing calls it: nobody is silent
// and nothing loops. Real nodes look so. Four slots after genesis both would be wrong.
func TestBeforeGenesisNoCallIsMissing(t *testing.T) {
	none := uint64(0)
	for name, change := range map[string]func(*Input){
		"beacon_silent": func(*Input) {},
		"no_peers_loop": func(in *Input) { in.Gwat.Peers = &none },
	} {
		t.Run(name, func(t *testing.T) {
			engine := NewCoordinated(time.Second)
			told := 0
			for n := range 100 {
				in := coordinatedSteady(n)
				in.At = liveSpec.SlotStart(0).Add(time.Duration(n-60) * time.Second)
				in.Stage, in.Gwat.Syncing, in.Coordinated.State = fsm.HeadSync, true, &CoordinatedState{LastFinalized: common.Hash{1}}
				in.Beacon.Head, in.Beacon.Root, in.Beacon.Justified = 0, common.Hash{1}, 0
				in.Beacon.Clock, in.Beacon.ClockAt = liveSpec.SlotAt(in.At), in.At
				change(&in)
				if slices.Contains(names(engine.Observe(in).Findings), name) {
					told = n - 60
					break
				}
			}
			require.GreaterOrEqual(t, told, UnmovedSlots*3, "seconds after genesis")
		})
	}
}

// Before genesis nobody has a duty, whatever gwat says: a gwat that had nothing to sync says
// false to eth_syncing, and true once it is called.
func TestBeforeGenesisNoDutyIsMissed(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"syncing": func(in *Input) { in.Gwat.Syncing = true },
		"away":    func(in *Input) { in.Gwat.Reach, in.Gwat.Error = Down, "connection refused" },
	} {
		t.Run(name, func(t *testing.T) {
			engine := NewCoordinated(time.Second)
			told := -60
			for n := range 100 {
				in := coordinatedSteady(n)
				in.At = liveSpec.SlotStart(0).Add(time.Duration(n-60) * time.Second)
				in.Stage, in.Coordinated.State = fsm.Switching, &CoordinatedState{LastFinalized: common.Hash{1}}
				in.Beacon.Head, in.Beacon.Root, in.Beacon.Justified = 0, common.Hash{1}, 0
				in.Beacon.Clock, in.Beacon.ClockAt = liveSpec.SlotAt(in.At), in.At
				if n > 10 {
					change(&in)
				}
				if slices.Contains(names(engine.Observe(in).Findings), "duties_at_risk") {
					told = n - 60
					break
				}
			}
			require.GreaterOrEqual(t, told, 2*3, "seconds after genesis")
		})
	}
}

// On a network without transactions gwat has nothing to finalize: for 22 s of a real one
// the head went on and gwat's state stayed as it was. That is no wedged gwat as long as
// gwat has all that the head finalizes, and no loop without peers either.
func TestAnIdleNetworkIsNoFault(t *testing.T) {
	yes, no, none, some := true, false, uint64(0), uint64(1)
	for _, tc := range []struct {
		final *bool
		peers *uint64
		want  string
	}{
		{&yes, &some, ""}, {&yes, &none, ""},
		{&no, &some, "gwat_wedged"}, {nil, &some, "gwat_wedged"},
		{&no, &none, "no_peers_loop"}, {nil, &none, ""},
	} {
		engine := NewCoordinated(time.Second)
		var told []string
		for n := range 120 {
			in := coordinatedSteady(n)
			in.Gwat.Peers, in.Coordinated.HeadFinal = tc.peers, tc.final
			in.Coordinated.State.LastFinalized = common.Hash{1}
			told = append(told, names(engine.Observe(in).Findings)...)
		}
		slices.Sort(told)
		told = slices.Compact(told)
		if tc.want == "" {
			require.Empty(t, told)
		} else {
			require.Equal(t, []string{tc.want}, told)
		}
	}
}

// A beacon node that syncs from nothing takes its head over whole epochs while nothing is
// justified yet. A real one was polled so: slot 0 with is_syncing true, then slot 48 with
// is_syncing false. A head that jumps without a sync is a block on a stale head.
func TestTheEndOfASyncIsNoForkOfItsOwn(t *testing.T) {
	for syncing, fork := range map[bool]bool{true: false, false: true} {
		engine := NewCoordinated(time.Second)
		var told []string
		for n := range 20 {
			in := coordinatedSteady(n)
			clock := primitives.Slot(47 + n/6)
			in.At = liveSpec.SlotStart(clock)
			in.Beacon.Head, in.Beacon.Clock, in.Beacon.ClockAt, in.Beacon.Justified = clock, clock, in.At, 0
			if n < 6 {
				in.Beacon.Head, in.Coordinated.BeaconSyncing = 0, syncing
			}
			for _, f := range engine.Observe(in).Findings {
				told = append(told, f.Name)
			}
		}
		require.Equal(t, fork, slices.Contains(told, "private_fork"), "is_syncing before: %t", syncing)
	}
}

// The first blocks of a new network are late, and its nodes do not resync in epoch 0: a
// head that does not move there is no sawtooth. In epoch 1 it is.
func TestAHeadThatStandsInTheFirstEpochIsNoSawtooth(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 40 * 3 {
		in := coordinatedSteady(n)
		in.At = liveSpec.SlotStart(0).Add(time.Duration(n) * time.Second)
		in.Beacon.Head, in.Beacon.Root, in.Beacon.Justified = 0, common.Hash{1}, 0
		in.Beacon.Clock, in.Beacon.ClockAt = primitives.Slot(n/3), in.At
		told := slices.Contains(names(engine.Observe(in).Findings), "sawtooth")
		require.Equal(t, n >= 32*3+6, told, "%d s after genesis", n)
	}
}

// A poll may read the head before it jumps and the justified epoch after it: the next poll then
// shows a head that jumped and finality that stayed, and neither is so.
func TestAHeadThatJumpsWithinAPollIsNoFork(t *testing.T) {
	for mixed, fork := range map[bool]bool{true: false, false: true} {
		engine := NewCoordinated(time.Second)
		var told []string
		for n := range 200 {
			in := coordinatedSteady(n)
			if n >= 30 && n <= 150 {
				in.Beacon.Head, in.Beacon.Justified = coordinatedSteady(30).Beacon.Head, coordinatedSteady(30).Beacon.Justified
			}
			after := coordinatedSteady(151).Beacon
			if mixed && n == 150 || n > 150 {
				in.Beacon.Justified = liveSpec.Epoch(after.Head) - 1
			}
			if !mixed && n > 150 {
				in.Beacon.Justified = coordinatedSteady(30).Beacon.Justified
			}
			told = append(told, names(engine.Observe(in).Findings)...)
		}
		require.Equal(t, fork, slices.Contains(told, "private_fork"), "mixed: %t", mixed)
	}
}

// A head that moved over an epoch while nobody polled is no block on a stale head.
func TestAGapInThePollsIsNoFork(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 300 {
		if n > 30 && n < 200 { // syncd was stopped
			continue
		}
		in := coordinatedSteady(n)
		in.Beacon.Justified = 10
		in.Beacon.Head, in.Beacon.Clock = in.Beacon.Head-10, in.Beacon.Clock-10
		require.NotContains(t, names(engine.Observe(in).Findings), "private_fork", "poll %d", n)
		if n == 240 {
			break
		}
	}
}

// A restart between two polls is seen by what it leaves: gwat out of normal work, with
// less finalized than it had. A lower number alone is a reorg.
func TestARestartThatNoPollSaw(t *testing.T) {
	for syncing, want := range map[bool]bool{true: true, false: false} {
		engine := NewCoordinated(time.Second)
		var told []string
		for n := range 90 {
			in := coordinatedSteady(n)
			if n >= 30 {
				number := uint64(200)
				in.Gwat.Number, in.Gwat.Syncing, in.Coordinated.State = &number, syncing, &CoordinatedState{LastFinalized: common.Hash{7}}
				in.Beacon.Head, in.Beacon.Root = 340, common.Hash{8}
			}
			told = append(told, names(engine.Observe(in).Findings)...)
		}
		require.Equal(t, want, slices.Contains(told, "beacon_silent"), "syncing: %t", syncing)
		require.Equal(t, want, slices.Contains(told, "gwat_restart_rollback"), "syncing: %t", syncing)
	}
}

// A gwat that worked, was away and is back without a state of its own was restarted if it is
// known to have had no block before: a number that was never read is not 0.
func TestARestartAtGenesis(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*coordinatedMemory)
		want   bool
	}{
		"it worked at genesis":    {func(*coordinatedMemory) {}, true},
		"its number was not read": {func(c *coordinatedMemory) { c.numbered = false }, false},
		"it did not work":         {func(c *coordinatedMemory) { c.working = false }, false},
		"it had a block":          {func(c *coordinatedMemory) { c.number = 1 }, false},
		"it was not away":         {func(c *coordinatedMemory) { c.open = false }, false},
	} {
		var c coordinatedMemory
		c.working, c.numbered, c.open = true, true, true
		tc.change(&c)
		in := Input{Gwat: Gwat{Syncing: true}, Coordinated: &Coordinated{}}
		require.Equal(t, tc.want, c.startedAgain(&in), name)
	}
}

// A gwat that waits for a call and was away for a slot may have been restarted again, and the
// beacon node has to find it once more. A poll or two without an answer change nothing.
func TestARestartedGwatThatGoesAwayAgain(t *testing.T) {
	for away, want := range map[int]int{0: 43, 2: 45, 10: 63} {
		engine := NewCoordinated(time.Second)
		told := 0
		for n := 0; told == 0 && n < 100; n++ {
			in := coordinatedSteady(n)
			if n >= 30 {
				in.Gwat.Number, in.Gwat.Syncing, in.Coordinated.State = new(uint64), true, &CoordinatedState{LastFinalized: common.Hash{7}}
				in.Beacon.Head, in.Beacon.Root = 340, common.Hash{8}
			}
			if n >= 40 && n < 40+away {
				in.Gwat.Node = Node{Reach: Down}
				in.Coordinated.State = nil
			}
			if slices.Contains(names(engine.Observe(in).Findings), "beacon_silent") {
				told = n
			}
		}
		require.Equal(t, want, told, "away for %d s", away)
	}
}

// Fifty quiet minutes of a healthy pair bring no finding.
func TestHealthyCoordinatedPairBringsNoFinding(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 3_000 {
		require.Empty(t, engine.Observe(coordinatedSteady(n)).Findings, "poll %d", n)
	}
}

func TestCoordinatedCatalog(t *testing.T) {
	shared := 0
	for _, e := range CoordinatedCatalog() {
		require.NotEmpty(t, e.Meaning, e.Name)
		require.NotEmpty(t, e.Remedy, e.Name)
		require.NotEmpty(t, e.Window, e.Name)
		if slices.Contains(coordinatedShared, e.Name) {
			shared++
		}
	}
	require.Equal(t, len(coordinatedShared), shared)
}

// No text that an operator of today's network reads names what only the head-sync era has.
func TestAdviceOfTheCoordinatedEra(t *testing.T) {
	other := regexp.MustCompile(`(?i)dag_headSync|dag_sync\b|--(http|ws)\.api|web ?socket|ws://|\bpush|head-sync|syncd brings|syncd resync|syncd halts until.*push`)
	for _, e := range CoordinatedCatalog() {
		for _, text := range append([]string{e.Meaning, e.Remedy, e.Window, e.Why, e.Risk}, e.Commands...) {
			require.NotRegexp(t, other, text, e.Name)
		}
	}
}

// A finding that needs one poll is reported by a poll that comes early, too; one that needs several is not
// reported sooner by many of them.
func TestEarlyPolls(t *testing.T) {
	none := uint64(0)
	engine := NewCoordinated(time.Second)
	for n := range 30 {
		engine.Observe(coordinatedSteady(n))
	}
	early := func(i int) Input {
		in := coordinatedSteady(29)
		in.Elapsed += time.Duration(i) * time.Millisecond
		in.At = in.At.Add(time.Duration(i) * time.Millisecond)
		return in
	}
	for i := range 50 {
		in := early(i + 1)
		in.Beacon.Peers = &none
		require.Empty(t, names(engine.Observe(in).Findings), "early poll %d", i)
	}
	in := early(100)
	in.Coordinated.NullAnswers = 2
	require.Equal(t, []string{"finalize_silently_failed"}, names(engine.Observe(in).Findings))
}

// The finding of a wedged gwat names how many peers it has.
func TestAWedgedGwatHasPeers(t *testing.T) {
	stuck := coordinatedSteady(30).Coordinated.State
	engine := NewCoordinated(time.Second)
	for n := range 70 {
		in := coordinatedSteady(n)
		if n >= 30 {
			in.Coordinated.State = stuck
		}
		engine.Observe(in)
	}
	require.Contains(t, findingNamed(engine.Findings(), "gwat_wedged").Evidence, "gwat has 2 peers")
}

// A fork with few validators has a block now and then. Between two of them its head falls behind
// the clock, and it stays a fork until its justified checkpoint moves or the beacon node syncs.
func TestAForkWithFewBlocksStaysOne(t *testing.T) {
	for name, end := range map[string]func(*Input){
		"justified again": func(in *Input) { in.Beacon.Justified++ },
		"it syncs":        func(in *Input) { in.Coordinated.BeaconSyncing = true },
		"its head went":   func(in *Input) { in.Beacon.Head -= primitives.Slot(liveSpec.SlotsPerEpoch) },
	} {
		t.Run(name, func(t *testing.T) {
			engine := NewCoordinated(time.Second)
			fork := func(n int) Input {
				in := coordinatedSteady(n)
				in.Beacon.Justified = liveSpec.Epoch(330) - 3
				in.Beacon.Head = 330 + (in.Beacon.Head-330)/6*6 // a block in every sixth slot
				in.Beacon.Root = common.BigToHash(big.NewInt(int64(in.Beacon.Head)))
				return in
			}
			n := 0
			for ; n < 60; n++ {
				require.Equal(t, n > 0, slices.Contains(names(engine.Observe(fork(n)).Findings), "private_fork"), "poll %d", n)
			}
			for i := 1; i <= 2; i++ {
				in := fork(n)
				end(&in)
				require.Equal(t, i < 2, slices.Contains(names(engine.Observe(in).Findings), "private_fork"), "poll %d after its end", i)
				n++
			}
		})
	}
}

// A head far behind the clock alone is no fork: the network's chain may be on its way.
func TestAHeadBehindTheClockIsNoFork(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 30 {
		in := coordinatedSteady(n)
		in.Beacon.Head -= 3
		in.Beacon.Justified = liveSpec.Epoch(in.Beacon.Head) - 4
		require.NotContains(t, names(engine.Observe(in).Findings), "private_fork", "poll %d", n)
	}
}

// A gwat that is not driven for want of a head loses its last peer: no_peers_loop waits for its four
// slots from then on, not from the last finalized spine.
func TestAPeerLostInAStallIsNoLoopYet(t *testing.T) {
	engine, none := NewCoordinated(time.Second), uint64(0)
	const stops, lost, slotPolls = 10, 60, 3
	for n := range lost + 20 {
		in := coordinatedSteady(min(n, stops))
		in.At, in.Elapsed = coordinatedSteady(n).At, coordinatedSteady(n).Elapsed
		in.Beacon.Clock, in.Beacon.ClockAt, in.Gwat.Syncing = coordinatedSteady(n).Beacon.Clock, in.At, n > stops
		if n >= lost {
			in.Gwat.Peers = &none
		}
		told := slices.Contains(names(engine.Observe(in).Findings), "no_peers_loop")
		require.Equal(t, n >= lost+UnmovedSlots*slotPolls, told, "poll %d", n)
	}
}
