//go:build integration

package test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/proof"
)

var (
	binaries   string         // directory with the programs under test
	recoveries proof.Recorder // of all tests of this run
)

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
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), "../../../cmd/"+name)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n", name, err)
			return 1
		}
	}
	code := m.Run()
	if err := recoveries.Write("../../../bin/faults/processes.json"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// process is a program that can be killed, stopped and started again.
type process struct {
	t    *testing.T
	name string
	args []string
	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
	out  *bytes.Buffer
}

func (p *process) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd, gone := exec.Command(filepath.Join(binaries, p.args[0]), p.args[1:]...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = p.out, p.out
	require.NoError(p.t, cmd.Start(), p.name)
	p.cmd, p.gone = cmd, gone
	go func() {
		defer close(gone)
		_ = cmd.Wait() // how it ended is told by what it said
	}()
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.gone
	p.cmd = nil
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NoError(p.t, p.cmd.Process.Signal(s), p.name)
}

// requireAlive fails if the process ended by itself.
func (p *process) requireAlive() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gone:
		require.Failf(p.t, "a process ended by itself", "%s said:\n%s", p.name, p.out)
	default:
	}
}

// end kills the process and looks through what it said.
func (p *process) end() {
	p.kill()
	said := p.out.String()
	for _, wrong := range []string{"panic:", "fatal error:", "The machine refused an event"} {
		if strings.Contains(said, wrong) {
			p.t.Errorf("%s said %q", p.name, wrong)
		}
	}
	if p.t.Failed() {
		p.t.Logf("what %s said:\n%s", p.name, said)
	}
}

// freeAddress gives an address to listen on, again and again: one that nothing
// takes by chance while nobody listens, as outgoing connections and ":0" do with
// the ports of 127.0.0.1 that the system hands out.
func freeAddress(t *testing.T) string {
	t.Helper()
	var err error
	for range 10 {
		var l net.Listener
		l, err = net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254), 10_000+rand.IntN(20_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	require.NoError(t, err)
	return ""
}
