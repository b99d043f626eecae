package simulation

import (
	"time"

	"github.com/gwatsync/syncd/fsm"
)

// Recovery is one fault that began, and when syncd last began to say working.
type Recovery struct {
	Number int
	Kind   string
	Stage  string        // that syncd said to be in when it began; "" if it had said none
	Began  time.Duration // as all times since the start of the run
	Ended  time.Duration
	Works  time.Duration // since when working is said unbroken at the run's end; never if it is not
}

// Held reports whether working was said from before the fault to the run's end.
func (w Recovery) Held() bool { return w.Works != never && w.Works <= w.Began }

// Under reports whether the pair came to work while the fault lasted.
func (w Recovery) Under() bool { return w.Works > w.Began && w.Works <= w.Ended }

// Took is how long the recovery took: from the fault's end, and from its
// beginning if the pair came to work under it.
func (w Recovery) Took() time.Duration {
	switch {
	case w.Held():
		return 0
	case w.Under():
		return w.Works - w.Began
	}
	return w.Works - w.Ended
}

// recoveries is asked at the run's end.
func (r *run) recoveries() []Recovery {
	var out []Recovery
	works := r.worksSince()
	for _, f := range r.plan.Faults {
		if !f.begun {
			continue
		}
		out = append(out, Recovery{
			Number: f.number, Kind: f.kind.name, Stage: r.saidAt(f.began), Began: f.began, Ended: r.endOf(f), Works: works,
		})
	}
	return out
}

// endOf is when what a fault did was over: one that ends syncd is over when it runs again.
func (r *run) endOf(f *fault) time.Duration {
	if f.kind.ends {
		for _, l := range r.incarnations {
			if l.begin > f.began {
				return l.begin
			}
		}
	}
	return f.ended
}

// worksSince is when syncd began to say working without a break until now.
func (r *run) worksSince() time.Duration {
	if n := len(r.stages); n > 0 {
		if s := r.stages[n-1]; s.To == string(fsm.Working) && s.incarnation == len(r.incarnations) {
			return s.at
		}
	}
	return never
}

// saidAt is the stage that syncd had said to be in before a time.
func (r *run) saidAt(at time.Duration) string {
	said := ""
	for _, s := range r.stages {
		if s.at < at { // what it says at that very time is of the fault
			said = s.To
		}
	}
	return said
}
