package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/pair/reach"
	"github.com/gwatsync/syncd/protocol"
)

// What hardly changes is read again in one poll of slowEvery.
const slowEvery = 30

// maxAge is how old the answer that gwat does not sync may be at the end of a poll.
const maxAge = time.Second

// keptSlots is for how many slots the last finality of a beacon node counts that cannot read the
// state of its head: after a block whose state it could not save, until the next head.
const keptSlots = 4

// Observation is what one poll read of both nodes. What was not read is zero.
type Observation struct {
	Begin, At time.Time
	ended     time.Time // At by the clock that never jumps
	Gwat      GwatPoll
	Beacon    BeaconPoll
	// HeadSpine is the newest spine that the beacon's head finalizes, HeadFinal whether
	// gwat has finalized it; nil if either was not read.
	HeadSpine *common.Hash
	HeadFinal *bool
	// CheckpointKnown reports whether the beacon node has a header for the root of
	// gwat's checkpoint; nil if that was not asked.
	CheckpointKnown *bool
}

// GwatPoll is gwat's part of an observation.
type GwatPoll struct {
	Err     error     // of the first call that failed
	At      time.Time // when Latest was read
	Latency time.Duration
	ChainID *uint64
	Version string
	Peers   *uint64
	Enodes  []string       // of its peers, those that it dialled first
	Syncing bool           // eth_syncing is not false
	Mark    *protocol.Mark // where the last call has left gwat; nil while it loads
	Loading bool           // it loads from its peers
	Wat     *gwatclient.WatInfo
	Latest  *gwatclient.Block
}

// BeaconPoll is the beacon node's part of an observation.
type BeaconPoll struct {
	Err      error     // of the first call that failed
	At       time.Time // when Head was read
	Latency  time.Duration
	Spec     *checkpoint.Spec
	Version  string
	Peers    *uint64
	Syncing  beaconclient.Syncing
	Head     beaconclient.Header
	Finality beaconclient.Finality

	stateless bool // it lacks the state of its head
}

// Up reports whether both nodes answered.
func (o *Observation) Up() bool { return o.Gwat.Err == nil && o.Beacon.Err == nil }

// poller reads both nodes. It is used by one goroutine at a time.
type poller struct {
	gwat    Gwat
	beacon  Beacon
	now     func() time.Time
	timeout time.Duration
	again   time.Duration // how long a poll waits for a node that left the one before without an answer
	polls   int
	asked   common.Hash // the checkpoint root that known is about
	known   *bool
	last    lastFinality

	gwatLate   reach.Late[GwatPoll]
	beaconLate reach.Late[BeaconPoll]
}

// lastFinality is what a beacon node that has answered since has said of its finality.
type lastFinality struct {
	known bool
	is    beaconclient.Finality
	read  time.Time     // by the clock that never jumps
	kept  time.Duration // how long it counts; 0 before the network is known
}

// turns runs the polls of the loop, one at a time.
type turns struct {
	poll    func() *Observation
	done    chan *Observation // has room for one
	running bool              // a poll runs, or is done and not taken in
	again   bool              // another one follows it at once
}

// ask starts a poll, or has one follow the poll that runs.
func (t *turns) ask() {
	if t.running {
		t.again = true
		return
	}
	t.running, t.again = true, false
	go func() { t.done <- t.poll() }() // ended by its context; its place in done is free
}

// wait waits for the poll that runs.
func (t *turns) wait() {
	if t.running {
		<-t.done
	}
}

// poll reads both nodes at the same time, then what needs an answer of both. Of a node that
// left the poll before without an answer it waits for one a while only.
func (p *poller) poll(ctx context.Context) *Observation {
	slow := p.polls%slowEvery == 0
	p.polls++
	o, began := &Observation{Begin: p.now()}, time.Now()
	rest, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	var both sync.WaitGroup
	var gwatBegun time.Time
	var gwatTook, beaconTook time.Duration
	both.Go(func() {
		var err error
		o.Gwat, gwatBegun, err = p.gwatLate.Read(ctx, p.timeout, p.again, func(ctx context.Context) GwatPoll { return p.pollGwat(ctx, slow) })
		if gwatTook = time.Since(began); err != nil {
			o.Gwat.Err = err
		}
	})
	both.Go(func() {
		var err error
		o.Beacon, _, err = p.beaconLate.Read(ctx, p.timeout, p.again, func(ctx context.Context) BeaconPoll { return p.pollBeacon(ctx, slow) })
		if beaconTook = time.Since(began); err != nil {
			o.Beacon.Err = err
		}
	})
	both.Wait()
	p.last.keep(&o.Beacon)
	p.gwatLate.Note(o.Gwat.Err)
	p.beaconLate.Note(o.Beacon.Err)
	up := o.Up()
	if up {
		p.compare(rest, o)
	}
	if o.Up() {
		p.renew(rest, &o.Gwat, gwatBegun)
	} else {
		p.polls = 0 // the identity of the nodes is read again when both answer
	}
	if up && (reach.TimedOut(o.Gwat.Err) || reach.TimedOut(o.Beacon.Err)) {
		o.blame(reach.Slow(gwatTook, beaconTook, p.timeout), reach.Slow(beaconTook, gwatTook, p.timeout))
	}
	o.At, o.ended = p.now(), time.Now()
	return o
}

// wait waits for the end of reads that have outlasted their poll; the context of the polls ends
// them.
func (p *poller) wait() {
	p.gwatLate.Wait()
	p.beaconLate.Wait()
}

// blame makes a call that had no time left the error of the node whose answers had taken it; both
// are nil if neither node's had.
func (o *Observation) blame(gwat, beacon error) {
	if gwat != nil || beacon != nil {
		o.Gwat.Err, o.Beacon.Err = gwat, beacon
	}
}

// renew asks again whether gwat syncs if it said no a while ago: a gwat that was stopped
// in a later call of the poll answers that call when it goes on, and its no is from before
// the stop. So is that of a syncd which was stopped while it asked. asked is when the first
// question may have been put, by the clock that never jumps.
func (p *poller) renew(ctx context.Context, g *GwatPoll, asked time.Time) {
	for g.Err == nil && !g.Syncing && time.Since(asked) > maxAge {
		asked = time.Now()
		var s protocol.State
		s, g.Err = p.gwat.State(ctx)
		g.Syncing = s.Syncing
	}
}

func (p *poller) pollGwat(ctx context.Context, slow bool) (g GwatPoll) {
	begin := p.now()
	g.Latest, g.Err = p.gwat.Latest(ctx)
	g.At = p.now()
	g.Latency = g.At.Sub(begin)
	if g.Err != nil {
		return g
	}
	state, err := p.gwat.State(ctx)
	if err != nil {
		g.Err = err
		return g
	}
	g.Syncing, g.Loading, g.Mark = state.Syncing, state.Activity.Loads(), state.Mark
	if wat, err := p.gwat.WatInfo(ctx); err == nil { // IPC alone serves it
		g.Wat = &wat
	}
	if peers, err := p.gwat.PeerCount(ctx); err == nil { // authrpc does not serve it
		g.Peers = &peers
	}
	if slow {
		if id, err := p.gwat.ChainID(ctx); err == nil {
			g.ChainID = &id
		}
		g.Version, _ = p.gwat.ClientVersion(ctx)         // authrpc does not serve it
		if peers, err := p.gwat.Peers(ctx); err == nil { // IPC alone serves it
			g.Enodes = enodes(peers)
		}
	}
	return g
}

func (p *poller) pollBeacon(ctx context.Context, slow bool) (b BeaconPoll) {
	begin := p.now()
	b.Syncing, b.Err = p.beacon.Syncing(ctx)
	b.Latency = p.now().Sub(begin)
	if b.Err != nil {
		return b
	}
	if slow {
		spec, err := p.beacon.Spec(ctx)
		if err != nil {
			b.Err = err
			return b
		}
		b.Spec = &spec
		b.Version, _ = p.beacon.Version(ctx) // a label only
	}
	if b.Head, b.Err = p.beacon.Header(ctx, beaconclient.Head); b.Err != nil {
		return b
	}
	b.At = p.now()
	b.Finality, b.Err = p.beacon.Finality(ctx, beaconclient.StateHead)
	if b.stateless = errors.Is(b.Err, beaconclient.ErrStarting); b.Err != nil && !b.stateless {
		return b
	}
	if peers, err := p.beacon.PeerCount(ctx); err == nil {
		b.Peers = &peers
	}
	return b
}

// keep has the last finality count of a beacon node that lacks the state of its head now: one that
// has said its finality before has not just started.
func (l *lastFinality) keep(b *BeaconPoll) {
	if b.Spec != nil {
		l.kept = keptSlots * time.Duration(b.Spec.SecondsPerSlot) * time.Second
	}
	switch {
	case b.Err == nil:
		l.known, l.is, l.read = true, b.Finality, time.Now()
	case b.stateless && l.known && time.Since(l.read) <= l.kept:
		b.Finality, b.Err = l.is, nil
	default:
		l.known = false
	}
}

// compare asks each node about what the other one said. A call that fails leaves its field
// nil: it says nothing about the pair. One that takes the rest of the poll's time is its node's
// error, and not one of the node that would be asked next.
func (p *poller) compare(ctx context.Context, o *Observation) {
	data, err := p.beacon.SpineData(ctx, beaconclient.StateHead)
	if noTime(ctx, err) {
		o.Beacon.Err = err
		return
	}
	if spine, ok := data.LastFinal(); ok && err == nil {
		o.HeadSpine = &spine
		block, err := p.gwat.BlockByHash(ctx, spine)
		if noTime(ctx, err) {
			o.Gwat.Err = err
			return
		}
		if err == nil {
			final := block != nil && block.Final()
			o.HeadFinal = &final
		}
	}
	if o.Gwat.Mark == nil {
		return
	}
	if root := o.Gwat.Mark.Root; root != p.asked || p.known == nil || !*p.known {
		p.asked = root
		if p.known, err = p.hasHeader(ctx, root); noTime(ctx, err) {
			o.Beacon.Err = err
		}
	}
	o.CheckpointKnown = p.known
}

// noTime reports whether a call failed because its time or the poll's was over. The two may end
// at one moment, and the call be the first to see it.
func noTime(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || reach.TimedOut(err))
}

// hasHeader reports whether the beacon node has a block; nil and an error if it does not say so.
func (p *poller) hasHeader(ctx context.Context, root common.Hash) (*bool, error) {
	known := true
	if root == (common.Hash{}) {
		return &known, nil // genesis
	}
	_, err := p.beacon.Header(ctx, beaconclient.AtRoot(root))
	switch {
	case errors.Is(err, beaconclient.ErrNotFound):
		known = false
	case err != nil:
		return nil, err
	}
	return &known, nil
}
