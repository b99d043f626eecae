package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// measuredPaths are what the figures are of: all that runs in a row.
var measuredPaths = []string{
	"bench", "beaconclient", "checkpoint", "cmd/syncd", "failure", "fsm", "gate", "gwatclient", "headsync", "health", "journal", "pair",
	"status", "api", "internal/daemon", "internal/testworld/simnet", "go.mod",
}

// lastChange is the newest commit that changed what is measured; tests and documents do not count.
func lastChange(ctx context.Context, root string) (string, error) {
	args := append([]string{"-C", root, "log", "-1", "--format=%H", "--"}, measuredPaths...)
	return git(ctx, append(args, ":(exclude)*_test.go", ":(exclude)*.md", ":(exclude)**/testdata/**")...)
}

// The published table is of the code as it is: none of what is measured changed since.
func TestPublishedTableIsOfThisCode(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", document))
	require.NoError(t, err)
	_, block, _ := strings.Cut(string(text), beginMark)
	block, _, ended := strings.Cut(block, endMark)
	require.True(t, ended, "the marks are there")
	_, rest, recorded := strings.Cut(block, measured)
	if !recorded {
		t.Skip("no table is published: make bench RECORD=1")
	}
	commit, _, _ := strings.Cut(rest, "`")
	if top, err := git(t.Context(), "rev-parse", "--show-toplevel"); err != nil {
		t.Skip("this is no git checkout")
	} else if here, err := filepath.Abs(".."); err != nil || !sameFile(t, top, here) {
		t.Skip("the sources lie in a checkout of something else")
	}
	if shallow, err := git(t.Context(), "rev-parse", "--is-shallow-repository"); err == nil && shallow == "true" {
		if _, err := git(t.Context(), "cat-file", "-e", commit+"^{commit}"); err != nil {
			t.Skip("the clone is too shallow to know the commit of the table")
		}
	}
	last, err := lastChange(t.Context(), "..")
	require.NoError(t, err)
	_, err = git(t.Context(), "merge-base", "--is-ancestor", last, commit)
	require.NoError(t, err, "commit %s changed what is measured after the table of %s: make bench RECORD=1", last, commit)
}

func sameFile(t *testing.T, a, b string) bool {
	one, err := os.Stat(a)
	require.NoError(t, err)
	two, err := os.Stat(b)
	require.NoError(t, err)
	return os.SameFile(one, two)
}

func TestPublish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	require.NoError(t, os.WriteFile(path, []byte("# Before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600))
	met, missed := figure("met", atLeast(1, "s"), 2, nil), figure("missed", atMost(1, ""), 2, nil)
	rep := report{At: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Seconds: 61, Cores: 2, Go: "go", Rows: []row{met, missed, {Name: "none", Want: "any"}}}
	require.NoError(t, publish(path, "abc", rep))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "# Before\n"+beginMark+"\nMeasured on commit `abc`, 2026-01-02, 2 cores, go, in 1m1s.\n\n"+
		"| what | value | wanted | spread |\n|---|---|---|---|\n| met | 2 s | >= 1 s |  |\n| missed | **2** | <= 1 |  |\n| none | **not measured** | any |  |\n"+
		endMark+"\nafter\n", string(text))
	require.NoError(t, os.WriteFile(path, []byte("no marks"), 0o600))
	require.ErrorContains(t, publish(path, "abc", rep), "lacks the marks")
}

func TestLastChangeIgnoresTestsAndDocuments(t *testing.T) {
	repo := t.TempDir()
	in := func(args ...string) string {
		t.Helper()
		out, err := git(t.Context(), append([]string{"-C", repo, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		require.NoError(t, err)
		return out
	}
	commit := func(name string) string {
		path := filepath.Join(repo, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
		in("add", ".")
		in("commit", "-q", "-m", name)
		return in("rev-parse", "HEAD")
	}
	in("init", "-q")
	want := commit("headsync/push.go")
	for _, harmless := range []string{"headsync/push_test.go", "pair/README.md", "docs/benchmarks.md", "gwatclient/testdata/x.json", "ui/page/page.go"} {
		commit(harmless)
		got, err := lastChange(t.Context(), repo)
		require.NoError(t, err)
		require.Equal(t, want, got, harmless)
	}
	want = commit("internal/testworld/simnet/wire/wire.go")
	got, err := lastChange(t.Context(), repo)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
