package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// rig builds the simulation with a bug and runs it.
type rig struct {
	root  string // of the module
	dir   string // for what is built
	seeds int
}

// outcome is what the simulation said of one bug.
type outcome struct {
	mutant     mutant
	rule, seed string // of the first violation; "" if there was none
	took       time.Duration
	err        error // the build failed, or the run ended in another way
}

// violation is the line in which the simulation tells of a broken rule.
var violation = regexp.MustCompile(`VIOLATION (\S+) seed (\d+)`)

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (r rig) try(ctx context.Context, m mutant) outcome {
	o := outcome{mutant: m}
	begin := time.Now()
	defer func() { o.took = time.Since(begin) }()
	if m.Test != "" {
		o.rule, o.err = r.test(ctx, m)
		return o
	}
	binary, err := r.build(ctx, m)
	if err != nil {
		o.err = err
		return o
	}
	every := 1
	if m.Coordinated {
		every = coordinatedEvery
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^TestSeeds$", "-test.timeout", "60m", "-shrink=false",
		"-seed", fmt.Sprint(every), "-every", fmt.Sprint(every), "-seeds", fmt.Sprint(r.seeds/every), "-repeats", "0")
	cmd.Dir = filepath.Join(r.root, "internal/testworld/simulation")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400") // a bubble of fake time gains nothing from more threads
	out, err := cmd.CombinedOutput()
	if found := violation.FindSubmatch(out); found != nil {
		o.rule, o.seed = string(found[1]), string(found[2])
	} else if err != nil {
		o.err = fmt.Errorf("the run ended with %w: %s", err, lastLines(string(out)))
	}
	o.took = time.Since(begin)
	return o
}

// test runs the test that has to find a bug, and returns the rule byTest if it fails.
func (r rig) test(ctx context.Context, m mutant) (string, error) {
	list, err := r.overlay(m)
	if err != nil {
		return "", err
	}
	folder, name, err := testOf(m)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-overlay", list, "-count=1", "-timeout=5m", "-run", "^"+name+"$", folder)
	cmd.Dir = r.root
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil && strings.Contains(string(out), "no tests to run"):
		return "", fmt.Errorf("there is no test %s", m.Test)
	case err == nil:
		return "", nil
	case strings.Contains(string(out), "[build failed]"), !strings.Contains(string(out), "FAIL"):
		return "", fmt.Errorf("the test could not be run: %w: %s", err, lastLines(string(out)))
	}
	return byTest, nil
}

// testOf returns the folder and the name of the test that has to find a bug.
func testOf(m mutant) (folder, name string, err error) {
	at := strings.LastIndexByte(m.Test, '.')
	if at < 0 {
		return "", "", fmt.Errorf("%q is not a package and a test", m.Test)
	}
	return "./" + m.Test[:at], m.Test[at+1:], nil
}

// overlay writes the edited copies of a bug, and their overlay.
func (r rig) overlay(m mutant) (string, error) {
	replaced, err := r.mutate(m)
	if err != nil {
		return "", err
	}
	return r.list(m.Name, replaced)
}

// list writes the overlay by which the go command takes edited copies for the source files.
func (r rig) list(name string, replaced map[string]string) (string, error) {
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	list := filepath.Join(r.dir, name+".json")
	return list, os.WriteFile(list, overlay, 0o600)
}

// build compiles the simulation over the edited files; the sources stay as they are.
func (r rig) build(ctx context.Context, m mutant) (string, error) {
	list, err := r.overlay(m)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(r.dir, m.Name+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", list, "-o", binary, "./internal/testworld/simulation")
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the build failed: %w: %s", err, lastLines(string(out)))
	}
	return binary, nil
}

// mutate writes the edited files and gives which stands for which.
func (r rig) mutate(m mutant) (map[string]string, error) {
	texts := map[string]string{}
	for _, e := range m.Edits {
		text, ok := texts[e.File]
		if !ok {
			raw, err := os.ReadFile(filepath.Join(r.root, e.File))
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return nil, fmt.Errorf("%s has %d places that read %q, want 1: write the bug again", e.File, n, e.Old)
		}
		texts[e.File] = strings.Replace(text, e.Old, e.New, 1)
	}
	replaced := map[string]string{}
	for file, text := range texts {
		path := filepath.Join(r.dir, m.Name+"-"+strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
		replaced[filepath.Join(r.root, file)] = path
	}
	return replaced, nil
}

func lastLines(out string) string {
	const most = 600
	return strings.TrimSpace(out[max(0, len(out)-most):])
}

func (o outcome) line() string {
	if o.err != nil {
		return fmt.Sprintf("%s: %v", o.mutant.Name, o.err)
	}
	if o.rule == "" {
		return fmt.Sprintf("%s: no violation (%s)", o.mutant.Name, o.took.Round(time.Second))
	}
	if o.rule == byTest {
		return fmt.Sprintf("%s: found by %s (%s)", o.mutant.Name, o.mutant.Test, o.took.Round(time.Second))
	}
	return fmt.Sprintf("%s: %s broken with seed %s (%s)", o.mutant.Name, o.rule, o.seed, o.took.Round(time.Second))
}

func (o outcome) result(sound bool) string {
	switch {
	case o.err != nil:
		return "error"
	case sound && o.rule == "":
		return "passed"
	case sound:
		return "violated"
	case o.rule == "":
		return "not found"
	}
	return "found"
}

// wrong tells why an outcome is not what it has to be; "" if it is.
func (o outcome) wrong(sound bool) string {
	switch {
	case errors.Is(o.err, context.Canceled):
		return "was interrupted"
	case o.err != nil:
		return "could not be tried"
	case sound && o.rule != "":
		return "broke " + o.rule + " with seed " + o.seed + " though no bug was planted"
	case !sound && o.rule == "":
		return "was not found"
	case !sound && !slices.Contains(o.mutant.Rules, o.rule):
		return fmt.Sprintf("was found by %s, want one of %s", o.rule, strings.Join(o.mutant.Rules, ", "))
	}
	return ""
}
