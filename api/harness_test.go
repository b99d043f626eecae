package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePair is a Source whose answers a test sets.
type fakePair struct {
	snap    atomic.Pointer[status.Snapshot]
	history func(limit int) ([]status.Change, error)
	order   func(ctx context.Context, what string) error
	samples []status.Sample
	past    memory.Memory
	changes readers[status.Change]
	updates readers[*status.Snapshot]
}

func (f *fakePair) Snapshot() *status.Snapshot { return f.snap.Load() }
func (f *fakePair) History(_ context.Context, limit int) ([]status.Change, error) {
	return f.history(limit)
}
func (f *fakePair) Pause(ctx context.Context, reason string) error {
	return f.order(ctx, "pause: "+reason)
}
func (f *fakePair) Resume(ctx context.Context) error { return f.order(ctx, "resume") }
func (f *fakePair) Resync(ctx context.Context, r status.Resync) error {
	return f.order(ctx, fmt.Sprintf("resync: %s full=%t force=%t", r.Reason, r.Full, r.Force))
}
func (f *fakePair) Heal(ctx context.Context, o status.HealOrder) (*status.Heal, error) {
	if err := f.order(ctx, fmt.Sprintf("heal: %s dry=%t", o.Name, o.DryRun)); err != nil {
		return nil, err
	}
	return &status.Heal{Name: o.Name, Calls: []status.HealCall{}, Begun: !o.DryRun}, nil
}
func (f *fakePair) Samples(limit int) []status.Sample {
	return f.samples[max(0, len(f.samples)-limit):]
}
func (f *fakePair) Span(from, to time.Time, step time.Duration) ([]status.Sample, time.Duration) {
	return f.past.Span(from, to, step)
}
func (f *fakePair) Subscribe() (<-chan status.Change, func())  { return listen(&f.changes) }
func (f *fakePair) Updates() (<-chan *status.Snapshot, func()) { return listen(&f.updates) }

// publish sets the snapshot and tells it to every reader of Updates.
func (f *fakePair) publish(s *status.Snapshot) {
	f.snap.Store(s)
	f.updates.send(s)
}

// readers of what a fakePair sends; each has room for the newest only.
type readers[T any] struct {
	mu   sync.Mutex
	open map[chan T]bool
}

func listen[T any](r *readers[T]) (<-chan T, func()) {
	ch := make(chan T, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[chan T]bool{}
	}
	r.open[ch] = true
	return ch, sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, ch)
		close(ch)
	})
}

func (r *readers[T]) send(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.open {
		select {
		case <-ch:
		default:
		}
		ch <- v
	}
}

// unread is how much was sent and not taken yet.
func (r *readers[T]) unread() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for ch := range r.open {
		n += len(ch)
	}
	return n
}

func (r *readers[T]) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

var since = time.Unix(1_700_000_000, 0).UTC()

// secret is what the servers of the tests take tokens of.
var secret = []byte("a secret of thirty-two bytes ...")

func token(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	out, err := jwt.NewWithClaims(method, claims).SignedString(key)
	require.NoError(t, err)
	return out
}

func goodToken(t *testing.T) string {
	return token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"iat": time.Now().Unix()})
}

// withToken has a go-ethereum client send a fresh token with each request or dial.
func withToken(t *testing.T) rpc.ClientOption {
	return rpc.WithHTTPAuth(func(h http.Header) error {
		h.Set("Authorization", "Bearer "+goodToken(t))
		return nil
	})
}

func quietLog() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// start serves src until the test ends and gives host:port.
func start(t *testing.T, src Source, change func(*Config)) string {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0", Gatherer: prometheus.NewRegistry(), JWTSecret: secret, Log: quietLog()}
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
