package faults

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Recovery is one measured way back to work.
type Recovery struct {
	Test  string `json:"test"`
	Fault string `json:"fault"` // "kill", "stop", a toxic, a fault of the networks, or what a hostile node does
	On    string `json:"on"`    // the process or link it was for
	Stage string `json:"stage"` // where it began

	Held    float64 `json:"held"`              // seconds it lasted
	Seconds float64 `json:"seconds"`           // from its end to work that lasts
	Lasting bool    `json:"lasting,omitempty"` // Seconds run from its beginning: the pair came to work under it
	Kept    bool    `json:"kept,omitempty"`    // working was said from before it to the end, and Seconds is 0

	Stages   []string `json:"stages"`             // told while it lasted, in order
	Findings []string `json:"findings,omitempty"` // told while it lasted
}

// WriteRecoveries leaves what a run measured in a file, sorted by test.
func WriteRecoveries(path string, list []Recovery) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Recovery) int { return cmp.Compare(a.Test, b.Test) })
	raw, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("write the measured times: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the measured times: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the measured times: %w", err)
	}
	return nil
}

// ReadRecoveries gives what a run has left.
func ReadRecoveries(path string) ([]Recovery, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the measured times: %w", err)
	}
	var list []Recovery
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("read the measured times in %s: %w", path, err)
	}
	return list, nil
}
