package poll

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/reach"
	"github.com/gwatsync/syncd/protocol"
)

// maxEntries bounds the beacon blocks that polls keep: a completed one leaves four.
const maxEntries = 64

// MaxAge is how old the answer that gwat does not sync may be when a poll ends, and how old
// the poll when it is evaluated.
const MaxAge = time.Second

// SlowEvery is every how many polls what hardly changes is read again.
const SlowEvery = 30

// Extras are read seldom and kept to be shown.
type Extras struct{ Gwat, Beacon Extra }

// Extra is the version of a node and the number of its peers, as last read.
type Extra struct {
	Version string
	Peers   *uint64
}

// Poller polls both nodes. One poll runs at a time; only Extras may be called beside it.
type Poller struct {
	gwat   GwatNode
	beacon BeaconNode
	now    func() time.Time
	polls  int

	late struct {
		gwat   reach.Late[Gwat]
		beacon reach.Late[Beacon]
	}

	gwatPeers, beaconPeers peerWatch

	spec     *checkpoint.Spec
	entries  map[common.Hash]Entry // of the head and the checkpoints
	finality beaconclient.Finality
	finalAt  common.Hash // the head that finality belongs to

	blocks map[common.Hash]*gwatclient.Block // of the poll before
	latest common.Hash

	mu     sync.Mutex
	extras Extras
}

// New returns a poller of two nodes.
func New(gwat GwatNode, beacon BeaconNode, now func() time.Time) *Poller {
	return &Poller{gwat: gwat, beacon: beacon, now: now, entries: map[common.Hash]Entry{}}
}

// Poll reads both nodes at the same time, then what needs an answer of both. Of a node that
// left the poll before without an answer it waits for one no longer than q.Again.
func (p *Poller) Poll(ctx context.Context, q Question) *Observation {
	began := time.Now()
	obs := &Observation{Start: p.now(), Began: began, Blocks: map[common.Hash]*gwatclient.Block{}}
	slow := p.polls%SlowEvery == 0 || q.Identity
	p.polls++
	var wg sync.WaitGroup
	var gwatBegun, beaconBegun time.Time
	var gwatTook, beaconTook time.Duration
	gwatSlow, beaconSlow := slow || p.late.gwat.Silent(), slow || p.late.beacon.Silent() // a later poll may take the answer
	wg.Go(func() {
		var err error
		obs.Gwat, gwatBegun, err = p.late.gwat.Read(ctx, q.Within, q.Again, func(ctx context.Context) Gwat { return p.pollGwat(ctx, gwatSlow) })
		if gwatTook = time.Since(began); err != nil {
			obs.Gwat.Err, gwatTook = err, q.Within
		}
	})
	wg.Go(func() {
		var err error
		obs.Beacon, beaconBegun, err = p.late.beacon.Read(ctx, q.Within, q.Again, func(ctx context.Context) Beacon { return p.pollBeacon(ctx, beaconSlow) })
		if beaconTook = time.Since(began); err != nil {
			obs.Beacon.Err, beaconTook = err, q.Within
		}
	})
	wg.Wait()
	p.late.gwat.Note(obs.Gwat.Err)
	p.late.beacon.Note(obs.Beacon.Err)
	p.keepExtras(obs)
	if obs.Gwat.Err == nil {
		obs.beganAt(gwatBegun)
	}
	if obs.Beacon.Err == nil {
		obs.beganAt(beaconBegun)
	}
	if obs.Up() {
		ctx, cancel := context.WithTimeout(ctx, q.Within-time.Since(began))
		defer cancel()
		p.readAcross(ctx, q, obs)
		if obs.Up() {
			obs.Gwat.Err = p.renew(ctx, &obs.Gwat)
		}
	}
	obs.blameBeacon(reach.Slow(beaconTook, gwatTook, q.Within))
	obs.At, obs.Done = p.now(), time.Now()
	return obs
}

// keepExtras keeps what the poll read of versions and peers. It drops the number of peers of a
// node that did not answer, or did not say it: it may have others by now.
func (p *Poller) keepExtras(o *Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extras.Gwat.keep(&o.Gwat.seldom, o.Gwat.Err == nil)
	p.extras.Beacon.keep(&o.Beacon.seldom, o.Beacon.Err == nil)
}

func (e *Extra) keep(t *seldom, answers bool) {
	if t.slow {
		e.Version = t.version
	}
	if t.counted {
		e.Peers = t.peers
	}
	if !answers {
		e.Peers = nil
	}
}

func (p *Poller) pollGwat(ctx context.Context, slow bool) (g Gwat) {
	g.syncAt = time.Now()
	if g.Sync, g.Err = timed(&g.slowest, func() (protocol.State, error) { return p.gwat.State(ctx) }); g.Err != nil {
		return g
	}
	g.Latency = g.slowest
	if g.Latest, g.Err = timed(&g.slowest, func() (*gwatclient.Block, error) { return p.gwat.Latest(ctx) }); g.Err != nil {
		return g
	}
	g.At = p.now()
	if slow || p.gwatPeers > 0 {
		g.counted, g.peers = true, p.gwatPeers.read(func() (uint64, error) { return p.gwat.PeerCount(ctx) })
	}
	if slow {
		g.slow = true
		g.version, _ = p.gwat.ClientVersion(ctx)
		g.client = health.ClientName(g.version)
		if first, err := p.gwat.BlocksByNumber(ctx, 0, 0); err == nil && first[0] != nil {
			g.genesis = first[0].Hash
		}
	}
	return g
}

// renew asks again whether gwat syncs if it said no a while ago: a gwat that was stopped
// in a later call of the poll answers that call when it goes on, and its no is from before
// the stop. So is that of a syncd which was stopped while it asked. A yes is no evidence of
// work, however old it is.
func (p *Poller) renew(ctx context.Context, g *Gwat) error {
	for !g.Sync.Syncing && time.Since(g.syncAt) > MaxAge {
		g.syncAt = time.Now()
		sync, err := timed(&g.slowest, func() (protocol.State, error) { return p.gwat.State(ctx) })
		if err != nil {
			return fmt.Errorf("ask again whether gwat syncs: %w", err)
		}
		g.Sync = sync
	}
	return nil
}

// timed makes a call and keeps in slowest how long the slowest one took. A
// latency is no matter of the wall clock, which may jump.
func timed[T any](slowest *time.Duration, call func() (T, error)) (T, error) {
	start := time.Now()
	out, err := call()
	*slowest = max(*slowest, time.Since(start))
	return out, err
}

// readAcross reads from gwat what the beacon named.
func (p *Poller) readAcross(ctx context.Context, q Question, obs *Observation) {
	if locked := obs.Gwat.Sync.Activity == protocol.Prepared; q.Identity && !(locked && q.Identified) {
		if locked {
			obs.Identity, obs.Gwat.Err = p.identifyLocked(ctx, q.Within/2)
		} else {
			obs.Identity, obs.Gwat.Err = p.identify(ctx)
		}
		if obs.Gwat.Err != nil {
			return
		}
	}
	spines := append([]common.Hash{}, q.Spines...)
	spines = append(spines, obs.Beacon.Head.Spines...)
	for _, point := range obs.Beacon.Points {
		if s, ok := point.LastSpine(); ok {
			spines = append(spines, s)
		}
	}
	if p.settled(spines, obs.Gwat.Latest.Hash) {
		obs.Blocks = p.blocks
	} else {
		blocks, err := timed(&obs.Gwat.slowest, func() ([]*gwatclient.Block, error) { return p.gwat.BlocksByHash(ctx, spines) })
		if err != nil {
			obs.Gwat.Err = fmt.Errorf("read spines: %w", err)
			return
		}
		for i, b := range blocks {
			obs.Blocks[spines[i]] = b
		}
		p.blocks, p.latest = obs.Blocks, obs.Gwat.Latest.Hash
	}
	if q.Calls {
		obs.Calls = true
		_, obs.CallsErr = timed(&obs.Gwat.slowest, func() ([]common.Hash, error) {
			return p.gwat.Candidates(ctx, obs.Beacon.Head.Header.Slot)
		})
	}
}

// settled reports whether the poll before has read all of spines, that all were final,
// and that gwat's last finalized block is the same as then: nothing is new.
func (p *Poller) settled(spines []common.Hash, latest common.Hash) bool {
	if latest != p.latest {
		return false
	}
	for _, s := range spines {
		if b := p.blocks[s]; b == nil || !b.IsSpine() {
			return false
		}
	}
	return true
}

// identifyLocked reads who the nodes are from a gwat whose head-sync lock is held:
// dag_syncSlotInfo may get no answer until it is free, which is no error.
func (p *Poller) identifyLocked(ctx context.Context, within time.Duration) (*checkpoint.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	identity, err := p.identify(ctx)
	if reach.TimedOut(err) {
		return nil, nil
	}
	return identity, err
}

func (p *Poller) identify(ctx context.Context) (*checkpoint.Identity, error) {
	chainID, err := p.gwat.ChainID(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the chain id: %w", err)
	}
	ok, err := p.gwat.SyncSlotInfo(ctx, gwatclient.SlotInfo{
		GenesisTime: p.spec.GenesisTime, SecondsPerSlot: p.spec.SecondsPerSlot, SlotsPerEpoch: p.spec.SlotsPerEpoch,
	})
	if err != nil {
		return nil, fmt.Errorf("compare slot info: %w", err)
	}
	return &checkpoint.Identity{GwatChainID: chainID, Spec: *p.spec, SlotInfo: ok}, nil
}

// Wait waits for the end of reads that have outlasted their poll; the context of the polls
// ends them.
func (p *Poller) Wait() {
	p.late.gwat.Wait()
	p.late.beacon.Wait()
}

// Extras returns what was read seldom, as last read.
func (p *Poller) Extras() Extras {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.extras
}
