package beaconsim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const (
	syncTick    = 50 * time.Millisecond
	arrivalPart = 8 // a block arrives this part of a slot after the slot began
)

// Node is a simulated beacon node. Its handler answers from New on; its head
// moves and calls to gwat are made while Run runs.
type Node struct {
	cfg    Config
	chain  world.Chain
	spec   checkpoint.Spec
	gwat   *gwat // nil without an endpoint
	calls  *callLog
	hub    *hub
	gossip *gossip // nil where no block is bad
	rest   *faults
	done   chan struct{} // closed when Run has ended: open streams end with it
	wake   chan struct{} // the driver is done: catch up at once
	// caughtUp is closed when initial sync is done.
	caughtUp chan struct{}

	mu      sync.Mutex
	head    *world.BeaconBlock
	synced  bool // initial sync is done
	driving bool // the built-in driver is not done: the head does not move
	frozen  bool
	lag     primitives.Slot // the head follows the clock so many slots late
	idle    bool
	peers   uint64
}

// State is what a node says of itself.
type State struct {
	Head    *world.BeaconBlock
	Wall    primitives.Slot // the clock's slot
	Synced  bool            // initial sync is done
	Driving bool            // the built-in driver is not done
	Frozen  bool
}

// New builds a node on its stored head: as the real one does, it goes back to
// the last checkpoint of that head. Errors are ErrBadConfig or of the data dir.
func New(cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(time.Now()); err != nil {
		return nil, err
	}
	n := &Node{
		cfg:   cfg,
		chain: cfg.Chain,
		spec:  cfg.Chain.Spec(),
		calls: &callLog{},
		hub:   newHub(),
		rest:  newFaults(),
		done:  make(chan struct{}),
		wake:  make(chan struct{}, 1),

		caughtUp: make(chan struct{}),
		driving:  cfg.drives(),
		idle:     cfg.IdleWork,
		peers:    cfg.Peers,
	}
	if cfg.Gwat != "" {
		n.gwat = newGwat(cfg.Gwat, cfg.JWTSecret, cfg.Transport, n.calls)
	}
	wall := n.chain.HeadAt(n.spec.SlotAt(time.Now()))
	stored, err := loadHead(cfg.DataDir, n.chain)
	switch {
	case err != nil:
		return nil, err
	case cfg.SyncSpeed == 0:
		n.head, n.synced = wall, true
	case stored != nil:
		n.head = n.checkpointBlock(stored)
	default:
		n.head = world.AtOrBefore(n.chain, wall, cfg.StartSlot)
	}
	if cfg.marksBad() {
		n.gossip = newGossip(n)
	}
	return n, nil
}

// Run lives until ctx ends or the head cannot be kept; it is called once.
func (n *Node) Run(ctx context.Context) error {
	defer close(n.done)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.follow(ctx) })
	if n.gwat != nil {
		defer n.gwat.close()
		group.Go(func() error { n.greet(ctx); return nil })
		group.Go(func() error { n.work(ctx); return nil })
		if n.cfg.drives() {
			group.Go(func() error { n.drive(ctx); return nil })
		}
	}
	return group.Wait()
}

// State tells what the node is doing now.
func (n *Node) State() State {
	wall := n.wall()
	n.mu.Lock()
	defer n.mu.Unlock()
	return State{Head: n.head, Wall: wall, Synced: n.synced, Driving: n.driving, Frozen: n.frozen}
}

// SetFrozenHead holds the head where it is, or lets it go on.
func (n *Node) SetFrozenHead(frozen bool) {
	n.mu.Lock()
	n.frozen = frozen
	n.mu.Unlock()
	n.signal()
}

// SetLag has the head follow the clock so many slots late, at once: it goes back
// if it is past that.
func (n *Node) SetLag(slots primitives.Slot) {
	n.mu.Lock()
	n.lag = slots
	n.mu.Unlock()
	n.signal()
}

// follows is the slot whose head the node has when the blocks of slot have arrived.
func (n *Node) follows(slot primitives.Slot) primitives.Slot {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slot - min(slot, n.lag)
}

// SetIdle switches the calls of normal work off or on.
func (n *Node) SetIdle(idle bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.idle = idle
}

// SetPeers changes the number of peers.
func (n *Node) SetPeers(peers uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers = peers
}

func (n *Node) wall() primitives.Slot { return n.spec.SlotAt(time.Now()) }

func (n *Node) signal() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// checkpointBlock is the block of the last checkpoint in the state after head.
func (n *Node) checkpointBlock(head *world.BeaconBlock) *world.BeaconBlock {
	if block, ok := n.chain.Block(n.chain.Finality(head).CurrentJustified.Root); ok {
		return block
	}
	return n.chain.HeadAt(0)
}

// follow moves the head: first by initial sync, then with the clock.
func (n *Node) follow(ctx context.Context) error {
	if err := n.initialSync(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	if n.gossip != nil {
		defer n.gossip.work.Wait()
	}
	arrival := n.spec.SlotDuration() / arrivalPart
	for {
		now := time.Now()
		slot := n.spec.SlotAt(now.Add(-arrival))
		if !n.standsStill() {
			if err := n.receive(ctx, n.chain.HeadAt(n.follows(slot))); err != nil {
				return err
			}
		}
		if !wait(ctx, n.spec.SlotStart(slot+1).Add(arrival).Sub(now), n.wake) {
			return nil
		}
	}
}

// receive takes the newest block in.
func (n *Node) receive(ctx context.Context, block *world.BeaconBlock) error {
	n.mu.Lock()
	works := n.synced && !n.driving && !n.idle
	n.mu.Unlock()
	if n.gossip == nil || !works {
		return n.setHead(block)
	}
	return n.gossip.receive(ctx, block)
}

// initialSync walks up to the clock's head at the configured speed.
func (n *Node) initialSync(ctx context.Context) error {
	n.mu.Lock()
	progress, last, synced := float64(n.head.Slot), time.Now(), n.synced
	n.mu.Unlock()
	for !synced {
		if !wait(ctx, syncTick, nil) {
			return nil
		}
		now := time.Now()
		n.mu.Lock()
		if n.peers > 0 && !n.frozen {
			progress += n.cfg.SyncSpeed * now.Sub(last).Seconds()
		}
		n.mu.Unlock()
		last = now
		target := n.chain.HeadAt(n.wall())
		synced = progress >= float64(target.Slot)
		head := target
		if !synced {
			head = world.AtOrBefore(n.chain, target, primitives.Slot(progress))
		}
		if err := n.setHead(head); err != nil {
			return err
		}
	}
	n.mu.Lock()
	n.synced = true
	n.mu.Unlock()
	close(n.caughtUp)
	return nil
}

// standsStill: as recorded, the head does not move while the driver waits.
func (n *Node) standsStill() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.frozen || n.driving
}

// setHead takes a new head, keeps it and tells the event streams.
func (n *Node) setHead(head *world.BeaconBlock) error {
	before, synced := n.moveHead(head)
	if before.Root == head.Root {
		return nil
	}
	if err := storeHead(n.cfg.DataDir, head); err != nil {
		return fmt.Errorf("keep the head: %w", err)
	}
	if synced {
		n.publishFinality(before, head)
	}
	return nil
}

// moveHead takes a new head and tells the event streams of it. The disk does not know it.
func (n *Node) moveHead(head *world.BeaconBlock) (before *world.BeaconBlock, synced bool) {
	n.mu.Lock()
	before, synced = n.head, n.synced
	n.head = head
	n.mu.Unlock()
	if synced && before.Root != head.Root {
		n.publishHead(before, head)
	}
	return before, synced
}

// wait ends after d, or when wake is signalled; false if ctx ended first.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}
