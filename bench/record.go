package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// document holds the published table, between the marks.
const (
	document  = "docs/benchmarks.md"
	beginMark = "<!-- bench -record: begin -->"
	endMark   = "<!-- bench -record: end -->"
	measured  = "Measured on commit `"
)

// cleanCommit is the commit that is checked out, if nothing is changed.
func cleanCommit(ctx context.Context) (string, error) {
	dirty, err := git(ctx, "status", "--porcelain")
	if err != nil {
		return "", err
	}
	if dirty != "" {
		return "", errors.New("-record needs a clean tree: commit or stash first")
	}
	return git(ctx, "rev-parse", "HEAD")
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

// publish puts the table into the document.
func publish(path, commit string, rep report) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !found || !ended {
		return fmt.Errorf("%s lacks the marks %s and %s", path, beginMark, endMark)
	}
	return os.WriteFile(path, []byte(before+beginMark+"\n"+rep.markdown(commit)+endMark+after), 0o644)
}

// markdown is the table with where and when it was measured. A missed figure is bold.
func (r *report) markdown(commit string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s%s`, %s, %d cores, %s, in %s.\n\n", measured, commit, r.At.UTC().Format(time.DateOnly), r.Cores, r.Go,
		(time.Duration(r.Seconds) * time.Second))
	out.WriteString("| what | value | wanted | spread |\n|---|---|---|---|\n")
	for _, row := range r.Rows {
		value := "not measured"
		if row.Value != nil {
			value = short(float64(*row.Value)) + unitText(row.Unit)
		}
		if !row.OK {
			value = "**" + value + "**"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", row.Name, value, row.Want, row.Spread)
	}
	return out.String()
}
