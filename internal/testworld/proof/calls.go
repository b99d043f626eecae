package proof

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// The calls of a head sync.
const (
	MethodReady = "dag_headSyncReady"
	MethodPush  = "dag_headSync"
	// Competitor is the user agent of a competing driver that a test sends.
	Competitor = "a competing driver"
)

// Violations reads gwat's own call log for what syncd may never do (S1, S2, S3
// and S6); the calls of a rival are not judged.
// The chain must be one without forks: its blocks then stay canonical.
func Violations(calls []gwatsim.Call, chain world.Chain) []string {
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(a, b gwatsim.Call) int { return a.Begin.Compare(b.Begin) })
	var out []string
	wrong := func(c gwatsim.Call, rule, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s, call %d (%s at %s): %s", rule, c.Seq, c.Method, c.Begin.Format("15:04:05.000"), fmt.Sprintf(format, args...)))
	}
	var ready *gwatsim.Call // the one that answered true and was not used yet
	var busyUntil time.Time
	var quietUntil time.Time // the competing driver's lock and three slots
	for _, c := range calls {
		if c.Method != MethodReady && c.Method != MethodPush {
			continue
		}
		if c.Peer.UserAgent == Competitor {
			if c.Answer == "true" {
				quietUntil = c.End.Add(headsync.QuietSlots * chain.Spec().SlotDuration())
			}
			continue
		}
		if c.Begin.Before(busyUntil) {
			wrong(c, "S1", "it began before the call before it had ended")
		}
		busyUntil = c.End
		if c.Begin.Before(quietUntil) && c.Answer == "true" {
			wrong(c, "S6", "a competing driver was at work until %s", quietUntil.Format("15:04:05.000"))
		}
		if c.Method == MethodReady {
			ready = nil
			if c.Answer == "true" {
				ready = &c
			}
			continue
		}
		if ready == nil {
			wrong(c, "S1", "no unused ready that answered true stands before it")
		} else if why := gap(ready.Infos[0], c, chain); why != "" {
			wrong(c, "S2", "%s", why)
		}
		ready = nil
	}
	return out
}

// gap tells where a push is not the canonical chain that follows its ready. An
// empty one only gives the lock back.
func gap(after checkpoint.ConsensusInfo, push gwatsim.Call, chain world.Chain) string {
	head := chain.HeadAt(chain.Spec().SlotAt(push.Begin))
	next := after.Slot + 1
	for i, info := range push.Infos {
		if info.Slot == after.Slot {
			continue // the checkpoint itself may be pushed again
		}
		for ; next < info.Slot; next++ {
			// What begins with blocks that name nothing to finalize is passed: gwat has all they ask for.
			if b, ok := chain.Ancestor(head, next); ok && (i > 0 || len(b.Finalization) > 0) {
				return fmt.Sprintf("slot %d (root %s) is left out before slot %d", next, b.Root, info.Slot)
			}
		}
		b, ok := chain.Ancestor(head, info.Slot)
		switch {
		case !ok:
			return fmt.Sprintf("slot %d has no canonical block, or comes twice", info.Slot)
		case next > info.Slot:
			return fmt.Sprintf("slot %d is out of order", info.Slot)
		case !slices.Equal(b.Finalization, info.Finalizing):
			return fmt.Sprintf("slot %d finalizes %v, the canonical block says %v", info.Slot, info.Finalizing, b.Finalization)
		case !slices.Equal(world.Creators(chain, info.Slot), info.Creators):
			return fmt.Sprintf("slot %d has the creators %v", info.Slot, info.Creators)
		}
		next = info.Slot + 1
	}
	return ""
}

// neverIdle reports whether, by its own log, gwat was not in normal work over the
// whole of a time: it says so at the end of every call.
func neverIdle(calls []gwatsim.Call, from, to time.Time) bool {
	at, _ := slices.BinarySearchFunc(calls, from, func(c gwatsim.Call, t time.Time) int { return c.End.Compare(t) })
	seen := 0
	for ; at < len(calls) && calls[at].End.Before(to); at++ {
		if calls[at].After.Stage == gwatsim.StageNone {
			return false
		}
		seen++
	}
	return seen >= 2
}

// ReadCalls reads the log that a simulated gwat keeps in a file.
func ReadCalls(from io.Reader) ([]gwatsim.Call, error) {
	var out []gwatsim.Call
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return out, nil // what has no line end yet is being written
		}
		if err != nil {
			return nil, fmt.Errorf("read gwat's calls: %w", err)
		}
		var c gwatsim.Call
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("read gwat's calls: %w", err)
		}
		out = append(out, c)
	}
}
