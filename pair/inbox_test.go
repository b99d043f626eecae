package pair

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/pair/poll"
)

// Of several messages that wait the most urgent comes first, and a stream that has ended
// is not asked again.
func TestTheInboxIsTakenInOrder(t *testing.T) {
	for _, waits := range []bool{true, false} {
		polls, reports, results := make(chan *poll.Observation, 1), make(chan report, 1), make(chan result, 1)
		events, tick, attempt, stopped := make(chan beaconclient.Event, 2), make(chan time.Time, 1), make(chan time.Time, 1), make(chan struct{})
		in := inbox{stop: stopped, polls: polls, reports: reports, results: results, events: events, tick: tick, attempt: attempt}
		send := []func(){
			func() { polls <- &poll.Observation{} }, func() { reports <- report{} }, func() { results <- result{} },
			func() { events <- beaconclient.Event{} }, func() { tick <- time.Now() }, func() { attempt <- time.Now() },
		}
		want := []any{&poll.Observation{}, report{}, result{}, beaconclient.Event{}, ticked{}, due{}}
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
