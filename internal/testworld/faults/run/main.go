// Command run puts syncd through every fault that it has a test for, prints the
// table with the times measured on the way, and ends with how many tests passed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/gwatsync/syncd/internal/testworld/faults"
)

const (
	results = "bin/faults/"
	kept    = "internal/testworld/faults/measured.json"
)

// suite is one `go test`.
type suite struct {
	name string
	args []string
}

// count of tests that have no subtests; a program is one.
type count struct{ passed, failed, skipped int }

func (c *count) add(o count) {
	c.passed, c.failed, c.skipped = c.passed+o.passed, c.failed+o.failed, c.skipped+o.skipped
}

func main() {
	seeds := flag.Int("seeds", 200, "seeds of the simulation")
	fuzz := flag.Duration("fuzz", 4*time.Second, "how long each fuzz target runs")
	record := flag.Bool("record", false, "keep the measured times for docs/faults.md")
	only := flag.String("only", "", "run only suites with this in their name, beside the times of the last run; nothing of it is kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	total, err := run(ctx, *seeds, *fuzz, *record, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		total.failed++
	}
	fmt.Printf("%d passed, %d failed", total.passed, total.failed)
	if total.skipped > 0 {
		fmt.Printf(", %d skipped", total.skipped)
	}
	fmt.Println()
	if total.failed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, seeds int, fuzz time.Duration, record bool, only string) (total count, err error) {
	begin := time.Now()
	version, err := faults.Version(ctx)
	if err != nil {
		return total, err
	}
	if err := recordable(record, only, version); err != nil {
		return total, err
	}
	if only == "" {
		if err := os.RemoveAll(results); err != nil {
			return total, err
		}
	}
	var ended []faults.Suite
	list, err := suites(seeds, fuzz)
	if err != nil {
		return total, err
	}
	for _, s := range list {
		if !strings.Contains(s.name, only) {
			continue
		}
		at := time.Now()
		c := s.run(ctx)
		took := time.Since(at).Round(time.Second)
		fmt.Printf("%-36s %4d passed %3d failed %3d skipped  %6s\n", s.name, c.passed, c.failed, c.skipped, took)
		total.add(c)
		ended = append(ended, faults.Suite{Name: s.name, Passed: c.passed, Failed: c.failed, Skipped: c.skipped, Seconds: int(took / time.Second)})
	}
	measured, err := faults.Measure(begin, version, results+"simulation.json", results+"processes.json", results+"networks.json")
	if err != nil {
		return total, err
	}
	measured.Suites = ended
	proofs, err := faults.ReadProofs(".")
	if err != nil {
		return total, err
	}
	fmt.Printf("\n%s\nin %s\n", faults.Document(measured, proofs), time.Since(begin).Round(time.Second))
	if !record {
		return total, nil
	}
	if err := ctx.Err(); err != nil {
		return total, fmt.Errorf("nothing is recorded: %w", err)
	}
	if total.failed > 0 {
		fmt.Println("nothing is recorded, since not all passed")
		return total, nil
	}
	now, err := faults.Version(ctx)
	if err != nil {
		return total, err
	}
	if now != version {
		return total, fmt.Errorf("nothing is recorded: the sources were %s and are %s", version, now)
	}
	return total, measured.Write(kept)
}

// recordable refuses what nobody could measure again from the sources it names.
func recordable(record bool, only, version string) error {
	switch {
	case !record:
		return nil
	case only != "":
		return errors.New("-record is for all suites: leave out -only")
	case strings.HasSuffix(version, faults.Dirty):
		return fmt.Errorf("-record needs committed sources, and these are %s", version)
	}
	return nil
}

// suites are all of them, the quick ones first.
func suites(seeds int, fuzz time.Duration) ([]suite, error) {
	list := []suite{
		{"rules of the judges and the table", []string{"./internal/testworld/proof", "./internal/testworld/faults", "-skip", "TestFaultsDocument"}},
		{"hostile input, in one package", []string{"./headsync", "./ui/page", "-run", "^TestHostile"}},
		{"mutants fit the sources", []string{"./internal/testworld/simulation/mutants"}},
		{fmt.Sprintf("simulation, %d seeds", seeds), []string{"./internal/testworld/simulation", "-run", "^TestSeeds$", "-timeout", "10m", fmt.Sprintf("-seeds=%d", seeds), fmt.Sprintf("-jobs=%d", runtime.NumCPU())}},
		{"simulation, one fault at a time", []string{"./internal/testworld/simulation", "-run", "^TestRecoveries$", "-measure=../../../" + results + "simulation.json"}},
		{"whole processes", []string{"-tags", "integration", "-parallel", "16", "-timeout", "12m", "./internal/testworld/process"}},
		{"the beacon node's chain", []string{"./pair", "-run", "Chain|TestALongPush", "-far=20000"}},
		{"networks, disk and memory", []string{"-tags", "networks", "-timeout", "8m", "./internal/testworld/networks"}},
	}
	targets, err := faults.Tests(".", "Fuzz")
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		dot := strings.LastIndexByte(target, '.')
		list = append(list, suite{"fuzz " + target, []string{
			"./" + target[:dot], "-run", "^$", "-fuzz", "^" + target[dot+1:] + "$", "-fuzztime", fuzz.String(), "-fuzzminimizetime", "50x", "-parallel", "2",
		}})
	}
	return list, nil
}

// event is one line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
}

// run counts what `go test` tells and repeats what a failed test said.
func (s suite) run(ctx context.Context) count {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1"}, s.args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		fmt.Println(err)
		return count{failed: 1}
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return count{failed: 1}
	}
	c := tally(out, os.Stdout)
	if err := cmd.Wait(); err != nil && c.failed == 0 {
		fmt.Printf("%s: %v\n", s.name, err) // it did not build, or was ended
		c.failed++
	}
	return c
}

// tally reads the events of a run; what failed and why a test was skipped goes to w.
func tally(events io.Reader, w io.Writer) (c count) {
	said := map[string][]string{}
	action := map[string]string{}
	parents := map[string]bool{}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) == nil {
			key := e.Package + " " + e.Test
			switch e.Action {
			case "output":
				if at := strings.Index(e.Output, "SKIPPED: "); at >= 0 {
					fmt.Fprint(w, e.Output[at:])
					continue
				}
				said[key] = append(said[key], e.Output)
			case "pass", "fail", "skip":
				if e.Test != "" {
					action[key] = e.Action
					if at := strings.LastIndexByte(e.Test, '/'); at > 0 {
						parents[e.Package+" "+e.Test[:at]] = true
					}
				}
				if e.Action == "fail" {
					fmt.Fprint(w, strings.Join(said[key], ""))
				}
			}
		}
		if err != nil {
			break
		}
	}
	for key, a := range action {
		switch {
		case parents[key] && a != "fail":
		case a == "pass":
			c.passed++
		case a == "skip":
			c.skipped++
		default:
			c.failed++
		}
	}
	return c
}
