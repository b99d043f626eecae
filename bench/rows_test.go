package main

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rowsToo = flag.Bool("rows", false, "run a short form of every row, those that start processes too")

// shortScale is how much of the entries a row pushes in its short form; the peer fails only
// with more than gwat's limit of 5 MiB.
func shortScale(s subject) float64 {
	switch s.name {
	case large.name:
		return 0.1
	case killed.name:
		return 0.15
	}
	return 0.02
}

// Every row works: it completes, and what gwat then has is right. Its figure is not judged.
func TestRowsWork(t *testing.T) {
	b := &bench{short: true, programs: t.TempDir()}
	if *rowsToo {
		require.NoError(t, build(t.Context(), b.programs))
	}
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			if !*rowsToo && (s.process || s.name == large.name || s.name == heals.name) {
				t.Skip("make bench-short runs it")
			}
			one := *b
			one.scale = shortScale(s)
			rows, err := one.one(t.Context(), s)
			require.NoError(t, err)
			require.Len(t, rows, len(s.rows))
			for i, r := range rows {
				require.Equal(t, s.rows[i].name, r.Name)
				if r.Skipped != "" {
					require.Empty(t, os.Getenv("CI"), r.Skipped)
					t.Skip(r.Skipped)
				}
				require.Empty(t, r.Error, r.Name)
				require.NotNil(t, r.Value, r.Name)
				if s.name == killed.name || s.name == large.name || s.name == gateRestart.name || s.name == gateMemory.name {
					require.True(t, r.OK, "%s is %v, want %s", r.Name, *r.Value, r.Want) // no matter of time
				}
			}
		})
	}
}

// A row that hangs fails in its time, with what it waited for.
func TestHungRowFails(t *testing.T) {
	hung := subject{name: "hung", rows: []rowName{{"hung", atMost(1, "s")}}, bound: 30 * time.Millisecond}
	hung.measure = func(ctx context.Context, _ *bench) ([]row, error) {
		return nil, waitFor(ctx, time.Hour, "what never comes", func() bool { return false })
	}
	_, err := (&bench{scale: 1}).one(t.Context(), hung)
	require.ErrorContains(t, err, "hung was not done within 30ms")
	require.ErrorContains(t, err, "for what never comes")
	for _, s := range subjects {
		require.Positive(t, s.bound, s.name)
		require.LessOrEqual(t, s.bound, limit, s.name)
	}
}
