package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/pair/orders"
)

// Of several messages that wait the most urgent comes first, and a stream that has ended
// is not asked again.
func TestTheInboxIsTakenInOrder(t *testing.T) {
	for _, waits := range []bool{true, false} {
		results, heals, given := make(chan *Observation, 1), make(chan healed, 1), make(chan orders.Order, 1)
		events, tick, stopped := make(chan beaconclient.Event, 2), make(chan time.Time, 1), make(chan struct{})
		in := inbox{stop: stopped, results: results, healed: heals, orders: given, events: events, tick: tick}
		send := []func(){
			func() { results <- &Observation{} }, func() { heals <- healed{} }, func() { given <- orders.Order{} },
			func() { events <- beaconclient.Event{} }, func() { tick <- time.Now() },
		}
		want := []any{&Observation{}, healed{}, orders.Order{}, beaconclient.Event{}, ticked{}}
		if waits {
			for _, s := range send {
				s()
			}
		}
		for i, w := range want {
			if !waits {
				go send[i]()
			}
			require.IsType(t, w, in.next())
		}
		close(events)
		require.Equal(t, beaconclient.Event{}, in.next())
		require.Nil(t, in.events)
		require.Nil(t, in.waiting())
		close(stopped)
		require.Equal(t, stop{}, in.next())
	}
}
