package faults

import (
	"fmt"
	"strings"
)

const preface = `# Faults

What syncd was put through, what it does about it, what the operator sees, how long the
pair takes back to work, and the test that proves it. Made from ` + "`internal/testworld/faults`" + ` by
` + "`make docs`" + `; a test refuses this page when it is another, when a test that it names is
gone, or when a fault that is injected has no row.

Every run also proves, by the log of the simulated gwat, that no rule of the head sync was
broken, and by asking syncd_status all the time that no answer was untrue.

Times are seconds from the end of the fault to work that lasts: the median and the worst of
so many runs, in brackets. "under it" counts from the beginning of a fault that the pair came
to work under; "held" are runs in which working was said from before the fault to the end.
Slots of the simulated pair are a second long and gwat's lock six; syncd looks every 250 ms,
gives a call one second and a push five. Times of the simulation are of its fake clock, of
faults that come alone and wait for a stage, with settings and lengths of a slot that differ
from run to run; what was still to be done when the fault began counts too.

`

// Document is docs/faults.md.
func Document(m Measured, p Proofs) string {
	var b strings.Builder
	b.WriteString(preface)
	fmt.Fprintf(&b, "Measured on %s, %s, with syncd %s.\n", m.Date, m.Machine, m.Version)
	b.WriteString("\n| suite | passed | failed | skipped | seconds |\n|---|---|---|---|---|\n")
	for _, s := range m.Suites {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", s.Name, s.Passed, s.Failed, s.Skipped, s.Seconds)
	}
	group := ""
	for _, r := range Table() {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n## %s\n\n| fault | what syncd does | what the operator sees | recovery | test |\n|---|---|---|---|---|\n", group)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Fault, r.Does, r.Sees, r.recovery(m), "`"+strings.Join(r.Tests, "`, `")+"`")
	}
	p.write(&b)
	return b.String()
}

// Measures reports whether a measured time is one of the row.
func (r Row) Measures(s Summary) bool {
	cases := strings.HasSuffix(r.Key, ":") && strings.HasPrefix(s.Fault, r.Key)
	// A fault that the simulation and the processes both have is two rows.
	return (cases || s.Fault == r.Key) && (r.On == "" && s.On != "simulation" || r.On == s.On)
}

// recovery is what was measured of a row.
func (r Row) recovery(m Measured) string {
	if r.Key == "" {
		return r.Instead
	}
	var parts []string
	cases, worst := 0, 0.0
	for _, s := range m.Faults {
		if !r.Measures(s) {
			continue
		}
		cases, worst = cases+1, max(worst, s.Worst)
		text := fmt.Sprintf("%.1f / %.1f (%d)", s.Median, s.Worst, s.Runs)
		switch {
		case s.Kept:
			text = fmt.Sprintf("held (%d)", s.Runs)
		case s.Lasting:
			text = "under it: " + text
		}
		if r.On == "" {
			text = s.On + " " + text
		}
		parts = append(parts, text)
	}
	switch {
	case cases == 0:
		return "not measured"
	case strings.HasSuffix(r.Key, ":"):
		return fmt.Sprintf("at most %.1f (%d cases)", worst, cases)
	}
	return strings.Join(parts, "<br>")
}
