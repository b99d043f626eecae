package pair

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/pair/reach"
)

// maxEntries bounds the beacon blocks that looks keep: a completed one leaves four.
const maxEntries = 64

// slowEvery is every how many looks the things that hardly change are read again.
const slowEvery = 30

// question is what the loop wants to know beside what is always read.
type question struct {
	identity   bool          // who the nodes are
	identified bool          // that is known, and read again only
	calls      bool          // whether gwat answers the calls of normal work
	spines     []common.Hash // further gwat blocks
	within     time.Duration // how long the look may take
}

// observation is one look at both nodes.
type observation struct {
	start    time.Time
	at       time.Time // when it was complete
	done     time.Time // the same by the clock that never jumps
	gwat     gwatLook
	beacon   beaconLook
	identity *checkpoint.Identity // nil if it was not asked for or not had
	blocks   map[common.Hash]*gwatclient.Block
	calls    bool // the calls of normal work were tried
	callsErr error
}

type gwatLook struct {
	err     error
	latency time.Duration // of the first call
	slowest time.Duration // of the slowest call
	sync    gwatclient.SyncStatus
	latest  *gwatclient.Block
	peers   *uint64 // if this look read them
}

type beaconLook struct {
	err     error
	latency time.Duration // of the first call
	slowest time.Duration // of the slowest call
	told    time.Time     // when it told its clock's slot
	peers   *uint64       // if this look read them
	syncing beaconclient.Syncing
	head    beaconEntry
	// The beacon's checkpoints, newest first: current justified, previous
	// justified, finalized; empty before the first justification.
	justified checkpoint.Checkpoint
	points    []beaconEntry
	finalized *uint64 // slot of the finalized checkpoint's block, if it was had
}

// beaconEntry is a beacon block as far as a look needs it.
type beaconEntry struct {
	header beaconclient.Header
	spines []common.Hash
}

func (e beaconEntry) lastSpine() (common.Hash, bool) {
	if len(e.spines) == 0 {
		return common.Hash{}, false
	}
	return e.spines[len(e.spines)-1], true
}

// up tells whether both nodes answered.
func (o *observation) up() bool { return o.gwat.err == nil && o.beacon.err == nil }

// answered reports whether every call of the look had an answer of the node's own,
// an error that the node itself answers included.
func (o *observation) answered() bool {
	return o.up() && !errors.Is(o.callsErr, gwatclient.ErrMalformed) &&
		!errors.Is(o.callsErr, gwatclient.ErrHTTPStatus) && !errors.Is(o.callsErr, gwatclient.ErrLost)
}

// took is how long the look took.
func (o *observation) took() time.Duration { return o.at.Sub(o.start) }

// number returns gwat's last finalized number, nil if it is not known: while the
// head-sync lock is held and gwat rolls back, it says 0.
func (o *observation) number() *uint64 {
	if o.gwat.latest == nil || o.gwat.latest.Number == nil {
		return nil
	}
	if *o.gwat.latest.Number == 0 && o.gwat.sync.Stage == gwatclient.StageHead {
		return nil
	}
	return o.gwat.latest.Number
}

// state is what gwat has of a spine that was read.
func (o *observation) state(spine common.Hash) checkpoint.SpineState {
	b := o.blocks[spine]
	if b == nil {
		return checkpoint.SpineUnknown
	}
	return checkpoint.BlockState(true, b.Number, b.Height)
}

// height is that of a spine that was read; 0 if gwat does not have it.
func (o *observation) height(spine common.Hash) uint64 {
	if b := o.blocks[spine]; b != nil {
		return b.Height
	}
	return 0
}

// extras are read seldom and kept to be shown.
type extras struct{ gwat, beacon extra }

type extra struct {
	version string
	peers   *uint64
}

// note takes in what a look has read.
func (e *extra) note(versioned bool, version string, peers *uint64) {
	if versioned {
		e.version, e.peers = version, peers
	} else if peers != nil {
		e.peers = peers
	}
}

// observer looks at both nodes. One look runs at a time.
type observer struct {
	gwat   gwatNode
	beacon beaconNode
	now    func() time.Time
	looks  int

	gwatPeers, beaconPeers peerWatch

	spec     *checkpoint.Spec
	entries  map[common.Hash]beaconEntry // of the head and the checkpoints
	finality beaconclient.Finality
	finalAt  common.Hash // the head that finality belongs to

	blocks map[common.Hash]*gwatclient.Block // of the look before
	latest common.Hash

	mu     sync.Mutex
	extras extras
}

func (o *observer) look(ctx context.Context, q question) *observation {
	ctx, cancel := context.WithTimeout(ctx, q.within)
	defer cancel()
	obs := &observation{start: o.now(), blocks: map[common.Hash]*gwatclient.Block{}}
	slow := o.looks%slowEvery == 0 || q.identity
	o.looks++
	var wg sync.WaitGroup
	wg.Go(func() { obs.gwat = o.lookGwat(ctx, slow) })
	wg.Go(func() { obs.beacon = o.lookBeacon(ctx, slow || o.spec == nil) })
	wg.Wait()
	if obs.up() {
		o.lookAcross(ctx, q, obs)
	}
	obs.at, obs.done = o.now(), time.Now()
	return obs
}

func (o *observer) lookGwat(ctx context.Context, slow bool) (g gwatLook) {
	if g.sync, g.err = timed(&g.slowest, func() (gwatclient.SyncStatus, error) { return o.gwat.Syncing(ctx) }); g.err != nil {
		return g
	}
	g.latency = g.slowest
	if g.latest, g.err = timed(&g.slowest, func() (*gwatclient.Block, error) { return o.gwat.Latest(ctx) }); g.err != nil {
		return g
	}
	if slow || o.gwatPeers > 0 {
		g.peers = o.gwatPeers.read(func() (uint64, error) { return o.gwat.PeerCount(ctx) })
	}
	version := ""
	if slow {
		version, _ = o.gwat.ClientVersion(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.extras.gwat.note(slow, version, g.peers)
	return g
}

// timed makes a call and keeps in slowest how long the slowest one took. A
// latency is no matter of the wall clock, which may jump.
func timed[T any](slowest *time.Duration, call func() (T, error)) (T, error) {
	start := time.Now()
	out, err := call()
	*slowest = max(*slowest, time.Since(start))
	return out, err
}

func (o *observer) lookBeacon(ctx context.Context, slow bool) (b beaconLook) {
	if b.syncing, b.err = timed(&b.slowest, func() (beaconclient.Syncing, error) { return o.beacon.Syncing(ctx) }); b.err != nil {
		return b
	}
	b.latency, b.told = b.slowest, o.now()
	if slow {
		if b.err = o.lookBeaconSlow(ctx); b.err != nil {
			return b
		}
	}
	if slow || o.beaconPeers > 0 {
		b.peers = o.beaconPeers.read(func() (uint64, error) { return o.beacon.PeerCount(ctx) })
		o.mu.Lock()
		o.extras.beacon.note(false, "", b.peers)
		o.mu.Unlock()
	}
	head, err := timed(&b.slowest, func() (beaconclient.Header, error) { return o.beacon.Header(ctx, beaconclient.Head) })
	if err != nil {
		b.err = fmt.Errorf("read the head: %w", err)
		return b
	}
	if b.head, b.err = o.entry(ctx, head); b.err != nil {
		return b
	}
	b.err = o.lookCheckpoints(ctx, head, &b)
	return b
}

func (o *observer) lookBeaconSlow(ctx context.Context) error {
	spec, err := o.beacon.Spec(ctx)
	if err != nil {
		return fmt.Errorf("read the network's constants: %w", err)
	}
	version, _ := o.beacon.Version(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spec = &spec
	o.extras.beacon.version = version
	return nil
}

// lookCheckpoints reads the checkpoints; they change only with the head.
func (o *observer) lookCheckpoints(ctx context.Context, head beaconclient.Header, b *beaconLook) error {
	if o.finalAt != head.Root {
		finality, err := o.beacon.Finality(ctx, beaconclient.StateHead)
		if err != nil {
			return fmt.Errorf("read the last checkpoint: %w", err)
		}
		o.finality, o.finalAt = finality, head.Root
	}
	b.justified = o.finality.CurrentJustified
	kept := map[common.Hash]beaconEntry{b.head.header.Root: b.head}
	for _, cp := range []checkpoint.Checkpoint{o.finality.CurrentJustified, o.finality.PreviousJustified, o.finality.Finalized} {
		if cp.IsGenesis() {
			continue
		}
		e, ok := o.entries[cp.Root]
		if !ok {
			h, err := o.beacon.Header(ctx, beaconclient.AtRoot(cp.Root))
			if errors.Is(err, beaconclient.ErrNotFound) || errors.Is(err, beaconclient.ErrStarting) {
				continue // a node that was started from a checkpoint may lack older ones, one that was just started, any
			}
			if err != nil {
				return fmt.Errorf("read the block of the checkpoint of epoch %d: %w", cp.Epoch, err)
			}
			if e, err = o.entry(ctx, h); errors.Is(err, beaconclient.ErrStarting) {
				continue
			} else if err != nil {
				return err
			}
		}
		if cp == o.finality.Finalized {
			slot := uint64(e.header.Slot)
			b.finalized = &slot
		}
		kept[cp.Root] = e
		b.points = append(b.points, e)
	}
	o.entries = kept
	return nil
}

// entry reads the body of a block, unless it was read before. What a look has read
// stays, even if it is not completed in its time: far from the node no look would
// be, if each began with nothing.
func (o *observer) entry(ctx context.Context, h beaconclient.Header) (beaconEntry, error) {
	if e, ok := o.entries[h.Root]; ok {
		return e, nil
	}
	b, err := o.beacon.Block(ctx, beaconclient.AtRoot(h.Root))
	if err != nil {
		return beaconEntry{}, fmt.Errorf("read the block at slot %d: %w", h.Slot, err)
	}
	if len(o.entries) >= maxEntries {
		clear(o.entries)
	}
	e := beaconEntry{header: h, spines: b.Finalization}
	o.entries[h.Root] = e
	return e, nil
}

// lookAcross reads from gwat what the beacon named.
func (o *observer) lookAcross(ctx context.Context, q question, obs *observation) {
	if locked := obs.gwat.sync.Stage == gwatclient.StageHead; q.identity && !(locked && q.identified) {
		if locked {
			obs.identity, obs.gwat.err = o.identifyLocked(ctx, q.within/2)
		} else {
			obs.identity, obs.gwat.err = o.identify(ctx)
		}
		if obs.gwat.err != nil {
			return
		}
	}
	spines := append([]common.Hash{}, q.spines...)
	spines = append(spines, obs.beacon.head.spines...)
	for _, p := range obs.beacon.points {
		if s, ok := p.lastSpine(); ok {
			spines = append(spines, s)
		}
	}
	if o.settled(spines, obs.gwat.latest.Hash) {
		obs.blocks = o.blocks
	} else {
		blocks, err := timed(&obs.gwat.slowest, func() ([]*gwatclient.Block, error) { return o.gwat.BlocksByHash(ctx, spines) })
		if err != nil {
			obs.gwat.err = fmt.Errorf("read spines: %w", err)
			return
		}
		for i, b := range blocks {
			obs.blocks[spines[i]] = b
		}
		o.blocks, o.latest = obs.blocks, obs.gwat.latest.Hash
	}
	if q.calls {
		obs.calls = true
		_, obs.callsErr = timed(&obs.gwat.slowest, func() ([]common.Hash, error) {
			return o.gwat.Candidates(ctx, obs.beacon.head.header.Slot)
		})
	}
}

// settled tells that the look before has read all of spines, that all were final,
// and that gwat's last finalized block is the same as then: nothing is new.
func (o *observer) settled(spines []common.Hash, latest common.Hash) bool {
	if latest != o.latest {
		return false
	}
	for _, s := range spines {
		if b := o.blocks[s]; b == nil || !b.IsSpine() {
			return false
		}
	}
	return true
}

// identifyLocked reads who the nodes are from a gwat whose head-sync lock is held:
// dag_syncSlotInfo may get no answer until it is free, which is no error.
func (o *observer) identifyLocked(ctx context.Context, within time.Duration) (*checkpoint.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	identity, err := o.identify(ctx)
	if reach.TimedOut(err) {
		return nil, nil
	}
	return identity, err
}

func (o *observer) identify(ctx context.Context) (*checkpoint.Identity, error) {
	chainID, err := o.gwat.ChainID(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the chain id: %w", err)
	}
	ok, err := o.gwat.SyncSlotInfo(ctx, gwatclient.SlotInfo{
		GenesisTime: o.spec.GenesisTime, SecondsPerSlot: o.spec.SecondsPerSlot, SlotsPerEpoch: o.spec.SlotsPerEpoch,
	})
	if err != nil {
		return nil, fmt.Errorf("compare slot info: %w", err)
	}
	return &checkpoint.Identity{GwatChainID: chainID, Spec: *o.spec, SlotInfo: ok}, nil
}

func (o *observer) shown() extras {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.extras
}

// progress gives the beacon's sync in the words of the checkpoint package.
func (b *beaconLook) progress(now primitives.Slot) checkpoint.BeaconProgress {
	return checkpoint.BeaconProgress{Head: b.syncing.HeadSlot, Distance: b.syncing.Distance, Now: now}
}
