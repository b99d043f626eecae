//go:build integration

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/status"
)

// within is how long a pair may take to come to work after the last fault.
const within = 90 * time.Second

var binaries string // directory with the programs under test

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "syncd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	for _, name := range []string{"syncd", "simnet"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), "../cmd/"+name)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n", name, err)
			return 1
		}
	}
	return m.Run()
}

// process is a program that can be killed and started again.
type process struct {
	t    *testing.T
	name string
	args []string
	mu   sync.Mutex
	cmd  *exec.Cmd
	out  *bytes.Buffer
}

func (p *process) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = exec.Command(filepath.Join(binaries, p.args[0]), p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	require.NoError(p.t, p.cmd.Start(), p.name)
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// trio is a pair of simulated nodes and a syncd, each a process of its own.
type trio struct {
	t                   *testing.T
	gwat, beacon, syncd *process
	gwatURL, beaconURL  string
	api                 string
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// newTrio prepares the processes; none is started. Checkpoint and DAG sync take
// some seconds each, a push two or three. The beacon node is the last to be done:
// one that waits for gwat finalizes by its normal calls what is to be pushed.
func newTrio(t *testing.T) *trio {
	t.Helper()
	dir := t.TempDir()
	gwat, beacon, api := freeAddress(t), freeAddress(t), freeAddress(t)
	network := []string{
		"--seed=3", fmt.Sprintf("--genesis=%d", time.Now().Unix()-60),
		"--seconds-per-slot=1", "--slots-per-epoch=8", "--miss-rate=0.05",
	}
	tr := &trio{t: t, gwatURL: "http://" + gwat, beaconURL: "http://" + beacon, api: "http://" + api}
	tr.gwat = tr.process("gwat", append([]string{"simnet", "gwat", "--listen=" + gwat, "--data-dir=" + filepath.Join(dir, "gwat"),
		"--sync-speed=30", "--dag-speed=15", "--lock=6s", "--entry-cost=100ms"}, network...))
	tr.beacon = tr.process("beacon", append([]string{"simnet", "beacon", "--listen=" + beacon, "--data-dir=" + filepath.Join(dir, "beacon"),
		"--sync-speed=10", "--gwat=" + tr.gwatURL}, network...))
	tr.syncd = tr.process("syncd", []string{"syncd", "run", "--gwat.endpoint=" + tr.gwatURL, "--beacon.endpoint=" + tr.beaconURL,
		"--data-dir=" + filepath.Join(dir, "syncd"), "--api.listen=" + api, "--gwat.lock=6s", "--push-timeout=5s",
		"--poll-interval=250ms", "--ready-interval=250ms"})
	return tr
}

func (tr *trio) process(name string, args []string) *process {
	p := &process{t: tr.t, name: name, args: args, out: &bytes.Buffer{}}
	tr.t.Cleanup(func() {
		p.kill()
		if tr.t.Failed() {
			tr.t.Logf("what %s said:\n%s", name, p.out)
		}
	})
	return p
}

func (tr *trio) byName(name string) *process {
	return map[string]*process{"gwat": tr.gwat, "beacon": tr.beacon, "syncd": tr.syncd}[name]
}

// status asks syncd; an error while it is not there.
func (tr *trio) status() (*status.Snapshot, error) {
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, tr.api, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Result *status.Snapshot
		Error  any
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Result == nil {
		return nil, errors.New("no result")
	}
	return answer.Result, nil
}

// reaches waits for a stage.
func (tr *trio) reaches(stage string) {
	tr.t.Helper()
	last := "nothing was answered"
	require.Eventually(tr.t, func() bool {
		s, err := tr.status()
		if err != nil {
			return false
		}
		last = fmt.Sprintf("%s, waiting for %q, last error %+v", s.Stage, s.Waiting, s.LastError)
		return s.Stage == stage
	}, within, 10*time.Millisecond, "stage %s", stage)
	tr.t.Logf("%s: %s", stage, last)
}

// holdLock takes gwat's head-sync lock as soon as it can be had, as another
// driver would, so that the pair stays in head_sync_ready for a while.
func (tr *trio) holdLock() {
	tr.t.Helper()
	client, err := gwatclient.New(gwatclient.Config{Endpoint: tr.gwatURL})
	require.NoError(tr.t, err)
	defer client.Close()
	require.Eventually(tr.t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ok, err := client.HeadSyncReady(ctx, checkpoint.Genesis())
		return err == nil && ok
	}, within, 5*time.Millisecond, "the lock")
}

// Each process is killed in each stage and started again; the pair comes to
// work with no hand on it.
func TestKillInEveryStage(t *testing.T) {
	for _, stage := range []string{"connecting", "checkpoint_sync", "dag_sync", "head_sync_ready", "head_sync", "switching", "working"} {
		for _, victim := range []string{"gwat", "beacon", "syncd"} {
			t.Run(stage+"/"+victim, func(t *testing.T) {
				t.Parallel()
				tr := newTrio(t)
				tr.syncd.start()
				late := tr.bringTo(stage, victim)
				killed := tr.byName(victim)
				killed.kill()
				tr.leftStageOf(victim, stage)
				killed.start()
				for _, p := range late {
					p.start()
				}
				tr.reaches("working")
			})
		}
	}
}

// bringTo starts nodes and waits for the stage. It gives the processes that are
// to be started after the kill: in connecting one node is held back.
func (tr *trio) bringTo(stage, victim string) (late []*process) {
	tr.t.Helper()
	first, second := tr.gwat, tr.beacon
	if victim == "beacon" {
		first, second = second, first
	}
	first.start()
	if stage == "connecting" {
		tr.reaches(stage)
		return []*process{second}
	}
	second.start()
	if stage == "head_sync_ready" {
		tr.reaches("dag_sync")
		tr.holdLock()
	}
	tr.reaches(stage)
	return nil
}

// leftStageOf waits until the loss shows, if syncd is there to show it.
func (tr *trio) leftStageOf(victim, stage string) {
	tr.t.Helper()
	if victim == "syncd" || stage == "connecting" {
		return
	}
	tr.reaches("connecting")
}

// Both nodes and syncd are started at once from nothing.
func TestWholeProcessesFromNothing(t *testing.T) {
	t.Parallel()
	tr := newTrio(t)
	tr.gwat.start()
	tr.beacon.start()
	tr.syncd.start()
	tr.reaches("working")
	res, err := http.Get(tr.api + "/readyz")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
}
