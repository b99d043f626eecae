package heal

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
)

func TestRun(t *testing.T) {
	output, err := Run(t.Context(), "echo  $HOME ; true")
	require.NoError(t, err)
	require.Equal(t, "$HOME ; true", output, "no shell reads it")
	_, err = Run(t.Context(), " ")
	require.ErrorIs(t, err, ErrCommand)
	_, err = Run(t.Context(), "false")
	require.ErrorIs(t, err, ErrCommand)
	require.ErrorContains(t, err, "exit status 1")
	_, err = Run(t.Context(), "/no/such/program")
	require.ErrorIs(t, err, failure.RetryLater)
}

func TestRunIsBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := Run(ctx, "sleep 60")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begin), 30*time.Second)
	kept := &bounded{}
	for range 3 {
		n, err := kept.Write(make([]byte, 4095))
		require.NoError(t, err)
		require.Equal(t, 4095, n)
	}
	require.Equal(t, 4096, kept.Len())
}
