package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

func pushed(begin, end int, slots ...primitives.Slot) gwatsim.Call {
	c := gwatsim.Call{Begin: time.Unix(int64(begin), 0), End: time.Unix(int64(end), 0)}
	for _, s := range slots {
		c.Infos = append(c.Infos, checkpoint.ConsensusInfo{Slot: s})
	}
	return c
}

func TestBusyShare(t *testing.T) {
	require.Equal(t, 1.0, busyShare([]gwatsim.Call{pushed(5, 9)}))
	require.Equal(t, 0.75, busyShare([]gwatsim.Call{pushed(10, 20), pushed(0, 5)}))
	require.Zero(t, busyShare(nil))
}

func TestGaps(t *testing.T) {
	all, inReady := gaps([]gwatsim.Call{pushed(2, 4), pushed(9, 10), pushed(11, 12)}, []gwatsim.Call{pushed(0, 1), pushed(5, 7)})
	require.Equal(t, []float64{5000, 1000}, all)
	require.Equal(t, []float64{2000, 0}, inReady)
}

func TestPushedAgain(t *testing.T) {
	calls := []gwatsim.Call{pushed(0, 4, 1, 2, 3), pushed(5, 12, 3, 4, 5), pushed(13, 14, 5, 6), pushed(15, 16, 5, 6, 7)}
	require.Equal(t, 1, pushedAgain(calls, time.Unix(10, 0)), "only slot 5 was pushed on both sides, and counts once")
	require.Zero(t, pushedAgain(calls, time.Unix(20, 0)))
	largest, total := segments(calls)
	require.Equal(t, 3, largest)
	require.Equal(t, 11, total)
}

func TestStopwatch(t *testing.T) {
	s := newStopwatch()
	answers := []string{`{"result":{"stage":"dag"}}`, `{"result":{"stage":"resync"}}`, `{"result":true}`, `{"result":true}`, `[]`, `{"result":{}}`}
	asked := []string{"eth_syncing", "eth_syncing", "dag_headSyncReady", "dag_headSync", "eth_getBlockByHash", "dag_getCandidates"}
	next := 0
	handler := s.watch(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(answers[next]))
	}))
	for i, method := range asked {
		next = i
		require.Error(t, s.moments().complete())
		body := `{"method":"` + method + `"}`
		if method == "eth_getBlockByHash" {
			body = "[" + body + "," + body + "]"
		}
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		require.Equal(t, i > 0, !s.moments().shown.IsZero(), method)
	}
	<-s.done
	m := s.moments()
	require.NoError(t, m.complete())
	require.False(t, m.shown.After(m.ready) || m.ready.After(m.answered) || m.answered.After(m.confirm) || m.confirm.After(m.verify))
}

func TestShowsReady(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"result":false}`: true, `{"result":{"stage":"resync"}}`: true, `{"result":{"stage":"head"}}`: false,
		`{"result":{"stage":"finalized"}}`: false, `{"error":{}}`: false, `no JSON`: false,
	} {
		require.Equal(t, want, showsReady([]byte(answer)), answer)
	}
}
