//go:build integration

package test

import (
	"flag"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/proof"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

// lasts is how long a fault is kept up; longer where only the slots show it.
const (
	lasts     = proof.Named + 1500*time.Millisecond
	lastsPair = proof.Unworked + 1500*time.Millisecond
)

// way takes turns between gwat's transports.
func way(turn int) transport {
	if turn%2 == 0 {
		return overHTTP
	}
	return overWS
}

// Each process is killed in each stage and started again; the pair comes to
// work with no hand on it.
func TestKillInEveryStage(t *testing.T) {
	for i, stage := range faults.Stages() {
		for j, victim := range faults.Processes() {
			t.Run(stage+"/"+victim, func(t *testing.T) {
				t.Parallel()
				tr := newTrioAt(t, between, way(i+j), false)
				tr.bringTo(stage)
				tr.nodesOf(stage, victim)
				w := tr.watch()
				f := proof.Fault{Begin: time.Now(), Stopped: victim == "syncd", Moved: victim == "gwat" || stage == "head_sync_ready"}
				killed := tr.byName(victim)
				killed.kill()
				if victim != "syncd" {
					tr.reaches("connecting")
				}
				f.End = time.Now()
				killed.start()
				tr.lateNodes(stage, victim)
				tr.concludes(w, f, faults.Recovery{Fault: "kill", On: victim, Stage: stage})
			})
		}
	}
}

// Each process is stopped in each stage, holding its sockets open and saying
// nothing, and goes on later where it was.
func TestStopInEveryStage(t *testing.T) {
	for _, at := range []position{beside, between} {
		for i, stage := range faults.Stages() {
			for j, victim := range faults.Processes() {
				if at == between && !*allLinks && stage != "working" && i%len(faults.Processes()) != j {
					continue
				}
				t.Run(string(at)+"/"+stage+"/"+victim, func(t *testing.T) {
					t.Parallel()
					stopIn(newTrioAt(t, at, way(i+j), false), stage, victim)
				})
			}
		}
	}
}

func stopIn(tr *trio, stage, victim string) {
	tr.bringTo(stage)
	tr.nodesOf(stage, victim)
	w := tr.watch()
	f := proof.Fault{Begin: time.Now(), Stopped: victim == "syncd", Moved: stage == "head_sync_ready"}
	if victim != "syncd" {
		f.Lost = victim
	}
	tr.stop(victim)
	tr.lateNodes(stage, victim)
	proof.Hold(tr.t, f.Begin, lasts)
	f.End = time.Now()
	tr.goOn(victim)
	tr.concludes(w, f, faults.Recovery{Fault: "stop", On: victim, Stage: stage})
}

// allLinks chooses the whole matrix. Without it, beside the pair each toxic still meets
// each stage, each toxic each link, and each link each stage; behind the gate each toxic
// meets one stage and each stage one toxic and, before the pair works, one stop.
var allLinks = flag.Bool("all-links", true, "every toxic on every link in every stage; otherwise on one link in each stage, by turns")

// Each toxic spoils each link in each stage; behind the gate one link in each stage, by turns.
func TestToxicInEveryStage(t *testing.T) {
	turn := 0
	for _, at := range []position{beside, between} {
		for i, toxic := range faults.Toxics() {
			for j, on := range faults.Links() {
				for k, stage := range faults.Stages() {
					turn++
					if (at == between || !*allLinks) && (i+k)%len(faults.Links()) != j || at == between && !*allLinks && i != k {
						continue
					}
					by := way(turn)
					t.Run(string(at)+"/"+toxic.Name+"/"+on+"/"+stage, func(t *testing.T) {
						t.Parallel()
						spoil(t, newTrioAt(t, at, by, true), toxic, on, stage)
					})
				}
			}
		}
	}
}

func spoil(t *testing.T, tr *trio, toxic faults.Toxic, on, stage string) {
	tr.bringTo(stage)
	w := tr.watch()
	f := proof.Fault{Begin: time.Now(), Moved: toxic.KillsNode || stage == "head_sync_ready"}
	node := tr.byName(map[string]string{faults.LinkGwat: "gwat", faults.LinkBeacon: "beacon", faults.LinkPair: "gwat"}[on])
	if on == faults.LinkPair {
		toxic = toxic.OnRequests()
	}
	tr.links[on].poison(toxic)
	if toxic.KillsNode {
		node.kill()
	}
	if stage == "connecting" {
		for _, p := range []*process{tr.gwat, tr.beacon} {
			if p != node || !toxic.KillsNode {
				p.start()
			}
		}
	}
	done := faults.Recovery{Fault: toxic.Name, On: on, Stage: stage}
	switch {
	case !toxic.Severs:
		// It must not wait for the end of what only slows it down.
		done.Seconds, done.Lasting = w.Recovers(f.Begin).Seconds(), true
	case on == faults.LinkPair && !toxic.KillsNode:
		f.Cut = true
		proof.Hold(t, f.Begin, lastsPair)
	default:
		f.Lost = node.name
		proof.Hold(t, f.Begin, lasts)
	}
	f.End = time.Now()
	if toxic.KillsNode {
		node.start()
	}
	tr.links[on].heal(toxic)
	tr.concludes(w, f, done)
}

// nodesOf starts, in connecting, the node that the fault is for.
func (tr *trio) nodesOf(stage, victim string) {
	tr.t.Helper()
	if stage != "connecting" || victim == "syncd" {
		return
	}
	tr.byName(victim).start()
	tr.listens(map[string]string{"gwat": tr.gwatURL, "beacon": tr.beaconURL}[victim])
}

// lateNodes starts, in connecting, the nodes that the fault is not for.
func (tr *trio) lateNodes(stage, victim string) {
	tr.t.Helper()
	if stage != "connecting" {
		return
	}
	for _, name := range []string{"gwat", "beacon"} {
		if name != victim {
			tr.byName(name).start()
		}
	}
}

// concludes waits for the pair to work again and proves what the run has to show.
func (tr *trio) concludes(w *proof.Watch, f proof.Fault, m faults.Recovery) {
	tr.t.Helper()
	after := w.Recovers(f.End)
	if !m.Lasting {
		m.Seconds = after.Seconds()
	}
	m.Held = f.End.Sub(f.Begin).Seconds()
	m.Stages, m.Findings = w.Shown(f.Begin, f.End)
	for _, p := range []*process{tr.gwat, tr.beacon, tr.syncd} {
		p.requireAlive()
	}
	calls := tr.requireSafe()
	if tr.between {
		requireNoDriver(tr.t, calls)
	}
	w.RequireTruth(f, calls)
	w.RequireConfirmed(tr.gwatURL)
	recoveries.Add(tr.t, m)
}

// requireNoDriver proves by gwat's log that the beacon node's driver never reached it.
func requireNoDriver(t *testing.T, calls []gwatsim.Call) {
	t.Helper()
	for _, c := range calls {
		if c.Method == proof.MethodReady || c.Method == proof.MethodPush {
			require.NotEqual(t, beaconsim.UserAgent, c.Peer.UserAgent, "%s of the beacon node's driver, call %d", c.Method, c.Seq)
		}
	}
}

// Both nodes and syncd are started at once from nothing.
func TestWholeProcessesFromNothing(t *testing.T) {
	t.Parallel()
	tr := newTrio(t, overHTTP, false)
	tr.gwat.start()
	tr.beacon.start()
	tr.syncd.start()
	tr.reaches("working")
	res, err := http.Get(tr.api + "/readyz")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
}
