package simulation

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// incidentKinds are the incidents of real pairs of the coordinated era.
var incidentKinds = []*faultKind{
	{name: "A1 gwat stopped", weight: 8, low: 2 * second, high: 60 * second, begin: gwatHangs},
	{name: "beacon stopped", weight: 5, low: 2 * second, high: 40 * second, begin: beaconHangs},
	{name: "B1 gwat killed", weight: 9, low: 100 * time.Millisecond, high: 40 * second, begin: era((*coordinatedRun).gwatKilled)},
	{name: "B2 gwat back without peers", weight: 14, low: 10 * second, high: 120 * second, begin: era((*coordinatedRun).gwatAlone), heal: healsPeers},
	{name: "gwat loses its peers", weight: 5, low: 5 * second, high: 90 * second, begin: era((*coordinatedRun).gwatLosesPeers), heal: healsPeers},
	{name: "B3 foreign checkpoint", weight: 14, low: 10 * second, high: 120 * second, begin: era((*coordinatedRun).forged), heal: healsCheckpoint},
	{name: "B4 beacon without peers", weight: 7, low: 5 * second, high: 90 * second, begin: era((*coordinatedRun).beaconAlone)},
	{name: "B5 gwat wiped", weight: 6, low: second, high: 10 * second, begin: era((*coordinatedRun).gwatWiped)},
	{name: "B6 beacon wiped", weight: 5, low: second, high: 10 * second, begin: era((*coordinatedRun).beaconWiped)},
	{name: "B7 beacon silent", weight: 14, low: 20 * second, high: 120 * second, begin: era((*coordinatedRun).beaconSilent), heal: healsSilence},
	{name: "A2' gwat wedged", weight: 9, low: 20 * second, high: 120 * second, begin: era((*coordinatedRun).gwatWedged), heal: healsWedge},
	{name: "A3 beacon killed", weight: 7, low: 100 * time.Millisecond, high: 30 * second, begin: era((*coordinatedRun).beaconKilled)},
	{name: "S beacon's head does not move", weight: 5, low: 10 * second, high: 120 * second, begin: era((*coordinatedRun).beaconStands)},
	{name: "the pair is paused", weight: 9, low: 15 * second, high: 90 * second, begin: operatorPauses},
	{name: "a validator leaves", weight: 6, low: 10 * second, high: 120 * second, begin: era((*coordinatedRun).validatorLeaves)},
}

// sharedKinds are the faults that are the same in both eras.
var sharedKinds = slices.DeleteFunc(slices.Clone(faultKinds), func(k *faultKind) bool {
	return !slices.Contains([]string{
		"slow link", "requests refused", "no way", "requests reset", "requests late", "answers reset", "answers cut", "answers garbled", "answers of a proxy",
		"answers never", "events lost", "events cut", "events garbled", "syncd killed", "syncd stopped", "disk full", "disk slow", "clock jumps", "operator pauses",
	}, k.name)
})

func healsPeers(c *coordinatedPlan) bool      { return c.heals.Peers && !c.authRPC }
func healsCheckpoint(c *coordinatedPlan) bool { return c.heals.Checkpoint }
func healsSilence(c *coordinatedPlan) bool    { return c.heals.RestartBeacon != "" }
func healsWedge(c *coordinatedPlan) bool      { return c.heals.RestartGwat != "" && !c.authRPC }

// era makes a fault of a run of the coordinated era.
func era(begin func(c *coordinatedRun, f *fault, d *seededRand) func()) func(*run, *fault, *seededRand) func() {
	return func(r *run, f *fault, d *seededRand) func() { return begin(r.coordinated, f, d) }
}

// later has something done a while after a fault began, unless all is over by then.
func (c *coordinatedRun) later(after time.Duration, do func()) {
	c.sched.at(c.now()+after, digest("later"), func() {
		if !c.healed || c.lasting && !c.rescued {
			do()
		}
	})
}

// unless returns end, or nothing to do if the fault lasts until it is healed.
func (f *fault) unless(end func()) func() {
	if f.forHeal {
		return func() {}
	}
	return end
}

func (c *coordinatedRun) gwatKilled(*fault, *seededRand) func() {
	c.killGwat()
	return func() { c.startGwat(enodes...) }
}

func (c *coordinatedRun) gwatAlone(f *fault, d *seededRand) func() {
	c.killGwat()
	c.later(d.span(second, 6*second), func() { c.startGwat() })
	return f.unless(c.findPeers)
}

// findPeers has gwat find its peers again.
func (c *coordinatedRun) findPeers() {
	if len(c.gwat.Peers()) == 0 {
		c.gwat.SetPeers(enodes...)
	}
}

func (c *coordinatedRun) gwatLosesPeers(f *fault, _ *seededRand) func() {
	c.gwat.SetPeers()
	return f.unless(c.findPeers)
}

// forged gives gwat a checkpoint of another chain; a beacon node that begins then does not
// know it. In some cases gwat has lost the spine of every checkpoint as well, or has not
// finalized it.
func (c *coordinatedRun) forged(f *fault, d *seededRand) func() {
	if d.chance(40) && c.gwatHost.up {
		c.killGwat()
		if d.chance(50) {
			c.gwat.Wipe()
		} else {
			c.gwat.Unfinalize()
		}
		c.startGwat(enodes...)
	}
	c.gwat.Forge(common.HexToHash("0xbebe"))
	c.killBeacon()
	c.later(d.span(100*time.Millisecond, 3*second), c.startBeacon)
	return f.unless(func() {
		c.killGwat()
		c.gwat.Wipe()
		c.startGwat(enodes...)
		c.killBeacon()
		c.startBeacon()
	})
}

func (c *coordinatedRun) beaconAlone(_ *fault, d *seededRand) func() {
	c.beacon.SetPeers(0)
	if d.chance(60) {
		c.killBeacon()
		c.later(d.span(100*time.Millisecond, 3*second), c.startBeacon)
	}
	return func() { c.beacon.SetPeers(3) }
}

func (c *coordinatedRun) gwatWiped(*fault, *seededRand) func() {
	c.killGwat()
	c.gwat.Wipe()
	return func() { c.startGwat(enodes...) }
}

func (c *coordinatedRun) beaconWiped(*fault, *seededRand) func() {
	c.killBeacon()
	c.beacon.Wipe()
	return c.startBeacon
}

// beaconSilent is a gwat that is restarted while the beacon's head does not move. Where it moves
// under a drive it is emptied as well, most often, so that the drive has many epochs to go over.
func (c *coordinatedRun) beaconSilent(f *fault, d *seededRand) func() {
	c.beacon.Freeze(true)
	c.killGwat()
	c.later(d.span(second, 8*second), func() { c.startGwat(enodes...) })
	if c.heals.Drive && c.moves && d.chance(90) {
		c.gwat.Wipe()
	}
	return f.unless(func() { c.beacon.Freeze(false) })
}

func (c *coordinatedRun) gwatWedged(f *fault, _ *seededRand) func() {
	c.gwat.Wedge()
	return f.unless(func() {
		if c.gwat.Standing().Wedged {
			c.killGwat()
			c.startGwat(enodes...)
		}
	})
}

func (c *coordinatedRun) beaconKilled(*fault, *seededRand) func() {
	c.killBeacon()
	return c.startBeacon
}

func (c *coordinatedRun) beaconStands(*fault, *seededRand) func() {
	c.beacon.Freeze(true)
	return func() { c.beacon.Freeze(false) }
}

// validatorLeaves has a validator leave in an epoch that comes.
func (c *coordinatedRun) validatorLeaves(_ *fault, d *seededRand) func() {
	c.leaves = append(c.leaves, leaving{c.now(), c.net.Slot()/c.epoch + uint64(d.upTo(6))})
	c.beacon.SetExit(c.leaves[len(c.leaves)-1].epoch)
	return nil
}
