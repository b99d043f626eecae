package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/status"
)

// overBoth runs a test with a client over HTTP and one over WebSocket, both with
// a token.
func overBoth(t *testing.T, src Source, test func(t *testing.T, c *rpc.Client)) {
	for _, scheme := range []string{"http", "ws"} {
		t.Run(scheme, func(t *testing.T) {
			c, err := rpc.DialOptions(t.Context(), scheme+"://"+start(t, src, nil), withToken(t))
			require.NoError(t, err)
			t.Cleanup(c.Close)
			test(t, c)
		})
	}
}

func requireCode(t *testing.T, err error, code int, kind string) {
	t.Helper()
	var coded rpc.Error
	require.ErrorAs(t, err, &coded)
	require.Equal(t, code, coded.ErrorCode(), err.Error())
	if kind == "" {
		return
	}
	var data rpc.DataError
	require.ErrorAs(t, err, &data)
	require.Equal(t, map[string]any{"kind": kind}, data.ErrorData())
}

func TestStatus(t *testing.T) {
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{
		Seq: 3, Pair: "main", Stage: "dag_sync", Since: since, Waiting: "gwat loads its DAG",
		Gwat: status.Node{Endpoint: "http://127.0.0.1:8545", Reachable: true, Progress: &status.Progress{Unit: "slot", Target: 9}},
	})
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		var got status.Snapshot
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_status"))
		require.Equal(t, *src.snap.Load(), got)
	})
}

func TestStatusBeforeAnythingIsKnown(t *testing.T) {
	overBoth(t, &fakePair{}, func(t *testing.T, c *rpc.Client) {
		requireCode(t, c.CallContext(t.Context(), nil, "syncd_status"), CodeRetryLater, "retry_later")
	})
}

func TestHistory(t *testing.T) {
	var limits []int
	src := &fakePair{history: func(limit int) ([]status.Change, error) {
		limits = append(limits, limit)
		if limit == 3 {
			return nil, nil
		}
		return []status.Change{{At: since, From: "connecting", To: "checkpoint_sync", Event: "nodes_reached"}}, nil
	}}
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		limits = nil
		var got []status.Change
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_history"))
		require.Equal(t, "checkpoint_sync", got[0].To)
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_history", 7))
		var raw json.RawMessage
		require.NoError(t, c.CallContext(t.Context(), &raw, "syncd_history", 3))
		require.JSONEq(t, "[]", string(raw), "never null")
		for _, bad := range []any{0, -1, maxHistory + 1, "ten", 1.5} {
			requireCode(t, c.CallContext(t.Context(), &got, "syncd_history", bad), codeInvalidParams, "")
		}
		requireCode(t, c.CallContext(t.Context(), &got, "syncd_history", 1, 2), codeInvalidParams, "")
		require.Equal(t, []int{defaultHistory, 7, 3}, limits)
	})
}

func TestPauseAndResume(t *testing.T) {
	var orders []string
	src := &fakePair{order: func(_ context.Context, what string) error { orders = append(orders, what); return nil }}
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		orders = nil
		var ok bool
		require.NoError(t, c.CallContext(t.Context(), &ok, "syncd_pause"))
		require.True(t, ok)
		require.NoError(t, c.CallContext(t.Context(), &ok, "syncd_pause", "upgrade of gwat"))
		require.NoError(t, c.CallContext(t.Context(), &ok, "syncd_resume"))
		require.True(t, ok)
		requireCode(t, c.CallContext(t.Context(), &ok, "syncd_pause", strings.Repeat("x", maxReason+1)), codeInvalidParams, "")
		require.Equal(t, []string{"pause: ", "pause: upgrade of gwat", "resume"}, orders)

		orders = nil
		longest := strings.Repeat("x", maxReason)
		require.NoError(t, c.CallContext(t.Context(), nil, "syncd_heal", HealOrder{Name: longest, DryRun: true}))
		requireCode(t, c.CallContext(t.Context(), nil, "syncd_heal", HealOrder{Name: longest + "x", DryRun: true}), codeInvalidParams, "")
		require.Equal(t, []string{"heal: " + longest + " dry=true"}, orders)
	})
}

func TestResync(t *testing.T) {
	var orders []string
	src := &fakePair{order: func(_ context.Context, what string) error { orders = append(orders, what); return nil }}
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		orders = nil
		var ok bool
		for _, params := range [][]any{nil, {map[string]any{}}, {map[string]any{"reason": "new disk", "full": true, "force": true}}} {
			ok = false
			require.NoError(t, c.CallContext(t.Context(), &ok, "syncd_resync", params...))
			require.True(t, ok)
		}
		for _, bad := range []any{"now", true, map[string]any{"ful": true}, map[string]any{"full": "yes"}, map[string]any{"reason": strings.Repeat("x", maxReason+1)}} {
			requireCode(t, c.CallContext(t.Context(), &ok, "syncd_resync", bad), codeInvalidParams, "")
		}
		require.Equal(t, []string{"resync:  full=false force=false", "resync:  full=false force=false", "resync: new disk full=true force=true"}, orders)
	})
}

func TestFindings(t *testing.T) {
	src := &fakePair{}
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		src.snap.Store(nil)
		requireCode(t, c.CallContext(t.Context(), nil, "syncd_findings"), CodeRetryLater, "retry_later")
		src.snap.Store(&status.Snapshot{Seq: 4, At: since, Verdict: status.VerdictWorking})
		var raw json.RawMessage
		require.NoError(t, c.CallContext(t.Context(), &raw, "syncd_findings"))
		require.JSONEq(t, `{"seq":4,"at":"2023-11-14T22:13:20Z","verdict":"working","findings":[]}`, string(raw), "never null")
		one := status.Finding{Name: "gwat_no_peers", Severity: status.SeverityWarning, Evidence: []string{"peers: 0"}, Since: since}
		src.snap.Store(&status.Snapshot{Seq: 5, At: since, Verdict: status.VerdictFailing, Findings: []status.Finding{one}})
		var got Findings
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_findings"))
		require.Equal(t, Findings{Seq: 5, At: since, Verdict: status.VerdictFailing, Findings: []status.Finding{one}}, got)
	})
}

func TestProgress(t *testing.T) {
	src := &fakePair{samples: []status.Sample{{Seq: 1, At: since}, {Seq: 2, At: since}, {Seq: 3, At: since}}}
	eta := since.Add(time.Minute)
	snap := &status.Snapshot{Seq: 7, At: since, Stage: "head_sync", Verdict: status.VerdictSyncing, Since: since, ETA: &eta,
		Gwat: status.Node{Endpoint: "a", Since: since}, Beacon: status.Node{Endpoint: "b", Since: since}, Push: &status.Push{Phase: "pushing", Started: since}}
	src.snap.Store(snap)
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		var got Progress
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_progress"))
		require.Equal(t, progressOf(snap, src.samples), got)
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_progress", 2))
		require.Equal(t, src.samples[1:], got.Samples)
		var raw map[string]json.RawMessage
		require.NoError(t, c.CallContext(t.Context(), &raw, "syncd_progress", 0))
		require.JSONEq(t, "[]", string(raw["samples"]))
		for _, bad := range []any{-1, maxSamples + 1, "all"} {
			requireCode(t, c.CallContext(t.Context(), &got, "syncd_progress", bad), codeInvalidParams, "")
		}
	})
}

// The past is asked for by position and by name, with times of the calendar and before
// now; the answer says its step and is bounded.
func TestProgressOverASpan(t *testing.T) {
	src := &fakePair{}
	for i := range 600 {
		at := since.Add(time.Duration(i) * time.Second)
		snap := &status.Snapshot{Seq: uint64(i + 1), At: at, Stage: "working", Verdict: status.VerdictWorking, Since: since}
		snap.Past = src.past.Add(snap)
		src.snap.Store(snap)
	}
	end := src.snap.Load().At
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		var got, same Progress
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_progress", since, end, "1m"))
		require.InDelta(t, 60, got.StepSeconds, 0)
		require.Len(t, got.Samples, 11, "ten minutes, and both ends are within one")
		known, working := 0.0, 0.0
		for _, s := range got.Samples {
			known, working = known+s.KnownSeconds, working+s.WorkingSeconds
		}
		require.InDelta(t, 599, known, 1e-6)
		require.InDelta(t, 599, working, 1e-6)
		require.Equal(t, since, got.Past.WorkingSince.UTC())
		require.NoError(t, c.CallContext(t.Context(), &same, "syncd_progress", "-599s", nil, "1m"))
		require.Equal(t, got, same)
		require.NoError(t, c.CallContext(t.Context(), &got, "syncd_progress", "-336h", "0s", "1s"))
		require.LessOrEqual(t, len(got.Samples), memory.MostSamples)
		require.Greater(t, got.StepSeconds, 1000.0)
		for _, bad := range [][]any{
			{"yesterday"}, {"24h"}, {since, "1ns"}, {since, 5}, {end, since}, {since, end, 60}, {since, end, "-1m"}, {since, end, "1m", 5}, {nil, nil, nil, maxSamples + 1},
		} {
			requireCode(t, c.CallContext(t.Context(), &got, "syncd_progress", bad...), codeInvalidParams, "")
		}
	})
	url := "http://" + start(t, src, nil)
	for params, samples := range map[string]int{
		`{"from":"-599s","step":"1m"}`: 11, `{"step":"1m","to":"0s","from":"-599s"}`: 11, `{"from":"-59s"}`: 60, `{"limit":0}`: 0,
	} {
		res, err := http.Post(url, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"syncd_progress","params":`+params+`}`))
		require.NoError(t, err)
		var answer struct{ Result *Progress }
		require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
		require.NoError(t, res.Body.Close())
		require.NotNil(t, answer.Result, params)
		require.Len(t, answer.Result.Samples, samples, params)
	}
}

func TestConfig(t *testing.T) {
	for name, settings := range map[string][]Setting{
		"none": {}, "some": {{Key: "pair", Value: "main", Source: "default"}, {Key: "observe", Value: true, Source: "flag"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := rpc.DialContext(t.Context(), "http://"+start(t, &fakePair{}, func(c *Config) { c.Settings = settings }))
			require.NoError(t, err)
			defer c.Close()
			var got []Setting
			require.NoError(t, c.CallContext(t.Context(), &got, "syncd_config"))
			require.Equal(t, settings, got)
		})
	}
}

func TestErrorsHaveCodes(t *testing.T) {
	var cause error
	src := &fakePair{order: func(context.Context, string) error { return cause }}
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		for _, k := range []struct {
			err  error
			code int
			kind string
		}{
			{failure.Newf(failure.RetryNow, "cut"), CodeRetryNow, "retry_now"},
			{failure.Newf(failure.RetryLater, "busy"), CodeRetryLater, "retry_later"},
			{failure.Newf(failure.Abort, "gone"), CodeAbort, "restart_attempt"},
			{failure.Newf(failure.NeedsHuman, "wrong"), CodeNeedsHuman, "needs_human"},
			{errors.New("of no kind"), CodeRetryLater, "retry_later"},
		} {
			cause = k.err
			err := c.CallContext(t.Context(), nil, "syncd_resume")
			require.EqualError(t, err, k.err.Error())
			requireCode(t, err, k.code, k.kind)
		}
		requireCode(t, c.CallContext(t.Context(), nil, "syncd_dance"), -32601, "")
		requireCode(t, c.CallContext(t.Context(), nil, "admin_peers"), -32601, "")
	})
}

// codeInternal is what JSON-RPC calls an internal error.
const codeInternal = -32603

// panicking is a Source that crashes at every call.
type panicking struct{}

func (panicking) Snapshot() *status.Snapshot { panic("snapshot") }
func (panicking) History(context.Context, int) ([]status.Change, error) {
	panic("history")
}
func (panicking) Pause(context.Context, string) error { panic("pause") }
func (panicking) Resume(context.Context) error        { panic("resume") }
func (panicking) Resync(context.Context, status.Resync) error {
	panic("resync")
}
func (panicking) Heal(context.Context, status.HealOrder) (*status.Heal, error) {
	panic("heal")
}
func (panicking) Samples(int) []status.Sample { panic("samples") }
func (panicking) Span(time.Time, time.Time, time.Duration) ([]status.Sample, time.Duration) {
	panic("span")
}
func (panicking) Subscribe() (<-chan status.Change, func())  { panic("subscribe") }
func (panicking) Updates() (<-chan *status.Snapshot, func()) { panic("updates") }

func TestPanicOfTheSourceIsAnError(t *testing.T) {
	overBoth(t, panicking{}, func(t *testing.T, c *rpc.Client) {
		for range 2 {
			for _, method := range []string{"status", "history", "pause", "resume", "resync", "heal"} {
				err := c.CallContext(t.Context(), nil, "syncd_"+method)
				requireCode(t, err, codeInternal, "")
				require.EqualError(t, err, "method handler crashed")
			}
			for _, method := range []string{"findings", "progress"} {
				requireCode(t, c.CallContext(t.Context(), nil, "syncd_"+method), codeInternal, "")
			}
		}
	})
	log, logged := logtest.NewNullLogger()
	addr := start(t, panicking{}, func(c *Config) { c.Log = log })
	for _, path := range []string{"/livez", "/readyz", "/v1/status"} {
		_, err := http.Get("http://" + addr + path)
		require.ErrorIs(t, err, io.EOF, path)
	}
	require.Len(t, logged.AllEntries(), 3)
	for _, line := range logged.AllEntries() {
		require.Contains(t, line.Message, "panic serving")
		require.Contains(t, line.Message, "panicking.Snapshot", "the stack")
	}
}

func TestBatches(t *testing.T) {
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{Stage: "working"})
	overBoth(t, src, func(t *testing.T, c *rpc.Client) {
		batch := func(n int) []rpc.BatchElem {
			out := make([]rpc.BatchElem, n)
			for i := range out {
				out[i] = rpc.BatchElem{Method: "syncd_status", Result: new(status.Snapshot)}
			}
			return out
		}
		good := batch(maxBatch)
		require.NoError(t, c.BatchCallContext(t.Context(), good))
		for _, e := range good {
			require.NoError(t, e.Error)
		}
		bad := batch(maxBatch + 1)
		require.NoError(t, c.BatchCallContext(t.Context(), bad))
		require.ErrorContains(t, bad[0].Error, "batch too large")
	})
}

func TestRawRequests(t *testing.T) {
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{Stage: "working"})
	url := "http://" + start(t, src, nil) + "/"
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"no JSON":         {`{`, -32700},
		"no version":      {`{"id":1,"method":"syncd_status"}`, -32600},
		"empty batch":     {`[]`, -32600},
		"object params":   {`{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":{"most":1}}`, -32602},
		"too many params": {`{"jsonrpc":"2.0","id":1,"method":"syncd_resume","params":[1]}`, -32602},
	} {
		t.Run(name, func(t *testing.T) {
			code, body, header := ask(t, http.MethodPost, url, c.body, func(r *http.Request) {
				r.Header.Set("Authorization", "Bearer "+goodToken(t))
			})
			require.Equal(t, http.StatusOK, code)
			require.Equal(t, "application/json", header.Get("Content-Type"))
			require.Contains(t, body, fmt.Sprintf(`"code":%d`, c.code))
		})
	}
	code, body, _ := ask(t, http.MethodPost, url, `{"jsonrpc":"2.0","id":"x","method":"syncd_status"}`, nil)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"id":"x"`)
	require.Contains(t, body, `"stage":"working"`)
}
