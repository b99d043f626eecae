// Command mutants proves that the simulation can find what it looks for: it
// plants one deliberate bug at a time into a test build of the simulation and
// runs seeds until a rule is seen broken. The build without a bug has to pass
// the same seeds. It ends with 1 if a bug is not found.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// noBug is the name of the run without a bug.
const noBug = "none"

func main() {
	seeds := flag.Int("seeds", 500, "most seeds for each bug")
	jobs := flag.Int("jobs", 2, "how many bugs are tried at a time")
	only := flag.String("only", "", "names of bugs, with commas between them; empty for all")
	sound := flag.Bool("sound", true, "run the seeds without a bug, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *seeds, *jobs, *only, *sound); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, seeds, jobs int, only string, sound bool) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return fmt.Errorf("make a directory for the builds: %w", err)
	}
	defer os.RemoveAll(dir)
	rig := rig{root: root, dir: dir, seeds: seeds}

	if sound {
		chosen = append([]mutant{{Name: noBug, What: "the daemon as it is"}}, chosen...)
	}
	outcomes := make([]outcome, len(chosen))
	var group errgroup.Group
	group.SetLimit(max(jobs, 1))
	for i, m := range chosen {
		group.Go(func() error {
			outcomes[i] = rig.try(ctx, m)
			fmt.Fprintln(os.Stderr, outcomes[i].line())
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return judge(outcomes, seeds)
}

func choose(only string) ([]mutant, error) {
	if only == "" {
		return mutants, nil
	}
	byName := map[string]mutant{}
	for _, m := range mutants {
		byName[m.Name] = m
	}
	var out []mutant
	for name := range strings.SplitSeq(only, ",") {
		m, ok := byName[strings.TrimSpace(name)]
		if !ok {
			return nil, fmt.Errorf("there is no bug named %q", name)
		}
		out = append(out, m)
	}
	return out, nil
}

// judge prints the table; its error names what was not as it has to be.
func judge(outcomes []outcome, seeds int) error {
	fmt.Printf("%-28s %-10s %-10s %6s %8s  %s\n", "bug", "result", "rule", "seed", "time", "what")
	var wrong []string
	bugs := 0
	for _, o := range outcomes {
		sound := o.mutant.Name == noBug
		if !sound {
			bugs++
		}
		fmt.Printf("%-28s %-10s %-10s %6s %8s  %s\n", o.mutant.Name, o.result(sound), o.rule, o.seed, o.took.Round(time.Second), o.mutant.What)
		if why := o.wrong(sound); why != "" {
			wrong = append(wrong, o.mutant.Name+" "+why)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d not as expected within %d seeds: %s", len(wrong), len(outcomes), seeds, strings.Join(wrong, "; "))
	}
	fmt.Printf("%d bugs found, 0 not found, within %d seeds each; %d runs without a bug passed\n", bugs, seeds, len(outcomes)-bugs)
	return nil
}
