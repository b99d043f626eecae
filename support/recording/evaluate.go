package recording

import (
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

// evaluator runs the health engine over polls: a recorder as they come, a player again.
// Each era has its engine.
type evaluator struct{ headSync, coordinated *health.Engine }

func newEvaluator(poll time.Duration) evaluator {
	return evaluator{health.New(poll), health.NewCoordinated(poll)}
}

func (e evaluator) poll(in health.Input) (verdictNow string, names []string) {
	engine := e.headSync
	if in.Coordinated != nil {
		engine = e.coordinated
	}
	report := engine.Observe(in)
	names = []string{}
	for _, f := range report.Findings {
		names = append(names, f.Name)
	}
	return health.Of(in.Stage, report.Findings, true), names
}

// polled records a poll and its verdict.
func (r *Recorder) polled(in health.Input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reported != nil {
		asSeenBy(r.reported, &in)
	}
	look := &Evaluation{Input: in}
	look.Verdict, look.Findings = r.engine.poll(in)
	r.add(Entry{At: in.At, Evaluation: look})
}

// asSeenBy puts what only the driving syncd can know into a poll of the recorder, to
// which that syncd is a competing driver.
func asSeenBy(s *status.Snapshot, in *health.Input) {
	in.Stage = fsm.Stage(s.Stage)
	driving := in.Stage == fsm.HeadSyncReady || in.Stage == fsm.HeadSync
	in.Gwat.Ours = driving
	in.Competing, in.Lock = "", nil
	if s.CompetingDriver != nil {
		in.Competing = s.CompetingDriver.Sign
	}
	if s.Lock != nil {
		in.Lock = &health.Lock{Running: driving && s.Lock.Ours, Ours: s.Lock.Ours, Until: s.Lock.Until}
	}
	in.Collecting = s.Push != nil && (s.Push.Phase == "collecting" || s.Push.Phase == "proving")
}
