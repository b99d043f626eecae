package coordinated

import (
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Gwat is a simulated gwat. Its exported methods may be called concurrently.
type Gwat struct {
	net *Network
	// BlockTime is how long it loads one block from a peer.
	BlockTime time.Duration
	// Serves reports whether ServeHTTP serves a method; nil is all, as IPC does.
	Serves func(method string) bool

	work chan struct{} // the lock that dag_finalize takes, without a limit: holds an element while it is free

	mu      sync.Mutex
	final   uint64 // slot of the last finalized spine
	local   uint64 // newest slot whose block it has
	point   Checkpoint
	points  map[common.Hash]Checkpoint // by spine: the first writer wins
	synced  bool
	loading int
	peers   []string // enodes
	heard   time.Time
	wedged  bool
	calls   []Call
	ended   chan struct{} // closed when the process ends
}

// Call is one dag_finalize that a Gwat was asked for.
type Call struct {
	At     time.Time
	Asked  Finalize
	Answer Answer
}

// NewGwat returns an empty gwat with peers.
func NewGwat(n *Network, enodes ...string) *Gwat {
	g := &Gwat{net: n, points: map[common.Hash]Checkpoint{}, peers: enodes, work: make(chan struct{}, 1), ended: make(chan struct{})}
	g.work <- struct{}{}
	g.point = Checkpoint{Spine: n.Spine(0)}
	return g
}

// Stop ends the process: calls under way return without an effect. What Restart begins is
// the next process.
func (g *Gwat) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !over(g.ended) {
		close(g.ended)
	}
}

// over reports whether a process has ended.
func over(ended chan struct{}) bool {
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

// Restart is what a new process does: it goes back to the spine of its last checkpoint and
// tells the checkpoint before, is not in normal work, and knows the peers that it is given.
func (g *Gwat) Restart(enodes ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slot, ok := g.net.SlotOfSpine(g.point.Spine); ok {
		g.final = min(g.final, slot)
	}
	before := Checkpoint{Spine: g.net.Spine(0)}
	for _, p := range g.points {
		if p.Epoch >= before.Epoch && p.Epoch < g.point.Epoch {
			before = p
		}
	}
	g.point = before
	g.synced, g.peers, g.wedged = false, enodes, false
	g.heard = time.Time{}
	if over(g.ended) {
		g.ended, g.loading = make(chan struct{}), 0
	}
}

// Wipe empties its database.
func (g *Gwat) Wipe() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unfinalize()
	g.local = 0
}

// Unfinalize has it keep its blocks, of which none is final any more.
func (g *Gwat) Unfinalize() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unfinalize()
}

func (g *Gwat) unfinalize() {
	g.final, g.point = 0, Checkpoint{Spine: g.net.Spine(0)}
	g.points = map[common.Hash]Checkpoint{}
}

// Wedge has it refuse every block from now on, until it is restarted.
func (g *Gwat) Wedge() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wedged = true
}

// SetPeers replaces its peers.
func (g *Gwat) SetPeers(enodes ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peers = enodes
}

// Standing is what a Gwat is at a time.
type Standing struct {
	Final, Local uint64      // slots of the last finalized spine and of the newest block
	Epoch        uint64      // of its last call
	Point        common.Hash // root of its checkpoint
	Synced       bool        // eth_syncing is false
	Peers        int
	Wedged       bool
}

// Standing returns what it is now.
func (g *Gwat) Standing() Standing {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gossip()
	return Standing{Final: g.final, Local: g.local, Epoch: g.point.FinEpoch, Point: g.point.Root, Synced: g.synced, Peers: len(g.peers), Wedged: g.wedged}
}

// Forge replaces the root of its checkpoint, as a call with a root of no block does.
func (g *Gwat) Forge(root common.Hash) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.point.Root = root
}

// Peers returns the enodes of its peers.
func (g *Gwat) Peers() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string{}, g.peers...)
}

// AddPeer adds a peer, as admin_addPeer does.
func (g *Gwat) AddPeer(enode string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peers = append(g.peers, enode)
}

// Calls returns every dag_finalize so far.
func (g *Gwat) Calls() []Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Call{}, g.calls...)
}

// Syncing reports whether eth_syncing is not false.
func (g *Gwat) Syncing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gossip()
	return !g.synced
}

// gossip takes in the blocks that the network has made since; mu is held.
func (g *Gwat) gossip() {
	if g.synced && g.net.now().Sub(g.heard) > time.Duration(g.net.SlotsPerEpoch)*g.net.SlotTime() {
		g.synced = false // without a dag_finalize for an epoch
	}
	if g.synced && len(g.peers) > 0 && !g.wedged {
		g.local = max(g.local, g.net.Slot())
	}
}

// State is the answer of dag_coordinatedState.
func (g *Gwat) State() Answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.loading > 0 {
		return failedWith(errSynchronization)
	}
	return g.state()
}

func (g *Gwat) state() Answer {
	last, epoch, root := g.net.Spine(g.final), g.point.FinEpoch, g.point.Root
	return Answer{LastFinalized: &last, Epoch: &epoch, Root: &root}
}

// Finalize carries out a dag_finalize whose parameters are complete: a nil checkpoint
// changes nothing, everything else takes the steps of a real gwat in their order.
func (g *Gwat) Finalize(f Finalize) Answer {
	g.mu.Lock()
	g.heard = g.net.now() // a sign of life of the coordinator, also when it is refused
	busy, ended := g.loading > 0, g.ended
	if f.Checkpoint == nil {
		defer g.mu.Unlock()
		return g.state()
	}
	g.mu.Unlock()

	select { // waits without a limit
	case <-g.work:
		defer func() { g.work <- struct{}{} }()
	case <-ended:
	}
	if over(ended) {
		return failedWith(errStopped)
	}
	a := g.finalize(f, ended)
	if over(ended) {
		return failedWith(errStopped)
	}
	if busy {
		text := errSynchronization // something else ran meanwhile; it is done all the same
		a.Error = &text
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, Call{At: g.net.now(), Asked: f, Answer: a})
	return a
}

func (g *Gwat) finalize(f Finalize, ended chan struct{}) Answer {
	base, spines, answer := g.base(f)
	if answer != nil {
		return *answer
	}
	switch f.Mode {
	case NoSync, MainSync, HeadSync:
	default:
		return failedWith("bad sync mode=%d", f.Mode)
	}
	if answer := g.load(f.Mode, spines, ended); answer != nil {
		return *answer
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(spines) > 0 {
		last, known := g.net.SlotOfSpine(spines[len(spines)-1])
		if !known || g.wedged {
			return Answer{} // spine not found: all null, and no error
		}
		g.final = max(base, last)
	}
	g.store(*f.Checkpoint)
	if _, known := g.net.SlotOfSpine(f.Checkpoint.Spine); !known {
		return failedWith(errCheckpoint)
	}
	if f.Mode != MainSync {
		g.synced = true
	}
	return g.state()
}

// store keeps a checkpoint, unchecked. It is stored by spine, and the first writer wins,
// but what the call named is what the state says.
func (g *Gwat) store(c Checkpoint) {
	if _, there := g.points[c.Spine]; !there {
		g.points[c.Spine] = c
	}
	g.point = c
}

// base returns the slot from which a call goes on and the spines behind it. Leading
// spines that are final already are dropped, and the base moves on over them.
func (g *Gwat) base(f Finalize) (uint64, []common.Hash, *Answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	spines := f.Spines
	for i, s := range spines {
		if s == *f.BaseSpine {
			spines = spines[i+1:]
			break
		}
	}
	if len(f.Spines) == 0 {
		return g.final, nil, nil // nothing to finalize: the base does not matter
	}
	base, known := g.net.SlotOfSpine(*f.BaseSpine)
	if !known || base > g.final {
		refused := failedWith(errBaseSpine)
		return 0, nil, &refused
	}
	for len(spines) > 0 {
		slot, known := g.net.SlotOfSpine(spines[0])
		if !known || slot > g.final {
			break
		}
		base, spines = max(base, slot), spines[1:]
	}
	return base, spines, nil
}

// load has the blocks of the spines: from its database, or from its peers.
func (g *Gwat) load(mode SyncMode, spines []common.Hash, ended chan struct{}) *Answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	target := g.local
	missing, unknown := false, false
	for _, s := range spines {
		slot, known := g.net.SlotOfSpine(s)
		unknown = unknown || !known
		missing = missing || !known || slot > g.local
		if known {
			target = max(target, slot)
		}
	}
	switch {
	case mode == NoSync && !missing, mode == MainSync && len(spines) == 0:
		return nil
	case mode == NoSync:
		g.synced = false
	case mode == HeadSync && unknown && len(g.peers) > 0:
		return &Answer{}
	case mode == HeadSync:
		target = g.net.Slot()
	}
	if len(g.peers) == 0 || unknown {
		refused := failedWith(errNoPeers)
		return &refused
	}
	g.loading++
	blocks := target - min(target, g.local)
	if mode == MainSync { // it loads again what is local
		blocks = max(blocks, uint64(len(spines)))
	}
	pause := time.Duration(blocks) * g.BlockTime
	g.mu.Unlock()
	if pause > 0 {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ended:
			timer.Stop()
		}
	}
	g.mu.Lock()
	if over(ended) {
		stopped := failedWith(errStopped)
		return &stopped
	}
	g.loading--
	if !g.wedged {
		g.local = max(g.local, target)
	}
	return nil
}
