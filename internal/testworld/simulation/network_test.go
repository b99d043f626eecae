package simulation

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Which of the two comes first, a request or the end of its caller, is for no seed to
// decide if both fall on one instant: the request leaves no trace.
func TestARequestGivenUpAtOnceLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun(NewPlan(1), Options{})
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, beaconURL+pathHead, nil)
		require.NoError(t, err)
		ended := make(chan error)
		go func() {
			_, err := (&wire{r.net, syncdBeacon, 1, func() bool { return true }}).RoundTrip(req)
			ended <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		r.sched.admit()
		require.Empty(t, r.sched.queue)
		require.Empty(t, r.net.exchanges)
		require.Empty(t, r.net.inFlight)
	})
}

// A gate that is killed while it asks the beacon node for a caller that is gone ends at once.
func TestAKilledGateWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun(NewPlan(coordinatedEvery), Options{})
		newCoordinatedRun(r)
		r.gateHost.start(http.NotFoundHandler(), func(context.Context) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, beaconURL+pathHead, nil)
		require.NoError(t, err)
		var asked error
		r.gateHost.serving.Go(func() {
			_, asked = (&wire{r.net, syncdBeacon, 1, func() bool { return true }}).RoundTrip(req)
		})
		synctest.Wait()
		r.sched.admit()
		cancel()
		synctest.Wait()
		r.gateHost.kill(func() {})
		require.Error(t, asked)
	})
}
