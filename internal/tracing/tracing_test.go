package tracing

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/headsync"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCollector keeps the spans that it was sent, and by whom.
type fakeCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans map[string]*otlp.Span
	names []string // of the spans, as they ended
	about map[string]string
	code  int
}

func newCollector(t *testing.T) *fakeCollector {
	c := &fakeCollector{spans: map[string]*otlp.Span{}, about: map[string]string{}, code: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &req) != nil || c.code != http.StatusOK {
			w.WriteHeader(max(c.code, http.StatusBadRequest))
			return
		}
		for _, of := range req.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				c.about[a.Key] = a.Value.GetStringValue()
			}
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					c.names = append(c.names, s.Name)
					c.spans[s.Name] = s
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// A head sync is one trace: what was collected, each ready, each batch, each confirmation.
func TestAHeadSyncIsOneTrace(t *testing.T) {
	c := newCollector(t)
	tracer := New(Config{Endpoint: c.URL, Pair: "main", Version: "v1", Log: logrus.New()})
	h := tracer.HeadSync(7)
	for _, r := range []headsync.Report{
		{Phase: headsync.PhaseCollecting, From: 10, To: 20, Total: 9}, {Phase: headsync.PhaseProving, From: 10, To: 20, Total: 4},
		{Phase: headsync.PhaseReady, Total: 4, Waiting: "a moment"}, {Phase: headsync.PhaseReady, Total: 4}, {Phase: headsync.PhaseProving, Note: "odd"},
		{Phase: headsync.PhasePushing, Total: 4, Accepted: true, Push: make([]headsync.Entry, 3)}, {Phase: headsync.PhaseConfirming, Total: 4}, {Phase: headsync.PhaseConfirming, Done: 3, Total: 4},
		{Phase: headsync.PhaseReady, Done: 3, Total: 4}, {Phase: headsync.PhasePushing, Done: 3, Total: 4, Accepted: true, Push: make([]headsync.Entry, 1)}, {Phase: headsync.PhaseConfirming, Done: 4, Total: 4},
	} {
		h.Report(r)
	}
	h.End(headsync.Result{Pushed: 4, Head: beaconclient.Header{Slot: 20}}, nil)
	tracer.Close()
	require.Nil(t, tracer.HeadSync(8), "nothing is traced after the end")

	require.Equal(t, []string{"collect", "ready", "batch", "confirm", "ready", "batch", "confirm", "head_sync"}, c.names)
	whole := c.spans["head_sync"]
	for name, s := range c.spans {
		require.Equal(t, whole.TraceId, s.TraceId, name)
		if name != "head_sync" {
			require.Equal(t, whole.SpanId, s.ParentSpanId, name)
		}
		require.LessOrEqual(t, whole.StartTimeUnixNano, s.StartTimeUnixNano, name)
		require.GreaterOrEqual(t, whole.EndTimeUnixNano, s.EndTimeUnixNano, name)
		require.NotEqual(t, otlp.Status_STATUS_CODE_ERROR, s.GetStatus().GetCode(), name)
	}
	require.EqualValues(t, 7, attr(whole, "syncd.attempt"))
	require.EqualValues(t, 4, attr(whole, "syncd.pushed"))
	require.EqualValues(t, 20, attr(whole, "syncd.head_slot"))
	require.EqualValues(t, 10, attr(c.spans["collect"], "syncd.from_slot"))
	require.EqualValues(t, 1, attr(c.spans["batch"], "syncd.entries"), "the newest batch")
	require.Equal(t, "odd", whole.Events[0].Name)
	require.Equal(t, map[string]string{"service.name": "syncd", "service.version": "v1", "syncd.pair": "main"}, c.about)
}

// Attempts that wait for gwat, one each second, are one trace: what was collected, the whole wait
// for the ready, then the push.
func TestAttemptsThatWaitAreOneTrace(t *testing.T) {
	c := newCollector(t)
	tracer := New(Config{Endpoint: c.URL, Log: logrus.New()})
	busy := failure.WithKind(failure.RetryLater, errors.New("gwat is busy"))
	for attempt := range uint64(30) {
		h := tracer.HeadSync(attempt)
		h.Report(headsync.Report{Phase: headsync.PhaseCollecting})
		h.Report(headsync.Report{Phase: headsync.PhaseReady})
		h.End(headsync.Result{}, busy)
	}
	h := tracer.HeadSync(30)
	for _, phase := range []headsync.Phase{headsync.PhaseCollecting, headsync.PhaseReady, headsync.PhasePushing, headsync.PhaseConfirming} {
		h.Report(headsync.Report{Phase: phase})
	}
	h.End(headsync.Result{Pushed: 4}, nil)
	h = tracer.HeadSync(31) // the next head sync, whose push fails
	h.Report(headsync.Report{Phase: headsync.PhasePushing})
	h.End(headsync.Result{}, busy)
	h = tracer.HeadSync(32) // and one that nothing follows
	h.Report(headsync.Report{Phase: headsync.PhaseReady})
	h.End(headsync.Result{}, busy)
	tracer.Close()
	require.Equal(t, []string{"collect", "ready", "batch", "confirm", "head_sync", "batch", "head_sync", "ready", "head_sync"}, c.names)
	require.EqualValues(t, 1, attr(c.spans["head_sync"], "syncd.attempts"), "the newest")
	require.Contains(t, c.spans["head_sync"].GetStatus().GetMessage(), "gwat is busy")
}

func attr(s *otlp.Span, key string) int64 {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetIntValue()
		}
	}
	return -1
}

// What failed says so, in the part in which it failed.
func TestAFailedHeadSyncSaysWhy(t *testing.T) {
	c := newCollector(t)
	tracer := New(Config{Endpoint: c.URL + "/v1/traces", Log: logrus.New()})
	h := tracer.HeadSync(1)
	h.Report(headsync.Report{Phase: headsync.PhaseCollecting})
	h.Report(headsync.Report{Phase: headsync.PhaseReady})
	h.End(headsync.Result{}, failure.WithKind(failure.RetryLater, errors.New("gwat is busy")))
	tracer.Close()
	for _, name := range []string{"ready", "head_sync"} {
		require.Equal(t, otlp.Status_STATUS_CODE_ERROR, c.spans[name].GetStatus().GetCode(), name)
		require.Contains(t, c.spans[name].GetStatus().GetMessage(), "gwat is busy", name)
	}
	require.NotEqual(t, otlp.Status_STATUS_CODE_ERROR, c.spans["collect"].GetStatus().GetCode())
}

// A collector that is not there, or refuses, is named in the log, and everything goes on.
func TestACollectorThatIsNotThere(t *testing.T) {
	c := newCollector(t)
	c.code = http.StatusInternalServerError
	gone := newCollector(t)
	gone.Close()
	for _, endpoint := range []string{c.URL, gone.URL} {
		log, hook := logtest.NewNullLogger()
		tracer := New(Config{Endpoint: endpoint, Log: log})
		h := tracer.HeadSync(1)
		h.Report(headsync.Report{Phase: headsync.PhaseCollecting})
		h.End(headsync.Result{Synced: true}, nil)
		tracer.Close()
		require.NotEmpty(t, hook.AllEntries(), endpoint)
	}
	New(Config{Endpoint: c.URL, Log: logrus.New()}).Close()
}

// A trace that waits for an attempt that never comes ends after a minute, at the time of its last attempt.
// One that an attempt goes on with does not.
func TestATraceThatWaitsInVainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		tracer := New(Config{Log: logrus.New()})
		tracer.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		attempt := func() {
			one := tracer.HeadSync(1)
			one.Report(headsync.Report{Phase: headsync.PhaseCollecting})
			one.End(headsync.Result{}, failure.WithKind(failure.RetryLater, errors.New("gwat is busy")))
		}
		begin := time.Now()
		attempt()
		time.Sleep(patience - time.Second)
		attempt()
		time.Sleep(patience - time.Second)
		require.Empty(t, spans.Ended())
		time.Sleep(2 * time.Second)
		ended := spans.Ended()
		require.Len(t, ended, 2)
		require.Equal(t, begin.Add(patience-time.Second), ended[1].EndTime())
		tracer.Close()
		require.Len(t, spans.Ended(), 2)
	})
}
