package api

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func dialWS(t *testing.T, addr string) *rpc.Client {
	t.Helper()
	c, err := rpc.DialContext(t.Context(), "ws://"+addr)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func subscribe[T any](t *testing.T, c *rpc.Client, name string) (<-chan T, *rpc.ClientSubscription) {
	t.Helper()
	ch := make(chan T, 64)
	sub, err := c.Subscribe(t.Context(), "syncd", ch, name)
	require.NoError(t, err)
	return ch, sub
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		require.Fail(t, "nothing was told")
		panic("unreachable")
	}
}

func TestSubscribeStage(t *testing.T) {
	src := &fakePair{}
	c := dialWS(t, start(t, src, nil))
	changes, sub := subscribe[status.Change](t, c, "stage")
	require.Eventually(t, func() bool { return src.changes.count() == 1 }, 5*time.Second, time.Millisecond)
	want := status.Change{At: since, From: "switching", To: "working", Event: "verified", Reason: "two new heads"}
	src.changes.send(want)
	require.Equal(t, want, next(t, changes))
	sub.Unsubscribe()
	require.Eventually(t, func() bool { return src.changes.count() == 0 }, 5*time.Second, time.Millisecond, "the pair is let go")
}

func TestSubscribeProgressGivesTheNewestAtMostFourTimesASecond(t *testing.T) {
	src := &fakePair{}
	c := dialWS(t, start(t, src, nil))
	begin := time.Now()
	snaps, sub := subscribe[status.Snapshot](t, c, "progress")
	require.Eventually(t, func() bool { return src.updates.count() == 1 }, 5*time.Second, time.Millisecond)
	for seq := uint64(1); seq <= 500; seq++ {
		src.publish(&status.Snapshot{Seq: seq, At: since})
	}
	told, last := 0, uint64(0)
	for last < 500 {
		s := next(t, snaps)
		require.Greater(t, s.Seq, last)
		last = s.Seq
		told++
	}
	require.LessOrEqual(t, told, 2+int(time.Since(begin)/progressPause))
	sub.Unsubscribe()
	require.Eventually(t, func() bool { return src.updates.count() == 0 }, 5*time.Second, time.Millisecond)
}

func TestSubscribeFindingsTellsEachChangeOfTheSet(t *testing.T) {
	src := &fakePair{}
	c := dialWS(t, start(t, src, nil))
	sets, _ := subscribe[Findings](t, c, "findings")
	require.Eventually(t, func() bool { return src.updates.count() == 1 }, 5*time.Second, time.Millisecond)
	finding := func(name, severity, evidence string, from time.Time) status.Finding {
		return status.Finding{Name: name, Severity: severity, Evidence: []string{evidence}, Since: from}
	}
	seq := uint64(0)
	publish := func(verdict string, findings ...status.Finding) {
		seq++
		src.publish(&status.Snapshot{Seq: seq, At: since, Verdict: verdict, Findings: findings})
	}
	publish(status.VerdictSyncing)
	require.Equal(t, Findings{Seq: 1, At: since, Verdict: status.VerdictSyncing, Findings: []status.Finding{}}, next(t, sets), "the first at once")
	for _, c := range []struct {
		verdict  string
		findings []status.Finding
		told     bool
	}{
		{status.VerdictSyncing, nil, false},
		{status.VerdictSyncing, []status.Finding{finding("a", "warning", "1", since)}, true},
		{status.VerdictSyncing, []status.Finding{finding("a", "warning", "2", since)}, false},
		{status.VerdictFailing, []status.Finding{finding("a", "critical", "2", since)}, true},
		{status.VerdictFailing, []status.Finding{finding("a", "critical", "2", since.Add(time.Second))}, true},
		{status.VerdictFailing, nil, true},
		{status.VerdictWorking, nil, true},
	} {
		publish(c.verdict, c.findings...)
		if c.told {
			require.Equal(t, findingsOf(src.Snapshot()), next(t, sets))
			continue
		}
		// The next one that is sent has its own seq: nothing is sent in between.
		require.Eventually(t, func() bool { return src.updates.unread() == 0 }, 5*time.Second, time.Millisecond)
		require.Empty(t, sets)
	}
}

func TestSubscriptionLimits(t *testing.T) {
	src := &fakePair{}
	addr := start(t, src, nil)
	c := dialWS(t, addr)
	var subs []*rpc.ClientSubscription
	for range maxSubscriptions {
		_, sub := subscribe[status.Snapshot](t, c, "progress")
		subs = append(subs, sub)
	}
	_, err := c.Subscribe(t.Context(), "syncd", make(chan status.Snapshot), "findings")
	requireCode(t, err, CodeLimit, "")
	require.Eventually(t, func() bool { return src.updates.count() == maxSubscriptions }, 5*time.Second, time.Millisecond, "the refused one has left the pair")
	subs[0].Unsubscribe()
	require.Eventually(t, func() bool { return src.updates.count() == maxSubscriptions-1 }, 5*time.Second, time.Millisecond)
	subscribe[Findings](t, c, "findings")
	_, err = dialWS(t, addr).Subscribe(t.Context(), "syncd", make(chan status.Snapshot), "progress")
	require.NoError(t, err, "another connection has its own")

	_, err = c.Subscribe(t.Context(), "syncd", make(chan status.Snapshot), "weather")
	requireCode(t, err, -32601, "")
	over, err := rpc.DialContext(t.Context(), "http://"+addr)
	require.NoError(t, err)
	defer over.Close()
	requireCode(t, over.CallContext(t.Context(), nil, "syncd_subscribe", "stage"), -32601, "")
}

func TestSubscriptionsEndWithTheirConnectionAndWithThePair(t *testing.T) {
	src := &fakePair{}
	addr := start(t, src, nil)
	c := dialWS(t, addr)
	for _, name := range []string{"stage", "progress", "findings"} {
		_, err := c.Subscribe(t.Context(), "syncd", make(chan any, 8), name)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return src.updates.count() == 2 && src.changes.count() == 1 }, 5*time.Second, time.Millisecond)
	c.Close()
	require.Eventually(t, func() bool { return src.updates.count()+src.changes.count() == 0 }, 5*time.Second, time.Millisecond)

}

// A pair that panics when it is subscribed to fails the request, and nothing else: its
// goroutine does not exist yet, and the limit of the connection is not used up.
func TestAPanicOfSubscribingIsAnError(t *testing.T) {
	c := dialWS(t, start(t, panicking{}, nil))
	for range maxSubscriptions + 1 {
		for _, name := range []string{"stage", "progress", "findings"} {
			_, err := c.Subscribe(t.Context(), "syncd", make(chan any), name)
			requireCode(t, err, codeInternal, "")
		}
	}
}

// The place of a subscription that ended is free for one more, and a connection without
// subscriptions is not remembered.
func TestPlacesOfSubscriptions(t *testing.T) {
	s, conn := &subscriptions{}, &rpc.Client{}
	for range maxSubscriptions {
		require.NoError(t, s.take(conn))
	}
	require.Error(t, s.take(conn))
	s.release(conn)
	require.NoError(t, s.take(conn))
	require.Error(t, s.take(conn))
	for range maxSubscriptions {
		s.release(conn)
	}
	require.Empty(t, s.open)
}
