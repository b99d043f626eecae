package terminal

import (
	"time"

	"github.com/gwatsync/syncd/status"
)

// pastText says since or until when a pair worked, and what its last trouble was.
func pastText(p *status.Past, now time.Time) string {
	text := "not seen to work yet"
	switch {
	case p.WorkingSince != nil:
		text = "works for " + Ago(*p.WorkingSince, now)
	case p.WorkedUntil != nil:
		text = "worked until " + Ago(*p.WorkedUntil, now) + " ago"
	}
	t := p.LastTrouble
	if t == nil {
		return text
	}
	name := t.Verdict
	if t.Finding != "" {
		name += " (" + t.Finding + ")"
	}
	if t.Until == nil {
		return text + "; " + name + " for " + Ago(t.From, now)
	}
	return text + "; last trouble: " + name + " for " + Ago(t.From, *t.Until) + ", over for " + Ago(*t.Until, now)
}
