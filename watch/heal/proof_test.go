package heal

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func ptr[T any](v T) *T { return &v }

// Each heal: the facts that prove it, and each change of them that takes the proof away, by
// what is then said to be missing.
func TestProve(t *testing.T) {
	none := func() map[string]bool { return map[string]bool{} }
	anyHeal := map[string]func(*Facts){
		"paused":                    func(f *Facts) { f.Why = "paused" },
		"a node does not answer":    func(f *Facts) { f.BothUp = false },
		"gwat loads from its peers": func(f *Facts) { f.Loading = true },
	}
	onOneChain := map[string]func(*Facts){
		"node does not have the block of gwat's checkpoint": func(f *Facts) { f.CheckpointKnown = nil },
		"does not have the block of gwat's checkpoint":      func(f *Facts) { f.CheckpointKnown = ptr(false) },
		"the beacon node syncs itself":                      func(f *Facts) { f.BeaconSyncing = true },
		"epochs behind its head":                            func(f *Facts) { f.Unfollowed = 3 },
		"private_fork is active":                            func(f *Facts) { f.Findings = maps.Clone(f.Findings); f.Findings["private_fork"] = true },
	}
	with := func(breaks map[string]func(*Facts), a string, do func(*Facts), b string, then func(*Facts)) map[string]func(*Facts) {
		out := maps.Clone(breaks)
		out[a], out[b] = do, then
		return out
	}
	for name, tc := range map[string]struct {
		heal   Name
		facts  Facts
		breaks map[string]func(*Facts)
	}{
		"peers": {Peers, Facts{BothUp: true, GwatSyncing: true, GwatPeers: ptr(uint64(0)), Enodes: 1, Findings: none()}, map[string]func(*Facts){
			"does not report its peers at this endpoint, only over IPC": func(f *Facts) { f.GwatPeers = nil },
			"gwat has peers (1)":     func(f *Facts) { f.GwatPeers = ptr(uint64(1)) },
			"gwat is in normal work": func(f *Facts) { f.GwatSyncing = false },
			"no peer that gwat had before is known, and the beacon node does not have": func(f *Facts) { f.Enodes = 0 },
		}},
		"peers: left behind in normal work": {Peers, Facts{BothUp: true, GwatPeers: ptr(uint64(0)), Enodes: 1, Findings: map[string]bool{"no_peers_loop": true}}, map[string]func(*Facts){
			"gwat is in normal work": func(f *Facts) { f.Findings = none() },
		}},
		"peers: without any that is known": {Peers, Facts{BothUp: true, GwatSyncing: true, GwatPeers: ptr(uint64(0)), OnChain: OnChain{CheckpointKnown: ptr(true)}, Unfollowed: 2, Findings: none()}, onOneChain},
		"drive":                            {Drive, Facts{BothUp: true, GwatSyncing: true, GwatPeers: ptr(uint64(1)), OnChain: OnChain{CheckpointKnown: ptr(true)}, Unfollowed: 2, Findings: map[string]bool{"beacon_silent": true}}, with(onOneChain, "beacon_silent is not active", func(f *Facts) { f.Findings = none() }, "these calls need one", func(f *Facts) { f.GwatPeers = ptr(uint64(0)) })},
		"drive: only to what gwat lacks": {Drive, Facts{BothUp: true, GwatSyncing: true, OnChain: OnChain{CheckpointKnown: ptr(true)}, Findings: map[string]bool{"beacon_silent": true}}, map[string]func(*Facts){
			"gwat has what the beacon's head finalizes": func(f *Facts) { f.HeadFinal = true },
		}},
		"checkpoint": {Checkpoint, Facts{BothUp: true, OnChain: OnChain{CheckpointKnown: ptr(false)}, BeaconPeers: ptr(uint64(1)), BeaconLag: 8, Unjustified: 2, Findings: none()}, map[string]func(*Facts){
			"is not known":                                      func(f *Facts) { f.CheckpointKnown = nil },
			"is a block of the beacon node's chain":             func(f *Facts) { f.CheckpointKnown = ptr(true) },
			"the beacon node syncs itself":                      func(f *Facts) { f.BeaconSyncing = true },
			"9 slots behind the clock":                          func(f *Facts) { f.BeaconLag = 9 },
			"gwat was driven further than the beacon's head":    func(f *Facts) { f.HeadBehind = true },
			"the beacon node has no peers":                      func(f *Facts) { f.BeaconPeers = ptr(uint64(0)) },
			"has no peers: its chain may be its own":            func(f *Facts) { f.BeaconPeers = nil },
			"epochs behind the clock: its chain may be its own": func(f *Facts) { f.Unjustified = 3 },
			"private_fork is active":                            func(f *Facts) { f.Findings = map[string]bool{"private_fork": true} },
		}},
		"restart gwat": {RestartGwat, Facts{BothUp: true, Findings: map[string]bool{"gwat_wedged": true}}, map[string]func(*Facts){
			"gwat_wedged is not active":  func(f *Facts) { f.Findings = none() },
			"gwat was restarted already": func(f *Facts) { f.GwatRestarted = true },
		}},
		"restart the beacon node: silent": {RestartBeacon, Facts{BothUp: true, Findings: map[string]bool{"beacon_silent": true}}, map[string]func(*Facts){
			"beacon_silent is not active": func(f *Facts) { f.Findings = none() },
		}},
		"restart the beacon node: its head does not move": {RestartBeacon, Facts{BothUp: true, Findings: map[string]bool{"network_stalled": true}}, map[string]func(*Facts){
			"beacon_silent is not active": func(f *Facts) { f.Findings = none() },
		}},
		"restart the beacon node: still wedged": {RestartBeacon, Facts{BothUp: true, GwatRestarted: true, Findings: map[string]bool{"gwat_wedged": true}}, map[string]func(*Facts){
			"gwat_wedged is active, but gwat was not restarted": func(f *Facts) { f.GwatRestarted = false },
			"beacon_silent is not active":                       func(f *Facts) { f.Findings = none() },
		}},
		"restart the beacon node: its head lags after a restart of gwat": {RestartBeacon, Facts{BothUp: true, GwatRestarted: true, Findings: map[string]bool{"sawtooth": true}}, map[string]func(*Facts){
			"sawtooth is active, but gwat was not restarted": func(f *Facts) { f.GwatRestarted = false },
			"beacon_silent is not active":                    func(f *Facts) { f.Findings = none() },
		}},
	} {
		t.Run(name, func(t *testing.T) {
			proved, why := Prove(tc.heal, &tc.facts)
			require.True(t, proved, why)
			require.NotEmpty(t, why)
			maps.Copy(tc.breaks, anyHeal)
			for what, change := range tc.breaks {
				f := tc.facts
				change(&f)
				proved, why := Prove(tc.heal, &f)
				require.False(t, proved, what)
				require.Contains(t, why, what)
			}
		})
	}
	proved, why := Prove("none", &Facts{BothUp: true})
	require.False(t, proved)
	require.Contains(t, why, `no heal "none"`)
}

// A proof that breaks begins again; three tries, a minute apart, then a human.
func TestRecord(t *testing.T) {
	const slot = 2 * time.Second
	begin := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	r := &Record{}
	due := func(d time.Duration) bool {
		ok, why := r.Next(slot, at(d))
		require.NotEmpty(t, why)
		return ok
	}
	r.Observe(false, "nothing is wrong", begin)
	require.False(t, due(0))
	r.Observe(true, "proved", begin)
	require.False(t, due(4*slot-time.Millisecond))
	_, why := r.Next(slot, begin)
	require.Equal(t, "proved; waiting for the proof to hold for 8s", why)
	r.Observe(false, "not now", at(7*time.Second))
	r.Observe(true, "proved", at(7500*time.Millisecond))
	require.False(t, due(8*time.Second), "the break counts")
	require.True(t, due(15500*time.Millisecond))
	for i := range 3 {
		now := 16*time.Second + time.Duration(i)*time.Minute
		require.True(t, due(now))
		r.Try(at(now))
		require.False(t, due(now+time.Minute-time.Millisecond))
	}
	last := 16*time.Second + 2*time.Minute
	require.False(t, due(last+time.Minute), "it was tried three times")
	require.False(t, r.GivenUp(at(last+time.Minute-1)))
	require.True(t, r.GivenUp(at(last+time.Minute)))
	r.Observe(false, "gone", at(last+time.Minute))
	require.False(t, r.GivenUp(at(last+2*time.Minute)))
	require.False(t, r.Done(), "no try is known to have succeeded")
	r.Succeeded()
	require.True(t, r.Done())
	r.Worked()
	require.Zero(t, r.Tries())
	require.False(t, r.Done())
	r.Succeeded()
	require.False(t, r.Done(), "the pair has worked since that try began")
	r.Observe(true, "proved", at(0))
	require.True(t, due(HoldSlots*slot))
	r.Again()
	require.False(t, due(HoldSlots*slot), "what was proved before a heal is proved again")
	r.Observe(true, "proved", at(HoldSlots*slot))
	require.False(t, due(2*HoldSlots*slot-time.Millisecond))
	require.True(t, due(2*HoldSlots*slot))
}

// The tries and their times outlive the process; a clock that was set back does not keep
// a try away for longer than the pause.
func TestRestored(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		tries int
		last  time.Time
		due   time.Duration // from now; negative for never
	}{
		"half a minute ago":              {1, now.Add(-30 * time.Second), 30 * time.Second},
		"by a clock that was an hour on": {2, now.Add(time.Hour), time.Minute},
		"given up":                       {3, now.Add(-time.Minute), -1},
	} {
		t.Run(name, func(t *testing.T) {
			r := Restored(tc.tries, tc.last, now, true)
			require.True(t, r.Done())
			r.Observe(true, "proved", now.Add(-time.Minute))
			due := func(d time.Duration) bool { ok, _ := r.Next(time.Second, now.Add(d)); return ok }
			if tc.due < 0 {
				require.False(t, due(time.Hour))
				require.True(t, r.GivenUp(now))
				return
			}
			require.False(t, due(tc.due-time.Millisecond))
			require.True(t, due(tc.due))
		})
	}
}

// The pause after a try of an earlier process does not follow a clock that is set: its end
// has the reading of the clock that never jumps.
func TestRestoredByTheClockThatNeverJumps(t *testing.T) {
	now := time.Now()
	last := Restored(1, now.Add(-30*time.Second).Round(0), now, false).Last()
	require.Contains(t, last.String(), " m=")
	require.Equal(t, 30*time.Second, now.Sub(last))
}
