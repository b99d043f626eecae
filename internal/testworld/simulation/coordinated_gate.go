package simulation

import (
	"bytes"
	"context"
	"reflect"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/internal/daemon"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/watch"
)

// coordinatedGatedShare is the share of the era's seeds in which syncd is between the nodes, in percent.
const coordinatedGatedShare = 35

// planGate reports whether syncd is between the nodes, and decides what the gate mends.
func (c *coordinatedPlan) planGate(d *seededRand) bool {
	share := pick(d, 0, 50, 50, 100)
	c.mends = gate.Mends{NullAnswers: d.chance(share), WithoutPeers: d.chance(share), Join: d.chance(share), Checkpoints: d.chance(share)}
	return d.chance(coordinatedGatedShare)
}

// mendsBy returns the mends of a process, which asks the beacon node what is canonical.
func (c *coordinatedRun) mendsBy(beacon *beaconclient.Client) gate.Mends {
	out := c.mends
	out.Canonical = func(ctx context.Context, root common.Hash) (bool, error) { return daemon.Canonical(ctx, beacon, root) }
	return out
}

// reportToGate connects the loop and the gate of a process, as the daemon does: each learns what the other sees.
func (c *coordinatedRun) reportToGate(r *watch.Report, g *gate.Gate) {
	r.View = func(seen watch.View) { g.SetView(daemon.GateView(seen)) }
	r.NullAnswers = func() int { return g.Status().NullAnswers }
}

// beaconsLink is the link on which the beacon node calls gwat.
func (c *coordinatedRun) beaconsLink() link {
	if c.plan.gated {
		return beaconGate
	}
	return beaconGwat
}

// beaconsURL is the address at which the beacon node calls gwat.
func (c *coordinatedRun) beaconsURL() string {
	if c.plan.gated {
		return gateURL
	}
	return gwatURL
}

// driversLink is the link on which the beacon node's calls reach gwat.
func (c *coordinatedRun) driversLink() link {
	if c.plan.gated {
		return gateGwat
	}
	return beaconGwat
}

// finalizes returns the calls of dag_finalize that were sent on a link, in order.
func (c *coordinatedRecord) finalizes(on link) (out []*exchange) {
	for _, x := range c.run.net.exchanges {
		if x.link == on && x.call == callFinalize {
			out = append(out, x)
		}
	}
	return out
}

// nullAnswers counts the answers of gwat that the gate saw by a time and that were null in every field.
func (c *coordinatedRecord) nullAnswers(by time.Duration) (count int) {
	for _, x := range c.finalizes(gateGwat) {
		if x.served != never && x.served <= by && bytes.Contains(x.answer, []byte(`"error":null`)) && bytes.Contains(x.answer, []byte(`"lfSpine":null`)) {
			count++
		}
	}
	return count
}

// checkGate: each call that reaches gwat through the gate is one of the beacon node's, once
// and as it came, but for the mode of one that is mended while gwat has no peers.
func (c *coordinatedRecord) checkGate() {
	sent := c.finalizes(beaconGate)
	left := map[string]int{}
	for _, b := range sent {
		left[string(b.body)]++
	}
	for _, x := range c.finalizes(gateGwat) {
		if left[string(x.body)] > 0 {
			left[string(x.body)]--
			continue
		}
		lonely := func(s *worldSample) bool { return s.gwat.Peers == 0 }
		switch origin := c.mended(x, sent); {
		case origin == nil:
			c.broken("gate", x.sent, "gwat was sent a dag_finalize that the beacon node did not make, or not so often")
		case !c.mends.WithoutPeers || c.plan.pair.Observe || c.paused(origin.arrived):
			c.broken("gate", x.sent, "the mode of a call was changed, and that mend is off")
		case !c.was(origin.arrived, x.sent, lonely):
			c.broken("gate", x.sent, "the mode of a call was changed though gwat has peers")
		}
	}
}

// mended returns the newest call of the beacon node that another one is but for its mode;
// nil if there is none.
func (c *coordinatedRecord) mended(x *exchange, sent []*exchange) (origin *exchange) {
	f, ok := finalizeOf(x)
	if !ok || f.Mode != coordinated.NoSync {
		return nil
	}
	for _, b := range sent {
		g, ok := finalizeOf(b)
		if g.Mode = coordinated.NoSync; ok && b.arrived != never && b.arrived <= x.sent && reflect.DeepEqual(f, g) {
			origin = b
		}
	}
	return origin
}
