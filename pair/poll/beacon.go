package poll

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/health"
)

func (p *Poller) pollBeacon(ctx context.Context, slow bool) (b Beacon) {
	if b.Syncing, b.Err = timed(&b.slowest, func() (beaconclient.Syncing, error) { return p.beacon.Syncing(ctx) }); b.Err != nil {
		return b
	}
	b.Latency, b.clockAt = b.slowest, p.now()
	if slow || p.spec == nil {
		if b.Err = p.pollBeaconSlow(ctx, &b); b.Err != nil {
			return b
		}
		b.Spec = p.spec
	}
	if b.slow || p.beaconPeers > 0 {
		b.counted, b.peers = true, p.beaconPeers.read(func() (uint64, error) { return p.beacon.PeerCount(ctx) })
	}
	head, err := timed(&b.slowest, func() (beaconclient.Header, error) { return p.beacon.Header(ctx, beaconclient.Head) })
	if err != nil {
		b.Err = fmt.Errorf("read the head: %w", err)
		return b
	}
	if b.Head, b.Err = p.entry(ctx, head); b.Err != nil {
		return b
	}
	b.At = p.now()
	b.Err = p.readCheckpoints(ctx, head, &b)
	return b
}

func (p *Poller) pollBeaconSlow(ctx context.Context, b *Beacon) error {
	spec, err := p.beacon.Spec(ctx)
	if err != nil {
		return fmt.Errorf("read the network's constants: %w", err)
	}
	p.spec, b.slow = &spec, true
	b.version, _ = p.beacon.Version(ctx)
	peer, _ := p.beacon.PeerID(ctx) // not every node reports it
	b.who = health.Identity{Client: health.ClientName(b.version), Peer: peer}
	return nil
}

// readCheckpoints reads the checkpoints; they change only with the head.
func (p *Poller) readCheckpoints(ctx context.Context, head beaconclient.Header, b *Beacon) error {
	if p.finalAt != head.Root {
		finality, err := p.beacon.Finality(ctx, beaconclient.StateHead)
		if err != nil {
			return fmt.Errorf("read the last checkpoint: %w", err)
		}
		p.finality, p.finalAt = finality, head.Root
	}
	b.Justified = p.finality.CurrentJustified
	kept := map[common.Hash]Entry{b.Head.Header.Root: b.Head}
	for _, cp := range []checkpoint.Checkpoint{p.finality.CurrentJustified, p.finality.PreviousJustified, p.finality.Finalized} {
		if cp.IsGenesis() {
			continue
		}
		e, ok := p.entries[cp.Root]
		if !ok {
			h, err := p.beacon.Header(ctx, beaconclient.AtRoot(cp.Root))
			if errors.Is(err, beaconclient.ErrNotFound) || errors.Is(err, beaconclient.ErrStarting) {
				continue // a node that was started from a checkpoint may lack older ones, one that was just started, any
			}
			if err != nil {
				return fmt.Errorf("read the block of the checkpoint of epoch %d: %w", cp.Epoch, err)
			}
			if e, err = p.entry(ctx, h); errors.Is(err, beaconclient.ErrStarting) {
				continue
			} else if err != nil {
				return err
			}
		}
		if cp == p.finality.Finalized {
			slot := uint64(e.Header.Slot)
			b.Finalized = &slot
		}
		kept[cp.Root] = e
		b.Points = append(b.Points, e)
	}
	p.entries = kept
	return nil
}

// entry reads the body of a block, unless it was read before. What a poll has read
// stays, even if it is not completed in its time: far from the node no poll would
// be, if each began with nothing.
func (p *Poller) entry(ctx context.Context, h beaconclient.Header) (Entry, error) {
	if e, ok := p.entries[h.Root]; ok {
		return e, nil
	}
	b, err := p.beacon.Block(ctx, beaconclient.AtRoot(h.Root))
	if err != nil {
		return Entry{}, fmt.Errorf("read the block at slot %d: %w", h.Slot, err)
	}
	if len(p.entries) >= maxEntries {
		clear(p.entries)
	}
	e := Entry{Header: h, Spines: b.Finalization}
	p.entries[h.Root] = e
	return e, nil
}
