// Command bench measures head sync against simulated nodes, side by side with
// the built-in driver's algorithm, and writes a table and bench.json.
//
// Exit codes: 0 all figures were measured (a missed one has ok=false), 1 some
// could not be measured, 2 the command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// limit ends a run; what is not measured by then counts as not measured.
const limit = 14*time.Minute + 45*time.Second

// bench is one run.
type bench struct {
	scale    float64
	short    bool   // one round of each, to see that it works
	programs string // directory with the built programs
	profiles string // directory for CPU profiles; "" for none
}

// size scales a number of entries; the is scale 1.
func (b *bench) size(entries int) int { return max(int(float64(entries)*b.scale), 200) }

// rounds is how often a row is measured.
func (b *bench) rounds(full int) int {
	if b.short {
		return 1
	}
	return max(int(float64(full)*b.scale), 1)
}

// watched is how long an idle pair is watched.
func (b *bench) watched() time.Duration {
	if b.short {
		return 3 * time.Second
	}
	return watched
}

// subject measures some rows together. The names and wants of its rows are known
// before, so that a row that could not be measured is in the report, too.
type subject struct {
	name    string
	rows    []rowName
	measure func(ctx context.Context, b *bench) ([]row, error)
	process bool          // syncd is measured as a process of its own
	bound   time.Duration // what takes longer hangs
}

type rowName struct {
	name string
	want want
}

var subjects = []subject{handoverMost, handoverNone, collection, busy, memory, killed, share, idle, large, heals,
	gateLatency, gateThroughput, gateMemory, gateRestart}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	var names []string
	for _, s := range subjects {
		names = append(names, s.name)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	out := flags.String("out", "bench.json", "`FILE` for the figures")
	record := flags.Bool("record", false, "publish the table in "+document+", with the commit; needs a clean tree and all rows")
	only := flags.String("only", "", "measure these `ROWS` only: "+strings.Join(names, ","))
	profiles := flags.String("cpuprofile", "", "`DIR` for a CPU profile of each row")
	scale := flags.Float64("scale", 1, "part of the entries that is pushed, to try the harness; figures are comparable at 1 only")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen := subjects
	if *only != "" {
		chosen = nil
		for name := range strings.SplitSeq(*only, ",") {
			i := slices.Index(names, name)
			if i < 0 {
				fmt.Fprintf(os.Stderr, "bench: -only has %q, want some of %s\n", name, strings.Join(names, ","))
				return 2
			}
			chosen = append(chosen, subjects[i])
		}
	}
	if !(*scale > 0 && *scale <= 1) || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "bench: -scale is above 0 and at most 1, and there are no arguments")
		return 2
	}
	if *record && (*only != "" || *scale != 1) {
		fmt.Fprintln(os.Stderr, "bench: -record publishes all rows at full scale: leave -only and -scale out")
		return 2
	}
	commit := ""
	if *record {
		var err error
		if commit, err = cleanCommit(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 2
		}
		if _, err := findProxy(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: -record publishes all rows:", err)
			return 2
		}
	}
	rep, complete, err := (&bench{scale: *scale, profiles: *profiles}).all(ctx, chosen, *out)
	if err == nil && complete && *record {
		err = publish(document, commit, rep)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !complete {
		return 1
	}
	return 0
}

// all measures the subjects one after the other and writes the report. It tells
// whether every figure was measured.
func (b *bench) all(ctx context.Context, chosen []subject, out string) (rep report, complete bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "syncd-bench-")
	if err != nil {
		return rep, false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b.programs = dir
	if slices.ContainsFunc(chosen, func(s subject) bool { return s.process }) {
		if err := build(ctx, dir); err != nil {
			return rep, false, err
		}
	}
	rep = report{At: time.Now(), Cores: runtime.NumCPU(), Go: runtime.Version()}
	complete = true
	for _, s := range chosen {
		begin := time.Now()
		rows, err := b.one(ctx, s)
		if err != nil {
			complete = false
			rows = nil
			for _, r := range s.rows {
				rows = append(rows, row{Name: r.name, Want: r.want.String(), Error: "not measured: " + err.Error()})
			}
		}
		b.hint(s, rows)
		rep.Rows = append(rep.Rows, rows...)
		fmt.Fprintf(os.Stderr, "bench: %s took %s\n", s.name, time.Since(begin).Round(100*time.Millisecond))
	}
	rep.Seconds = time.Since(rep.At).Round(100 * time.Millisecond).Seconds()
	return rep, complete, errors.Join(rep.print(os.Stdout), rep.save(out))
}

// one measures a subject, with a profile if one is asked for.
func (b *bench) one(ctx context.Context, s subject) ([]row, error) {
	runtime.GC() // what the row before left must not be collected in this one
	if b.profiles == "" {
		return b.bounded(ctx, s)
	}
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(b.profile(s))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	rows, err := b.bounded(ctx, s)
	pprof.StopCPUProfile()
	return rows, errors.Join(err, file.Close())
}

// grace is how long a subject may take to end once its time is over.
const grace = 30 * time.Second

// bounded measures a subject in its time. One that does not even end then fails all the
// same, with the stacks of all goroutines.
func (b *bench) bounded(ctx context.Context, s subject) ([]row, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.bound, fmt.Errorf("%s was not done within %s", s.name, s.bound))
	defer cancel()
	type result struct {
		rows []row
		err  error
	}
	done := make(chan result, 1)
	go func() {
		rows, err := s.measure(ctx, b)
		done <- result{rows, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil {
			r.err = fmt.Errorf("%w: %w", context.Cause(ctx), r.err)
		}
		return r.rows, r.err
	case <-time.After(s.bound + grace):
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return nil, fmt.Errorf("%s did not end %s after its time of %s; goroutines:\n%s", s.name, grace, s.bound, stacks)
	}
}

func (b *bench) profile(s subject) string { return filepath.Join(b.profiles, s.name+".pprof") }

// hint says of a missed figure where the profile is, or how to get one.
func (b *bench) hint(s subject, rows []row) {
	for i := range rows {
		if rows[i].OK || rows[i].Skipped != "" {
			continue
		}
		rows[i].Profile = "go run ./bench -cpuprofile DIR -only " + s.name
		if b.profiles != "" {
			rows[i].Profile = "go tool pprof -top " + b.profile(s)
		}
		if s.process {
			rows[i].Profile += " (of the simulated nodes: syncd is a process of its own)"
		}
	}
}
