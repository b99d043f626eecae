package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/internal/testworld/metrics"
	"github.com/gwatsync/syncd/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretURL = "https://user:hunter2@hooks.example/T000/s3cr3t"

// receiver answers each request as its script says; what is behind the script is taken.
type receiver struct {
	mu     sync.Mutex
	script []any // an HTTP status, an error, or "hang"
	times  []time.Duration
	begin  time.Time
	took   []Message
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.times = append(r.times, time.Since(r.begin))
	var answer any = 200
	if len(r.script) > 0 {
		answer, r.script = r.script[0], r.script[1:]
	}
	r.mu.Unlock()
	switch a := answer.(type) {
	case error:
		return nil, a
	case string:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case int:
		var m Message
		if a < 300 {
			if err := json.Unmarshal(raw, &m); err != nil {
				return nil, err
			}
			r.mu.Lock()
			r.took = append(r.took, m)
			r.mu.Unlock()
		}
		return &http.Response{StatusCode: a, Header: http.Header{"Location": {"https://elsewhere.example"}}, Body: io.NopCloser(strings.NewReader("answer"))}, nil
	}
	return nil, errors.New("no such answer")
}

func (r *receiver) texts() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.took {
		out = append(out, m.Status+" "+m.Finding.Name)
	}
	return out
}

func (r *receiver) first() Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.took[0]
}

// tried returns when the requests came.
func (r *receiver) tried() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.times)
}

// rig is a webhook under a fake clock whose snapshot a test changes.
type rig struct {
	mu   sync.Mutex
	now  []status.Finding
	to   *receiver
	log  bytes.Buffer
	hook *Webhook
}

// counted returns the value of each metric, by name and outcome.
func (r *rig) counted(t *testing.T) map[string]float64 {
	t.Helper()
	return metrics.Values(t, r.hook)
}

func tally(delivered, givenUp, leftOut, queued float64) map[string]float64 {
	return map[string]float64{
		"syncd_notify_messages_total delivered": delivered, "syncd_notify_messages_total given_up": givenUp,
		"syncd_notify_messages_total left_out": leftOut, "syncd_notify_queued": queued,
	}
}

func (r *rig) set(findings ...status.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = findings
}

func (r *rig) snapshot() *status.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &status.Snapshot{Pair: "main", Verdict: status.VerdictFailing, Stage: "working", At: time.Now(), Findings: r.now}
}

func run(t *testing.T, script []any, body func(*rig)) string {
	t.Helper()
	r := &rig{}
	synctest.Test(t, func(t *testing.T) {
		r.to = &receiver{script: script, begin: time.Now()}
		log := logrus.New()
		log.SetOutput(&r.log)
		tpl, err := ParseTemplate("")
		require.NoError(t, err)
		w := New(Config{URL: func() string { return secretURL }, Name: "hooks.example", Template: tpl, Interval: time.Second, Snapshot: r.snapshot, Log: log, Transport: r.to})
		r.hook = w
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		body(r)
		cancel()
		<-done
	})
	require.NotContains(t, r.log.String(), "s3cr3t")
	require.NotContains(t, r.log.String(), "hunter2")
	return r.log.String()
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func critical(name string) status.Finding {
	return status.Finding{Name: name, Severity: status.SeverityCritical, Summary: "It is down.", Remedy: "Start it."}
}

func warning(name string) status.Finding {
	return status.Finding{Name: name, Severity: status.SeverityWarning}
}

func TestAFindingIsSentOnceAndItsEndOnce(t *testing.T) {
	run(t, nil, func(r *rig) {
		follows := critical("head_sync_failing")
		follows.ExplainedBy = "gwat_unreachable"
		r.set(critical("gwat_unreachable"), follows, status.Finding{Name: "head_sync_rollback", Severity: status.SeverityInfo}, warning("clock_skew"))
		pass(50 * time.Second)
		require.Empty(t, r.to.texts(), "it must last")
		pass(20 * time.Minute)
		require.Equal(t, []string{"firing gwat_unreachable"}, r.to.texts())
		m := r.to.first()
		require.Equal(t, []string{"main", status.VerdictFailing, "working", "Start it.", runbooks + "gwat_unreachable"}, []string{m.Pair, m.Verdict, m.Stage, m.Finding.Remedy, m.Runbook})
		pass(15 * time.Minute)
		require.Equal(t, []string{"firing gwat_unreachable", "firing clock_skew"}, r.to.texts())
		for range 20 { // it comes and goes
			r.set(warning("clock_skew"))
			pass(2 * time.Minute)
			r.set(critical("gwat_unreachable"), warning("clock_skew"))
			pass(2 * time.Minute)
		}
		require.Len(t, r.to.texts(), 2)
		r.set()
		pass(4 * time.Minute)
		require.Len(t, r.to.texts(), 2)
		pass(2 * time.Minute)
		require.ElementsMatch(t, []string{"resolved gwat_unreachable", "resolved clock_skew"}, r.to.texts()[2:])
		pass(time.Hour)
		require.Len(t, r.to.texts(), 4)
		require.Equal(t, tally(4, 0, 0, 0), r.counted(t))
	})
}

func TestAReceiverThatFailsIsTriedAgain(t *testing.T) {
	log := run(t, []any{errors.New("connection refused"), 503, 429, 408}, func(r *rig) {
		r.set(critical("gwat_hung"))
		pass(3 * time.Minute)
		require.Equal(t, []string{"firing gwat_hung"}, r.to.texts())
		var pauses []time.Duration
		times := r.to.tried()
		for i := range times[1:] {
			pauses = append(pauses, (times[i+1] - times[i]).Round(time.Second))
		}
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}, pauses)
	})
	require.Equal(t, 1, strings.Count(log, "it is tried again"), log)
	require.Contains(t, log, "takes messages again")
}

func TestARefusalIsNotTriedAgain(t *testing.T) {
	for _, code := range []int{301, 400, 404} {
		log := run(t, []any{code}, func(r *rig) {
			r.set(critical("gwat_hung"))
			pass(time.Hour)
			require.Empty(t, r.to.texts())
			require.Len(t, r.to.tried(), 1)
			require.Equal(t, tally(0, 1, 0, 0), r.counted(t))
			r.set(critical("gwat_hung"), critical("beacon_hung"))
			pass(2 * time.Minute)
			require.Equal(t, []string{"firing beacon_hung"}, r.to.texts(), "the next one is sent")
		})
		require.Contains(t, log, "is dropped", code)
		require.Contains(t, log, strconv.Itoa(code))
	}
}

// A receiver that never answers holds up no snapshot, costs a bounded queue, and a message
// is given up in the end.
func TestAReceiverThatHangs(t *testing.T) {
	var script []any
	for range 200 {
		script = append(script, "hang")
	}
	log := run(t, script, func(r *rig) {
		var many []status.Finding
		for i := range queued + 10 {
			many = append(many, critical("finding_"+strconv.Itoa(i)))
		}
		begin := time.Now()
		r.set(many...)
		pass(2 * time.Minute)
		require.Equal(t, 2*time.Minute, time.Since(begin))
		got := r.counted(t)
		require.GreaterOrEqual(t, got["syncd_notify_messages_total left_out"], 9.0) // one more if the sender was not at it yet
		require.EqualValues(t, len(many), got["syncd_notify_messages_total left_out"]+got["syncd_notify_queued"])
		pass(giveUpAfter + 2*longestPause)
		after := r.counted(t)
		require.Equal(t, 1.0, after["syncd_notify_messages_total given_up"])
		require.Equal(t, got["syncd_notify_queued"]-1, after["syncd_notify_queued"])
	})
	require.Contains(t, log, "left out")
	require.Contains(t, log, "is dropped")
}

// What was over before it could be sent is not sent at all.
func TestTheEndTakesAWaitingBeginningBack(t *testing.T) {
	q := newQueue()
	send := func(state, name string) { q.add(Message{Status: state, Finding: critical(name)}) }
	send(Firing, "a")
	send(Firing, "b")
	send(Resolved, "a")
	send(Resolved, "c")
	var left []string
	for m, ok := q.take(); ok; m, ok = q.take() {
		left = append(left, m.Status+" "+m.Finding.Name)
	}
	require.Equal(t, []string{"firing b", "resolved c"}, left)
}

func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		`{"text": {{json (printf "%s: %s" .Pair .Finding.Summary)}}}`: "application/json",
		"{{.Finding.Name}} is {{.Status}}":                            "text/plain; charset=utf-8",
		"":                                                            "application/json",
	} {
		tpl, err := ParseTemplate(text)
		require.NoError(t, err, text)
		body, err := tpl.body(Message{Pair: "ma\"in", Status: Firing, Finding: critical("gwat_hung")})
		require.NoError(t, err)
		require.Equal(t, want, contentType(body), string(body))
	}
	for _, text := range []string{"{{.Finding.Nme}}", "{{", "{{nothing}}"} {
		_, err := ParseTemplate(text)
		require.Error(t, err, text)
	}
}

// Over a real connection it is a POST with the credentials of the URL.
func TestARequestOverTheWire(t *testing.T) {
	got := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	defer server.Close()
	tpl, err := ParseTemplate("")
	require.NoError(t, err)
	w := New(Config{URL: func() string { return strings.Replace(server.URL, "://", "://user:hunter2@", 1) + "/hook" }, Template: tpl, Log: logrus.New()})
	require.NoError(t, w.try(t.Context(), Message{Status: Firing}))
	r := <-got
	user, password, ok := r.BasicAuth()
	require.Equal(t, []any{"POST", "/hook", "application/json", "user", "hunter2", true}, []any{r.Method, r.URL.Path, r.Header.Get("Content-Type"), user, password, ok})
	w.client.CloseIdleConnections()
}
