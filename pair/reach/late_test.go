package reach

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowNode answers with how often it was asked, after a while.
type slowNode struct {
	asked int
	after time.Duration
}

func (n *slowNode) read(ctx context.Context) (out string) {
	n.asked++
	number := n.asked
	select {
	case <-time.After(n.after):
		return fmt.Sprint(number)
	case <-ctx.Done():
		return "none"
	}
}

func TestANodeThatHangsIsWaitedForOnce(t *testing.T) {
	const within, while = 5 * time.Second, time.Second
	hung := fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	synctest.Test(t, func(t *testing.T) {
		var late Late[string]
		node := &slowNode{after: time.Hour}
		start := time.Now()
		at := func(d time.Duration) { t.Helper(); require.Equal(t, d, time.Since(start)) }
		read := func(want string, begun time.Duration, wantErr error) {
			t.Helper()
			got, from, err := late.Read(t.Context(), within, while, node.read)
			require.Equal(t, want, got)
			require.Equal(t, begun, from.Sub(start))
			require.Equal(t, wantErr, err)
			if got == "none" {
				err = hung
			}
			late.Note(err)
		}
		require.False(t, late.Silent())
		read("none", 0, nil)
		at(5 * time.Second)
		require.True(t, late.Silent())
		read("", 5*time.Second, hung)
		at(6 * time.Second)
		read("", 5*time.Second, hung)
		at(7 * time.Second)
		time.Sleep(3 * time.Second) // the second read has ended meanwhile
		read("none", 5*time.Second, nil)
		at(10 * time.Second)
		require.Equal(t, 2, node.asked)

		node.after = 1500 * time.Millisecond
		read("", 10*time.Second, hung)
		read("3", 10*time.Second, nil)
		at(11500 * time.Millisecond)
		require.False(t, late.Silent(), "it answers again")
		read("4", 11500*time.Millisecond, nil)
		at(13 * time.Second)

		late.Note(hung)
		read("", 13*time.Second, hung)
		time.Sleep(time.Minute) // syncd was stopped: the answer is from before that
		read("", 74*time.Second, hung)
		read("6", 74*time.Second, nil)

		late.Note(hung)
		read("", 75500*time.Millisecond, hung)
		late.Wait()
		at(77 * time.Second)
		late.Wait()
		at(77 * time.Second)
	})
}

func TestALateReadEndsWithThePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late Late[string]
		ctx, cancel := context.WithCancel(t.Context())
		node := &slowNode{after: time.Hour}
		late.Note(context.DeadlineExceeded)
		_, _, err := late.Read(ctx, time.Hour, time.Second, node.read)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		start := time.Now()
		cancel()
		late.Wait()
		require.Equal(t, start, time.Now())
	})
}
