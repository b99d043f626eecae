package headsync_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/protocol"
)

// watched is a beacon node whose answers are counted and can be changed.
type watched struct {
	*beaconclient.Client
	headers    atomic.Int64
	head       *beaconclient.Header                                    // answered as the head, if set
	header     func(beaconclient.Header) beaconclient.Header           // changes an answer
	committees func([]beaconclient.Committee) []beaconclient.Committee // changes an answer
	slow       time.Duration                                           // of a body
}

func (w *watched) Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	w.headers.Add(1)
	if id == beaconclient.Head && w.head != nil {
		return *w.head, nil
	}
	h, err := w.Client.Header(ctx, id)
	if err == nil && w.header != nil {
		h = w.header(h)
	}
	return h, err
}

func (w *watched) Block(ctx context.Context, id beaconclient.BlockID) (beaconclient.Block, error) {
	select {
	case <-time.After(w.slow):
	case <-ctx.Done():
		return beaconclient.Block{}, ctx.Err()
	}
	return w.Client.Block(ctx, id)
}

func (w *watched) Committees(ctx context.Context, state beaconclient.StateID, epoch primitives.Epoch) ([]beaconclient.Committee, error) {
	out, err := w.Client.Committees(ctx, state, epoch)
	if err == nil && w.committees != nil {
		out = w.committees(out)
	}
	return out, err
}

// hiding is a gwat that lacks some blocks.
type hiding struct {
	headsync.Gwat
	hidden map[common.Hash]bool
}

func (h hiding) BlocksByHash(ctx context.Context, list []common.Hash) ([]*gwatclient.Block, error) {
	out, err := h.Gwat.BlocksByHash(ctx, list)
	for i := range out {
		if h.hidden[list[i]] {
			out[i] = nil
		}
	}
	return out, err
}

func headerOf(b *world.BeaconBlock) beaconclient.Header {
	return beaconclient.Header{Root: b.Root, ParentRoot: b.ParentRoot, Slot: b.Slot}
}

// watch puts a watched beacon into an attempt.
func (r *rig) watch(a *headsync.Attempt) *watched {
	w := &watched{Client: r.beacon}
	a.Beacon, a.Collector = w, headsync.NewCollector(w, r.spec)
	return w
}

// again is a further attempt with the same beacon and collector.
func (r *rig) again(a *headsync.Attempt) *headsync.Attempt {
	next := r.attempt()
	next.Beacon, next.Collector, next.Inhibit = a.Beacon, a.Collector, a.Inhibit
	return next
}

// driver answers what the test sets.
type driver struct {
	headsync.Driver
	ready func() error
	push  func() error
}

func (d driver) Prepare(ctx context.Context, at checkpoint.ConsensusInfo) error {
	if d.ready != nil {
		return d.ready()
	}
	return d.Driver.Prepare(ctx, at)
}

func (d driver) Push(ctx context.Context, infos []checkpoint.ConsensusInfo) (*protocol.Mark, error) {
	if d.push != nil {
		return nil, d.push()
	}
	return d.Driver.Push(ctx, infos)
}

// Release is a push of nothing.
func (d driver) Release(ctx context.Context) error {
	if d.push != nil {
		return d.push()
	}
	return d.Driver.Release(ctx)
}
