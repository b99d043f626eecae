package publish

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// Build returns the snapshot of a state.
func Build(s State) *status.Snapshot {
	out := &status.Snapshot{
		Seq: s.Seq, At: s.At, Pair: s.Pair.Name, Version: s.Pair.Version, Observe: s.Pair.Observe,
		Stage: string(s.Stage.Name), Since: s.Stage.Since, Reason: s.Stage.Reason, Waiting: s.waiting(), NextTry: s.nextTry(),
		Push: s.Work.Push, LastError: s.Work.LastError, Attempts: s.Work.Attempts,
		Confirmed: (*status.Confirmed)(s.Confirmed), Findings: s.Findings,
		Lock: Lock(s.Nodes.Last, s.Pending, s.Work.Driver.Last, s.Stage.Name, s.Pair.LockTime),
	}
	if spec := s.Nodes.Measured.Spec; spec != nil {
		out.Era, out.Network = string(spec.Era()), status.NewNetwork(*spec, s.At)
	}
	out.Gwat, out.Beacon = s.gwat(), s.beacon()
	if d := s.Work.Driver; d.Sign != "" {
		out.CompetingDriver = &status.CompetingDriver{Sign: d.Sign, Seen: d.First, LastProgress: d.Last}
		out.Rival = out.CompetingDriver
	}
	if o := s.Nodes.Last; o != nil && o.Beacon.Err == nil {
		out.Checkpoint = checkpointOf(o)
	}
	out.Verdict = health.Of(s.Stage.Name, s.Findings, s.Nodes.Last != nil)
	out.ETA = s.eta(out)
	return out
}

// waiting returns what the stage waits for; "" if for nothing.
func (s *State) waiting() string {
	if s.Nodes.Last == nil {
		return "the first answer of both nodes"
	}
	if s.Stage.Name != fsm.HeadSyncReady {
		return fsm.Waiting(s.Stage.Name, s.Stage.Facts)
	}
	w := &s.Work
	switch {
	case w.Inhibit != "":
		return w.Inhibit
	case w.Awaits != "" && w.Running:
		return w.Awaits
	case w.LastError != nil && w.LastError.At.After(s.Stage.Since):
		return w.LastError.Message
	case w.Push != nil && w.Running && w.Push.Phase == string(headsync.PhaseCollecting):
		return fmt.Sprintf("the beacon's blocks up to slot %d to be collected", w.Push.To)
	}
	return "gwat to be ready"
}

// nextTry returns when the pair is polled or tried again; nil while it needs neither.
func (s *State) nextTry() *time.Time {
	next := s.At.Add(s.Pair.PollInterval)
	switch s.Stage.Name {
	case fsm.Working, fsm.Paused, fsm.HeadSync:
		return nil
	case fsm.HeadSyncReady:
		if s.Work.Running {
			return nil
		}
		if s.Work.NextAttempt.After(s.At) {
			next = s.Work.NextAttempt
		}
	}
	return &next
}

func checkpointOf(o *poll.Observation) *status.Checkpoint {
	out := &status.Checkpoint{Checkpoint: o.Beacon.Justified}
	for _, point := range o.Beacon.Points {
		if point.Header.Root != o.Beacon.Justified.Root {
			continue
		}
		out.Slot = point.Header.Slot
		if spine, ok := point.LastSpine(); ok {
			out.Spine = &spine
		}
	}
	return out
}

// Lock returns who holds gwat's head-sync lock and until when at the latest; nil if it is
// not held, or if that is not known. driver is when a competing driver was last seen.
func Lock(o *poll.Observation, pending *checkpoint.Pending, driver time.Time, stage fsm.Stage, held time.Duration) *status.Lock {
	switch {
	case o == nil || o.Gwat.Err != nil || o.Gwat.Sync.Activity != protocol.Prepared:
		return nil
	case pending != nil:
		return &status.Lock{Ours: true, Until: pending.SentAt.Add(held)}
	case !driver.IsZero() && stage != fsm.HeadSync:
		return &status.Lock{Until: driver.Add(held)}
	}
	return nil
}
