package recording

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/ui/terminal"
)

// viewed collects what a player shows.
type viewed struct {
	mu      sync.Mutex
	updates []terminal.Update
	lines   []string
	closed  bool
}

func (v *viewed) Show(u terminal.Update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.updates = append(v.updates, u)
}

func (v *viewed) Print(line string)   { v.lines = append(v.lines, line) }
func (*viewed) Writer() io.Writer     { return io.Discard }
func (*viewed) Done() <-chan struct{} { return nil }
func (v *viewed) Close()              { v.closed = true }

// recorder returns one of nodes, without a daemon.
func recorder(t *testing.T, gwat, beacon string) *Recorder {
	t.Helper()
	cfg, err := settings.Load(settings.Input{Flags: map[string]string{"gwat.endpoint": gwat, "beacon.endpoint": beacon, "poll-interval": "100ms", "call-timeout": "500ms"}})
	require.NoError(t, err)
	require.NoError(t, cfg.Check())
	client, err := apiclient.Open(apiclient.Config{Address: "http://127.0.0.1:1"})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &Recorder{
		Settings: cfg, Version: "test", Path: filepath.Join(t.TempDir(), "pair.bundle"), For: 1500 * time.Millisecond, Limit: MaxSize,
		Client: client, Notes: io.Discard,
	}
}

func TestARecordingPlaysAgain(t *testing.T) {
	pair, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pair.Close()) })
	r := recorder(t, pair.GwatWS, pair.BeaconURL)
	require.NoError(t, r.Check())
	var notes bytes.Buffer
	r.Notes = &notes
	summary, err := r.Run(t.Context())
	require.NoError(t, err)
	require.Contains(t, summary, "ended because its time is over")
	require.Contains(t, notes.String(), r.Path)
	for _, c := range pair.Gwat.Calls() {
		if c.Peer.Transport == "ws" {
			require.NotContains(t, []string{"dag_headSyncReady", "dag_headSync", "dag_sync", "dag_finalize"}, c.Method)
		}
	}

	view := &viewed{}
	begun := time.Now()
	summary, err = Replay(t.Context(), view, r.Path, 0, true)
	require.NoError(t, err)
	require.Less(t, time.Since(begun), time.Second, "at once")
	require.True(t, view.closed)
	require.Contains(t, summary, "; 0 of ")
	require.Contains(t, summary, "the recording ended because its time is over")
	require.NotEmpty(t, view.updates)
	require.Contains(t, strings.Join(view.lines, "\n"), "gwat eth_syncing")
	require.Contains(t, view.lines[0], "those of the recorder")

	_, err = r.Run(t.Context())
	require.Equal(t, exit.Usage, exit.Of(err), "an old recording is not written over")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	summary, err = Replay(ended, &viewed{}, r.Path, 1, false)
	require.NoError(t, err)
	require.Contains(t, summary, "the replay was stopped")
}

// A pair of the coordinated era is polled and evaluated as one: by the rules of the other era its
// beacon node has no answer that can be used.
func TestARecordingOfTheCoordinatedEra(t *testing.T) {
	net := &coordinated.Network{ChainID: 1337, GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8}
	gwat := coordinated.NewGwat(net, "enode://a")
	toGwat := httptest.NewServer(http.HandlerFunc(gwat.ServeHTTP))
	t.Cleanup(toGwat.Close)
	beacon := coordinated.NewBeacon(net, coordinated.Caller{URL: toGwat.URL}, 3)
	toBeacon := httptest.NewServer(http.HandlerFunc(beacon.ServeHTTP))
	t.Cleanup(toBeacon.Close)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { beacon.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })

	r := recorder(t, toGwat.URL, toBeacon.URL)
	_, err := r.Run(t.Context())
	require.NoError(t, err)
	view := &viewed{}
	summary, err := Replay(t.Context(), view, r.Path, 0, true)
	require.NoError(t, err)
	require.Contains(t, summary, "; 0 of ")
	require.NotContains(t, summary, "failing")
	require.NotContains(t, summary, ", 0 polls")
	require.Contains(t, strings.Join(view.lines, "\n"), "gwat dag_coordinatedState")
}

func TestARecordingThatIsStopped(t *testing.T) {
	r := recorder(t, "ws://127.0.0.1:1", "http://127.0.0.1:1")
	r.For = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	stopped, stop := context.WithCancel(t.Context())
	defer context.AfterFunc(ctx, stop)()
	summary, err := r.Run(stopped)
	require.NoError(t, err)
	require.Contains(t, summary, "ended because it was stopped")
	_, err = Replay(t.Context(), &viewed{}, r.Path, 0, false)
	require.NoError(t, err)
}

func TestWhatARecorderRefuses(t *testing.T) {
	for text, change := range map[string]func(*Recorder){
		"--out is empty":    func(r *Recorder) { r.Path = "" },
		"--for is 1ms":      func(r *Recorder) { r.For = time.Millisecond },
		"--for is 25h":      func(r *Recorder) { r.For = 25 * time.Hour },
		"--max-size is 0":   func(r *Recorder) { r.Limit = 0 },
		"--max-size is 257": func(r *Recorder) { r.Limit = MaxSize + 1<<20 },
	} {
		r := recorder(t, "ws://127.0.0.1:1", "http://127.0.0.1:1")
		change(r)
		err := r.Check()
		require.Equal(t, exit.Usage, exit.Of(err))
		require.ErrorContains(t, err, text)
	}
	r := recorder(t, "ws://127.0.0.1:1", "http://127.0.0.1:1")
	r.Path = filepath.Join(t.TempDir(), "none", "x")
	_, err := r.Run(t.Context())
	require.Equal(t, exit.Usage, exit.Of(err))
	require.NoFileExists(t, r.Path)
}

func TestWhatReplayRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no bundle"), 0o600))
	for path, part := range map[string]string{text: "name a file that syncd record wrote", t.TempDir(): "is a directory", text + ".none": "name a file"} {
		view := &viewed{}
		summary, err := Replay(t.Context(), view, path, 0, false)
		require.Equal(t, exit.Usage, exit.Of(err), path)
		require.ErrorContains(t, err, part)
		require.Empty(t, summary)
		require.True(t, view.closed)
	}
	for _, speed := range []float64{-1, 10_001} {
		require.Equal(t, exit.Usage, exit.Of(checkSpeed(speed)))
	}
	require.NoError(t, checkSpeed(0))
}
