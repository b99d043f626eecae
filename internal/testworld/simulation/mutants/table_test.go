package main

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMutantsFitTheSources refuses a table that has drifted from the code.
func TestMutantsFitTheSources(t *testing.T) {
	root, err := moduleRoot(t.Context())
	require.NoError(t, err)
	r := rig{root: root, dir: t.TempDir()}
	names := map[string]bool{}
	for _, m := range mutants {
		assert.False(t, names[m.Name], "%s stands twice", m.Name)
		names[m.Name] = true
		assert.NotEmpty(t, m.Rules, m.Name)
		assert.NotEmpty(t, m.What, m.Name)
		assert.Equal(t, slices.Contains(m.Rules, byTest), m.Test != "", m.Name)
		if m.Test != "" {
			folder, name, err := testOf(m)
			require.NoError(t, err)
			assert.True(t, hasTest(t, filepath.Join(root, folder), name), "%s: there is no %s", m.Name, m.Test)
		}
		replaced, err := r.mutate(m)
		require.NoError(t, err, m.Name)
		require.NotEmpty(t, replaced, m.Name)
		for original, path := range replaced {
			before, err := os.ReadFile(original)
			require.NoError(t, err)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.NotEqual(t, string(before), string(after), m.Name)
			_, err = parser.ParseFile(token.NewFileSet(), path, after, parser.AllErrors)
			assert.NoError(t, err, m.Name)
		}
	}
	assert.GreaterOrEqual(t, len(mutants), 12)
}

// TestMutantsBuild compiles what each bug changes. Bugs of different files are built together.
func TestMutantsBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("builds packages")
	}
	root, err := moduleRoot(t.Context())
	require.NoError(t, err)
	r := rig{root: root, dir: t.TempDir()}
	var rounds []map[string]string // each maps a source file to its edited copy
	for _, m := range mutants {
		replaced, err := r.mutate(m)
		require.NoError(t, err, m.Name)
		free := func(round map[string]string) bool {
			for file := range replaced {
				if round[file] != "" {
					return false
				}
			}
			return true
		}
		i := slices.IndexFunc(rounds, free)
		if i < 0 {
			i, rounds = len(rounds), append(rounds, map[string]string{})
		}
		maps.Copy(rounds[i], replaced)
	}
	for i, round := range rounds {
		list, err := r.list(fmt.Sprintf("round-%d", i), round)
		require.NoError(t, err)
		args := []string{"build", "-overlay", list}
		for file := range round {
			args = append(args, filepath.Dir(file))
		}
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	t.Logf("%d bugs in %d builds", len(mutants), len(rounds))
}

// The seeds of the coordinated era are those of the simulation.
func TestTheSeedsOfTheCoordinatedEra(t *testing.T) {
	plan, err := os.ReadFile("../coordinated_plan.go")
	require.NoError(t, err)
	require.Contains(t, string(plan), fmt.Sprintf("\nconst coordinatedEvery = %d\n", coordinatedEvery))
}

// hasTest reports whether a folder has a test of that name.
func hasTest(t *testing.T, folder, name string) bool {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return strings.Contains(string(text), "\nfunc "+name+"(")
	})
}

func TestOutcomeIsJudged(t *testing.T) {
	m := mutant{Name: "m", Rules: []string{"S1"}}
	assert.Empty(t, outcome{mutant: m, rule: "S1", seed: "3"}.wrong(false))
	assert.Contains(t, outcome{mutant: m, rule: "S2", seed: "3"}.wrong(false), "found by S2")
	assert.Contains(t, outcome{mutant: m}.wrong(false), "not found")
	assert.Empty(t, outcome{}.wrong(true))
	assert.Contains(t, outcome{rule: "S1", seed: "3"}.wrong(true), "no bug was planted")
	assert.Contains(t, outcome{mutant: m, err: context.Canceled}.wrong(false), "interrupted")
}
