package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/watch/heal"
)

// tryTimeout bounds the calls of a try. gwat may still carry out a call that it ended.
const tryTimeout = time.Minute

// try is one try of a heal: what it was given at its beginning. It shares nothing with
// the loop.
type try struct {
	gwat    Gwat
	beacon  Beacon
	changes func(guard.Permit) Changes
	run     func(ctx context.Context, command string) (string, error)
	permit  guard.Permit
	spec    checkpoint.Spec
	enodes  []string
	command string
}

// plan is what a heal does. Everything that it depends on was read immediately before.
type plan struct {
	calls []heal.Call
	what  string // is done by it
	// before is where gwat must be before the first dag_finalize; nil for anywhere.
	before *protocol.Mark
	// local says that the calls are made beside a driver whose calls need a peer and fail.
	local bool
	// head is the root of the beacon's head that must stay until the last call; nil if
	// it may move.
	head *common.Hash
}

// allowed returns an error if nothing may be changed, or not any more.
func (t *try) allowed() error {
	if why := t.permit.Inhibit(); why != "" {
		return fmt.Errorf("%w: %s", heal.ErrUnproved, why)
	}
	return nil
}

// do makes the calls of a heal and returns what was done.
func (t *try) do(ctx context.Context, n heal.Name) (what string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if err := t.allowed(); err != nil {
		return "", err
	}
	p, err := t.plan(ctx, n)
	if err != nil {
		return "", err
	}
	switch n {
	case heal.RestartGwat, heal.RestartBeacon:
		output, err := t.run(ctx, t.command)
		return fmt.Sprintf("ran %q: %s", t.command, output), err
	}
	if len(p.calls) > 0 && p.calls[0].AddPeer != "" {
		return t.addPeers(ctx, p)
	}
	return t.finalize(ctx, p)
}

// plan returns the calls of a heal, or why it cannot be made. It changes nothing.
func (t *try) plan(ctx context.Context, n heal.Name) (*plan, error) {
	switch n {
	case heal.Peers:
		if len(t.enodes) == 0 {
			return t.planDrive(ctx, true)
		}
		p := &plan{}
		for _, enode := range t.enodes {
			p.calls = append(p.calls, heal.Call{AddPeer: enode})
		}
		return p, nil
	case heal.Checkpoint:
		return t.planExchange(ctx)
	case heal.Drive:
		return t.planDrive(ctx, false)
	}
	if strings.TrimSpace(t.command) == "" {
		return nil, fmt.Errorf("%w: heal.%s names no command", heal.ErrUnproved, n)
	}
	return &plan{calls: []heal.Call{{Command: t.command}}}, nil
}

// addPeers has gwat connect to every peer of a plan. One that cannot be added does not
// keep the others away.
func (t *try) addPeers(ctx context.Context, p *plan) (string, error) {
	added, failed := 0, []error{}
	for _, c := range p.calls {
		if err := t.allowed(); err != nil {
			return "", err
		}
		if err := t.changes(t.permit).AddPeer(ctx, c.AddPeer); err != nil {
			failed = append(failed, err)
			continue
		}
		added++
	}
	what := fmt.Sprintf("added %s that gwat had before", counted.Part(added, len(p.calls), "peer"))
	if added == 0 {
		return what, errors.Join(failed...)
	}
	return what, nil
}

// finalize makes the calls of a plan, one after the other, as long as nobody else drives.
func (t *try) finalize(ctx context.Context, p *plan) (string, error) {
	before := p.before
	for i, c := range p.calls {
		sent := fmt.Sprintf("sent %s of dag_finalize", counted.Part(i, len(p.calls), "call"))
		if err := t.undisturbed(ctx, p, before, c.Finalize); err != nil {
			return sent, err
		}
		if err := t.allowed(); err != nil {
			return sent, err
		}
		mark, err := t.push(ctx, c.Finalize)
		if err != nil {
			return sent + ", and one that failed", err
		}
		if before != nil {
			before = mark
		}
	}
	return p.what, nil
}

// push makes one call: the one in head-sync mode completes the sync, and is the last.
func (t *try) push(ctx context.Context, f *gwatclient.Finalization) (*protocol.Mark, error) {
	driver := t.changes(t.permit)
	if f.Mode == gwatclient.ModeHeadSync {
		return nil, driver.Complete(ctx, *f)
	}
	return driver.Push(ctx, []gwatclient.Finalization{*f})
}

// undisturbed returns an error if a competing driver was seen, or if the spine of the next
// call's checkpoint is not final.
func (t *try) undisturbed(ctx context.Context, p *plan, before *protocol.Mark, f *gwatclient.Finalization) error {
	if p.head != nil {
		switch head, err := t.beacon.Header(ctx, headBlock); {
		case err != nil:
			return err
		case head.Root != *p.head:
			return fmt.Errorf("%w: the beacon's head moved to slot %d, so the beacon node drives", heal.ErrStopped, head.Slot)
		}
	}
	if before == nil {
		return nil
	}
	switch mark, err := t.mark(ctx); {
	case err != nil:
		return err
	case p.local && mark.LastFinalized == before.LastFinalized: // the driver's calls for past epochs succeed meanwhile
	case *mark != *before:
		return fmt.Errorf("%w: gwat's state changed to epoch %d by a competing driver", heal.ErrStopped, mark.Epoch)
	}
	if heal.Covers(f) {
		return nil
	}
	switch spine, err := t.gwat.BlockByHash(ctx, f.Checkpoint.Spine); {
	case err != nil:
		return failure.WithKind(failure.RetryLater, fmt.Errorf("read the checkpoint's spine: %w", err))
	case spine == nil || !spine.Final():
		return fmt.Errorf("%w: the checkpoint's spine %s is not final in gwat", heal.ErrUnproved, f.Checkpoint.Spine)
	}
	return nil
}
