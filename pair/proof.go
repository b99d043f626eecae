package pair

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
)

// proof is what shows that the pair works, and what makes it work (S5).
type proof struct {
	verifier *headsync.Verifier
	verdict  headsync.Verdict
	ours     []common.Hash   // spines of the last push: no evidence
	reached  primitives.Slot // head that the last attempt was caught up with
	pushedTo uint64          // number that it was seen to have pushed to; 0 if it pushed nothing

	completed   *completion // our completing call, while eth_syncing is false by it
	completions int         // calls of that kind since the pair last worked
}

// completion is a completing dag_sync of ours.
type completion struct {
	ended time.Time // when it was answered or given up; zero while it runs
}

// refuted reports whether a poll that began after the call shows that gwat still syncs.
func (c *completion) refuted(o *poll.Observation) bool {
	return c != nil && !c.ended.IsZero() && o.Start.After(c.ended) && o.Gwat.Sync.Syncing
}

// verifyFrom returns the number beyond which what gwat finalizes is evidence. After a
// push it is what the push was seen to have finalized: an older poll may show a
// higher number, from before our ready rolled gwat back.
func (p *Pair) verifyFrom(from fsm.Stage) uint64 {
	if from != fsm.Working && p.proof.pushedTo > 0 {
		return p.proof.pushedTo
	}
	return p.polls.history.Number
}

// verify gives the poll to the verifier.
func (p *Pair) verify(o *poll.Observation) {
	stage := p.machine.Stage()
	if (stage != fsm.Switching && stage != fsm.Working) || !o.Up() || !o.Calls {
		return
	}
	if stage == fsm.Working && !o.Answered() && p.oneBadAnswer(o) {
		return
	}
	if stage == fsm.Switching && o.Start.Before(p.stage.since) {
		return // it shows what was before the switch
	}
	head := o.Beacon.Head
	shown := headsync.Evidence{At: o.At, Clock: p.polls.identity.Spec.SlotAt(o.At), Sync: o.Gwat.Sync, CallsErr: o.CallsErr}
	shown.Head = headsync.Entry{Root: head.Header.Root, Parent: head.Header.ParentRoot,
		Info: checkpoint.ConsensusInfo{Slot: head.Header.Slot, Finalizing: head.Spines}}
	for _, s := range head.Spines {
		shown.States = append(shown.States, o.State(s))
		shown.Heights = append(shown.Heights, o.Height(s))
	}
	if spine, waits := p.proof.verifier.Waiting(); waits {
		shown.Waiting = o.State(spine)
	}
	p.proof.verdict = p.proof.verifier.Observe(shown)
	p.polls.history.Covered = max(p.polls.history.Covered, p.proof.verifier.Covered())
}
