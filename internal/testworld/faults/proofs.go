package faults

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// GroupProofs is the section about what is proven beside single faults.
const GroupProofs = "Simulation, planted bugs, fuzzing"

// Proofs are what the simulation, the planted bugs and the fuzz targets have shown.
// The figures are kept by hand in figures.json; what is zero or empty was not measured.
type Proofs struct {
	Simulation struct {
		Date    string  `json:"date"`
		Version string  `json:"version"`
		PerHour int     `json:"schedules_an_hour_on_one_core"`
		Seeds   int     `json:"seeds_without_a_violation"`
		Hours   float64 `json:"hours"` // that they took
		Cores   int     `json:"cores"`
	} `json:"simulation"`
	Found   []Found `json:"found"`
	Planted struct {
		Date  string   `json:"date"`
		Seeds int      `json:"most_seeds_for_each"`
		Bugs  []Caught `json:"bugs"`
	} `json:"planted"`
	Fuzzed struct {
		Date    string   `json:"date"`
		Minutes float64  `json:"minutes_for_each"`
		Targets []Fuzzed `json:"targets"`
	} `json:"fuzzed"`

	bugs map[string]Bug
}

// Found is a bug that the simulation has found, and was then repaired.
type Found struct {
	What  string `json:"what"`
	Seeds []int  `json:"seeds"`
}

// ByTest is the rule of a planted bug that a test finds, not a seed.
const ByTest = "test"

// Caught is how a planted bug was found.
type Caught struct {
	Bug  string `json:"bug"`
	Rule string `json:"rule"`
	Seed int    `json:"seed"`
}

// Fuzzed is what became of a fuzz target.
type Fuzzed struct {
	Target     string  `json:"target"`
	CrashAfter int     `json:"executions_to_a_crash,omitempty"` // that was repaired; 0: there was none
	Executions int     `json:"executions_passed"`
	Minutes    float64 `json:"minutes,omitempty"` // if other than for each
}

// ReadProofs reads the figures and the planted bugs below the module's root.
func ReadProofs(root string) (Proofs, error) {
	path := filepath.Join(root, "internal/testworld/faults/figures.json")
	file, err := os.Open(path)
	if err != nil {
		return Proofs{}, fmt.Errorf("read the figures: %w", err)
	}
	defer file.Close()
	var p Proofs
	in := json.NewDecoder(file)
	in.DisallowUnknownFields() // a name mistyped by hand would be a figure that is not shown
	if err := in.Decode(&p); err != nil {
		return Proofs{}, fmt.Errorf("read the figures in %s: %w", path, err)
	}
	bugs, err := PlantedBugs(root)
	if err != nil {
		return Proofs{}, err
	}
	p.bugs = map[string]Bug{}
	for _, b := range bugs {
		p.bugs[b.Name] = b
	}
	return p, nil
}

const unmeasured = "not measured"

// figure is a number with commas between its thousands.
func figure(n int) string {
	if n == 0 {
		return unmeasured
	}
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func since(date string) string {
	if date == "" {
		return unmeasured
	}
	return "measured on " + date
}

func (p Proofs) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n", GroupProofs)
	p.writeSimulation(b)
	p.writePlanted(b)
	p.writeFuzzed(b)
}

func (p Proofs) writeSimulation(b *strings.Builder) {
	s := p.Simulation
	kinds := 0
	for _, r := range Table() {
		if r.Group == GroupSimulation {
			kinds++
		}
	}
	when := since(s.Date)
	if s.Version != "" {
		when += ", with syncd " + s.Version
	}
	ran := figure(s.Seeds)
	if s.Seeds > 0 {
		ran += fmt.Sprintf(", in %.1f hours on %d cores", s.Hours, s.Cores)
	}
	fmt.Fprintf(b, `
### Simulation

`+"`make simulate`"+` runs the whole daemon against the simulated pair in fake time; a seed decides
the network, both nodes, the settings, what happens when, and which faults there are. Each
run is judged by the nodes' own logs: the rules S1 to S10, the order of what gwat finalized,
what the API answered, and that the pair works in time once all is well.

| what | figure (%s) |
|---|---|
| kinds of faults | %d |
| schedules an hour on one core | %s |
| seeds run without a violation | %s |

What the simulation found in syncd on the way, all repaired:

`, when, kinds, figure(s.PerHour), ran)
	for _, f := range p.Found {
		var seeds []string
		for _, n := range f.Seeds {
			seeds = append(seeds, fmt.Sprint(n))
		}
		word := "seed"
		if len(seeds) > 1 {
			word = "seeds"
		}
		fmt.Fprintf(b, "- %s (%s %s)\n", f.What, word, strings.Join(seeds, ", "))
	}
}

func (p Proofs) writePlanted(b *strings.Builder) {
	fmt.Fprintf(b, `
### Planted bugs

`+"`make mutants`"+` plants %d bugs, one at a time, into a build of the simulation and runs at
most %s seeds of it; each has to be found, by a rule that it breaks. What no run of the
simulation shows has the rule `+"`test`"+`: the named test has to fail. The seeds: %s.

| bug | what | rules that may find it | found by | seed |
|---|---|---|---|---|
`, len(p.Planted.Bugs), figure(p.Planted.Seeds), since(p.Planted.Date))
	for _, c := range p.Planted.Bugs {
		rule, seed := unmeasured, ""
		bug := p.bugs[c.Bug]
		switch {
		case c.Rule == ByTest:
			rule = "`" + bug.Test + "`"
		case c.Seed > 0:
			rule, seed = c.Rule, fmt.Sprint(c.Seed)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", c.Bug, bug.What, strings.Join(bug.Rules, ", "), rule, seed)
	}
}

func (p Proofs) writeFuzzed(b *strings.Builder) {
	fmt.Fprintf(b, `
### Fuzzing

`+"`make fuzz`"+`, %s. What
crashed was repaired, its input is kept in `+"`testdata/fuzz`"+`, and the target was run again.

| target | minutes | executions passed | crashes on the way |
|---|---|---|---|
`, since(p.Fuzzed.Date))
	for _, f := range p.Fuzzed.Targets {
		crash := "none"
		if f.CrashAfter > 0 {
			crash = "one, after " + figure(f.CrashAfter) + " executions; repaired"
		}
		minutes := cmp.Or(f.Minutes, p.Fuzzed.Minutes)
		fmt.Fprintf(b, "| `%s` | %g | %s | %s |\n", f.Target, minutes, figure(f.Executions), crash)
	}
}
