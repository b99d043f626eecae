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
	programs string // directory with the built programs
	profiles string // directory for CPU profiles; "" for none
}

// size scales a number of entries; the is scale 1.
func (b *bench) size(entries int) int { return max(int(float64(entries)*b.scale), 200) }

// subject measures some rows together. The names and wants of its rows are known
// before, so that a row that could not be measured is in the report, too.
type subject struct {
	name    string
	rows    []rowName
	measure func(ctx context.Context, b *bench) ([]row, error)
	process bool // syncd is measured as a process of its own
}

type rowName struct {
	name string
	want want
}

var subjects = []subject{handoverMost, handoverNone, collection, busy, memory, killed, share, idle, large}

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
	complete, err := (&bench{scale: *scale, profiles: *profiles}).all(ctx, chosen, *out)
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
func (b *bench) all(ctx context.Context, chosen []subject, out string) (complete bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "syncd-bench-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b.programs = dir
	if slices.ContainsFunc(chosen, func(s subject) bool { return s.process }) {
		if err := build(ctx, dir); err != nil {
			return false, err
		}
	}
	rep := report{At: time.Now(), Cores: runtime.NumCPU(), Go: runtime.Version()}
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
	return complete, errors.Join(rep.print(os.Stdout), rep.save(out))
}

// one measures a subject, with a profile if one is asked for.
func (b *bench) one(ctx context.Context, s subject) ([]row, error) {
	runtime.GC() // what the row before left must not be collected in this one
	if b.profiles == "" {
		return s.measure(ctx, b)
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
	rows, err := s.measure(ctx, b)
	pprof.StopCPUProfile()
	return rows, errors.Join(err, file.Close())
}

func (b *bench) profile(s subject) string { return filepath.Join(b.profiles, s.name+".pprof") }

// hint says of a missed figure where the profile is, or how to get one.
func (b *bench) hint(s subject, rows []row) {
	for i := range rows {
		if rows[i].OK {
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
