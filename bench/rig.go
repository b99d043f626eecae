package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// costs are what the simulated nodes take their time for.
type costs struct {
	Answer   time.Duration // a REST answer of the beacon node
	Rollback time.Duration // a block that gwat rolls back
	Entry    time.Duration // an entry that gwat applies
}

// statedCosts are those of the issue.
var statedCosts = costs{Answer: 2 * time.Millisecond, Rollback: 20 * time.Millisecond, Entry: time.Millisecond}

func (c costs) String() string {
	return fmt.Sprintf("REST answer %s, rollback %s a block, entry %s", c.Answer, c.Rollback, c.Entry)
}

// neverSilent keeps gwat from going back to its own sync while it is measured.
const neverSilent = 1 << 20

// rig is a fresh simulated pair in the bench's own process. The beacon node makes
// no calls of normal work unless they are switched on.
type rig struct {
	chain     *network
	gwat      *gwatsim.Node
	beacon    *beaconsim.Node
	calls     *headCalls
	paths     *paths
	gwatURL   string
	beaconURL string
	close     func() error
}

// plan says what a rig is to be.
type plan struct {
	chain  *network
	costs  costs
	gwat   gwatsim.Config                       // beside chain and costs
	before func(http.Handler) http.Handler      // stands before gwat, if set
	at     func(head *world.BeaconBlock) uint64 // number at which gwat stands; nil: what gwat's config makes of it
}

func newRig(ctx context.Context, p plan) (*rig, error) {
	cfg := p.gwat
	cfg.Chain, cfg.Peers, cfg.FallbackSlots = p.chain, 3, neverSilent
	cfg.RollbackCost, cfg.EntryCost = p.costs.Rollback, p.costs.Entry
	head := p.chain.now()
	if p.at != nil {
		cfg.StartSlot = head.Slot
	}
	gwat, err := gwatsim.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("build gwat: %w", err)
	}
	if p.at != nil {
		if err := gwat.RollbackTo(p.at(head)); err != nil {
			return nil, fmt.Errorf("put gwat where it is to start: %w", err)
		}
	}
	r := &rig{chain: p.chain, gwat: gwat, calls: newHeadCalls(gwat), paths: &paths{}}
	gwatListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for gwat: %w", err)
	}
	beaconListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for the beacon node: %w", err), gwatListener.Close())
	}
	r.gwatURL, r.beaconURL = "http://"+gwatListener.Addr().String(), "http://"+beaconListener.Addr().String()
	r.beacon, err = beaconsim.New(beaconsim.Config{
		Chain: p.chain, Peers: 3, Gwat: r.gwatURL, Driver: beaconsim.DriverOff, IdleWork: true, AnswerCost: p.costs.Answer,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the beacon node: %w", err), gwatListener.Close(), beaconListener.Close())
	}
	handler := gwat.Handler()
	if p.before != nil {
		handler = p.before(handler)
	}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return gwat.Run(ctx) })
	group.Go(func() error { return r.beacon.Run(ctx) })
	group.Go(func() error { return r.calls.run(ctx) })
	group.Go(func() error { return simnet.Serve(ctx, gwatListener, handler) })
	group.Go(func() error { return simnet.Serve(ctx, beaconListener, r.paths.record(waiting(r.beacon.Handler()))) })
	r.close = func() error {
		cancel()
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	return r, nil
}

// head is the beacon node's once it runs: a block comes an eighth of a slot after
// its slot began, though a node that has just been built shows it at once.
func (r *rig) head() *world.BeaconBlock {
	const arrivalPart = 8
	spec := r.chain.Spec()
	return r.chain.HeadAt(spec.SlotAt(time.Now().Add(-spec.SlotDuration() / arrivalPart)))
}

// atCheckpoint puts gwat on the last checkpoint, with nothing past it.
func (n *network) atCheckpoint(head *world.BeaconBlock) uint64 { return n.number(n.checkpoint(head)) }

// check proves that gwat finalized what the beacon said up to least, in order.
// What the beacon will name in the next slots may be there too.
func (r *rig) check(least *world.BeaconBlock) error {
	const ahead = 3
	slot := r.chain.Spec().SlotAt(time.Now()) + ahead
	canonical, err := finalOrder(r.chain, canonicalSpines(r.chain, r.chain.HeadAt(slot)))
	if err != nil {
		return err
	}
	return checkOrder(r.gwat.FinalizedOrder(), canonical, int(r.chain.number(least))+1)
}

// finalized waits until gwat has finalized up to a head and no push runs.
func (r *rig) finalized(ctx context.Context, head *world.BeaconBlock, within time.Duration) error {
	target := r.chain.number(head)
	return waitFor(ctx, within, fmt.Sprintf("gwat to finalize number %d", target), func() bool {
		s := r.gwat.State()
		return s.Finalized >= target && s.Stage != gwatsim.StageHead
	})
}

// waitFor asks again and again until done says true.
func waitFor(ctx context.Context, within time.Duration, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", within, what, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// paths remembers which URLs the beacon node was asked for.
type paths struct {
	mu   sync.Mutex
	list []string
}

func (p *paths) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p.mu.Lock()
		p.list = append(p.list, req.URL.RequestURI())
		p.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

func (p *paths) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.list
	p.list = nil
	return out
}
