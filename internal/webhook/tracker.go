package webhook

import (
	"time"

	"github.com/gwatsync/syncd/status"
)

// How long a finding must last before it is sent, and be gone before it is over: one that
// comes and goes meanwhile is one message.
const (
	criticalAfter = time.Minute
	warningAfter  = 30 * time.Minute
	overAfter     = 5 * time.Minute
)

// tracker says which findings are to be sent. It is pure: time comes with the call.
type tracker struct {
	known map[string]*tracked
}

type tracked struct {
	last status.Finding
	from time.Time // since when it is active
	gone time.Time // since when it is not; zero while it is
	sent bool
}

// observe takes a snapshot in. Findings that another one explains are not sent, nor is what
// is only worth knowing.
func (t *tracker) observe(s *status.Snapshot, now time.Time) (out []Message) {
	if t.known == nil {
		t.known = map[string]*tracked{}
	}
	active := map[string]bool{}
	for _, f := range s.Findings {
		if f.ExplainedBy != "" || f.Severity != status.SeverityCritical && f.Severity != status.SeverityWarning {
			continue
		}
		active[f.Name] = true
		k := t.known[f.Name]
		if k == nil {
			k = &tracked{from: now}
			t.known[f.Name] = k
		}
		k.last, k.gone = f, time.Time{}
		if !k.sent && now.Sub(k.from) >= after(f) {
			k.sent = true
			out = append(out, newMessage(Firing, s, f))
		}
	}
	for name, k := range t.known {
		switch {
		case active[name]:
		case !k.sent:
			delete(t.known, name)
		case k.gone.IsZero():
			k.gone = now
		case now.Sub(k.gone) >= overAfter:
			delete(t.known, name)
			out = append(out, newMessage(Resolved, s, k.last))
		}
	}
	return out
}

func after(f status.Finding) time.Duration {
	if f.Severity == status.SeverityCritical {
		return criticalAfter
	}
	return warningAfter
}
