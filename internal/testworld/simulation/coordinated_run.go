package simulation

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch"
	"github.com/gwatsync/syncd/watch/heal"
)

// coordinatedRun is a run whose pair is of the coordinated era.
type coordinatedRun struct {
	*run
	*coordinatedPlan
	net     *coordinated.Network
	gwat    *coordinated.Gwat
	beacon  *coordinated.Beacon
	way     *wire // of the beacon node's process that runs
	world   []worldSample
	said    []saidChange
	rescued bool // the operator has repaired what no heal could
	lasting bool // something lasts until it is healed
	leaves  []leaving

	mu    sync.Mutex
	tries []begunTry
}

// begunTry is a try of a heal that a process of syncd said to begin.
type begunTry struct {
	at          time.Duration
	incarnation int
	heal        string
}

// leaving is a validator that leaves in an epoch.
type leaving struct {
	at    time.Duration // when it was known
	epoch uint64
}

// enodes are the peers that gwat finds by itself.
var enodes = coordinated.Enodes(2)

func newCoordinatedRun(r *run) *coordinatedRun {
	c := &coordinatedRun{run: r, coordinatedPlan: r.plan.coordinated}
	r.coordinated = c
	r.gateHost.links = append(r.gateHost.links, syncdBeacon) // the era's gate asks the beacon node what is canonical
	c.net = &coordinated.Network{
		ChainID: 1337, SecondsPerSlot: c.slot, SlotsPerEpoch: c.epoch, GenesisTime: uint64(r.sched.begin.Unix()) - c.wall*c.slot,
	}
	c.gwat = coordinated.NewGwat(c.net, enodes...)
	c.gwat.BlockTime = c.blockTime
	if c.authRPC {
		c.gwat.Serves = coordinated.ServedByAuthRPC
	}
	c.beacon = coordinated.NewBeacon(c.net, coordinated.Caller{URL: c.beaconsURL(), Transport: c}, 3)
	c.beacon.SyncSpeed = c.syncSpeed
	return c
}

// RoundTrip implements http.RoundTripper for the beacon node's process that runs.
func (c *coordinatedRun) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.way.RoundTrip(req)
}

// play lets the world run until the pair works or its time is over, and ends it.
func (c *coordinatedRun) play() {
	c.sched.at(1*time.Millisecond+313, 0, func() { c.startGwat(enodes...) })
	c.sched.at(2*time.Millisecond+571, 0, c.startBeacon)
	c.sched.at(3*time.Millisecond+797, 0, c.run.startSyncd)
	for _, f := range c.plan.Faults {
		c.sched.at(f.at, digest("fault"), func() { c.beginFault(f) })
	}
	c.asks(0)
	c.sched.at(c.plan.quiet, digest("heal"), c.heal)
	c.sched.run(c.over)
	c.end()
}

// startGwat starts gwat's process with peers, unless it runs.
func (c *coordinatedRun) startGwat(peers ...string) {
	if c.gwatHost.up {
		return
	}
	if c.gwatHost.incarnation > 0 {
		c.gwat.Restart(peers...)
	}
	c.gwatHost.start(c.gwat, func(ctx context.Context) error { <-ctx.Done(); return nil })
}

// startBeacon starts the beacon node's process, unless it runs.
func (c *coordinatedRun) startBeacon() {
	if c.beaconHost.up {
		return
	}
	incarnation := c.beaconHost.incarnation + 1
	if incarnation > 1 {
		c.beacon.Restart()
		c.beacon.Freeze(false) // what kept a head where it was ends with the process
	}
	c.way = &wire{c.run.net, c.beaconsLink(), incarnation, c.beaconAlive(incarnation)}
	c.beaconHost.start(c.beacon, func(ctx context.Context) error { c.beacon.Run(ctx); return nil })
}

// startSyncd starts a process that watches the pair.
func (c *coordinatedRun) startSyncd(l *incarnation) {
	alive := func() bool { return !l.dead.Load() }
	cfg := c.plan.pair
	client, err := gwatclient.New(gwatclient.Config{Endpoint: gwatURL, Transport: &wire{c.run.net, syncdGwat, l.number, alive}, Timeout: cfg.CallTimeout})
	if err != nil {
		panic("gwat's client refuses its config: " + err.Error())
	}
	beacon, err := beaconclient.New(beaconclient.Config{URL: beaconURL, Transport: &wire{c.run.net, syncdBeacon, l.number, alive}, Timeout: cfg.CallTimeout})
	if err != nil {
		panic("the beacon node's client refuses its config: " + err.Error())
	}
	gwat := protocol.Coordinated{Client: client}
	log := quiet()
	if given, ok := c.daemonLog.(*logrus.Logger); ok && given.IsLevelEnabled(logrus.InfoLevel) {
		log.SetOutput(given.Out)
	}
	log.SetLevel(logrus.InfoLevel)
	log.AddHook(healHook{c, l})
	l.metrics = prometheus.NewRegistry()
	report := watch.Report{Registerer: l.metrics}
	kept := journal.OpenStore(store{c.disk, l}, c.disk.note)
	if c.plan.gated {
		c.reportToGate(&report, c.startGate(l, kept, c.mendsBy(beacon)))
	}
	w, err := watch.New(watch.Config{
		Name: "simulated", Version: "simulated", Gwat: gwat, Beacon: beacon,
		PollInterval: cfg.PollInterval, CallTimeout: cfg.CallTimeout, Observe: cfg.Observe, Heals: c.heals,
		Changes: watch.ChangesOf(gwat), Command: c.command,
		Journal: kept, Log: log, Now: c.clock.now,
		Report: report,
	})
	if err != nil {
		panic("the plan's config is refused: " + err.Error())
	}
	c.disk.note = ""
	c.runLoop(l, w, func() { client.Close(); beacon.Close() })
}

// healHook notes the tries of heals that a process begins.
type healHook struct {
	run  *coordinatedRun
	from *incarnation
}

// Levels implements logrus.Hook.
func (healHook) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

// Fire implements logrus.Hook.
func (h healHook) Fire(e *logrus.Entry) error {
	name, ok := e.Data["heal"]
	if _, begins := e.Data["try"]; !ok || !begins || h.from.dead.Load() {
		return nil
	}
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	h.run.tries = append(h.run.tries, begunTry{h.run.now(), h.from.number, fmt.Sprint(name)})
	if h.run.moves && name == heal.Drive {
		h.run.sched.park(&waiting{
			key:   digest("the head moves"),
			delay: func(r *seededRand) time.Duration { return r.span(5*time.Millisecond, 300*time.Millisecond) },
			run:   func() { h.run.beacon.Freeze(false) },
		})
	}
	return nil
}

// command is the operator's command: it restarts a node.
func (c *coordinatedRun) command(ctx context.Context, command string) (string, error) {
	if c.fails {
		return "", fmt.Errorf("%w: no such unit", heal.ErrCommand)
	}
	done := make(chan struct{})
	c.sched.park(&waiting{
		key:   digest("command", command),
		delay: func(r *seededRand) time.Duration { return r.span(10*time.Millisecond, 300*time.Millisecond) },
		run: func() {
			c.log("command", "operator", command, 0)
			kill, start := c.killGwat, func() { c.startGwat(enodes...) }
			if command == commandBeacon {
				kill, start = c.killBeacon, c.startBeacon
			}
			kill()
			c.sched.at(c.now()+time.Second, digest("command", command), func() { start(); close(done) })
		},
	})
	select {
	case <-done:
		return "restarted", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// heal ends all that is wrong, but for what waits for a heal of syncd.
func (c *coordinatedRun) heal() {
	for _, f := range c.plan.Faults {
		c.lasting = c.lasting || f.forHeal && f.begun
	}
	c.endFaults()
	if !c.lasting {
		c.restore()
	}
	c.log("healed", "", "", 0)
}

// restore is what an operator does who finds every cause by himself.
func (c *coordinatedRun) restore() {
	c.gwatHost.resume()
	c.beaconHost.resume()
	s := c.gwat.Standing()
	_, canonical := c.net.SlotOfRoot(s.Point)
	foreign := !canonical && s.Point != (common.Hash{})
	if s.Wedged || foreign || c.rescued {
		c.killGwat()
		if foreign {
			c.gwat.Wipe()
		}
	}
	c.startGwat(enodes...)
	if len(c.gwat.Peers()) == 0 {
		c.gwat.SetPeers(enodes...)
	}
	c.beacon.Freeze(false)
	c.beacon.SetPeers(3)
	if foreign || c.rescued {
		c.killBeacon()
	}
	c.startBeacon()
}

// over takes in what was said and reports whether the run is over.
func (c *coordinatedRun) over() bool {
	l := c.syncd()
	if l != nil {
		c.drain(l)
		c.hear(l)
	}
	for i := 0; i < len(c.onStop); i++ {
		if c.onStop[i]() {
			c.onStop = append(c.onStop[:i], c.onStop[i+1:]...)
			i--
		}
	}
	c.lookAround()
	if !c.healed {
		return false
	}
	now := c.now()
	if l != nil && l.pair.Snapshot().Verdict == status.VerdictWorking {
		if c.working == never {
			c.working = now
		}
		return now > c.working+coordinatedSettle*c.slotTime()
	}
	c.working = never
	if now <= c.healedAt+c.coordinatedBound() {
		return false
	}
	if c.lasting && !c.rescued && c.namesHuman() {
		c.rescued, c.healedAt = true, now
		c.log("rescue", "operator", "", 0)
		c.restore()
		return false
	}
	return true
}

const coordinatedSettle = 12 // slots for which a pair has to go on working at the end

// coordinatedBound is how long after the last fault the pair may need until it works: what
// waits for a heal takes up to three tries, a minute apart.
func (c *coordinatedRun) coordinatedBound() time.Duration {
	out := 90*time.Second + 40*c.slotTime()
	if c.lasting && !c.rescued {
		out += 8 * time.Minute
	}
	return out
}

// namesHuman reports whether syncd says what a human has to repair.
func (c *coordinatedRun) namesHuman() bool {
	n := len(c.said)
	if n == 0 {
		return false
	}
	for _, f := range c.said[n-1].findings {
		if f.Severity == status.SeverityCritical && f.Remedy != "" {
			return true
		}
	}
	return false
}
