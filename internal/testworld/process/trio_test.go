//go:build integration

package test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/proof"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// trio is a pair of simulated nodes and a syncd, each a process of its own.
type trio struct {
	t                   *testing.T
	gwat, beacon, syncd *process
	gwatURL, beaconURL  string
	api                 string
	calls               string // gwat's call log
	world               *world.World
	links               map[string]*link // by name; LinkPair is always there
	between             bool             // syncd is the gate of this pair
}

// position is where syncd is: beside the pair, or the gate between its nodes.
type position string

const (
	beside  position = "beside"
	between position = "between"
)

// transport is how syncd talks to gwat.
type transport string

const (
	overHTTP transport = "http"
	overWS   transport = "ws"
)

// newTrio prepares the processes; none is started. Checkpoint and DAG sync take
// some seconds each, a push two or three. The beacon node is the last to be done:
// one that waits for gwat finalizes by its normal calls what is to be pushed.
// The nodes speak through a proxy; with links, syncd does so with each of them too.
// It is beside the pair: the beacon node does not drive.
func newTrio(t *testing.T, way transport, links bool) *trio {
	t.Helper()
	return newTrioAt(t, beside, way, links)
}

// newTrioAt is newTrio at a position. Between the nodes, the beacon node drives by
// itself; its calls go through LinkPair to syncd's gate.
func newTrioAt(t *testing.T, at position, way transport, links bool) *trio {
	t.Helper()
	dir := t.TempDir()
	gwat, beacon, api := freeAddress(t), freeAddress(t), freeAddress(t)
	cfg := world.Config{
		Seed: 3, GenesisTime: uint64(time.Now().Unix() - 60), SecondsPerSlot: uint64(proof.SlotTime / time.Second),
		SlotsPerEpoch: 8, MissRate: 0.05,
	}
	network := []string{
		fmt.Sprintf("--seed=%d", cfg.Seed), fmt.Sprintf("--genesis=%d", cfg.GenesisTime),
		fmt.Sprintf("--seconds-per-slot=%d", cfg.SecondsPerSlot), fmt.Sprintf("--slots-per-epoch=%d", cfg.SlotsPerEpoch),
		fmt.Sprintf("--miss-rate=%g", cfg.MissRate),
	}
	tr := &trio{
		t: t, gwatURL: "http://" + gwat, beaconURL: "http://" + beacon, api: "http://" + api,
		calls: filepath.Join(dir, "calls"), between: at == between,
	}
	var err error
	tr.world, err = world.New(cfg)
	require.NoError(t, err)
	toGwat, toBeacon := gwat, beacon
	called, driver, gate := gwat, "off", []string(nil) // by the beacon node
	if tr.between {
		called, driver = freeAddress(t), "on"
		gate = []string{"--gate.listen=" + called}
	}
	tr.links = map[string]*link{faults.LinkPair: newLink(t, called)}
	if links {
		tr.links[faults.LinkGwat], tr.links[faults.LinkBeacon] = newLink(t, gwat), newLink(t, beacon)
		toGwat, toBeacon = tr.links[faults.LinkGwat].address, tr.links[faults.LinkBeacon].address
	}
	tr.gwat = tr.process("gwat", append([]string{"simnet", "gwat", "--listen=" + gwat, "--data-dir=" + filepath.Join(dir, "gwat"),
		"--call-log=" + tr.calls, "--sync-speed=30", "--dag-speed=15", "--lock=" + proof.LockTime.String(), "--entry-cost=100ms"}, network...))
	tr.beacon = tr.process("beacon", append([]string{"simnet", "beacon", "--listen=" + beacon, "--data-dir=" + filepath.Join(dir, "beacon"),
		"--sync-speed=10", "--driver=" + driver, "--gwat=http://" + tr.links[faults.LinkPair].address}, network...))
	tr.syncd = tr.process("syncd", []string{"syncd", "run", "--gwat.endpoint=" + string(way) + "://" + toGwat, "--beacon.endpoint=http://" + toBeacon,
		"--data-dir=" + filepath.Join(dir, "syncd"), "--api.listen=" + api, "--gwat.lock=" + proof.LockTime.String(), "--push-timeout=" + proof.PushTimeout.String(),
		"--poll-interval=" + proof.PollInterval.String(), "--ready-interval=" + proof.PollInterval.String(), "--call-timeout=" + proof.CallTimeout.String()})
	tr.syncd.args = append(tr.syncd.args, gate...)
	return tr
}

func (tr *trio) process(name string, args []string) *process {
	p := &process{t: tr.t, name: name, args: args, out: &bytes.Buffer{}}
	tr.t.Cleanup(p.end)
	return p
}

func (tr *trio) byName(name string) *process {
	return map[string]*process{"gwat": tr.gwat, "beacon": tr.beacon, "syncd": tr.syncd}[name]
}

// stop is SIGSTOP, go on is SIGCONT.
func (tr *trio) stop(name string) { tr.t.Helper(); tr.byName(name).signal(syscall.SIGSTOP) }
func (tr *trio) goOn(name string) { tr.t.Helper(); tr.byName(name).signal(syscall.SIGCONT) }

// reaches waits for a stage.
func (tr *trio) reaches(stage string) {
	tr.t.Helper()
	last := "nothing was answered"
	require.Eventually(tr.t, func() bool {
		s, err := proof.Ask(tr.api)
		if err != nil {
			return false
		}
		last = fmt.Sprintf("%s, waiting for %q, last error %+v", s.Stage, s.Waiting, s.LastError)
		return s.Stage == stage
	}, proof.Within, 10*time.Millisecond, "stage %s", stage)
	tr.t.Logf("%s: %s", stage, last)
}

// listens waits until somebody accepts connections.
func (tr *trio) listens(url string) {
	tr.t.Helper()
	require.Eventually(tr.t, func() bool {
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil
	}, proof.Within, 10*time.Millisecond, url)
}

// holdLock takes gwat's head-sync lock as soon as it is free, as another
// driver would, so that the pair stays in head_sync_ready for a while.
func (tr *trio) holdLock() {
	tr.t.Helper()
	client, err := rpc.DialOptions(context.Background(), tr.gwatURL, rpc.WithHeader("User-Agent", proof.Competitor))
	require.NoError(tr.t, err)
	defer client.Close()
	require.Eventually(tr.t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var ok bool
		err := client.CallContext(ctx, &ok, "dag_headSyncReady", checkpoint.Genesis())
		return err == nil && ok
	}, proof.Within, 5*time.Millisecond, "the lock")
}

// bringTo starts syncd and both nodes and waits for a stage. In connecting no
// node is started yet.
func (tr *trio) bringTo(stage string) {
	tr.t.Helper()
	tr.syncd.start()
	if stage == "connecting" {
		tr.reaches(stage)
		return
	}
	tr.gwat.start()
	tr.beacon.start()
	switch stage {
	case "head_sync_ready":
		tr.reaches("dag_sync")
		tr.holdLock()
	case "head_sync":
		// The beacon's own calls must not finalize first what is to be pushed.
		tr.reaches("checkpoint_sync")
		down := faults.Toxic{Name: "down"}
		tr.links[faults.LinkPair].poison(down)
		defer tr.links[faults.LinkPair].heal(down)
	}
	tr.reaches(stage)
}

func (tr *trio) watch() *proof.Watch { return proof.NewWatch(tr.t, tr.api) }

// log reads gwat's call log.
func (tr *trio) log() []gwatsim.Call {
	tr.t.Helper()
	file, err := os.Open(tr.calls)
	require.NoError(tr.t, err)
	defer file.Close()
	calls, err := proof.ReadCalls(file)
	require.NoError(tr.t, err)
	require.NotEmpty(tr.t, calls, "gwat's call log")
	return calls
}

// requireSafe proves by gwat's own log that no rule was broken, and gives the log.
func (tr *trio) requireSafe() []gwatsim.Call {
	tr.t.Helper()
	calls := tr.log()
	require.Empty(tr.t, proof.Violations(calls, tr.world), "what syncd may never do")
	return calls
}
