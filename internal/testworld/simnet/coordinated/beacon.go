package coordinated

import (
	"context"
	"sync"
	"time"
)

// Letter is a state of the beacon node's driver.
type Letter string

// The states of the driver.
const (
	Waits Letter = "W" // for its own initial sync, or a second after an error
	Asks  Letter = "C" // for gwat's state
	Main  Letter = "M" // drives gwat epoch by epoch
	Head  Letter = "H" // drives it to the head
	Works Letter = "N" // one call with each new head
)

// Beacon is a simulated beacon node. Its exported methods may be called concurrently.
type Beacon struct {
	net  *Network
	gwat Caller
	// SyncSpeed is how many slots a second its initial sync makes.
	SyncSpeed uint64

	mu       sync.Mutex
	head     uint64
	peers    int
	initial  bool // its initial sync runs
	frozen   bool // its head does not move
	letter   Letter
	driven   uint64 // head of the last call in N
	letters  []Letter
	exit     *uint64 // the epoch in which a validator leaves; nil if none does
	follower map[chan uint64]struct{}
}

// NewBeacon returns a beacon node with an empty database that drives the gwat behind call.
func NewBeacon(n *Network, call Caller, peers int) *Beacon {
	return &Beacon{net: n, gwat: call, SyncSpeed: 1000, peers: peers, initial: true, letter: Waits, follower: map[chan uint64]struct{}{}}
}

// SetPeers sets the number of its peers.
func (b *Beacon) SetPeers(n int) { b.change(func() { b.peers = n }) }

// Freeze has its head stand once its initial sync is over, or move again.
func (b *Beacon) Freeze(frozen bool) { b.change(func() { b.frozen = frozen }) }

// SetExit has a validator leave in an epoch.
func (b *Beacon) SetExit(epoch uint64) { b.change(func() { b.exit = &epoch }) }

// Restart is what a new process does: it begins at its last finalized block.
func (b *Beacon) Restart() {
	b.change(func() {
		b.head = b.net.State(b.head).FinalizedAt
		b.initial, b.letter, b.driven = true, Waits, 0
	})
}

// Wipe empties its database.
func (b *Beacon) Wipe() {
	b.change(func() { b.head, b.initial, b.letter, b.driven = 0, true, Waits, 0 })
}

// Letter returns the state of its driver, Letters all states that it was in.
func (b *Beacon) Letter() Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.letter
}

// Letters returns the states that the driver was in, in order.
func (b *Beacon) Letters() []Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Letter{}, b.letters...)
}

func (b *Beacon) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
}

// Standing returns the head, whether its initial sync runs, and the number of its peers.
func (b *Beacon) Standing() (head uint64, initial bool, peers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.head, b.initial, b.peers
}

// Run follows the network and drives gwat until ctx ends.
func (b *Beacon) Run(ctx context.Context) { b.run(ctx, b.drive) }

// Follow follows the network without driving a gwat, as a beacon node without an
// execution endpoint does, until ctx ends.
func (b *Beacon) Follow(ctx context.Context) {
	b.run(ctx, func(context.Context) Letter { return Waits })
}

func (b *Beacon) run(ctx context.Context, drive func(context.Context) Letter) {
	pace := min(b.net.SlotTime()/4, 250*time.Millisecond)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var wait time.Duration
	for ctx.Err() == nil {
		b.follow(pace)
		if wait -= pace; wait <= 0 {
			wait = 0
			if drive(ctx) == Waits {
				wait = time.Second
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// follow moves the head as far as the network and its peers let it.
func (b *Beacon) follow(pace time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clock := b.net.Slot()
	switch {
	case b.peers == 0 || b.frozen && !b.initial:
		return
	case b.initial:
		b.head = min(clock, b.head+max(1, uint64(float64(b.SyncSpeed)*pace.Seconds())))
		b.initial = b.head < clock
	case clock == b.head:
		return
	default:
		b.head = clock
	}
	for ch := range b.follower {
		select {
		case ch <- b.head:
		default:
		}
	}
}

// enter notes the driver's next state.
func (b *Beacon) enter(l Letter) Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.letters) == 0 || b.letters[len(b.letters)-1] != l {
		b.letters = append(b.letters, l)
	}
	b.letter = l
	return l
}

// drive takes one step of the driver and returns the state that it leads to.
func (b *Beacon) drive(ctx context.Context) Letter {
	head, initial, _ := b.Standing()
	if b.Letter() == Works {
		return b.work(ctx, head)
	}
	if initial && head == 0 {
		return b.enter(Waits)
	}
	b.enter(Asks)
	answer, err := b.gwat.State(ctx)
	if err != nil || answer.Error != nil || answer.LastFinalized == nil {
		return b.enter(Waits)
	}
	from, known := uint64(0), *answer.Root == zeroHash
	if !known {
		from, known = b.net.SlotOfRoot(*answer.Root)
	}
	if !known {
		return b.enter(Waits) // the coordinated state not found
	}
	b.enter(Main)
	for epoch := b.net.epoch(from) + 1; epoch <= b.net.epoch(head); epoch++ {
		if !b.finalize(ctx, epoch*b.net.SlotsPerEpoch, MainSync) {
			return b.enter(Waits)
		}
	}
	if initial {
		return b.enter(Waits) // H and N are skipped while it is not synced
	}
	b.enter(Head)
	if !b.finalize(ctx, head, HeadSync) {
		return b.enter(Waits)
	}
	b.change(func() { b.driven = head })
	return b.enter(Works)
}

// work makes the one call of a new head.
func (b *Beacon) work(ctx context.Context, head uint64) Letter {
	b.mu.Lock()
	seen := head == b.driven
	b.driven = head
	b.mu.Unlock()
	if seen || b.finalize(ctx, head, NoSync) {
		return Works
	}
	return b.enter(Waits)
}

// finalize makes one dag_finalize. An answer whose error is null counts as success, also
// when everything else is null.
func (b *Beacon) finalize(ctx context.Context, slot uint64, mode SyncMode) bool {
	answer, err := b.gwat.Finalize(ctx, b.net.Call(slot, mode))
	return err == nil && answer.Error == nil
}
