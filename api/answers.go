package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/gwatsync/syncd/status"
)

// Findings is the answer of syncd_findings and what a subscription to
// "findings" tells.
type Findings struct {
	Seq      uint64           `json:"seq"` // of the snapshot that they are from
	At       time.Time        `json:"at"`
	Verdict  string           `json:"verdict"`
	Findings []status.Finding `json:"findings"`
}

func findingsOf(s *status.Snapshot) Findings {
	out := Findings{Seq: s.Seq, At: s.At, Verdict: s.Verdict, Findings: s.Findings}
	if out.Findings == nil {
		out.Findings = []status.Finding{}
	}
	return out
}

// Progress is the answer of syncd_progress: how far a pair is, and how it came there.
type Progress struct {
	Seq     uint64       `json:"seq"` // of the snapshot that all but the samples is from
	At      time.Time    `json:"at"`
	Stage   string       `json:"stage"`
	Verdict string       `json:"verdict"`
	Since   time.Time    `json:"since"` // when the stage was entered
	ETA     *time.Time   `json:"eta,omitempty"`
	Gwat    status.Node  `json:"gwat"`
	Beacon  status.Node  `json:"beacon"`
	Push    *status.Push `json:"push,omitempty"`
	Past    *status.Past `json:"past,omitempty"`

	StepSeconds float64         `json:"stepSeconds,omitempty"` // of the samples, if the past was asked for in steps
	Samples     []status.Sample `json:"samples"`               // the newest last
}

func progressOf(s *status.Snapshot, samples []status.Sample) Progress {
	if samples == nil {
		samples = []status.Sample{}
	}
	return Progress{
		Seq: s.Seq, At: s.At, Stage: s.Stage, Verdict: s.Verdict, Since: s.Since, ETA: s.ETA,
		Gwat: s.Gwat, Beacon: s.Beacon, Push: s.Push, Past: s.Past, Samples: samples,
	}
}

// Setting is one element of the answer of syncd_config. Value is a text, a
// number, true or false, or a list of texts; it holds no secret.
type Setting struct {
	Key    string `json:"key"` // as the flag and the key in the file are called
	Value  any    `json:"value"`
	Source string `json:"source,omitempty"` // "default", "file", "environment" or "flag"; absent if not known
}

// ResyncOrder is the parameter of syncd_resync.
type ResyncOrder status.Resync

// UnmarshalJSON refuses unknown members: a misspelt "full" would be dropped in silence.
func (o *ResyncOrder) UnmarshalJSON(raw []byte) error {
	return decodeStrict(raw, (*status.Resync)(o))
}

// HealOrder is the parameter of syncd_heal.
type HealOrder status.HealOrder

// UnmarshalJSON refuses unknown members: a misspelt "dryRun" would be dropped in silence.
func (o *HealOrder) UnmarshalJSON(raw []byte) error {
	return decodeStrict(raw, (*status.HealOrder)(o))
}

// decodeStrict decodes a parameter and refuses members that its type does not have.
func decodeStrict(raw []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(to)
}
