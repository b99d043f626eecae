package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePair is a Source whose answers a test sets.
type fakePair struct {
	snap    atomic.Pointer[status.Snapshot]
	history func(limit int) ([]status.Change, error)
	order   func(ctx context.Context, what string) error
}

func (f *fakePair) Snapshot() *status.Snapshot { return f.snap.Load() }
func (f *fakePair) History(_ context.Context, limit int) ([]status.Change, error) {
	return f.history(limit)
}
func (f *fakePair) Pause(ctx context.Context, reason string) error {
	return f.order(ctx, "pause: "+reason)
}
func (f *fakePair) Resume(ctx context.Context) error { return f.order(ctx, "resume") }

var since = time.Unix(1_700_000_000, 0).UTC()

func quietLog() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// start serves src until the test ends and gives host:port.
func start(t *testing.T, src Source, change func(*Config)) string {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0", Gatherer: prometheus.NewRegistry(), Log: quietLog()}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, src)
	require.NoError(t, err)
	require.Empty(t, s.Addr())
	require.NoError(t, s.Listen())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		http.DefaultClient.CloseIdleConnections()
	})
	return s.Addr()
}

// ask sends a raw request; edit may change it. It gives the code and the body.
func ask(t *testing.T, method, url, body string, edit func(*http.Request)) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	if edit != nil {
		edit(req)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(out), res.Header
}
