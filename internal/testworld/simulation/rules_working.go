package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// checkWorking is S5: what justified each "working" when it was said, and how
// long it was said when it no longer held.
func (c *record) checkWorking() {
	for i, s := range c.stages {
		if s.To != string(fsm.Working) {
			continue
		}
		until := c.now()
		if l := c.incarnations[s.incarnation-1]; l.end != never {
			until = l.end
		}
		if i+1 < len(c.stages) && c.stages[i+1].incarnation == s.incarnation {
			until = c.stages[i+1].at
		}
		began := &stageChange{}
		for j, b := range c.stages[:i] {
			if b.incarnation == s.incarnation && b.To == string(fsm.Switching) {
				began = &c.stages[j]
			}
		}
		c.checkSaid(s.incarnation, began, s.at)
		c.checkTakenBack(s.incarnation, s.at, until)
	}
}

// checkSaid: eth_syncing false, no error in the results, and two new heads whose
// spines are finalized by calls that syncd did not make.
func (c *record) checkSaid(incarnation int, switching *stageChange, at time.Duration) {
	began := switching.at
	if x := last(c.syncings, incarnation, at); x == nil {
		c.broken("S5", at, "working, and eth_syncing was not asked")
	} else if stage, ok := x.stageTold(); !ok || stage != "" {
		c.broken("S5", at, fmt.Sprintf("working, and eth_syncing said stage %q", stage))
	}
	if x := last(c.candidates, incarnation, at); x == nil || !answersWork(x) {
		c.broken("S5", at, "working, and the calls of normal work were not seen answered")
	}
	ours := map[common.Hash]bool{}
	for _, x := range c.ours {
		if x.sent > at || x.call == callReady {
			continue
		}
		for _, info := range x.infos() {
			for _, spine := range info.Finalizing {
				ours[spine] = true
			}
		}
	}
	// eth_syncing false shows a dag_sync of the last slots, before the switch too.
	lately := min(began, at-2*c.plan.chain.Spec().SlotDuration())
	worked := slices.ContainsFunc(c.net.exchanges, func(x *exchange) bool {
		return (x.link == beaconGwat || x.link == gateGwat) && x.arrived >= lately && x.arrived <= at && c.calls[x.id()].Err == "" &&
			slices.Contains([]string{callSync, callCandidates, "dag_finalize"}, x.call) && strings.Contains(c.calls[x.id()].Answer, `"error":null`)
	})
	first := c.headReached(switching)
	good, judged := map[common.Hash]bool{}, map[common.Hash]bool{}
	seen := ""
	for _, x := range c.heads {
		if x.from != incarnation || x.ended <= began || x.ended > at {
			continue
		}
		chain, head := c.chainOf(x.root())
		if head == nil || first != nil && first.root() == head.Root || judged[head.Root] {
			continue
		}
		judged[head.Root] = true
		final, others := true, false
		// What a look may have seen since: another driver may roll back right after it.
		number := c.highest(chain, x.ended-c.plan.pair.CallTimeout, at)
		carries := !isQuiet(chain, head)
		for _, spine := range head.Finalization {
			b, ok := chain.DAGBlock(spine)
			final = final && ok && b.Height <= number
			others = others || !ours[spine]
		}
		if final && (others || !carries && worked) {
			good[head.Root] = true
		}
		seen += fmt.Sprintf("; slot %d: final %v, by others %v, quiet %v", head.Slot, final, others, !carries)
	}
	if len(good) < 2 {
		c.broken("S5", at, fmt.Sprintf("working, after %d new heads whose spines others than syncd had finalized (beacon at work: %v%s)", len(good), worked, seen))
	}
}

// headReached is the head answer up to which gwat was said to have finalized all, when a stage
// change said so. A poll under way may have read a newer one already, which is new to syncd.
func (c *record) headReached(said *stageChange) *exchange {
	newest := last(c.heads, said.incarnation, said.at)
	_, text, _ := strings.Cut(said.Reason, "up to the head at slot ")
	var slot primitives.Slot
	if n, _ := fmt.Sscan(text, &slot); n == 0 {
		return newest
	}
	for _, x := range slices.Backward(c.heads) {
		if x.from != said.incarnation || x.ended > said.at {
			continue
		}
		if _, head := c.chainOf(x.root()); head != nil && head.Slot == slot {
			return x
		}
	}
	return newest
}

// isQuiet reports whether a block brings no spine that a block before it has not.
func isQuiet(chain world.Chain, head *world.BeaconBlock) bool {
	for b := head; len(head.Finalization) > 0 && b.Slot > 0; {
		parent, ok := chain.Block(b.ParentRoot)
		if !ok {
			return false
		}
		if n := len(parent.Finalization); n > 0 {
			return len(head.Finalization) == 1 && head.Finalization[0] == parent.Finalization[n-1]
		}
		b = parent
	}
	return len(head.Finalization) == 0
}

// answersWork reports whether a call of normal work was answered without an error inside.
func answersWork(x *exchange) bool {
	raw, ok := x.result()
	return ok && strings.Contains(string(raw), `"error":null`)
}

// patience is within what time syncd has to say what a look would show: one look
// may have begun just before, the next one begins a poll later and has its timeout.
// A slow disk, on which the loop writes, holds it up.
func (c *record) patience() time.Duration {
	out := c.plan.pair.PollInterval + 2*c.plan.pair.CallTimeout + 300*time.Millisecond
	for _, f := range c.plan.Faults {
		if f.kind.name == "disk slow" {
			out += 8 * time.Second
		}
	}
	return out
}

// checkTakenBack: gwat did not answer, or said that it syncs, all of a longer time
// in which "working" was said.
func (c *record) checkTakenBack(incarnation int, from, until time.Duration) {
	bad := never
	see := func(s sample, at time.Duration) {
		holds := s.up && s.stage == ""
		switch {
		case holds:
			bad = never
		case bad == never:
			bad = max(at, from)
			if s.stage == gwatsim.StageResync { // for a slot it says so between two calls of a healthy pair
				bad += c.plan.chain.Spec().SlotDuration()
			}
		}
	}
	judge := func(at time.Duration) bool {
		if bad == never || at-bad <= c.patience() {
			return false
		}
		c.broken("S5", at, fmt.Sprintf("working is said since %.3fs, and gwat does not work since %.3fs (incarnation %d)", from.Seconds(), bad.Seconds(), incarnation))
		return true
	}
	see(c.sampleAt(from), from)
	for _, s := range c.samples {
		if s.at <= from || s.at >= until {
			continue
		}
		if judge(s.at) {
			return
		}
		see(s, s.at)
	}
	judge(until)
}
