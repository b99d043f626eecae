package faults_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
)

// figures.json tells of exactly the bugs that are planted, each found by a rule of its own.
func TestFiguresNameThePlantedBugs(t *testing.T) {
	p, err := faults.ReadProofs(root)
	require.NoError(t, err)
	bugs, err := faults.PlantedBugs(root)
	require.NoError(t, err)
	rules := map[string][]string{}
	var want, got []string
	for _, b := range bugs {
		require.NotEmpty(t, b.What, b.Name)
		require.NotEmpty(t, b.Rules, b.Name)
		want, rules[b.Name] = append(want, b.Name), b.Rules
	}
	for _, c := range p.Planted.Bugs {
		got = append(got, c.Bug)
		if c.Rule != faults.ByTest {
			require.Equal(t, c.Seed > 0, c.Rule != "", "%s has a rule and a seed, or neither", c.Bug)
		}
		require.LessOrEqual(t, c.Seed, p.Planted.Seeds, c.Bug)
		if c.Rule != "" {
			require.Contains(t, rules[c.Bug], c.Rule, c.Bug)
			require.NotEmpty(t, p.Planted.Date)
		}
	}
	require.Equal(t, want, got, "figures.json has the bugs of simulation/mutants/table.go in their order; a new one with seed 0")
}

// figures.json tells of exactly the fuzz targets that there are.
func TestFiguresNameTheFuzzTargets(t *testing.T) {
	p, err := faults.ReadProofs(root)
	require.NoError(t, err)
	all, err := faults.Tests(root, "Fuzz")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	var want, got []string
	for _, name := range all {
		want = append(want, name[strings.LastIndexByte(name, '.')+1:])
	}
	for _, f := range p.Fuzzed.Targets {
		got = append(got, f.Target)
	}
	require.ElementsMatch(t, want, got)
}

func TestFiguresOfTheSimulationAreWhole(t *testing.T) {
	p, err := faults.ReadProofs(root)
	require.NoError(t, err)
	s := p.Simulation
	for _, set := range []bool{s.Date != "", s.Version != "", s.PerHour > 0, s.Hours > 0, s.Cores > 0} {
		require.Equal(t, s.Seeds > 0, set, "all figures of the simulation are filled in, or none")
	}
	for _, f := range p.Found {
		require.NotEmpty(t, f.Seeds, f.What)
	}
}
