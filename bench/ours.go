package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/protocol"
)

// ours is what syncd uses for one head sync, with nothing collected yet and a
// journal on disk.
type ours struct {
	rig    *rig
	gwat   *gwatclient.Client
	beacon *beaconclient.Client
	ledger *ledger
	close  func()
}

func newOurs(r *rig) (*ours, error) {
	dir, err := os.MkdirTemp("", "syncd-bench-")
	if err != nil {
		return nil, err
	}
	j, err := journal.Open(filepath.Join(dir, "bench.journal"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	o := &ours{rig: r, ledger: &ledger{journal: j}}
	o.close = func() {
		_ = j.Close() // what could not be written was told by the ledger
		_ = os.RemoveAll(dir)
		if o.gwat != nil {
			o.gwat.Close()
		}
		if o.beacon != nil {
			o.beacon.Close()
		}
	}
	if o.gwat, err = gwatclient.New(gwatclient.Config{Endpoint: r.gwatURL}); err == nil {
		o.beacon, err = beaconclient.New(beaconclient.Config{URL: r.beaconURL})
	}
	if err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// run is one attempt; it ends when what was pushed is confirmed.
func (o *ours) run(ctx context.Context) error {
	spec := o.rig.chain.Spec()
	a := &headsync.Attempt{
		Number: 1, Spec: spec, Now: time.Now, Limits: headsync.Limits{Hard: pair.DefaultPushTimeout}, Report: func(headsync.Report) {},
		Nodes: headsync.Nodes{
			Beacon: o.beacon, Collector: headsync.NewCollector(o.beacon, spec), Gwat: protocol.HeadSync{Client: o.gwat},
			Driver: protocol.HeadSync{Client: o.gwat}.Driver(guard.New(false).Permit()), Ledger: o.ledger,
		},
		Orders: headsync.Orders{Inhibit: func() string { return "" }, Refused: map[common.Hash]bool{}},
	}
	result, err := a.Run(ctx)
	switch {
	case err != nil:
		return err
	case result.Synced:
		return errors.New("the attempt found nothing to push")
	}
	return o.ledger.failed()
}

// collect reads the entries from slot on, with a collector that knows nothing.
func (o *ours) collect(ctx context.Context) ([]headsync.Entry, error) {
	head, err := o.beacon.Header(ctx, beaconclient.Head)
	if err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	from := o.rig.chain.checkpoint(o.rig.chain.now()).Slot
	return headsync.NewCollector(o.beacon, o.rig.chain.Spec()).Collect(ctx, head, from, nil)
}

// ledger writes to a journal as the daemon does.
type ledger struct {
	journal *journal.Journal
	mu      sync.Mutex
	err     error
}

func (l *ledger) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

func (l *ledger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// SetPending implements headsync.Ledger.
func (l *ledger) SetPending(p checkpoint.Pending) { l.note(l.journal.SetPending(p)) }

// ClearPending implements headsync.Ledger.
func (l *ledger) ClearPending() { l.note(l.journal.ClearPending()) }

// SetConfirmed implements headsync.Ledger.
func (l *ledger) SetConfirmed(c checkpoint.Confirmed) { l.note(l.journal.SetConfirmed(c)) }
