package orders

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestAnOrderIsAnsweredWithWhatCameOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(make(chan struct{}))
		failed := errors.New("failed")
		go func() {
			for range 2 {
				o := <-q.C()
				o.Done(o.Do(context.Background()))
			}
		}()
		require.NoError(t, q.Give(t.Context(), func(context.Context) error { return nil }))
		require.ErrorIs(t, q.Give(t.Context(), func(context.Context) error { return failed }), failed)
	})
}

// A loop that has ended takes no order, and one that is busy is not waited for without end.
func TestAnOrderThatIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := make(chan struct{})
		q := NewQueue(stopped)
		never := func(context.Context) error { t.Error("carried out"); return nil }
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan error)
		go func() { given <- q.Give(ctx, never) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-given, context.Canceled)
		close(stopped)
		require.ErrorIs(t, q.Give(t.Context(), never), ErrStopped)
	})
}

// Once the loop has taken an order, its giver gets the answer even if he has given up.
func TestATakenOrderIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(make(chan struct{}))
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan error, 1)
		go func() { given <- q.Give(ctx, func(context.Context) error { return nil }) }()
		o := <-q.C()
		cancel()
		synctest.Wait()
		require.Empty(t, given)
		o.Done(o.Do(t.Context()))
		require.NoError(t, <-given)
	})
}

func TestTheReasonOfAnOrder(t *testing.T) {
	require.Equal(t, "asked by the operator", Asked("", ""))
	require.Equal(t, "asked by the operator with --force: upgrade", Asked(" with --force", "upgrade"))
}
