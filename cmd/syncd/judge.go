package main

import (
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/support/recording"
)

// judge runs the verdict logic over looks: record as they come, replay again.
type judge struct{ judge *health.Engine }

func newJudge(poll time.Duration) judge { return judge{health.New(poll)} }

func (j judge) look(in health.Input) (verdictNow string, names []string) {
	report := j.judge.Observe(in)
	names = []string{}
	for _, f := range report.Findings {
		names = append(names, f.Name)
	}
	return health.Of(in.Stage, report.Findings, true), names
}

// polled records a look and what is judged of it.
func (r *recorder) polled(in health.Input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told != nil {
		asSeenBy(r.told, &in)
	}
	look := &recording.Look{Input: in}
	look.Verdict, look.Findings = r.judge.look(in)
	r.add(recording.Entry{At: in.At, Look: look})
}

// asSeenBy puts what only the driving syncd can know into a look of the
// recorder, for which that one's doings are another driver's.
func asSeenBy(s *status.Snapshot, in *health.Input) {
	in.Stage = fsm.Stage(s.Stage)
	driving := in.Stage == fsm.HeadSyncReady || in.Stage == fsm.HeadSync
	in.Gwat.Ours = driving
	in.Rival, in.Lock = "", nil
	if s.Rival != nil {
		in.Rival = s.Rival.Sign
	}
	if s.Lock != nil {
		in.Lock = &health.Lock{Running: driving && s.Lock.Ours, Ours: s.Lock.Ours, Until: s.Lock.Until}
	}
	in.Collecting = s.Push != nil && (s.Push.Phase == "collecting" || s.Push.Phase == "proving")
}
