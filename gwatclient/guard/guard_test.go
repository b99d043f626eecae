package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnObserverIsIssuedNoPermit(t *testing.T) {
	for name, p := range map[string]Permit{"zero": {}, "an observer's": New(true).Permit()} {
		require.False(t, p.Issued(), name)
		require.NotEmpty(t, p.Inhibit(), name)
	}
	require.True(t, New(false).Permit().Issued())
}

// A reason holds for every Permit that was issued, until it is taken away.
func TestInhibit(t *testing.T) {
	g := New(false)
	p := g.Permit()
	require.Empty(t, p.Inhibit())
	g.Set("paused")
	require.Equal(t, "paused", p.Inhibit())
	require.True(t, p.Issued(), "what was begun may be brought to its end")
	g.Set("")
	require.Empty(t, p.Inhibit())
}
