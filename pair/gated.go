package pair

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// Gate is what the loop needs of a gate between the beacon node and gwat; *gate.Gate is
// one. No method but Lock waits.
type Gate interface {
	// Lock keeps the beacon node's held calls away from gwat until release is called.
	// It fails only when ctx ends.
	Lock(ctx context.Context) (release func(), err error)
	Status() gate.Status
	// Calls returns the recorded calls with a sequence number above after.
	Calls(after uint64) []gate.Call
	// Proved says that gwat has what was absorbed up to a sequence number (S9).
	Proved(seq uint64)
	// TakeSent returns the newest list of a dag_headSync that was answered, once.
	TakeSent() *gate.SentList
	SetView(gate.View)
}

// gateLock is the lock of a gate while it is taken for a ready and its push.
type gateLock struct {
	gate Gate

	mu      sync.Mutex
	release func() // nil if the lock is free
}

// gatedCalls are the calls that change a gwat behind a gate: they free the gate's lock, which
// the attempt took before its ready was written down, when the push has ended.
type gatedCalls struct {
	headsync.Driver
	*gateLock
}

// Prepare frees the gate's lock if gwat did not prepare.
func (n gatedCalls) Prepare(ctx context.Context, at checkpoint.ConsensusInfo) error {
	err := n.Driver.Prepare(ctx, at)
	if err != nil && !gwatclient.PossiblyDone(err) {
		n.free()
	}
	return err
}

// Push frees the gate's lock when the push has ended.
func (n gatedCalls) Push(ctx context.Context, infos []checkpoint.ConsensusInfo) (*protocol.Mark, error) {
	defer n.free()
	return n.Driver.Push(ctx, infos)
}

// Release frees the gate's lock, too.
func (n gatedCalls) Release(ctx context.Context) error {
	defer n.free()
	return n.Driver.Release(ctx)
}

// take takes the gate's lock in place of one that is held.
func (n *gateLock) take(ctx context.Context) error {
	n.free()
	release, err := n.gate.Lock(ctx)
	if err != nil {
		return fmt.Errorf("wait for the beacon node's calls to end: %w", err) // nothing was sent
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.release = release
	return nil
}

// free lets the beacon node's calls through again, once.
func (n *gateLock) free() {
	n.mu.Lock()
	release := n.release
	n.release = nil
	n.mu.Unlock()
	if release != nil {
		release()
	}
}

// holdGate takes the gate's lock for an attempt that takes a ready over: its push has no
// ready of its own that would.
func (p *Pair) holdGate(ctx context.Context, takeover *checkpoint.Pending) error {
	if p.gate.lock == nil || takeover == nil {
		return nil
	}
	return p.gate.lock.take(ctx)
}

// reserve returns how an attempt takes the gate's lock before each ready; nil without a gate.
func (p *Pair) reserve() func(context.Context) error {
	if p.gate.lock == nil {
		return nil
	}
	return p.gate.lock.take
}

// freeGate ends an attempt's hold of the gate, however the attempt ended.
func (p *Pair) freeGate() {
	if p.gate.lock != nil {
		p.gate.lock.free()
	}
}

// gated is what the loop keeps of the gate; the zero value if there is none.
type gated struct {
	lock     *gateLock // nil without a gate
	evidence evidence
	list     beaconList
}

// evidence is what the loop knows from the calls that passed the gate.
type evidence struct {
	absorbed gate.Absorbed // as the newest poll was asked about them
	since    uint64        // sequence number of the newest call when the switch began
	worked   int           // calls of normal work that gwat carried out since
	attempt  uint64        // sequence number of the last absorbed call when the attempt began
}

// workCalls is how many of the beacon node's calls gwat must carry out before the pair
// counts as working (S5).
const workCalls = 2

// absorbedSpines returns the spines of the calls that the gate answered without gwat
// and that are not proved yet. The poll reads them.
func (p *Pair) absorbedSpines() []common.Hash {
	if p.cfg.Gate == nil {
		return nil
	}
	p.gate.evidence.absorbed = p.cfg.Gate.Status().Absorbed
	return p.gate.evidence.absorbed.Spines
}

// proveAbsorbed reports to the gate that gwat has finalized what it had absorbed (S9).
func (p *Pair) proveAbsorbed(o *poll.Observation) {
	a := p.gate.evidence.absorbed
	if p.cfg.Gate == nil || a.Count == 0 {
		return
	}
	for _, spine := range a.Spines {
		if o.State(spine) != checkpoint.SpineFinal {
			return
		}
	}
	p.cfg.Gate.Proved(a.LastSeq)
	p.gate.evidence.absorbed = gate.Absorbed{}
}

// beginAttempt records which calls were absorbed before an attempt.
func (p *Pair) beginAttempt() {
	if p.cfg.Gate != nil {
		p.gate.evidence.attempt = p.cfg.Gate.Status().Absorbed.LastSeq
	}
}

// settleAbsorbed reports, after an attempt that ended well, that what was absorbed before it is
// proved: gwat has all up to the beacon's head, and a spine that it lacks is not canonical any
// more (S9).
func (p *Pair) settleAbsorbed() {
	if p.cfg.Gate != nil && p.gate.evidence.attempt > 0 {
		p.cfg.Gate.Proved(p.gate.evidence.attempt)
	}
}

// countCalls counts the calls of normal work since the switch.
func (p *Pair) countCalls() {
	if p.cfg.Gate == nil {
		return
	}
	for _, c := range p.cfg.Gate.Calls(p.gate.evidence.since) {
		p.gate.evidence.since = c.Seq
		if c.Worked() {
			p.gate.evidence.worked++
		}
	}
}

// resetCalls starts the count again, when the switch begins.
func (p *Pair) resetCalls() {
	if p.cfg.Gate != nil {
		p.gate.evidence.since, p.gate.evidence.worked = p.cfg.Gate.Status().Calls, 0
	}
}

// unprovedCalls returns what the gate's evidence still lacks for "working"; "" if
// nothing. For a pair that already works only absorbed calls count: a quiet slot brings no call.
func (p *Pair) unprovedCalls() string {
	if p.cfg.Gate == nil {
		return ""
	}
	if why := p.unprovedAbsorbed(); why != "" {
		return why
	}
	if p.gate.evidence.worked < workCalls && p.machine.Stage() != fsm.Working {
		return fmt.Sprintf("gwat to carry out %s of the beacon node through the gate", counted.Of(workCalls-p.gate.evidence.worked, "more call"))
	}
	return ""
}

// unprovedAbsorbed returns what is not proved yet of the calls that were absorbed; ""
// if nothing.
func (p *Pair) unprovedAbsorbed() string {
	a := p.cfg.Gate.Status().Absorbed
	if a.Count == 0 {
		return ""
	}
	return fmt.Sprintf("gwat to finalize what %s named that the gate answered in its place", counted.Of(a.Count, "call"))
}

// showToGate publishes what the gate's policy needs of a snapshot.
func (p *Pair) showToGate(s *status.Snapshot) {
	if p.cfg.Gate == nil {
		return
	}
	v := gate.View{}
	if p.polls.spec != nil { // before that this loop does not know whether the pair is of its era
		v.Era, v.Spec = checkpoint.EraHeadSync, *p.polls.spec
	}
	switch {
	case s.Observe, p.ledger.Pause() != nil, s.Stage == string(fsm.Paused), s.Stage == string(fsm.Halted):
		v.State = gate.StateHandsOff
	case s.Stage == string(fsm.Working):
		v.State = gate.StateWorking
	}
	p.cfg.Gate.SetView(v)
}
