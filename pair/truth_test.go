package pair

import (
	"context"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/status"
)

// A pair at work on a network with missed and quiet slots shows no finding
// in five hundred slots, and never falls out of work.
func TestHealthyPairShowsNoFinding(t *testing.T) {
	t.Parallel()
	const watched = 500
	// No forks: a generated one has gwat finalize in an order of its own, which is a
	// finding. Reorgs without that are in the verdict's own ten thousand slots.
	misses := func(c *world.Config) { c.MissRate, c.QuietRate = 0.1, 0.05 }
	inFakeTime(t, fakeConfig{world: misses}, func(b *fake) {
		b.reaches(fsm.Working)
		heads := map[primitives.Slot]bool{}
		for range watched * int(fakeSlot/fakePoll) {
			time.Sleep(fakePoll)
			s := b.pair.Snapshot()
			require.Empty(t, s.Findings)
			require.Equal(t, status.VerdictWorking, s.Verdict, "in %s: %s", s.Stage, s.Reason)
			heads[*s.Beacon.Slot] = true
		}
		require.Less(t, len(heads), watched*95/100, "slots were missed")
		t.Logf("%d slots with %d heads: 0 findings", watched, len(heads))
	})
}

// lie is what an operator sees without syncd: the flags of both nodes that say "synced".
type lie struct {
	name  string
	fault func(*fake)
	names []string // of the findings that show the truth
	tells time.Duration
}

// Today's tools say "synced" of each of these pairs: eth_syncing is false, or was
// when it answered last, and the beacon node says is_syncing false.
func TestTheLiesOfOneFlag(t *testing.T) {
	for _, l := range []lie{
		{"gwat is dead", mode(gwatWire, wire.Refused), []string{"gwat_unreachable"}, pollsIn(3, 0)},
		{"gwat is stopped", mode(gwatWire, wire.Stopped), []string{"gwat_hung"}, callTimeout + pollsIn(3, 0)},
		{"gwat answers cheap calls only", failCalls("dag_getCandidates", gwatsim.Fault{Hang: true}), []string{"gwat_hung"}, pollsIn(3, callTimeout)},
		{"gwat has no peers", func(b *fake) { b.gwat.SetPeers(0) }, []string{"gwat_no_peers"}, pollsIn(45, 0)},
		{"gwat is rolled back", rolledBack(20), []string{"gwat_rolled_back"}, pollsIn(1, 0)},
		{"gwat says synced at 40 slots behind", rolledBack(120), []string{"gwat_rolled_back", "gwat_stalled", "beacon_ahead_of_gwat"}, slotsIn(8)},
		{"the beacon node says synced on a head that does not move", func(b *fake) { b.beacon.SetFrozenHead(true) }, []string{"beacon_stalled_head"}, slotsIn(8)},
	} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			inFakeTime(t, fakeConfig{}, func(b *fake) {
				b.reaches(fsm.Working)
				l.fault(b)
				for _, name := range l.names {
					b.within(l.tells, name, func(s *status.Snapshot) bool { return told(s, name) != nil })
				}
				s := b.pair.Snapshot()
				require.Equal(t, status.VerdictFailing, s.Verdict)
				if l.names[0] == "gwat_rolled_back" {
					require.Greater(t, *s.Gwat.LagSlots, uint64(5), "the lag follows from what gwat has, not from what it says")
				}
			})
		})
	}
}

// rolledBack takes finality from gwat, which says "synced" all the same.
func rolledBack(blocks uint64) func(*fake) {
	return func(b *fake) {
		b.gwatWire.Put(answeringCall("eth_syncing", `"result":false`))
		failCalls(normalWork, gwatsim.Fault{Error: "busy"})(b)
		require.NoError(b.t, b.gwat.RollbackTo(b.gwat.State().Finalized-blocks))
	}
}

// What is shown never runs backwards without a finding in the same snapshot that
// says why.
func TestProgressRunsBackwardsOnlyWithAFinding(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg   fakeConfig
		after func(*fake)
		why   string // a finding that must be seen
	}{
		"from nothing, with forks": {cfg: fakeConfig{
			world:  func(c *world.Config) { c.ForkRate, c.MaxForkDepth, c.MissRate = 0.3, 3, 0.1 },
			gwat:   func(c *gwatsim.Config) { c.SyncSpeed, c.DAGSpeed = 30, 5 },
			beacon: func(c *beaconsim.Config) { c.SyncSpeed = 5 },
		}},
		"a push of several segments": {cfg: fakeConfig{
			gwat:   func(c *gwatsim.Config) { c.StartSlot, c.EntryCost = 20, 300*time.Millisecond },
			beacon: beaconIdle,
			pair:   func(c *Config) { c.SegmentBytes = 4000 },
		}, after: func(b *fake) { b.beacon.SetIdle(false) }},
		"a full push": {after: func(b *fake) {
			require.NoError(b.t, b.pair.Resync(context.Background(), status.Resync{Full: true, Force: true}))
		}, why: "head_sync_rollback",
			cfg: fakeConfig{gwat: func(c *gwatsim.Config) { c.EntryCost = 300 * time.Millisecond }}},
		"gwat loses data": {after: rolledBack(30), why: "gwat_rolled_back"},
		"the beacon node is restarted": {after: func(b *fake) {
			b.stopBcn()
			b.beaconCfg = func(c *beaconsim.Config) { c.StartSlot, c.SyncSpeed = 50, 4 }
			b.startBeacon()
		}, why: "beacon_rolled_back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFakeTime(t, tc.cfg, func(b *fake) {
				updates, cancel := b.pair.Updates()
				defer cancel()
				begin, fired, seen := time.Now(), false, map[string]bool{}
				var last *status.Snapshot
				for time.Since(begin) < 4*time.Minute {
					s := <-updates
					for _, f := range s.Findings {
						seen[f.Name] = true
					}
					if last != nil {
						requireForward(t, last, s)
					}
					if s.ETA != nil {
						require.False(t, s.ETA.Before(s.At), "an estimate before now")
					}
					last = s
					// A poll must have seen what is lost.
					ready := (s.Stage == string(fsm.Working) || s.Stage == string(fsm.Switching)) && s.At.Sub(s.Since) > fakePoll
					if ready && !fired && tc.after != nil {
						fired = true
						tc.after(b)
					}
				}
				require.True(t, tc.why == "" || seen[tc.why], "findings seen: %v", seen)
			})
		})
	}
}

func requireForward(t *testing.T, before, now *status.Snapshot) {
	t.Helper()
	back := func(a, b *status.Progress) bool {
		return a != nil && b != nil && a.Unit == b.Unit && b.Current < a.Current
	}
	if back(before.Gwat.Progress, now.Gwat.Progress) {
		require.True(t, told(now, "gwat_rolled_back") != nil || told(now, "head_sync_rollback") != nil,
			"gwat's progress from %d back to %d in %s, findings %+v", before.Gwat.Progress.Current, now.Gwat.Progress.Current, now.Stage, now.Findings)
	}
	if back(before.Beacon.Progress, now.Beacon.Progress) {
		require.NotNil(t, told(now, "beacon_rolled_back"), "the beacon's progress from %d back to %d", before.Beacon.Progress.Current, now.Beacon.Progress.Current)
	}
	if before.Push != nil && now.Push != nil && before.Push.Started.Equal(now.Push.Started) && before.Push.Progress.Target == now.Push.Progress.Target {
		require.GreaterOrEqual(t, now.Push.Progress.Current, before.Push.Progress.Current, "the push's progress, from %s to %s", before.Push.Phase, now.Push.Phase)
	}
}

// The samples are a ring of one point for each second, the newest last.
func TestSamplesAreOneASecondAndBounded(t *testing.T) {
	t.Parallel()
	inFakeTime(t, fakeConfig{}, func(b *fake) {
		b.reaches(fsm.Working)
		finest := memory.Tiers()[0]
		time.Sleep(finest.For + time.Minute)
		all := b.pair.Samples(10_000)
		require.Len(t, all, int(finest.For/finest.Pace))
		for i := 1; i < len(all); i++ {
			require.Greater(t, all[i].At.Unix(), all[i-1].At.Unix())
			require.Greater(t, all[i].Seq, all[i-1].Seq)
		}
		few := b.pair.Samples(5)
		require.Equal(t, all[len(all)-5:], few)
		last := few[4]
		require.Equal(t, "working", last.Verdict)
		require.NotNil(t, last.WallSlot)
		require.LessOrEqual(t, *last.WallSlot-*last.BeaconSlot, primitives.Slot(1))
		require.LessOrEqual(t, *last.WallSlot-*last.GwatSlot, primitives.Slot(2))
		require.NotNil(t, last.GwatNumber)
		require.Empty(t, b.pair.Samples(-1))
	})
}

// A clock that is set wrong, but goes, is seen against the beacon node's.
func TestClockSkewAgainstTheBeaconNode(t *testing.T) {
	t.Parallel()
	inFakeTime(t, fakeConfig{skew: -20 * time.Second}, func(b *fake) {
		b.within(pollsIn(4, 0), "clock_skew", func(s *status.Snapshot) bool { return told(s, "clock_skew") != nil })
		require.Contains(t, told(b.pair.Snapshot(), "clock_skew").Evidence[0], "the beacon node's clock was at slot")
	})
}

// A loop that a slow disk holds up has not seen its clock jump.
func TestSlowDiskIsNoClockSkew(t *testing.T) {
	t.Parallel()
	inFakeTime(t, fakeConfig{}, func(b *fake) {
		b.reaches(fsm.Working)
		failCalls("eth_syncing", gwatsim.Fault{Delay: 600 * time.Millisecond})(b) // a look is under way most of the time
		b.store.slow.Store(int64(5 * time.Second))
		for range 4 {
			time.Sleep(1300 * time.Millisecond)
			require.NoError(t, b.pair.Pause(context.Background(), "slow"))
			require.NoError(t, b.pair.Resume(context.Background()))
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				require.Nil(t, told(b.pair.Snapshot(), "clock_skew"))
			}
		}
	})
}

// A beacon node that never calls gwat leaves it to syncd's pushes alone: that is
// reported once and stays, however often a push moves gwat.
func TestBeaconThatNeverCallsIsToldOnce(t *testing.T) {
	t.Parallel()
	inFakeTime(t, fakeConfig{beacon: beaconIdle}, func(b *fake) {
		standing, appeared := map[string]bool{}, map[string]int{}
		for range 3000 {
			time.Sleep(100 * time.Millisecond)
			now := map[string]bool{}
			for _, f := range b.pair.Snapshot().Findings {
				if now[f.Name] = true; !standing[f.Name] {
					appeared[f.Name]++
				}
			}
			standing = now
		}
		require.Equal(t, status.VerdictFailing, b.pair.Snapshot().Verdict)
		require.True(t, standing["gwat_stalled"], "stand: %v", standing)
		for name, times := range appeared {
			require.Equal(t, 1, times, name)
		}
	})
}
