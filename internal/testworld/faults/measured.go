package faults

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Measured is what a `make faults` run has measured.
type Measured struct {
	Date    string    `json:"date"`
	Machine string    `json:"machine"`
	Version string    `json:"version"` // of the sources
	Suites  []Suite   `json:"suites"`
	Faults  []Summary `json:"faults"`
}

// Suite is how one part of a run ended.
type Suite struct {
	Name    string `json:"name"`
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	Skipped int    `json:"skipped"`
	Seconds int    `json:"seconds"`
}

// Summary is all the recoveries of one fault on one part of the pair that are counted in one way.
type Summary struct {
	Fault  string  `json:"fault"`
	On     string  `json:"on"`
	Runs   int     `json:"runs"`
	Median float64 `json:"median"` // seconds
	Worst  float64 `json:"worst"`
	At     string  `json:"at,omitempty"` // the stage of the worst
	// Lasting tells that the pair came to work under the fault, counted from its beginning.
	Lasting bool `json:"lasting,omitempty"`
	// Kept tells that working was said from before the fault to the end.
	Kept bool `json:"kept,omitempty"`
	// Findings are those that were told during most of the runs.
	Findings []string `json:"findings,omitempty"`
}

// Summarize puts recoveries together.
func Summarize(list []Recovery) []Summary {
	type key struct {
		fault, on     string
		lasting, kept bool
	}
	groups := map[key][]Recovery{}
	for _, r := range list {
		k := key{r.Fault, r.On, r.Lasting, r.Kept}
		groups[k] = append(groups[k], r)
	}
	var out []Summary
	for k, runs := range groups {
		slices.SortFunc(runs, func(a, b Recovery) int { return cmp.Compare(a.Seconds, b.Seconds) })
		worst := runs[len(runs)-1]
		s := Summary{
			Fault: k.fault, On: k.on, Runs: len(runs), At: worst.Stage, Lasting: k.lasting, Kept: k.kept,
			Median: tenth(runs[len(runs)/2].Seconds), Worst: tenth(worst.Seconds),
		}
		told := map[string]int{}
		for _, r := range runs {
			for _, name := range r.Findings {
				told[name]++
			}
		}
		for name, n := range told {
			if 2*n > len(runs) {
				s.Findings = append(s.Findings, name)
			}
		}
		slices.Sort(s.Findings)
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Summary) int {
		return cmp.Or(cmp.Compare(a.Fault, b.Fault), cmp.Compare(a.On, b.On), cmp.Compare(a.way(), b.way()))
	})
	return out
}

// way orders the ways of counting: from the fault's end, from its beginning, not at all.
func (s Summary) way() int {
	switch {
	case s.Kept:
		return 2
	case s.Lasting:
		return 1
	}
	return 0
}

func tenth(seconds float64) float64 { return float64(int(seconds*10+0.5)) / 10 }

// Measure puts together what the suites have left in files; one that is not there
// was not run.
func Measure(now time.Time, version string, files ...string) (Measured, error) {
	m := Measured{Date: now.UTC().Format(time.DateOnly), Machine: machine(), Version: version}
	var all []Recovery
	for _, path := range files {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		list, err := ReadRecoveries(path)
		if err != nil {
			return Measured{}, err
		}
		all = append(all, list...)
	}
	m.Faults = Summarize(all)
	return m, nil
}

// Dirty ends the version of sources that are not all committed.
const Dirty = "-dirty"

// Version of the sources in the current directory; files that git does not know count too.
func Version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always").Output()
	if err != nil {
		return "", fmt.Errorf("find the version of the sources: %w", err)
	}
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
	if err != nil {
		return "", fmt.Errorf("find what is not committed: %w", err)
	}
	version := strings.TrimSpace(string(out))
	if len(changed) > 0 {
		version += Dirty
	}
	return version, nil
}

func machine() string {
	model := runtime.GOARCH
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "model name"); ok {
				model = strings.TrimLeft(name, "\t :")
				break
			}
		}
	}
	return fmt.Sprintf("%d cores of %s", runtime.NumCPU(), model)
}

// Write leaves it in a file.
func (m Measured) Write(path string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the measured times: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the measured times: %w", err)
	}
	return nil
}

// ReadMeasured gives what Write has left.
func ReadMeasured(path string) (Measured, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Measured{}, fmt.Errorf("read the measured times: %w", err)
	}
	var m Measured
	if err := json.Unmarshal(raw, &m); err != nil {
		return Measured{}, fmt.Errorf("read the measured times in %s: %w", path, err)
	}
	return m, nil
}
