package simulation

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/status"
)

// incarnation is one process of syncd, from its start to its end.
type incarnation struct {
	run     *run
	number  int
	pair    loop
	api     http.Handler
	changes <-chan status.Change
	metrics *prometheus.Registry
	cancel  context.CancelFunc
	done    chan struct{}
	dead    atomic.Bool   // killed: nothing of it has an effect any more
	stopped bool          // asked to stop
	drained chan struct{} // closed when its gate, if it has one, has ended
	begin   time.Duration
	stops   time.Duration // when it was asked to stop
	end     time.Duration // never while it runs
}

// loop is the control loop of a pair, of either era.
type loop interface {
	api.Source
	Run(ctx context.Context) error
}

// stageChange is a stage that syncd said to be in, with when it said so.
type stageChange struct {
	at          time.Duration
	incarnation int
	status.Change
}

// Addresses of the simulated nodes; nothing is looked up.
const (
	gwatURL   = "http://localhost:8545"
	beaconURL = "http://localhost:3500"
)

// quiet is a log that costs nothing.
func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetLevel(logrus.PanicLevel)
	return log
}

// startSyncd starts a process over what the journal's disk holds.
func (r *run) startSyncd() {
	l := &incarnation{run: r, number: len(r.incarnations) + 1, done: make(chan struct{}), begin: r.now(), end: never}
	r.incarnations = append(r.incarnations, l)
	if r.coordinated != nil {
		r.coordinated.startSyncd(l)
		return
	}
	alive := func() bool { return !l.dead.Load() }
	cfg := r.plan.pair
	cfg.Name, cfg.Version, cfg.Log, cfg.Now = "simulated", "simulated", r.daemonLog, r.clock.now
	l.metrics = prometheus.NewRegistry()
	cfg.Registerer = l.metrics
	cfg.Gwat = gwatclient.Config{Endpoint: gwatURL, Transport: &wire{r.net, syncdGwat, l.number, alive}}
	cfg.Beacon = beaconclient.Config{URL: beaconURL, Transport: &wire{r.net, syncdBeacon, l.number, alive}}
	cfg.Journal = journal.OpenStore(store{r.disk, l}, r.disk.note)
	r.disk.note = ""
	if r.plan.gated {
		cfg.Gate = r.startGate(l, cfg.Journal, gate.Mends{})
	}
	p, err := pair.New(cfg)
	if err != nil {
		panic("the plan's config is refused: " + err.Error())
	}
	r.runLoop(l, p, func() {})
}

// runLoop has a process serve its API and run its loop; closes is what follows its end.
func (r *run) runLoop(l *incarnation, p loop, closes func()) {
	server, err := api.New(api.Config{Listen: "127.0.0.1:0", JWTSecret: apiSecret, Log: r.daemonLog, Now: r.clock.now}, p)
	if err != nil {
		panic("the api refuses its config: " + err.Error())
	}
	l.pair, l.api = p, server.Handler()
	l.changes, _ = p.Subscribe()
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(l.done)
		defer closes()
		_ = p.Run(ctx) // it returns nil, always
	}()
	r.log("start", "syncd", "", uint64(l.number))
}

// syncd is the process that runs; nil if there is none.
func (r *run) syncd() *incarnation {
	if len(r.incarnations) == 0 {
		return nil
	}
	if l := r.incarnations[len(r.incarnations)-1]; l.end == never {
		return l
	}
	return nil
}

// killSyncd ends the process as kill -9 does, and starts another one later.
func (r *run) killSyncd(why string, torn bool, back time.Duration) {
	l := r.syncd()
	if l == nil {
		return
	}
	r.drain(l)
	r.log("kill", "syncd", why, uint64(l.number))
	l.dead.Store(true)
	l.end = r.now()
	l.cancel()
	r.disk.die(newSeededRand(r.seed, digest("die"), uint64(l.number)))
	if torn {
		r.disk.tear()
	}
	r.killGate()
	r.net.reap(l.done, syncdGwat, syncdBeacon)
	r.sched.at(r.now()+back, digest("restart"), r.startSyncd)
}

// stopSyncd asks the process to stop, and starts another one later.
func (r *run) stopSyncd(back time.Duration) {
	l := r.syncd()
	if l == nil || l.stopped {
		return
	}
	r.log("stop", "syncd", "", uint64(l.number))
	l.stopped, l.stops = true, r.now()
	l.cancel()
	r.closeGate()
	r.onStop = append(r.onStop, func() bool {
		select {
		case <-l.done:
		default:
			return false
		}
		r.drain(l)
		if l.end == never {
			if !r.gateEnded(l) {
				return false
			}
			r.killGate()
			l.end = r.now()
			r.sched.at(r.now()+back, digest("restart"), r.startSyncd)
		}
		return true
	})
}

// drain takes in what a process has said of its stages.
func (r *run) drain(l *incarnation) {
	for {
		select {
		case c, open := <-l.changes:
			if !open {
				l.changes = nil
				return
			}
			r.stages = append(r.stages, stageChange{r.now(), l.number, c})
			r.log("stage", "syncd", c.To+" by "+c.Event+": "+c.Reason, 0)
			r.entered(c.To)
			r.endedPush(l, c)
			if r.plan.polite {
				r.beacon.SetIdle(c.To != string(fsm.Switching) && c.To != string(fsm.Working))
			}
		default:
			return
		}
	}
}
