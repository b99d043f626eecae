package pair

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// fake is a simulated pair with a daemon's loop beside it, in fake time.
type fake struct {
	t                 *testing.T
	world             world.Chain
	gwatWire, bcnWire *wire.Wire
	gwat              *gwatsim.Node
	beacon            *beaconsim.Node
	stopGwat, stopBcn func()
	pair              *Pair
	skew              atomic.Int64 // of syncd's wall clock
	store             *failingStore
	beaconCfg         func(*beaconsim.Config)
	gwatCfg           func(*gwatsim.Config)
}

// fakeConfig says what differs from a pair at work: slots of 4 s, a poll a second.
type fakeConfig struct {
	world   func(*world.Config)
	gwat    func(*gwatsim.Config)
	beacon  func(*beaconsim.Config)
	pair    func(*Config)
	started func(*fake) // after the nodes, before syncd
	skew    time.Duration
}

const (
	fakeSlot = 4 * time.Second
	fakePoll = time.Second
)

// inFakeTime runs a test on a pair in fake time.
func inFakeTime(t *testing.T, cfg fakeConfig, run func(*fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{t: t, gwatWire: &wire.Wire{}, bcnWire: &wire.Wire{}, store: &failingStore{Memory: journal.NewMemory()}, gwatCfg: cfg.gwat, beaconCfg: cfg.beacon}
		f.skew.Store(int64(cfg.skew))
		f.world = f.newWorld(cfg.world)
		f.startGwat()
		f.startBeacon()
		if cfg.started != nil {
			cfg.started(f)
		}
		stop := f.startPair(cfg.pair)
		defer func() { stop(); f.stopBcn(); f.stopGwat() }()
		run(f)
	})
}

func (f *fake) newWorld(change func(*world.Config)) world.Chain {
	cfg := world.Config{Seed: 7, GenesisTime: uint64(time.Now().Unix()) - 80*4, SecondsPerSlot: 4, SlotsPerEpoch: 8, MaxBlocksPerSlot: 3}
	if change != nil {
		change(&cfg)
	}
	w, err := world.New(cfg)
	require.NoError(f.t, err)
	return w
}

func (f *fake) startGwat() {
	cfg := gwatsim.Config{Chain: f.world, Peers: 3, Lock: 20 * time.Second}
	if f.gwatCfg != nil {
		f.gwatCfg(&cfg)
	}
	node, err := gwatsim.New(cfg)
	require.NoError(f.t, err)
	f.gwat, f.stopGwat = node, runNode(node.Run)
	f.gwatWire.Serve(node.Handler())
}

func (f *fake) startBeacon() {
	cfg := beaconsim.Config{Chain: f.world, Peers: 3, Gwat: "http://localhost/gwat", Transport: f.gwatWire, Driver: beaconsim.DriverOff}
	if f.beaconCfg != nil {
		f.beaconCfg(&cfg)
	}
	node, err := beaconsim.New(cfg)
	require.NoError(f.t, err)
	f.beacon, f.stopBcn = node, runNode(node.Run)
	f.bcnWire.Serve(node.Handler())
}

func (f *fake) startPair(change func(*Config)) (stop func()) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	if testing.Verbose() {
		log.SetOutput(testWriter{f.t})
	}
	cfg := Config{
		Name: "test", Version: "test", Journal: journal.OpenStore(f.store, ""), Log: log,
		Gwat:   gwatclient.Config{Endpoint: "http://localhost/gwat", Transport: f.gwatWire},
		Beacon: beaconclient.Config{URL: "http://localhost", Transport: f.bcnWire},
		Now:    func() time.Time { return shifted(time.Now(), time.Duration(f.skew.Load())) },
		Times:  Times{PollInterval: fakePoll, PushTimeout: 20 * time.Second, LockTime: 20 * time.Second},
	}
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	require.NoError(f.t, err)
	f.pair = p
	return runNode(p.Run)
}

// shifted is a clock that is set wrong; without a monotonic reading only if it is.
func shifted(now time.Time, by time.Duration) time.Time {
	if by == 0 {
		return now
	}
	return now.Add(by)
}

// closeStreams cuts the event streams, so that new ones are asked for.
func (f *fake) closeStreams() {
	f.bcnWire.Cut(func(path string) bool { return strings.HasSuffix(path, "/events") })
}

// within waits for a snapshot as asked and gives how long it took.
func (f *fake) within(limit time.Duration, what string, ok func(*status.Snapshot) bool) time.Duration {
	f.t.Helper()
	begin := time.Now()
	for !ok(f.pair.Snapshot()) {
		if time.Since(begin) > limit {
			s := f.pair.Snapshot()
			require.FailNow(f.t, "not in time", "%s within %s; in %s, verdict %s, waiting for %q, findings %+v, last error %+v", what, limit, s.Stage, s.Verdict, s.Waiting, s.Findings, s.LastError)
		}
		time.Sleep(50 * time.Millisecond) // of the fake clock
	}
	return time.Since(begin)
}

func (f *fake) reaches(stage fsm.Stage) {
	f.t.Helper()
	f.within(5*time.Minute, string(stage), func(s *status.Snapshot) bool { return s.Stage == string(stage) })
}

func told(s *status.Snapshot, name string) *status.Finding {
	for i := range s.Findings {
		if s.Findings[i].Name == name {
			return &s.Findings[i]
		}
	}
	return nil
}

// failingStore is a journal's store on a disk that may be full.
type failingStore struct {
	*journal.Memory
	full atomic.Bool
	slow atomic.Int64 // how long a write takes
}

func (s *failingStore) Set(values map[string][]byte) error {
	if s.full.Load() {
		return syscall.ENOSPC
	}
	return s.Memory.Set(values)
}

func (s *failingStore) Append(value []byte, keep int) error {
	time.Sleep(time.Duration(s.slow.Load())) // of the fake clock
	if s.full.Load() {
		return syscall.ENOSPC
	}
	return s.Memory.Append(value, keep)
}

// answering takes the place of a node and answers everything the same.
func answering(code int, body string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		})
	}
}

// answeringCall is in front of gwat and answers calls of one method in its place.
func answeringCall(method, answer string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), `"`+method+`"`) {
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				next.ServeHTTP(w, r)
				return
			}
			id := "1"
			if _, rest, ok := strings.Cut(string(body), `"id":`); ok {
				id, _, _ = strings.Cut(rest, ",")
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id+`,`+answer+`}`)
		})
	}
}

// deafEvents is in front of the beacon node and swallows its events.
func deafEvents(deaf *atomic.Bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/events") {
				w = &deafWriter{w, deaf}
			}
			next.ServeHTTP(w, r)
		})
	}
}

type deafWriter struct {
	http.ResponseWriter
	deaf *atomic.Bool
}

func (d *deafWriter) Write(b []byte) (int, error) {
	if d.deaf.Load() {
		return len(b), nil
	}
	return d.ResponseWriter.Write(b)
}

func (d *deafWriter) Unwrap() http.ResponseWriter { return d.ResponseWriter }
