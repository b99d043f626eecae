package guard

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

// counted counts the calls that reach gwat.
type counted struct{ calls int }

func (c *counted) HeadSyncReady(context.Context, checkpoint.ConsensusInfo) (bool, error) {
	c.calls++
	return true, nil
}

func (c *counted) HeadSync(context.Context, []checkpoint.ConsensusInfo) (bool, error) {
	c.calls++
	return true, nil
}

func (c *counted) Sync(context.Context, checkpoint.ConsensusInfo) ([]common.Hash, error) {
	c.calls++
	return nil, nil
}

func callAll(t *testing.T, c Calls, want error) {
	t.Helper()
	_, err := c.HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{})
	require.ErrorIs(t, err, want)
	_, err = c.HeadSync(t.Context(), nil)
	require.ErrorIs(t, err, want)
	_, err = c.Sync(t.Context(), checkpoint.ConsensusInfo{})
	require.ErrorIs(t, err, want)
}

func TestOnlyAnIssuedPermitReachesGwat(t *testing.T) {
	gwat := &counted{}
	w := NewWriter(gwat)
	for name, p := range map[string]Permit{"zero": {}, "an observer's": New(true).Permit()} {
		require.False(t, p.Issued(), name)
		require.NotEmpty(t, p.Inhibit(), name)
		callAll(t, w.With(p), ErrNoPermit)
	}
	require.Zero(t, gwat.calls)
	callAll(t, w.With(New(false).Permit()), nil)
	require.Equal(t, 3, gwat.calls)
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
