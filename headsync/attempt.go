package headsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// Errors of an attempt.
var (
	// ErrRefused: gwat answered false; the first versions did so for "not yet".
	ErrRefused = failure.As(failure.RetryLater, errors.New("gwat answered false"))
	// ErrNotConfirmed: gwat said true, but block reads do not show what was pushed.
	ErrNotConfirmed = failure.As(failure.RestartAttempt, errors.New("gwat did not finalize what was pushed"))
	// ErrBusy: gwat is in a synchronization of its own or holds a lock.
	ErrBusy = failure.As(failure.RetryLater, errors.New("gwat is busy"))
	// ErrReadOnly: a push is due, and syncd keeps its hands off.
	ErrReadOnly = failure.As(failure.RetryLater, errors.New("hands off"))
	// ErrTooFar: more lies between gwat and the head than one push can carry.
	ErrTooFar = failure.As(failure.RetryLater, errors.New("gwat is too far behind for a push"))
	// ErrHeadUnknown: no head answer young enough was had before the push.
	ErrHeadUnknown = failure.As(failure.RestartAttempt, errors.New("the beacon's head could not be read before the push"))
)

// MaxEntries bounds the slots of one push.
const MaxEntries = 8192

// headAge is how old the head answer may be when a push is sent (S3).
const headAge = time.Second

// Phase of an attempt.
type Phase string

// The phases, in order.
const (
	PhaseCollecting Phase = "collecting"
	PhaseProving    Phase = "proving"
	PhaseReady      Phase = "ready"
	PhasePushing    Phase = "pushing"
	PhaseConfirming Phase = "confirming"
	PhaseDone       Phase = "done"
	PhaseFailed     Phase = "failed"
)

// Report tells the owner of an attempt how far it is.
type Report struct {
	Phase       Phase
	From, To    primitives.Slot
	Done, Total int
	Accepted    bool    // with PhasePushing: a ready answered true or was taken over
	Push        []Entry // with PhasePushing: what is pushed
}

// Result of an attempt that ended well.
type Result struct {
	Level     bool // nothing was to be done
	Head      beaconclient.Header
	Spines    []common.Hash // that this attempt pushed
	Confirmed *status.Confirmed
}

// Attempt is one head sync: collect, prove, ready, push, confirm. Everything
// slow is done before ready, so that an accepted ready is followed by its push
// at once. It makes one state-changing call at a time.
type Attempt struct {
	Number    uint64
	Spec      checkpoint.Spec
	Beacon    Chain
	Collector *Collector
	Gwat      Gwat
	Driver    Driver
	Ledger    Ledger
	Now       func() time.Time
	// Report is told how far the attempt is; while it collects, concurrently.
	Report func(Report)
	// CallTimeout bounds ready and push, each.
	CallTimeout time.Duration
	// ReadOnly says why nothing may be sent that changes gwat; "" if it may. The
	// attempt then only finds out whether gwat is level.
	ReadOnly string
	// Takeover is a ready of an earlier attempt that gwat has accepted (S1).
	Takeover *journal.Pending
	// Refused holds roots of checkpoints that gwat refused before.
	Refused map[common.Hash]bool
}

// Run makes the attempt. Errors are of a kind; a state-changing call that may still
// be carried out by gwat stays in the ledger.
func (a *Attempt) Run(ctx context.Context) (Result, error) {
	head, plan, err := a.prepare(ctx)
	if err != nil {
		return Result{}, err
	}
	if plan.Level && a.Takeover == nil {
		return Result{Level: true, Head: head}, nil
	}
	if plan.Missing != nil {
		return Result{}, &MissingSpine{Spine: *plan.Missing}
	}
	if a.ReadOnly != "" {
		return Result{}, fmt.Errorf("%w: %s", ErrReadOnly, a.ReadOnly)
	}
	if a.Takeover == nil {
		if err := a.ready(ctx, plan); err != nil {
			return Result{}, err
		}
	}
	push, err := a.push(ctx, plan)
	if err != nil {
		return Result{}, err
	}
	a.report(PhaseConfirming, push, 0)
	confirmed, err := a.confirm(ctx, push)
	if err != nil {
		return Result{}, err
	}
	return Result{Head: head, Spines: Spines(push), Confirmed: confirmed}, nil
}

// prepare collects and plans. The chain begins at the last checkpoint, or
// earlier if gwat stands earlier.
func (a *Attempt) prepare(ctx context.Context) (beaconclient.Header, Plan, error) {
	head, err := a.Beacon.Header(ctx, beaconclient.Head)
	if err != nil {
		return head, Plan{}, fmt.Errorf("read the beacon's head: %w", err)
	}
	justified, err := a.justified(ctx)
	if err != nil {
		return head, Plan{}, err
	}
	latest, err := a.Gwat.Latest(ctx)
	if err != nil {
		return head, Plan{}, fmt.Errorf("read gwat's last finalized block: %w", err)
	}
	from := min(justified, latest.Slot, head.Slot)
	if a.Takeover != nil {
		from = min(from, a.Takeover.Slot)
	}
	for {
		if uint64(head.Slot-from) > MaxEntries {
			return head, Plan{}, fmt.Errorf("%w: from slot %d to head at slot %d, at most %d", ErrTooFar, from, head.Slot, MaxEntries)
		}
		plan, err := a.planFrom(ctx, head, from, justified)
		if err == nil || !errors.Is(err, ErrNoAnchor) || from == 0 {
			return head, plan, err
		}
		if step := primitives.Slot(a.Spec.SlotsPerEpoch); from > step {
			from -= step
		} else {
			from = 0
		}
	}
}

func (a *Attempt) planFrom(ctx context.Context, head beaconclient.Header, from, justified primitives.Slot) (Plan, error) {
	report := func(done, total int) {
		a.Report(Report{Phase: PhaseCollecting, From: from, To: head.Slot, Done: done, Total: total})
	}
	entries, err := a.Collector.Collect(ctx, head, from, report)
	if err != nil {
		return Plan{}, fmt.Errorf("collect slots %d to %d: %w", from, head.Slot, err)
	}
	a.Report(Report{Phase: PhaseProving, From: from, To: head.Slot, Total: len(entries)})
	view, err := ReadView(ctx, a.Gwat, entries)
	if err != nil {
		return Plan{}, err
	}
	if a.Takeover != nil {
		return takeoverPlan(entries, *a.Takeover, view)
	}
	return MakePlan(entries, justified, view, a.Refused)
}

// takeoverPlan pushes from the checkpoint of the ready that is in force.
func takeoverPlan(entries []Entry, pending journal.Pending, view View) (Plan, error) {
	for i, e := range entries {
		if e.Root == pending.Root {
			plan := Plan{Checkpoint: e.Info, CheckpointRoot: e.Root, Push: entries[i:], Proven: e.Slot()}
			for _, spine := range Spines(plan.Push) {
				if view.ByHash[spine] == nil {
					plan.Missing = &spine
					break
				}
			}
			return plan, nil
		}
	}
	return Plan{}, fmt.Errorf("%w: the checkpoint %s of the ready in force (slot %d)", ErrNoAnchor, pending.Root, pending.Slot)
}

// justified is the slot of the beacon's last checkpoint; 0 before there is one.
func (a *Attempt) justified(ctx context.Context) (primitives.Slot, error) {
	fin, err := a.Beacon.Finality(ctx, beaconclient.StateHead)
	if err != nil {
		return 0, fmt.Errorf("read the last checkpoint: %w", err)
	}
	if fin.CurrentJustified.IsGenesis() {
		return 0, nil
	}
	h, err := a.Beacon.Header(ctx, beaconclient.AtRoot(fin.CurrentJustified.Root))
	if err != nil {
		return 0, fmt.Errorf("read the block of the last checkpoint: %w", err)
	}
	return h.Slot, nil
}

// ready asks gwat to stand at the plan's checkpoint.
func (a *Attempt) ready(ctx context.Context, plan Plan) error {
	sync, err := a.Gwat.Syncing(ctx)
	if err != nil {
		return fmt.Errorf("read eth_syncing: %w", err)
	}
	switch sync.Stage {
	case gwatclient.StageFinalized, gwatclient.StageDAG, gwatclient.StageHead:
		return fmt.Errorf("%w: eth_syncing says stage %s", ErrBusy, sync.Stage)
	}
	a.report(PhaseReady, plan.Push, 0)
	a.Ledger.SetPending(a.pending("ready", plan, plan.Push))
	callCtx, cancel := context.WithTimeout(ctx, a.CallTimeout)
	defer cancel()
	ok, err := a.Driver.HeadSyncReady(callCtx, plan.Checkpoint)
	if err != nil {
		a.settle(err)
		err = fmt.Errorf("dag_headSyncReady at slot %d: %w", plan.Checkpoint.Slot, err)
		if refusesCheckpoint(err) {
			return &RefusedCheckpoint{Root: plan.CheckpointRoot, Err: err}
		}
		return err
	}
	if !ok {
		a.Ledger.ClearPending()
		return fmt.Errorf("dag_headSyncReady at slot %d: %w", plan.Checkpoint.Slot, ErrRefused)
	}
	return nil
}

// RefusedCheckpoint tells that gwat does not take a block as checkpoint though
// reads show it finalized; the next attempt takes the one before.
type RefusedCheckpoint struct {
	Root common.Hash
	Err  error
}

func (r *RefusedCheckpoint) Error() string { return r.Err.Error() }

// Unwrap gives gwat's answer.
func (r *RefusedCheckpoint) Unwrap() error { return r.Err }

func refusesCheckpoint(err error) bool {
	for _, e := range []error{
		gwatclient.ErrUnknownSpine, gwatclient.ErrNotFinalized, gwatclient.ErrBadNumber,
		gwatclient.ErrStateNotFound, gwatclient.ErrBadParams,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// settle clears what is pending unless the call may still be carried out.
func (a *Attempt) settle(err error) {
	if gwatclient.PossiblyDone(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	a.Ledger.ClearPending()
}

func (a *Attempt) pending(call string, plan Plan, push []Entry) journal.Pending {
	p := journal.Pending{Call: call, Attempt: a.Number, Slot: plan.Checkpoint.Slot, Root: plan.CheckpointRoot, SentAt: a.Now()}
	p.Spine, _ = plan.Checkpoint.LastSpine()
	if spines := Spines(push); len(spines) > 0 {
		p.LastSpine = spines[len(spines)-1]
	}
	return p
}

// push sends what of the plan is still canonical (S3) and gives back what was sent.
func (a *Attempt) push(ctx context.Context, plan Plan) ([]Entry, error) {
	a.Report(Report{Phase: PhasePushing, From: plan.Push[0].Slot(), To: plan.Push[len(plan.Push)-1].Slot(),
		Total: len(plan.Push), Accepted: true, Push: plan.Push})
	push, cause := a.freshest(ctx, plan)
	if err := CheckLinked(push); err != nil {
		return nil, failure.As(failure.RestartAttempt, err)
	}
	callCtx, cancel := context.WithTimeout(ctx, a.CallTimeout)
	defer cancel()
	// With nothing left to push the empty call gives the lock back at once.
	ok, err := a.Driver.HeadSync(callCtx, Infos(push))
	if err != nil {
		a.settle(err)
		return nil, fmt.Errorf("dag_headSync of %d entries: %w", len(push), err)
	}
	a.Ledger.ClearPending()
	if !ok {
		return nil, fmt.Errorf("dag_headSync of %d entries: %w", len(push), failure.As(failure.RestartAttempt, ErrRefused))
	}
	return push, cause
}

// freshest gives what of the plan may be sent at once: it was canonical by a
// head answer at most headAge old, and the call is in the ledger. The error
// tells why something, or all, was cut off.
func (a *Attempt) freshest(ctx context.Context, plan Plan) ([]Entry, error) {
	var last error
	for range 3 {
		push, answered, err := a.stillCanonical(ctx, plan.Push)
		if answered.IsZero() {
			last = err
			continue
		}
		a.Ledger.SetPending(a.pending("push", plan, push))
		if a.Now().Sub(answered) <= headAge { // a slow disk takes its time, too
			return push, err
		}
		last = errors.New("the answer was too old when the push could be sent")
	}
	a.Ledger.SetPending(a.pending("push", plan, nil))
	return nil, fmt.Errorf("%w: %w", ErrHeadUnknown, last)
}

// stillCanonical cuts the push at the fork if the beacon left its chain, and
// tells when the head's answer was there; zero if it could not be had.
func (a *Attempt) stillCanonical(ctx context.Context, push []Entry) ([]Entry, time.Time, error) {
	head, err := a.Beacon.Header(ctx, beaconclient.Head)
	if err != nil {
		return nil, time.Time{}, err
	}
	answered := a.Now()
	if head.Root == push[len(push)-1].Root {
		return push, answered, nil
	}
	chain, err := a.Collector.Collect(ctx, head, push[0].Slot(), nil)
	if err != nil {
		return nil, time.Time{}, err
	}
	n := CommonPrefix(push, chain)
	if n < len(push) {
		return push[:n], answered, fmt.Errorf("%w: %d of %d entries were canonical when sent", ErrReorg, n, len(push))
	}
	return push, answered, nil
}

// confirm proves by block reads that gwat finalized what was pushed, in order.
func (a *Attempt) confirm(ctx context.Context, push []Entry) (*status.Confirmed, error) {
	view, err := ReadView(ctx, a.Gwat, push)
	if err != nil {
		return nil, err
	}
	var number uint64
	var hash common.Hash
	if spine, ok := push[0].Info.LastSpine(); ok {
		b := view.ByHash[spine]
		if b == nil || !b.IsSpine() {
			return nil, fmt.Errorf("%w: the checkpoint's spine %s", ErrNotConfirmed, spine)
		}
		number, hash = *b.Number, spine
	}
	if n := 1 + Proven(number, hash, push[1:], view); n < len(push) {
		return nil, fmt.Errorf("%w: proved up to slot %d, not at slot %d", ErrNotConfirmed, push[n-1].Slot(), push[n].Slot())
	}
	confirmed := &status.Confirmed{At: a.Now()}
	for _, e := range push {
		if spine, ok := e.Info.LastSpine(); ok {
			confirmed.Slot, confirmed.Root, confirmed.Spine, confirmed.Number = e.Slot(), e.Root, spine, *view.ByHash[spine].Number
		}
	}
	a.Ledger.SetConfirmed(*confirmed)
	return confirmed, nil
}

func (a *Attempt) report(phase Phase, push []Entry, done int) {
	a.Report(Report{Phase: phase, From: push[0].Slot(), To: push[len(push)-1].Slot(), Done: done, Total: len(push)})
}
