//go:build networks

// Package networks cuts the networks of a composed pair, restarts its
// containers, fills the disk of the journal and bounds syncd's memory.
package networks

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/proof"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

var (
	recoveries proof.Recorder
	composer   []string // docker-compose, or docker compose
	missing    string   // why there is no engine; "" if there is one
)

func TestMain(m *testing.M) {
	if missing = findEngine(); missing != "" {
		fmt.Printf("SKIPPED: networks (no Docker engine: %s)\n", missing)
	}
	code := m.Run()
	if err := recoveries.Write("../../../bin/faults/networks.json"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func findEngine() string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{.ServerVersion}}").CombinedOutput(); err != nil {
		return strings.TrimSpace(fmt.Sprintf("docker info: %v %s", err, out))
	}
	for _, c := range [][]string{{"docker-compose"}, {"docker", "compose"}} {
		if exec.CommandContext(ctx, c[0], append(c[1:], "version")...).Run() == nil {
			composer = c
			return ""
		}
	}
	return "neither docker-compose nor docker compose is there"
}

func needEngine(t *testing.T) {
	t.Helper()
	if missing != "" {
		t.Skipf("SKIPPED: networks (no Docker engine: %s)", missing)
	}
}

// project is a composition of its own name; all of it goes with the test.
type project struct {
	t       *testing.T
	name    string
	env     []string
	api     string
	gwatURL string
	world   *world.World
	ids     map[string]string // of the containers, by service
}

// newProject prepares one whose network began age ago; nothing is started.
func newProject(t *testing.T, name string, age time.Duration, env ...string) *project {
	t.Helper()
	needEngine(t)
	cfg := world.Config{
		Seed: 3, GenesisTime: uint64(time.Now().Add(-age).Unix()),
		SecondsPerSlot: uint64(proof.SlotTime / time.Second), SlotsPerEpoch: 8,
	}
	api, gwat := freePort(t), freePort(t)
	p := &project{
		t: t, name: fmt.Sprintf("syncdnet%d%s", os.Getpid(), name), ids: map[string]string{},
		api: "http://127.0.0.1:" + api, gwatURL: "http://127.0.0.1:" + gwat,
		env: append(os.Environ(), append([]string{
			fmt.Sprintf("GENESIS=%d", cfg.GenesisTime), "SYNCD_PORT=" + api, "GWAT_PORT=" + gwat,
			"LOCK=" + proof.LockTime.String(), "PUSH_TIMEOUT=" + proof.PushTimeout.String(),
			"POLL_INTERVAL=" + proof.PollInterval.String(), "CALL_TIMEOUT=" + proof.CallTimeout.String(),
		}, env...)...),
	}
	var err error
	p.world, err = world.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := p.run(append(composer, "-p", p.name, "logs", "--no-color", "--tail", "60")...)
			t.Log(out)
		}
		out, err := p.run(append(composer, "-p", p.name, "down", "--volumes", "--timeout", "2")...)
		require.NoError(t, err, out)
	})
	return p
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func (p *project) run(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (p *project) must(t *testing.T, command ...string) string {
	t.Helper()
	out, err := p.run(command...)
	require.NoError(t, err, "%s: %s", strings.Join(command, " "), out)
	return out
}

// up starts services and learns their containers.
func (p *project) up(services ...string) {
	p.t.Helper()
	p.must(p.t, append(append(composer, "-p", p.name, "up", "-d"), services...)...)
	for _, s := range services {
		p.ids[s] = p.must(p.t, append(composer, "-p", p.name, "ps", "-q", s)...)
	}
}

func (p *project) network(link string) string { return p.name + "_" + link }

// cut takes a container from the network of a link, join gives it back.
func (p *project) cut(t *testing.T, link, service string) {
	t.Helper()
	p.must(t, "docker", "network", "disconnect", p.network(link), p.ids[service])
}

func (p *project) join(t *testing.T, link, service string) {
	t.Helper()
	p.must(t, "docker", "network", "connect", "--alias", service, p.network(link), p.ids[service])
}

// calls reads gwat's call log out of its container.
func (p *project) calls(t *testing.T) []gwatsim.Call {
	t.Helper()
	packed, err := exec.Command("docker", "cp", p.ids["gwat"]+":/data/calls", "-").Output()
	require.NoError(t, err)
	files := tar.NewReader(bytes.NewReader(packed))
	_, err = files.Next()
	require.NoError(t, err)
	calls, err := proof.ReadCalls(files)
	require.NoError(t, err)
	require.NotEmpty(t, calls)
	return calls
}

// state reads a field of a container's state.
func (p *project) state(t *testing.T, service, field string) string {
	t.Helper()
	return p.must(t, "docker", "inspect", "--format", "{{"+field+"}}", p.ids[service])
}
