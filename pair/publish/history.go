package publish

import (
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// History returns the stage changes that a journal has, the newest first; at most limit.
func History(j *journal.Journal, limit int) ([]status.Change, error) {
	kept, err := j.History(limit)
	if err != nil {
		return nil, err
	}
	changes := make([]status.Change, len(kept))
	for i, c := range kept {
		changes[i] = status.Change(c)
	}
	return changes, nil
}
