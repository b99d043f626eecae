package watch

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/reach"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// simulated is a watcher beside a whole simulated pair, through the real clients.
type simulated struct {
	net                  *coordinated.Network
	gwat                 *coordinated.Gwat
	beacon               *coordinated.Beacon
	gwatWire, beaconWire wire.Wire
	watcher              *Watcher
	config               func(*Config) // what a test sets of the watcher's config; may be nil
}

// besideAPair runs a watcher beside a simulated pair on the fake clock.
func besideAPair(t *testing.T, test func(t *testing.T, p *simulated)) {
	t.Helper()
	besideAPairWith(t, nil, test)
}

// besideAPairWith is besideAPair for a watcher whose config is changed.
func besideAPairWith(t *testing.T, config func(*simulated, *Config), test func(t *testing.T, p *simulated)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &simulated{net: &coordinated.Network{ChainID: 1337, GenesisTime: genesisTime - 2*180, SecondsPerSlot: 2, SlotsPerEpoch: 8}}
		p.gwat = coordinated.NewGwat(p.net, "enode://a", "enode://b")
		p.gwat.BlockTime = time.Millisecond
		p.gwatWire.Serve(http.HandlerFunc(p.gwat.ServeHTTP))
		p.beacon = coordinated.NewBeacon(p.net, coordinated.Caller{URL: "http://gwat", Transport: &p.gwatWire}, 3)
		p.beaconWire.Serve(http.HandlerFunc(p.beacon.ServeHTTP))
		if config != nil {
			p.config = func(c *Config) { config(p, c) }
		}
		ctx, cancel := context.WithCancel(t.Context())
		beaconEnded, watcherEnded := make(chan struct{}), make(chan error, 1)
		p.start(t) // before the beacon node runs: a config may change the network
		go func() { p.beacon.Run(ctx); close(beaconEnded) }()
		go func() { watcherEnded <- p.watcher.Run(ctx) }()
		test(t, p)
		cancel()
		<-beaconEnded
		require.NoError(t, <-watcherEnded)
		p.gwat.Stop() // a call whose caller has left may still load
	})
}

func (p *simulated) start(t *testing.T) {
	t.Helper()
	client, err := gwatclient.New(gwatclient.Config{Endpoint: "http://gwat", Transport: &p.gwatWire, Timeout: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	gwat := protocol.Coordinated{Client: client}
	beacon, err := beaconclient.New(beaconclient.Config{URL: "http://beacon", Transport: &p.beaconWire, Timeout: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(beacon.Close)
	log, _ := test.NewNullLogger()
	cfg := Config{
		Name: "main", Version: "test", Gwat: gwat, Beacon: beacon,
		Changes:      ChangesOf(gwat),
		PollInterval: time.Second, CallTimeout: time.Second, Journal: journal.OpenMemory(), Log: log,
	}
	if p.config != nil {
		p.config(&cfg)
	}
	p.watcher, err = New(cfg)
	require.NoError(t, err)
}

func (p *simulated) works(t *testing.T, limit time.Duration) {
	t.Helper()
	within(t, p.watcher, limit, "working", func(s *status.Snapshot) bool { return s.Verdict == status.VerdictWorking })
}

// Both nodes empty: the pair is seen to sync and to work.
func TestSimulatedPairFromNothing(t *testing.T) {
	besideAPair(t, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		s := p.watcher.Snapshot()
		require.Equal(t, "coordinated", s.Era)
		require.EqualValues(t, 2, *s.Gwat.Peers)
		require.NotNil(t, s.Gwat.Progress, "wat_info was read")
	})
}

// incidents are those of real pairs: what the watcher reports for each, within which time.
var incidents = map[string]struct {
	finding     string
	within      time.Duration
	fault, heal func(p *simulated)
}{
	"gwat down": {"gwat_unreachable", 5 * time.Second,
		func(p *simulated) { p.gwatWire.Set(wire.Refused) },
		func(p *simulated) { p.gwat.Restart("enode://a"); p.gwatWire.Set(wire.Up) }},
	"gwat stopped": {"gwat_hung", 8 * time.Second,
		func(p *simulated) { p.gwatWire.Set(wire.Stopped) },
		func(p *simulated) { p.gwatWire.Set(wire.Up) }},
	"B2 restarted without peers": {"no_peers_loop", 14 * time.Second,
		func(p *simulated) {
			p.gwatWire.Set(wire.Refused)
			time.Sleep(4 * time.Second)
			p.gwat.Restart()
			p.gwatWire.Set(wire.Up)
		},
		func(p *simulated) { p.gwat.AddPeer("enode://a") }},
	"B3 foreign checkpoint": {"foreign_checkpoint", 5 * time.Second,
		func(p *simulated) {
			f := p.net.Call(p.net.Slot(), coordinated.NoSync)
			f.Spines, f.Checkpoint.Root = nil, common.HexToHash("0xbebe")
			p.beacon.Freeze(true) // no call of its own mends it meanwhile
			p.gwat.Finalize(f)
		},
		func(p *simulated) { p.beacon.Freeze(false) }},
	"B4 beacon without peers": {"beacon_without_peers", 14 * time.Second,
		func(p *simulated) { p.beacon.SetPeers(0) },
		func(p *simulated) { p.beacon.SetPeers(3) }},
	"B7 beacon silent": {"beacon_silent", 30 * time.Second,
		func(p *simulated) {
			p.beacon.Freeze(true)
			p.gwatWire.Set(wire.Refused)
			time.Sleep(4 * time.Second)
			p.gwat.Restart("enode://a")
			p.gwatWire.Set(wire.Up)
		},
		func(p *simulated) { p.beacon.Freeze(false) }},
	"A2' gwat wedged": {"gwat_wedged", 30 * time.Second,
		func(p *simulated) { p.gwat.Wedge() },
		func(p *simulated) { p.gwat.Restart("enode://a"); p.beacon.Restart() }},
	"S head does not move": {"network_stalled", 2 * time.Minute,
		func(p *simulated) { p.beacon.Freeze(true) },
		func(p *simulated) { p.beacon.Freeze(false) }},
	"beacon down": {"beacon_unreachable", 5 * time.Second,
		func(p *simulated) { p.beaconWire.Set(wire.Refused) },
		func(p *simulated) { p.beaconWire.Set(wire.Up) }},
}

// Each incident is reported within its time, and gone after the recovery.
func TestSimulatedIncidents(t *testing.T) {
	for name, tc := range incidents {
		t.Run(name, func(t *testing.T) {
			besideAPair(t, func(t *testing.T, p *simulated) {
				p.works(t, 30*time.Second)
				tc.fault(p)
				took := within(t, p.watcher, tc.within, tc.finding, hasFinding(tc.finding))
				require.Equal(t, status.VerdictFailing, p.watcher.Snapshot().Verdict)
				tc.heal(p)
				p.works(t, 60*time.Second)
				within(t, p.watcher, 20*time.Second, tc.finding+" to go", func(s *status.Snapshot) bool { return !hasFinding(tc.finding)(s) })
				t.Logf("told after %s", took)
			})
		})
	}
}

// A node that hangs is reported after one call timeout and two more seconds, not after three
// timeouts, and what the other node said meanwhile stays as it was.
func TestANodeThatHangsIsToldSoon(t *testing.T) {
	for finding, tc := range map[string]struct {
		stop func(p *simulated) *wire.Wire
		is   string // of the other node, and is not reported
	}{
		"gwat_hung":   {func(p *simulated) *wire.Wire { return &p.gwatWire }, "beacon_hung"},
		"beacon_hung": {func(p *simulated) *wire.Wire { return &p.beaconWire }, "gwat_hung"},
	} {
		patient := func(_ *simulated, c *Config) { c.CallTimeout = 5 * time.Second }
		besideAPairWith(t, patient, func(t *testing.T, p *simulated) {
			p.works(t, 30*time.Second)
			time.Sleep(30 * time.Second)
			stopped := tc.stop(p)
			stopped.Set(wire.Stopped)
			took := within(t, p.watcher, 9*time.Second, finding, hasFinding(finding))
			require.GreaterOrEqual(t, took, 6*time.Second, "one poll without an answer reports nothing")
			for range 20 {
				time.Sleep(time.Second)
				s := p.watcher.Snapshot()
				require.True(t, hasFinding(finding)(s))
				require.False(t, hasFinding(tc.is)(s))
				require.False(t, hasFinding("beacon_silent")(s))
			}
			stopped.Set(wire.Up)
			p.works(t, 30*time.Second)
			require.False(t, hasFinding("gwat_restart_rollback")(p.watcher.Snapshot()))
		})
	}
}

// A poll of a node that hangs takes one call timeout, not one for each of its calls. Those that
// follow wait for it a while only: what they read of the other node is of now.
func TestAPollOfANodeThatHangsTakesOneTimeout(t *testing.T) {
	for name, stop := range map[string]func(p *simulated) *wire.Wire{
		"gwat": func(p *simulated) *wire.Wire { return &p.gwatWire }, "beacon": func(p *simulated) *wire.Wire { return &p.beaconWire },
	} {
		besideAPair(t, func(t *testing.T, p *simulated) {
			p.works(t, 30*time.Second)
			cfg := p.watcher.cfg
			one := poller{gwat: cfg.Gwat, beacon: cfg.Beacon, now: time.Now, timeout: 5 * time.Second, again: time.Second}
			defer one.wait()
			stop(p).Set(wire.Stopped)
			began := time.Now()
			require.False(t, one.poll(t.Context()).Up(), name)
			require.Equal(t, 5*time.Second, time.Since(began), name)
			for range 3 {
				began = time.Now()
				o := one.poll(t.Context())
				require.Equal(t, time.Second, time.Since(began), name)
				require.True(t, reach.TimedOut(o.Gwat.Err) != reach.TimedOut(o.Beacon.Err), name)
				read := o.Gwat.At
				if read.IsZero() {
					read = o.Beacon.At
				}
				require.WithinDuration(t, began, read, time.Second/2, name)
			}
			stop(p).Set(wire.Up)
			for up := false; !up; up = one.poll(t.Context()).Up() {
				require.Less(t, time.Since(began), 5*time.Second, name)
			}
		})
	}
}

// A beacon node that hangs in the middle of a poll takes the poll's time: gwat, which is asked
// after it, does not hang.
func TestABeaconThatHangsInTheMiddleOfAPoll(t *testing.T) {
	besideAPair(t, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		p.beaconWire.Put(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/spine_data") {
					<-r.Context().Done()
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		cfg := p.watcher.cfg
		one := poller{gwat: cfg.Gwat, beacon: cfg.Beacon, now: time.Now, timeout: 5 * time.Second}
		o := one.poll(t.Context())
		require.NoError(t, o.Gwat.Err)
		require.ErrorIs(t, o.Beacon.Err, context.DeadlineExceeded)
		p.beaconWire.Put(nil)
	})
}

// lateGwat answers its first call late, or has no answer to what it is asked across.
type lateGwat struct {
	Gwat
	late   time.Duration
	across bool
}

func (g lateGwat) Latest(ctx context.Context) (*gwatclient.Block, error) {
	time.Sleep(g.late)
	return g.Gwat.Latest(ctx)
}

func (g lateGwat) BlockByHash(ctx context.Context, hash common.Hash) (*gwatclient.Block, error) {
	if g.across {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return g.Gwat.BlockByHash(ctx, hash)
}

// lateBeacon is a beacon node that does the same.
type lateBeacon struct {
	Beacon
	late   time.Duration
	across bool
}

func (b lateBeacon) Syncing(ctx context.Context) (beaconclient.Syncing, error) {
	time.Sleep(b.late)
	return b.Beacon.Syncing(ctx)
}

func (b lateBeacon) SpineData(ctx context.Context, state beaconclient.StateID) (beaconclient.SpineData, error) {
	if b.across {
		<-ctx.Done()
		return beaconclient.SpineData{}, ctx.Err()
	}
	return b.Beacon.SpineData(ctx, state)
}

// A node whose slow answers took a poll's time is blamed for the call that had none left, and
// not the node that was asked last.
func TestASlowNodeTakesTheTimeOfTheOther(t *testing.T) {
	const nearly = 4950 * time.Millisecond
	besideAPair(t, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		poll := func(gwat, beacon time.Duration) *Observation {
			one := poller{gwat: lateGwat{p.watcher.cfg.Gwat, gwat, beacon > 0}, beacon: lateBeacon{p.watcher.cfg.Beacon, beacon, gwat > 0}, now: time.Now, timeout: 5 * time.Second, polls: 1}
			return one.poll(t.Context())
		}
		o := poll(nearly, 0)
		require.ErrorContains(t, o.Gwat.Err, "its answers took 4.95")
		require.NoError(t, o.Beacon.Err)
		o = poll(0, nearly)
		require.ErrorContains(t, o.Beacon.Err, "its answers took 4.95")
		require.NoError(t, o.Gwat.Err)
	})
}

// A quarter of an hour of a healthy pair brings no finding.
func TestSimulatedCalmPair(t *testing.T) {
	besideAPair(t, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		for range 900 {
			time.Sleep(time.Second)
			s := p.watcher.Snapshot()
			require.Empty(t, s.Findings)
			require.Equal(t, string(fsm.Working), s.Stage)
		}
	})
}
