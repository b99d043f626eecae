package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Violation is a rule that a run broke.
type Violation struct {
	Rule string
	At   time.Duration
	What string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s at %.6fs: %s", v.Rule, v.At.Seconds(), v.What)
}

// check looks at a run that has ended, rule by rule.
func (r *run) check() []Violation {
	if r.coordinated != nil {
		return r.coordinated.check()
	}
	c := r.record()
	c.checkPushes()
	c.checkConfirmed()
	c.checkWorking()
	c.checkDrivers()
	c.checkAnswers()
	c.checkShown()
	c.checkGate()
	c.checkBlocks()
	c.checkEnd()
	slices.SortStableFunc(c.found, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	return c.found
}

// checkAnswers: the API answers, and it says what syncd has published.
func (c *record) checkAnswers() {
	for _, q := range c.questions {
		within := 100 * time.Millisecond
		if q.method != "syncd_status" {
			within = c.patience() + 8*time.Second // it waits for the loop or the disk
		}
		until := c.now()
		if l := c.incarnations[q.incarnation-1]; l.end != never {
			until = l.end
		}
		switch {
		case q.ended == never && until > q.sent+within, q.ended != never && q.ended-q.sent > within && q.ended < until:
			c.broken("truth", q.sent, q.method+" was not answered in time")
		case q.ended == never || q.ended >= until:
		case q.status != 200:
			c.broken("truth", q.ended, fmt.Sprintf("%s was answered with HTTP %d", q.method, q.status))
		case q.fails != "" && q.method != "syncd_history": // which a disk may fail
			c.broken("truth", q.ended, q.method+" was refused: "+q.fails)
		case q.snap != nil && q.snap.Stage != q.stage:
			c.broken("truth", q.ended, fmt.Sprintf("syncd_status says stage %q, published is %q", q.snap.Stage, q.stage))
		}
	}
}

// checkEnd: the pair works within the bound (liveness), and gwat has finalized what
// the canonical bodies say, in their order (S2 and S3 over all that was done).
func (c *record) checkEnd() {
	if c.plan.pair.Observe {
		return
	}
	if c.stuck != "" {
		c.broken("progress", c.now(), c.stuck)
		return
	}
	if c.working == never {
		stage, why := "", ""
		if n := len(c.stages); n > 0 {
			stage, why = c.stages[n-1].To, c.stages[n-1].Reason
		}
		c.broken("liveness", c.now(), fmt.Sprintf("not working %s after the last fault; stage %s: %s", c.now()-c.healedAt, stage, why))
		return
	}
	c.checkOrder()
}

// checkOrder: when syncd last said that gwat is caught up with the head, gwat had
// finalized what follows the last checkpoint in the order of the beacon's bodies.
// It is looked at in the end, unless something has rolled gwat back since.
func (c *record) checkOrder() {
	var level *stageChange
	for i, s := range c.stages {
		if s.Event == "already_level" || s.Event == "pushed" {
			level = &c.stages[i]
		}
	}
	if level == nil {
		return
	}
	told := c.headReached(level)
	if told == nil || c.rolledBackSince(level.at) {
		return
	}
	chain, head := c.chainOf(told.root())
	if chain != c.plan.chain {
		return
	}
	at := map[common.Hash]int{}
	for i, hash := range c.gwats[len(c.gwats)-1].node.FinalizedOrder() {
		at[hash] = i
	}
	from := primitives.Slot(0)
	if b, ok := chain.Block(chain.Finality(head).CurrentJustified.Root); ok {
		from = b.Slot
	}
	blocks, _ := ancestors(chain, head, from)
	for _, b := range blocks {
		for _, spine := range b.Finalization {
			want, _ := chain.DAGBlock(spine)
			if n, ok := at[spine]; !ok || uint64(n) != want.Height {
				c.broken("order", level.at, fmt.Sprintf("gwat is said to be caught up with slot %d, and spine %s of slot %d has number %d and height %d", head.Slot, spine, b.Slot, n, want.Height))
				return
			}
		}
	}
}

// rolledBackSince reports whether gwat's number has fallen, or it was replaced.
func (c *record) rolledBackSince(at time.Duration) bool {
	was := c.sampleAt(at)
	for _, s := range c.samples {
		if s.at <= at {
			continue
		}
		if s.number < was.number || !s.home {
			return true
		}
		was = s
	}
	return false
}
