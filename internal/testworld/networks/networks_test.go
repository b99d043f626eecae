//go:build networks

package networks

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/proof"
	"github.com/gwatsync/syncd/status"
)

// age of the network when the pair begins: enough to be pushed.
const age = 100 * time.Second

// ofLink says which container is taken from a link's network.
var ofLink = map[string]string{faults.LinkGwat: "gwat", faults.LinkBeacon: "beacon", faults.LinkPair: "beacon"}

// One pair goes through all of it: it comes to work on a full disk, loses each
// connection, then all, and has its containers restarted one after the other.
func TestNetworks(t *testing.T) {
	p := newProject(t, "pair", age)
	p.up("syncd")
	t.Run("disk full", p.fullDisk)
	for _, on := range faults.Links() {
		t.Run("cut/"+on, func(t *testing.T) { p.loses(t, on) })
	}
	t.Run("cut/all", func(t *testing.T) { p.loses(t, faults.Links()...) })
	for _, service := range []string{"beacon", "gwat", "syncd"} {
		t.Run("restart/"+service, func(t *testing.T) { p.restarts(t, service) })
	}
}

// fullDisk lets the journal's disk be full from before the first push until the
// pair works.
func (p *project) fullDisk(t *testing.T) {
	w := proof.NewWatch(t, p.api)
	require.Eventually(t, func() bool { _, err := proof.Ask(p.api); return err == nil }, proof.Within, 50*time.Millisecond, "syncd's API")
	dir := t.TempDir()
	filler := filepath.Join(dir, "filler")
	require.NoError(t, os.WriteFile(filler, make([]byte, 2<<20), 0o644))
	out, err := p.run("docker", "cp", filler, p.ids["syncd"]+":/data/filler")
	require.Error(t, err, "a disk of 1 MiB took 2 MiB")
	require.Contains(t, out, "no space left")
	f := proof.Fault{Begin: time.Now()}
	p.up("gwat", "beacon")
	m := faults.Recovery{Fault: "disk full", On: "syncd", Stage: "connecting", Lasting: true}
	m.Seconds = w.Recovers(f.Begin).Seconds()
	f.End = time.Now()
	m.Stages, m.Findings = w.Shown(f.Begin, f.End)
	require.Contains(t, m.Findings, "journal_failing")

	require.NoError(t, os.WriteFile(filler, nil, 0o644))
	p.must(t, "docker", "cp", filler, p.ids["syncd"]+":/data/filler")
	require.Eventually(t, func() bool {
		s, err := proof.Ask(p.api)
		return err == nil && s.Verdict == status.VerdictWorking && !named(s, "journal_failing")
	}, proof.Within, 50*time.Millisecond, "the journal takes no more: %s", w)
	p.conclude(t, w, f, m)
}

func named(s *status.Snapshot, finding string) bool {
	for _, f := range s.Findings {
		if f.Name == finding {
			return true
		}
	}
	return false
}

// loses cuts links and gives them back.
func (p *project) loses(t *testing.T, links ...string) {
	w := proof.NewWatch(t, p.api)
	f := proof.Fault{Begin: time.Now()}
	long := proof.Named
	for _, on := range links {
		p.cut(t, on, ofLink[on])
		if on == faults.LinkPair {
			f.Cut = true
			long = max(long, proof.Unworked)
		} else if f.Lost == "" {
			f.Lost = ofLink[on]
		}
	}
	proof.Hold(t, time.Now(), long+1500*time.Millisecond)
	f.End = time.Now()
	for _, on := range links {
		p.join(t, on, ofLink[on])
	}
	p.concludeMeasured(t, w, f, faults.Recovery{Fault: "cut", On: strings.Join(links, ", "), Stage: "working"})
}

// restarts lets a container end as an update does, and begin again.
func (p *project) restarts(t *testing.T, service string) {
	w := proof.NewWatch(t, p.api)
	f := proof.Fault{Begin: time.Now(), Stopped: service == "syncd", Moved: service == "gwat"}
	p.must(t, "docker", "restart", "--time", "5", p.ids[service])
	f.End = time.Now()
	p.concludeMeasured(t, w, f, faults.Recovery{Fault: "restart", On: service, Stage: "working"})
}

func (p *project) concludeMeasured(t *testing.T, w *proof.Watch, f proof.Fault, m faults.Recovery) {
	t.Helper()
	m.Seconds = w.Recovers(f.End).Seconds()
	m.Stages, m.Findings = w.Shown(f.Begin, f.End)
	p.conclude(t, w, f, m)
}

// conclude proves what a run has to show.
func (p *project) conclude(t *testing.T, w *proof.Watch, f proof.Fault, m faults.Recovery) {
	t.Helper()
	m.Held = f.End.Sub(f.Begin).Seconds()
	calls := p.calls(t)
	require.Empty(t, proof.Violations(calls, p.world), "what syncd may never do")
	w.RequireTruth(f, calls)
	w.RequireConfirmed(p.gwatURL)
	require.Equal(t, "true", p.state(t, "syncd", ".State.Running"), "syncd ended by itself")
	recoveries.Add(t, m)
}

const (
	backlog = 8000  // slots without a justified checkpoint
	eaten   = "24m" // less than what the node that is to be killed keeps in memory
)

// A large backlog is pushed by a syncd that is given 64 MiB.
func TestMemoryLimit(t *testing.T) {
	needEngine(t)
	if why := limitsHold(t); why != "" {
		t.Skipf("SKIPPED: memory limit (%s)", why)
	}
	p := newProject(t, "memory", backlog*proof.SlotTime, "STALL=4-1000000", "BEACON_SPEED=0", "ENTRY_COST=1ms")
	begin := time.Now()
	p.up("gwat", "beacon", "syncd")
	w := proof.NewWatch(t, p.api)
	m := faults.Recovery{Fault: "memory limit", On: "syncd", Stage: "connecting", Lasting: true}
	m.Seconds = w.Recovers(begin).Seconds()
	m.Held = time.Since(begin).Seconds()
	m.Stages, m.Findings = w.Shown(begin, time.Now())
	pushed, bytes := 0, 0
	for _, c := range p.calls(t) {
		if c.Method == proof.MethodPush && c.Err == "" {
			pushed += len(c.Infos)
			raw, err := json.Marshal(c.Infos)
			require.NoError(t, err)
			bytes += len(raw)
		}
	}
	require.Greater(t, pushed, backlog*9/10, "there was no large backlog")
	require.Equal(t, "true false 0", p.state(t, "syncd", ".State.Running")+" "+p.state(t, "syncd", ".State.OOMKilled")+" "+p.state(t, "syncd", ".RestartCount"))
	require.Equal(t, "67108864", p.state(t, "syncd", ".HostConfig.Memory"))
	t.Logf("%d entries, %d bytes pushed in 64 MiB; at most %s MiB used", pushed, bytes, peak(p.ids["syncd"]))
	recoveries.Add(t, m)
}

// limitsHold tries whether this engine kills what takes more memory than it may;
// "" if it does.
func limitsHold(t *testing.T) string {
	t.Helper()
	p := &project{t: t, env: os.Environ()}
	id := p.must(t, "docker", "run", "-d", "--memory", eaten, "--memory-swap", eaten, "-e", "SIMNET_GENESIS=now-200000s",
		"-e", "SIMNET_SECONDS_PER_SLOT=1", "-e", "SIMNET_START_SLOT=150000", "syncd-simnet-gwat:networks")
	id = id[strings.LastIndexByte(id, '\n')+1:]
	defer func() { p.must(t, "docker", "rm", "-f", "-v", id) }()
	for range 120 {
		state := p.must(t, "docker", "inspect", "--format", "{{.State.Status}} {{.State.OOMKilled}}", id)
		switch state {
		case "exited true":
			return ""
		case "exited false":
			return "a container of " + eaten + " ended otherwise than by the limit"
		}
		proof.Hold(t, time.Now(), 250*time.Millisecond)
	}
	return "the engine let a container of " + eaten + " take more"
}

// peak is the most memory a container used, as far as this host shows it.
func peak(id string) string {
	for _, path := range []string{
		"/sys/fs/cgroup/memory/docker/" + id + "/memory.max_usage_in_bytes",
		"/sys/fs/cgroup/system.slice/docker-" + id + ".scope/memory.peak",
	} {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
			return fmt.Sprintf("%.1f", float64(n)/(1<<20))
		}
	}
	return "an unknown number of"
}
