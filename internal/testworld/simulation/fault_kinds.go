package simulation

import (
	"time"

	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

const second = time.Second

// faultKinds are all that can go wrong, with how often it does.
var faultKinds = []*faultKind{
	// The network.
	linkKind("slow link", 6, 2*second, 20*second, linkSlow),
	linkKind("requests refused", 4, second, 12*second, linkRefused),
	linkKind("no way", 5, second, 15*second, linkBlackhole),
	linkKind("requests reset", 5, second, 12*second, linkResetEarly),
	linkKind("requests late", 9, second, 12*second, linkLate),
	linkKind("answers reset", 9, second, 12*second, linkResetLate),
	linkKind("answers cut", 5, second, 12*second, linkHalf),
	linkKind("answers garbled", 5, second, 10*second, linkGarbled),
	linkKind("answers of a proxy", 4, second, 10*second, linkProxy),
	linkKind("answers never", 8, second, 12*second, linkHang),
	// The event stream.
	linkKind("events lost", 3, 2*second, 40*second, frameDrop),
	linkKind("events twice", 2, 2*second, 30*second, frameTwice),
	linkKind("events out of order", 2, 2*second, 30*second, frameLate),
	linkKind("events cut", 2, 2*second, 10*second, frameHalf),
	linkKind("events garbled", 2, 2*second, 10*second, frameGarbled),
	// The nodes.
	{name: "gwat killed", weight: 8, low: 100 * time.Millisecond, high: 12 * second, begin: gwatKilled},
	{name: "gwat killed, data lost", weight: 7, low: 100 * time.Millisecond, high: 8 * second, begin: gwatLost},
	{name: "gwat hangs", weight: 5, low: second, high: 15 * second, begin: gwatHangs},
	{name: "gwat lacks blocks", weight: 5, low: 2 * second, high: 15 * second, begin: gwatLacks},
	{name: "gwat of another network", weight: 3, low: 2 * second, high: 15 * second, begin: gwatForeign},
	{name: "gwat slow", weight: 4, low: 3 * second, high: 20 * second, begin: gwatSlow},
	{name: "beacon killed", weight: 7, low: 100 * time.Millisecond, high: 12 * second, begin: beaconKilled},
	{name: "beacon hangs", weight: 4, low: second, high: 15 * second, begin: beaconHangs},
	{name: "beacon does not move", weight: 4, low: 4 * second, high: 40 * second, begin: beaconFrozen},
	{name: "beacon idle", weight: 3, low: 4 * second, high: 30 * second, begin: beaconIdle},
	{name: "beacon of another network", weight: 2, low: 2 * second, high: 12 * second, begin: beaconForeign},
	{name: "beacon drives", weight: 6, low: 3 * second, high: 15 * second, begin: beaconDrives},
	{name: "another driver", weight: 10, low: 2 * second, high: 15 * second, begin: competitorDrives},
	{name: "rolled back by another", weight: 3, low: second, high: 2 * second, begin: rolledBack},
	// syncd's own machine.
	{name: "syncd killed", weight: 14, low: 50 * time.Millisecond, high: 6 * second, begin: syncdKilled, ends: true},
	{name: "syncd stopped", weight: 3, low: 50 * time.Millisecond, high: 4 * second, begin: syncdStopped, ends: true},
	{name: "disk full", weight: 5, low: 2 * second, high: 20 * second, begin: diskFull},
	{name: "disk slow", weight: 4, low: 2 * second, high: 15 * second, begin: diskSlow},
	{name: "clock jumps", weight: 5, low: second, high: 20 * second, begin: clockJumps},
	{name: "operator pauses", weight: 2, low: second, high: 8 * second, begin: operatorPauses},
}

func gwatKilled(r *run, _ *fault, _ *seededRand) func() {
	r.killGwat()
	return r.startGwatAgain
}

// startGwatAgain starts gwat unless another fault has done so.
func (r *run) startGwatAgain() {
	if !r.gwatHost.up {
		r.startGwat()
	}
}

// gwatLost kills gwat, which then is at its last checkpoint again, or a few
// blocks beyond it, and lacks what follows. A gwat of another network loses none of
// this one's data.
func gwatLost(r *run, _ *fault, d *seededRand) func() {
	if !r.gwatHost.up || !r.gwats[len(r.gwats)-1].home {
		return nil
	}
	order := r.gwat.FinalizedOrder()
	r.killGwat()
	back := r.plan.chain.Finality(r.chainHead())
	number, slot := 0, primSlot(0)
	if block, ok := r.plan.chain.Block(pick(d, back.CurrentJustified, back.Finalized).Root); ok && len(block.Finalization) > 0 {
		if spine, ok := r.plan.chain.DAGBlock(block.Finalization[len(block.Finalization)-1]); ok {
			number, slot = int(spine.Height), block.Slot
		}
	}
	number = min(number+pick(d, 0, 0, d.upTo(9)), len(order)-1)
	for _, hash := range order[:number+1] {
		if block, ok := r.plan.chain.DAGBlock(hash); ok {
			slot = max(slot, block.Slot)
		}
	}
	r.gwatDisk.Lose(uint64(number), slot)
	return r.startGwatAgain
}

func gwatHangs(r *run, _ *fault, _ *seededRand) func() {
	r.gwatHost.paused = r.gwatHost.up
	return r.gwatHost.resume
}

func gwatLacks(r *run, f *fault, d *seededRand) func() {
	if r.gwatHost.up {
		slot := r.gwat.State().DAGSlot
		r.gwat.DropDAG(slot-min(slot, primSlot(d.upTo(8))), f.lasts)
		f.ended = r.now() + f.lasts
	}
	return nil
}

func gwatForeign(r *run, _ *fault, _ *seededRand) func() {
	r.killGwat()
	r.startGwatOn(r.plan.foreign, &gwatsim.Disk{}, false)
	incarnation := r.gwatHost.incarnation
	return func() {
		if r.gwatHost.incarnation == incarnation {
			r.killGwat()
			r.startGwat()
		}
	}
}

func gwatSlow(r *run, _ *fault, d *seededRand) func() {
	low := d.span(50*time.Millisecond, 2*second)
	high := low + d.span(0, r.plan.pair.PushTimeout)
	slow := func(on bool) {
		if !r.gwatHost.up {
			return
		}
		if !on {
			r.gwat.SetFault(nil)
			return
		}
		r.gwat.SetFault(func(method string) gwatsim.Fault {
			if method != callReady && method != callPush {
				return gwatsim.Fault{}
			}
			return gwatsim.Fault{Delay: newSeededRand(r.seed, digest(method), uint64(r.sched.count)).span(low, high)}
		})
	}
	slow(true)
	return func() { slow(false) }
}

func beaconKilled(r *run, _ *fault, d *seededRand) func() {
	r.killBeacon()
	speed := d.chance(70)
	return func() {
		if r.beaconHost.up {
			return
		}
		r.startBeaconAgain(speed, beaconsim.DriverOff)
	}
}

// startBeaconAgain starts the node where a restart puts it: at the last checkpoint.
func (r *run) startBeaconAgain(back bool, driver beaconsim.DriverMode) {
	if r.plan.beacon.SyncSpeed == 0 {
		r.plan.beacon.SyncSpeed = 20
	}
	slot := primSlot(0)
	if block, ok := r.plan.chain.Block(r.plan.chain.Finality(r.chainHead()).CurrentJustified.Root); ok && back {
		slot = max(block.Slot, 1)
	}
	r.startBeacon(slot, driver)
	r.beacon.SetIdle(r.plan.beacon.IdleWork && !r.healed)
}

func beaconHangs(r *run, _ *fault, _ *seededRand) func() {
	r.beaconHost.paused = r.beaconHost.up
	return r.beaconHost.resume
}

func beaconFrozen(r *run, _ *fault, _ *seededRand) func() {
	r.beacon.SetFrozenHead(true)
	return func() { r.beacon.SetFrozenHead(false) }
}

func beaconIdle(r *run, _ *fault, _ *seededRand) func() {
	r.beacon.SetIdle(true)
	return func() { r.beacon.SetIdle(false) }
}

func beaconForeign(r *run, _ *fault, _ *seededRand) func() {
	r.killBeacon()
	r.startBeaconOn(r.plan.foreign, 0, beaconsim.DriverOff)
	incarnation := r.beaconHost.incarnation
	return func() {
		if r.beaconHost.incarnation == incarnation {
			r.killBeacon()
			r.startBeaconAgain(false, beaconsim.DriverOff)
		}
	}
}

func beaconDrives(r *run, _ *fault, d *seededRand) func() {
	r.killBeacon()
	r.startBeaconAgain(d.chance(50), beaconsim.DriverOn)
	incarnation := r.beaconHost.incarnation
	return func() {
		if r.beaconHost.incarnation == incarnation && r.beaconHost.up {
			r.killBeacon()
			r.startBeaconAgain(false, beaconsim.DriverOff)
		}
	}
}

func rolledBack(r *run, _ *fault, d *seededRand) func() {
	if r.gwatHost.up {
		number := r.gwat.State().Finalized
		_ = r.gwat.RollbackTo(number - min(number, uint64(d.between(1, 20)))) // in memory it cannot fail
		r.competitorActs = append(r.competitorActs, r.now())
	}
	return nil
}

func syncdKilled(r *run, f *fault, d *seededRand) func() {
	r.killSyncd("as planned", d.chance(15), f.lasts)
	return nil
}

func syncdStopped(r *run, f *fault, _ *seededRand) func() {
	r.stopSyncd(f.lasts)
	return nil
}

func diskFull(r *run, _ *fault, _ *seededRand) func() {
	r.disk.full = true
	return func() { r.disk.full = false }
}

func diskSlow(r *run, _ *fault, d *seededRand) func() {
	r.disk.low = d.span(10*time.Millisecond, 500*time.Millisecond)
	r.disk.high = r.disk.low + d.span(0, 3*second)
	return func() { r.disk.low, r.disk.high = 0, 0 }
}

func clockJumps(r *run, _ *fault, d *seededRand) func() {
	off := d.span(second/2, pick(d, 5*second, 60*second))
	if d.chance(50) {
		off = -off
	}
	r.clock.off.Store(int64(off))
	return func() { r.clock.off.Store(0) }
}

func operatorPauses(r *run, _ *fault, _ *seededRand) func() {
	r.order("syncd_pause")
	return r.resumes
}
