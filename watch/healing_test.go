package watch

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/internal/testworld/metrics"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// The incidents from which the beacon node's driver never recovers.
var lasting = map[string]struct {
	heals    Heals
	name     heal.Name
	within   time.Duration // from the incident to working, with the heal
	incident func(p *simulated)
	restart  func(p *simulated) // what an operator does: both nodes restarted
}{
	"B2 gwat restarted without peers": {Heals{Peers: true}, heal.Peers, 30 * time.Second,
		func(p *simulated) {
			p.gwatWire.Set(wire.Refused)
			time.Sleep(4 * time.Second)
			p.gwat.Restart()
			p.gwatWire.Set(wire.Up)
		},
		func(p *simulated) { p.gwat.Restart("enode://a"); p.beacon.Restart() }},
	"B3 foreign checkpoint": {Heals{Checkpoint: true}, heal.Checkpoint, 30 * time.Second,
		func(p *simulated) { p.forge(); p.beacon.Restart() },
		func(p *simulated) { p.gwat.Wipe(); p.gwat.Restart("enode://a"); p.beacon.Restart() }},
	"B7 beacon silent": {Heals{RestartBeacon: "restart beacon"}, heal.RestartBeacon, 60 * time.Second,
		func(p *simulated) {
			p.beacon.Freeze(true)
			p.gwatWire.Set(wire.Refused)
			time.Sleep(4 * time.Second)
			p.gwat.Restart("enode://a")
			p.gwatWire.Set(wire.Up)
		},
		func(p *simulated) { p.gwat.Restart("enode://a"); p.beacon.Freeze(false); p.beacon.Restart() }},
	"A2' gwat wedged": {Heals{RestartGwat: "restart gwat"}, heal.RestartGwat, 60 * time.Second,
		func(p *simulated) { p.gwat.Wedge() },
		func(p *simulated) { p.gwat.Restart("enode://a"); p.beacon.Restart() }},
}

// forge gives gwat a checkpoint whose root is no block of the chain.
func (p *simulated) forge() {
	f := p.net.Call(p.net.Slot(), coordinated.NoSync)
	last := p.gwat.State().LastFinalized
	f.Spines, f.BaseSpine, f.Checkpoint.Root = nil, last, common.HexToHash("0xbebe")
	p.gwat.Finalize(f)
}

// command is the operator's command in the simulated world.
func (p *simulated) command(_ context.Context, command string) (string, error) {
	switch command {
	case "restart gwat":
		p.gwat.Restart("enode://a")
	case "restart beacon":
		p.beacon.Freeze(false)
		p.beacon.Restart()
	}
	return "restarted", nil
}

func withHeals(h Heals) func(*simulated, *Config) {
	return func(p *simulated, c *Config) { c.Heals, c.Command = h, p.command }
}

func incident(p *simulated, t *testing.T, bring func(*simulated)) {
	t.Helper()
	p.works(t, 30*time.Second)
	bring(p)
	within(t, p.watcher, 60*time.Second, "failing", func(s *status.Snapshot) bool { return s.Verdict == status.VerdictFailing })
}

// Each incident by itself, with both nodes restarted by the operator, and healed.
func TestHeals(t *testing.T) {
	for name, tc := range lasting {
		t.Run(name, func(t *testing.T) {
			besideAPairWith(t, withHeals(Heals{}), func(t *testing.T, p *simulated) {
				incident(p, t, tc.incident)
				time.Sleep(3 * time.Minute)
				require.NotEqual(t, status.VerdictWorking, p.watcher.Snapshot().Verdict, "by itself it never recovers")
				require.Empty(t, heals(t, p), "a heal that is off only tells")
				require.True(t, p.watcher.Snapshot().Observe)
				begin := time.Now()
				tc.restart(p)
				p.works(t, 2*time.Minute)
				t.Logf("%s: by itself never, working %s after the operator restarted both", name, time.Since(begin))
			})
			besideAPairWith(t, withHeals(tc.heals), func(t *testing.T, p *simulated) {
				before := p.gwat.State().LastFinalized
				begin := time.Now()
				incident(p, t, tc.incident)
				p.works(t, tc.within)
				t.Logf("%s: healed and working %s after the start of the pair", name, time.Since(begin))
				done := heals(t, p)
				require.NotEmpty(t, done)
				require.True(t, strings.HasPrefix(done[len(done)-1].Reason, "heal "+string(tc.name)+": "), done[len(done)-1].Reason)
				require.Len(t, done, 1, "one try is enough")
				require.NotEqual(t, before, p.gwat.State().LastFinalized)
				require.False(t, p.watcher.Snapshot().Observe)
			})
		})
	}
}

// heals returns the tries that the history has, the newest first.
func heals(t *testing.T, p *simulated) (out []status.Change) {
	t.Helper()
	changes, err := p.watcher.History(t.Context(), 1000)
	require.NoError(t, err)
	for _, c := range changes {
		if c.Event == "heal" {
			out = append(out, c)
		}
	}
	return out
}

// An observer and a paused pair are never healed.
func TestNothingIsHealed(t *testing.T) {
	all := Heals{Peers: true, Checkpoint: true, Drive: true, RestartGwat: "restart gwat", RestartBeacon: "restart beacon"}
	for name, tc := range lasting {
		besideAPairWith(t, func(p *simulated, c *Config) { withHeals(all)(p, c); c.Observe = true }, func(t *testing.T, p *simulated) {
			incident(p, t, tc.incident)
			time.Sleep(3 * time.Minute)
			require.Empty(t, heals(t, p), name)
			require.NotEqual(t, status.VerdictWorking, p.watcher.Snapshot().Verdict)
		})
		besideAPairWith(t, withHeals(all), func(t *testing.T, p *simulated) {
			p.works(t, 30*time.Second)
			require.NoError(t, p.watcher.Pause(t.Context(), "by hand"))
			tc.incident(p)
			time.Sleep(3 * time.Minute)
			require.Empty(t, heals(t, p), name)
		})
	}
}

// A heal without effect is tried three times, a minute apart; then it needs a human.
func TestAHealWithoutEffect(t *testing.T) {
	var at []time.Time
	besideAPairWith(t, func(_ *simulated, c *Config) {
		c.Heals = Heals{RestartBeacon: "restart beacon"}
		c.Command = func(context.Context, string) (string, error) { at = append(at, time.Now()); return "", heal.ErrCommand }
	}, func(t *testing.T, p *simulated) {
		incident(p, t, lasting["B7 beacon silent"].incident)
		within(t, p.watcher, 10*time.Minute, "needs_human", hasFinding("needs_human"))
		time.Sleep(5 * time.Minute)
		require.Len(t, at, heal.MaxTries)
		require.GreaterOrEqual(t, at[1].Sub(at[0]), heal.Pause)
		require.GreaterOrEqual(t, at[2].Sub(at[1]), heal.Pause)
		require.Len(t, heals(t, p), heal.MaxTries)
	})
}

// A command that failed has restarted nothing: it is tried again, and the beacon node, which
// a restart of gwat comes before, is left alone. One that succeeded is known after a restart of syncd.
func TestAFailedRestartOfGwatIsNone(t *testing.T) {
	var ran []string
	besideAPairWith(t, func(_ *simulated, c *Config) {
		c.Heals = Heals{RestartGwat: "restart gwat", RestartBeacon: "restart beacon"}
		c.Command = func(_ context.Context, command string) (string, error) {
			if ran = append(ran, command); len(ran) <= 2 {
				return "", heal.ErrCommand
			}
			return "", nil
		}
	}, func(t *testing.T, p *simulated) {
		incident(p, t, lasting["A2' gwat wedged"].incident)
		within(t, p.watcher, 8*time.Minute, "a restart of both", func(*status.Snapshot) bool { return len(heals(t, p)) == 4 })
		require.Equal(t, []string{"restart gwat", "restart gwat", "restart gwat", "restart beacon"}, ran)
		h, err := newHealing(&Config{Journal: p.watcher.cfg.Journal, Now: time.Now})
		require.NoError(t, err)
		require.True(t, h.records[heal.RestartGwat].Done())
	})
}

// A restart of syncd is no way around the back-off: the next one knows the tries, and
// needs_human is active. A pair that works has none.
func TestTriesAreKeptOverARestart(t *testing.T) {
	besideAPairWith(t, func(_ *simulated, c *Config) {
		c.Heals = Heals{RestartBeacon: "restart beacon"}
		c.Command = func(context.Context, string) (string, error) { return "", heal.ErrCommand }
	}, func(t *testing.T, p *simulated) {
		next := func() healing {
			h, err := newHealing(&Config{Journal: p.watcher.cfg.Journal, Now: time.Now})
			require.NoError(t, err)
			return h
		}
		incident(p, t, lasting["B7 beacon silent"].incident)
		within(t, p.watcher, 2*time.Minute, "a try", func(*status.Snapshot) bool { return len(heals(t, p)) == 1 })
		one := next()
		r := one.records[heal.RestartBeacon]
		require.Equal(t, 1, r.Tries())
		r.Observe(true, "it lasts", r.Last())
		due, why := r.Next(2*time.Second, r.Last().Add(heal.Pause-time.Second))
		require.False(t, due, why)
		due, why = r.Next(2*time.Second, r.Last().Add(heal.Pause))
		require.True(t, due, why)

		within(t, p.watcher, 10*time.Minute, "needs_human", hasFinding("needs_human"))
		last := next()
		last.records[heal.RestartBeacon].Observe(true, "it lasts", time.Now())
		require.Contains(t, last.human(p.watcher.cfg.Heals, time.Now()), "heal.restart-beacon was tried 3 times")

		p.beacon.Freeze(false)
		p.beacon.Restart()
		p.works(t, time.Minute)
		time.Sleep(2 * time.Second)
		works := next()
		require.Empty(t, works.tries())
	})
}

// The peers that gwat had are known to the next syncd.
func TestPeersAreKeptOverARestart(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{Peers: true}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		kept, err := p.watcher.cfg.Journal.Peers()
		require.NoError(t, err)
		require.Equal(t, []string{"enode://a", "enode://b"}, kept)
		h, err := newHealing(&Config{Journal: p.watcher.cfg.Journal, Now: time.Now})
		require.NoError(t, err)
		require.Equal(t, kept, h.enodes)
		require.False(t, h.guard.Permit().Issued(), "without calls to make there is no permit")
	})
}

func TestAtMostSixteenPeersAreKept(t *testing.T) {
	w := &Watcher{cfg: Config{Journal: journal.OpenMemory()}, healing: healing{enodes: coordinated.Enodes(maxEnodes)}}
	w.remember([]string{"enode://new"})
	require.Len(t, w.healing.enodes, maxEnodes)
	require.Equal(t, "enode://new", w.healing.enodes[0])
	w.remember(nil)
	require.Len(t, w.healing.enodes, maxEnodes, "a gwat without peers takes none away")
}

// The checkpoint that comes back is exchanged again; no call is made whose spine is not
// final in gwat, and none without a permit.
func TestTheExchangeIsProved(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{Checkpoint: true}), func(t *testing.T, p *simulated) {
		for range 2 {
			incident(p, t, lasting["B3 foreign checkpoint"].incident)
			p.works(t, 30*time.Second)
		}
		require.Len(t, heals(t, p), 2)
		for _, c := range p.gwat.Calls() {
			if len(c.Asked.Spines) == 0 && c.Asked.Checkpoint.Root != common.HexToHash("0xbebe") {
				require.Nil(t, c.Answer.Error)
				_, known := p.net.SlotOfRoot(c.Asked.Checkpoint.Root)
				require.True(t, known, "a stored checkpoint is canonical")
			}
		}
		one := try{gwat: p.watcher.cfg.Gwat, beacon: p.watcher.cfg.Beacon, changes: p.watcher.cfg.Changes, spec: checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 2}}
		before := len(p.gwat.Calls())
		_, err := one.do(t.Context(), heal.Checkpoint)
		require.ErrorIs(t, err, heal.ErrUnproved)
		one.permit = guard.New(false).Permit()
		_, err = one.do(t.Context(), heal.Checkpoint)
		require.ErrorContains(t, err, "has the block of gwat's checkpoint")
		require.InDelta(t, before, len(p.gwat.Calls()), 2)
	})
}

// A state of gwat that changed after it was read for the exchange was changed by a driver that
// works: its checkpoint is not exchanged for an older one.
func TestTheExchangeStops(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		p.beacon.Freeze(true)
		p.forge()
		one := p.oneTry(t)
		plan, err := one.plan(t.Context(), heal.Checkpoint)
		require.NoError(t, err)
		p.gwat.Finalize(p.net.Call(p.net.Slot()-2, coordinated.NoSync))
		before := len(p.gwat.Calls())
		_, err = one.finalize(t.Context(), plan)
		require.ErrorIs(t, err, heal.ErrStopped)
		require.Len(t, p.gwat.Calls(), before)
	})
}

// A pause ends the heal that runs before its next call, and not only after the next poll.
func TestAPauseEndsAHealAtOnce(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{Drive: true}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		permit := p.watcher.healing.guard.Permit()
		require.Empty(t, permit.Inhibit())
		require.NoError(t, p.watcher.Pause(t.Context(), "maintenance"))
		require.Equal(t, "paused", permit.Inhibit())
		require.NoError(t, p.watcher.Resume(t.Context()))
		p.works(t, 30*time.Second)
		require.Empty(t, permit.Inhibit())
	})
}

// How the heals ended is counted.
func TestHealsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	besideAPairWith(t, func(p *simulated, c *Config) {
		withHeals(Heals{Peers: true})(p, c)
		c.Report.Registerer = registry
	}, func(t *testing.T, p *simulated) {
		incident(p, t, lasting["B2 gwat restarted without peers"].incident)
		p.works(t, 30*time.Second)
		count := func(heal, result string) float64 {
			series := metrics.Series(t, registry)
			name := "syncd_heals_total " + heal + " main " + result // labels heal, pair and result
			require.Contains(t, series, name)
			return series[name].GetCounter().GetValue()
		}
		require.EqualValues(t, 1, count("peers", "done"))
		require.Zero(t, count("peers", "failed"))
		p.watcher.cfg.Report.Tally.Healed(heal.Drive, heal.ErrStopped)
		require.EqualValues(t, 1, count("drive", "stopped"))
		p.watcher.cfg.Report.Tally.Healed(heal.Drive, heal.ErrUnproved)
		require.EqualValues(t, 1, count("drive", "failed"))
	})
}

// A gwat that was driven under a beacon node whose head does not move leaves normal work again. It
// is not driven a second time to where it is; the beacon node is restarted.
func TestAHeadThatStandsAfterTheDrive(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{Drive: true, RestartBeacon: "restart beacon"}), func(t *testing.T, p *simulated) {
		incident(p, t, lasting["B7 beacon silent"].incident)
		within(t, p.watcher, time.Minute, "the drive", func(s *status.Snapshot) bool { return s.Gwat.SyncStage == "synced" })
		within(t, p.watcher, 3*time.Minute, "network_stalled", hasFinding("network_stalled"))
		p.works(t, time.Minute)
		var done []string
		for _, c := range heals(t, p) {
			done = append(done, strings.Fields(c.Reason)[1])
		}
		require.Equal(t, []string{"restart-beacon:", "drive:"}, done)
	})
}

// A beacon node that is restarted while gwat loses its peers, and gwat's eth_syncing stays
// false, asks and drives past epochs each second: the checkpoint changes, what is final does not.
func TestPeersLostInNormalWork(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{Peers: true}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		p.beacon.Restart()
		p.gwat.SetPeers()
		within(t, p.watcher, time.Minute, "no_peers_loop", hasFinding("no_peers_loop"))
		p.works(t, time.Minute)
		require.NotEmpty(t, heals(t, p))
		require.NotEmpty(t, p.gwat.Peers())
	})
}

// A proof holds for as long as polls show it: one before syncd was stopped for a while and one
// after it are none of that time.
func TestAProofHoldsOnlyWhileItIsSeen(t *testing.T) {
	var stop atomic.Bool
	var resumed time.Time
	config := func(p *simulated, c *Config) {
		withHeals(Heals{Checkpoint: true})(p, c)
		c.Report.View = func(View) {
			if stop.CompareAndSwap(true, false) {
				time.Sleep(30 * time.Second)
				resumed = time.Now()
			}
		}
	}
	besideAPairWith(t, config, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		p.forge()
		p.beacon.Restart()
		time.Sleep(3 * time.Second)
		stop.Store(true)
		within(t, p.watcher, time.Minute, "heal", func(*status.Snapshot) bool { return len(heals(t, p)) > 0 })
		require.GreaterOrEqual(t, heals(t, p)[0].At.Sub(resumed), heal.HoldSlots*2*time.Second)
	})
}
