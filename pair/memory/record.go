package memory

import (
	"time"

	"github.com/gwatsync/syncd/status"
)

// restartGap is for how long a pair that worked may be out of sight, while syncd was
// started again, and still count as having worked all along.
const restartGap = 15 * time.Minute

// record is what is kept of the verdict.
type record struct {
	Verdict      string          `json:"verdict"`
	Since        time.Time       `json:"since"`
	WorkingSince time.Time       `json:"workingSince"` // of the present or the last time of work
	WorkedUntil  time.Time       `json:"workedUntil"`  // when it was seen to work last; zero if it never was
	Trouble      *status.Trouble `json:"trouble,omitempty"`
	Nodes        nodes           `json:"nodes,omitzero"`

	resumes bool // syncd was started again, and since then nothing has ended a time of work
}

// resume notes that syncd was started again. A pair in trouble before did not work all along.
func (r *record) resume() {
	inTrouble := r.Trouble != nil && r.Trouble.Until == nil
	r.resumes = !inTrouble && r.Verdict != status.VerdictPaused
}

// add takes the verdict of a snapshot in.
func (r *record) add(s *status.Snapshot) *status.Past {
	begins := s.Verdict != r.Verdict
	if begins {
		r.Verdict, r.Since = s.Verdict, s.At
	}
	switch s.Verdict {
	case status.VerdictWorking:
		away := s.At.Sub(r.WorkedUntil)
		switch {
		case r.resumes && !r.WorkedUntil.IsZero() && away <= restartGap:
			r.Since = r.WorkingSince
		case begins || r.resumes:
			r.Since, r.WorkingSince = s.At, s.At
		}
		r.WorkedUntil, r.resumes = s.At, false
	case status.VerdictFailing, status.VerdictHalted, status.VerdictPaused:
		r.resumes = false
	}
	r.trouble(s)
	r.Nodes.add(s)
	return r.past()
}

// trouble begins, goes on with or ends the last trouble. A verdict that is not known
// says nothing about it.
func (r *record) trouble(s *status.Snapshot) {
	open := r.Trouble != nil && r.Trouble.Until == nil
	switch s.Verdict {
	case status.VerdictUnknown:
	case status.VerdictFailing, status.VerdictHalted:
		if !open {
			r.Trouble = &status.Trouble{From: s.At, Verdict: s.Verdict}
		}
		if r.Trouble.Finding == "" && len(s.Findings) > 0 {
			next := *r.Trouble // the one before may be in a snapshot
			next.Finding, next.Summary = s.Findings[0].Name, s.Findings[0].Summary
			r.Trouble = &next
		}
	default:
		if open {
			ended := *r.Trouble
			ended.Until = &s.At
			r.Trouble = &ended
		}
	}
}

func (r *record) past() *status.Past {
	past := &status.Past{VerdictSince: r.Since, LastTrouble: r.Trouble}
	switch {
	case r.Verdict == status.VerdictWorking:
		since := r.WorkingSince
		past.WorkingSince = &since
	case !r.WorkedUntil.IsZero():
		until := r.WorkedUntil
		past.WorkedUntil = &until
	}
	return past
}
