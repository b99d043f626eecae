package terminal

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/status"
)

// ChangeText is a stage change for people, on one line.
func ChangeText(c status.Change) string {
	c = CleanChange(c)
	out := c.At.Local().Format("15:04:05.000") + "  " + c.To
	if c.Reason != "" {
		out += ": " + c.Reason
	}
	return out
}

// ProgressText is a progress for people.
func ProgressText(p status.Progress, now time.Time) string {
	out := fmt.Sprintf("%s %d of %d", p.Unit, p.Current, p.Target)
	if p.Rate > 0 {
		out += fmt.Sprintf(" (%.1f a second)", p.Rate)
	}
	if p.ETA != nil {
		out += ", done " + Until(*p.ETA, now)
	}
	return out
}

// Ago is how long t is past.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return max(0, now.Sub(t)).Round(time.Second).String()
}

// Until is how far t is ahead.
func Until(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + d.Round(100*time.Millisecond).String()
	}
	return "now"
}
