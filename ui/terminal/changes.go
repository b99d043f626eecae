package terminal

import (
	"time"

	"github.com/gwatsync/syncd/status"
)

// changes finds in the updates the stage changes that were not shown yet: a
// snapshot may come before its change, and before earlier ones, or without any.
type changes struct {
	stage string
	at    time.Time // of the newest that was shown
	told  time.Time // of the newest that came as a change
}

func (c *changes) of(u Update) []status.Change {
	var out []status.Change
	for _, one := range u.Changes {
		if !one.At.After(c.told) {
			continue
		}
		c.told = one.At
		if one.At.Equal(c.at) && one.To == c.stage {
			continue // a snapshot has shown it
		}
		out = append(out, one)
		if one.At.After(c.at) {
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
