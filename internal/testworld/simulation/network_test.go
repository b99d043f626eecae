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

// An event stream whose caller has gone before it was served, or whose answer is reset, ends at
// the node: a node that is killed waits for every request that it serves (seed 20370).
func TestAKilledNodeWaitsForNoStream(t *testing.T) {
	for name, reset := range map[string]bool{"gone before": false, "reset": true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRun(NewPlan(coordinatedEvery), Options{})
			newCoordinatedRun(r)
			r.beaconHost.start(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }), func(context.Context) error { return nil })
			x := &exchange{link: syncdBeacon, call: pathEvents, reply: make(chan struct{}), host: r.beaconHost}
			x.stream = newStream(x)
			if !reset {
				r.net.finish(x, errReset)
			}
			r.beaconHost.serve(r.net, x, http.MethodGet, beaconURL+pathEvents, http.Header{})
			if reset {
				r.net.finish(x, errReset)
			}
			r.beaconHost.kill(func() {})
			require.False(t, r.beaconHost.up, name) // else it waits for ever, and the bubble panics
		})
	}
}
