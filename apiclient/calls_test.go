package apiclient

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// traffic is a syncd that takes no WebSocket, as behind some proxies, and has one more
// call each time it is asked.
type traffic struct {
	mu      sync.Mutex
	last    uint64
	filters []status.CallFilter
	broken  bool
}

func (f *traffic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var req struct {
		ID     json.RawMessage
		Method string
		Params []status.CallFilter
	}
	post := r.Method == http.MethodPost
	if !post || json.NewDecoder(r.Body).Decode(&req) != nil || f.broken {
		f.broken = f.broken && !post
		w.WriteHeader(http.StatusNotFound)
		return
	}
	f.filters = append(f.filters, req.Params...)
	f.last++
	if f.last == 2 {
		f.broken = true // the next question fails
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": req.ID, "result": status.Traffic{
		Gate: true, Last: f.last, Calls: []status.Call{{Seq: f.last, Method: req.Method}},
	}})
}

func TestFollowCallsByAsking(t *testing.T) {
	f := &traffic{}
	server := httptest.NewServer(f)
	defer server.Close()
	c, err := Open(Config{Address: server.URL})
	require.NoError(t, err)
	defer c.Close()
	var seen []uint64
	failed := 0
	c.FollowCalls(t.Context(), status.CallFilter{Methods: []string{"m"}, Limit: 5}, func(traffic *status.Traffic, err error) bool {
		if err != nil {
			require.ErrorIs(t, err, ErrNoSyncd)
			failed++
			return true
		}
		seen = append(seen, traffic.Calls[0].Seq)
		return traffic.Last < 3
	})
	require.Equal(t, []uint64{1, 2, 3}, seen)
	require.Equal(t, 1, failed, "it goes on after a failure")
	for i, filter := range f.filters {
		require.Equal(t, []string{"m"}, filter.Methods)
		if i == 0 {
			require.Nil(t, filter.After)
			require.Equal(t, 5, filter.Limit)
			continue
		}
		require.EqualValues(t, i, *filter.After, "behind the newest one")
		require.Zero(t, filter.Limit, "the limit was for those of the past")
	}
}

func TestFollowCallsEndsWithItsContext(t *testing.T) {
	server := httptest.NewServer(&traffic{})
	defer server.Close()
	c, err := Open(Config{Address: server.URL})
	require.NoError(t, err)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c.FollowCalls(ctx, status.CallFilter{}, func(*status.Traffic, error) bool { cancel(); return true })
	require.Error(t, ctx.Err())
}
