package terminal

import (
	"time"

	"github.com/gwatsync/syncd/status"
)

// changes finds in the updates the stage changes that were not shown yet: a
// snapshot may come before its change, or without one.
type changes struct {
	stage string
	at    time.Time
}

func (c *changes) of(u Update) []status.Change {
	var out []status.Change
	for _, one := range u.Changes {
		if one.At.After(c.at) {
			out = append(out, one)
			c.stage, c.at = one.To, one.At
		}
	}
	// Not older than what was shown: a snapshot that was overtaken is skipped.
	if s := u.Snapshot; s != nil && s.Stage != c.stage && !s.Since.Before(c.at) {
		out = append(out, status.Change{At: s.Since, From: c.stage, To: s.Stage, Reason: s.Reason})
		c.stage, c.at = s.Stage, s.Since
	}
	return out
}
