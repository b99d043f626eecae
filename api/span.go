package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// defaultSpan is how far back syncd_progress goes if only its end or step is given.
const defaultSpan = 24 * time.Hour

// Moment is a time as a parameter: of RFC 3339, or a length before the newest snapshot
// such as "-24h". The first parameter of syncd_progress may be a number, which is a limit.
type Moment struct {
	at     time.Time
	before time.Duration // if at is zero
	limit  *int
}

// UnmarshalJSON takes one of the forms.
func (m *Moment) UnmarshalJSON(raw []byte) error {
	if n, err := strconv.Atoi(string(bytes.TrimSpace(raw))); err == nil {
		m.limit = &n
		return nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("%.40s is no time: want RFC 3339, or a length before now such as \"-24h\"", raw)
	}
	var err error
	if m.at, err = time.Parse(time.RFC3339, text); err == nil {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d > 0 {
		return fmt.Errorf("%.40q is no time: want RFC 3339, or a length before now such as \"-24h\"", text)
	}
	m.before = -d
	return nil
}

func (m *Moment) or(now, unset time.Time) time.Time {
	switch {
	case m == nil:
		return unset
	case m.at.IsZero():
		return now.Add(-m.before)
	}
	return m.at
}

// Step is a length of time as a parameter, such as "5m".
type Step time.Duration

// UnmarshalJSON takes a length above zero.
func (s *Step) UnmarshalJSON(raw []byte) error {
	var text string
	err := json.Unmarshal(raw, &text)
	if err == nil {
		var d time.Duration
		if d, err = time.ParseDuration(text); err == nil && d > 0 {
			*s = Step(d)
			return nil
		}
	}
	return fmt.Errorf("%.40s is no step: want a length of time such as \"5m\"", raw)
}

// Progress is syncd_progress: how far the pair is, with its recent past (300 samples if
// no limit is given) or, with any of the other parameters, its past in steps.
func (s *service) Progress(from, to *Moment, step *Step, limit *int) (*Progress, error) {
	if from != nil && from.limit != nil {
		from, limit = nil, from.limit
	}
	span := from != nil || to != nil || step != nil
	switch {
	case to != nil && to.limit != nil:
		return nil, &rpcError{code: codeInvalidParams, msg: "to is a number, want a time"}
	case span && limit != nil:
		return nil, &rpcError{code: codeInvalidParams, msg: "limit goes without from, to and step"}
	}
	n, err := bounded(limit, defaultSamples, 0, maxSamples)
	if err != nil {
		return nil, err
	}
	snap, err := snapshotOf(s.src)
	if err != nil {
		return nil, err
	}
	if !span {
		out := progressOf(snap, s.src.Samples(n))
		return &out, nil
	}
	end := to.or(snap.At, snap.At)
	begin := from.or(snap.At, end.Add(-defaultSpan))
	if !begin.Before(end) {
		return nil, &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("from is %s, to is %s: want a time before it", begin.Format(time.RFC3339), end.Format(time.RFC3339))}
	}
	asked := time.Duration(0)
	if step != nil {
		asked = time.Duration(*step)
	}
	samples, used := s.src.Span(begin, end, asked)
	out := progressOf(snap, samples)
	out.StepSeconds = used.Seconds()
	return &out, nil
}
