package simulation

import (
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// gwatIncarnation is one process of gwat, with the log of its calls. Block reads are
// left out: on a long chain they would be nearly all of it.
type gwatIncarnation struct {
	log         *gwatLog
	node        *gwatsim.Node
	incarnation int
	home        bool // on the network of the pair
	from        time.Duration
}

// sample is what gwat was from a time on.
type sample struct {
	at     time.Duration
	up     bool // it answers
	home   bool
	stage  gwatsim.Stage
	number uint64
	hash   common.Hash
}

// gwatLog collects calls in the order in which they ended.
type gwatLog struct {
	mu    sync.Mutex
	calls []gwatsim.Call
}

func (l *gwatLog) add(call gwatsim.Call) {
	if strings.HasPrefix(call.Method, "eth_getBlock") {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

// startGwat starts a process over what its disk holds.
func (r *run) startGwat() { r.startGwatOn(r.plan.chain, r.gwatDisk, true) }

func (r *run) startGwatOn(chain world.Chain, disk *gwatsim.Disk, home bool) {
	cfg := r.plan.gwat
	cfg.Chain, cfg.Disk = chain, disk
	cfg.Lock = r.plan.pair.LockTime
	log := &gwatLog{}
	cfg.OnCall = log.add
	node, err := gwatsim.New(cfg)
	if err != nil {
		panic("gwat does not start: " + err.Error())
	}
	r.gwat = node
	r.gwatHost.start(node.Handler(), node.Run)
	r.gwats = append(r.gwats, gwatIncarnation{log, node, r.gwatHost.incarnation, home, r.now()})
}

func (r *run) killGwat() {
	switch {
	case !r.gwatHost.up:
	case r.coordinated != nil:
		r.gwatHost.kill(r.coordinated.gwat.Stop)
	default:
		r.gwatHost.kill(r.gwat.Close)
	}
}

// startBeacon starts a process that goes back to the checkpoint before slot and
// syncs from there; with slot 0 it is synced at once.
func (r *run) startBeacon(slot primitives.Slot, driver beaconsim.DriverMode) {
	r.startBeaconOn(r.plan.chain, slot, driver)
}

func (r *run) startBeaconOn(chain world.Chain, slot primitives.Slot, driver beaconsim.DriverMode) {
	cfg := r.plan.beacon
	cfg.Chain, cfg.Driver, cfg.StartSlot = chain, r.plan.driverOf(driver), slot
	if slot == 0 {
		cfg.SyncSpeed = 0
	}
	// A real driver goes over to normal work; no answer of gwat shows that one does not.
	cfg.IdleWork = cfg.IdleWork && (cfg.Driver != beaconsim.DriverOn || r.plan.polite)
	h := r.beaconHost
	way, url := r.beaconsWay()
	cfg.Gwat, cfg.Transport = url, &wire{r.net, way, h.incarnation + 1, r.beaconAlive(h.incarnation + 1)}
	node, err := beaconsim.New(cfg)
	if err != nil {
		panic("the beacon node does not start: " + err.Error())
	}
	r.beacon = node
	if h.incarnation > 0 || cfg.SyncSpeed > 0 {
		r.beaconsFrom = append(r.beaconsFrom, r.now())
	}
	h.start(node.Handler(), node.Run)
}

// beaconAlive reports whether a incarnation of the beacon node's process goes on.
func (r *run) beaconAlive(incarnation int) func() bool {
	return func() bool { return r.beaconHost.lives(incarnation) }
}

func (r *run) killBeacon() {
	if r.beaconHost.up {
		r.beaconHost.kill(func() {})
	}
}

// look samples gwat when it has changed.
func (r *run) look() {
	now := sample{at: r.now()}
	if r.gwatHost.up {
		s := r.gwat.State()
		now.up, now.home = !r.gwatHost.paused, r.gwats[len(r.gwats)-1].home
		now.stage, now.number, now.hash = s.Stage, s.Finalized, s.FinalizedHash
	}
	if n := len(r.samples); n > 0 {
		last := r.samples[n-1]
		last.at = now.at
		if last == now {
			return
		}
	}
	r.samples = append(r.samples, now)
	if now.up && now.home {
		r.wayDone(now.number)
	}
}
