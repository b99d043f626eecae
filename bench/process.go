package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// build makes syncd as it is delivered.
func build(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir, "github.com/gwatsync/syncd/cmd/syncd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build syncd: %w: %s", err, out)
	}
	return nil
}

// daemon is a program that runs as a process of its own: a syncd with default settings, unless said otherwise.
type daemon struct {
	cmd *exec.Cmd
	api string
	out *tail
}

// startDaemon runs syncd beside a pair; data is its directory.
func (b *bench) startDaemon(r *rig, data string) (*daemon, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	d := &daemon{api: "http://" + address, out: &tail{}}
	d.cmd = exec.Command(filepath.Join(b.programs, "syncd"), "run", "--gwat.endpoint="+r.gwatURL,
		"--beacon.endpoint="+r.beaconURL, "--data-dir="+data, "--api.listen="+address)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start syncd: %w", err)
	}
	return d, nil
}

// freeAddress is one that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

// kill is kill -9; it returns when the process is gone.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait() // it says that it was killed
}

// stop ends the process as an operator would, and by force if it takes too long.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	force := time.AfterFunc(10*time.Second, func() { _ = d.cmd.Process.Kill() })
	defer force.Stop()
	_ = d.cmd.Wait()
}

// explain adds to an error what syncd said last.
func (d *daemon) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; syncd said: %s", err, d.out)
}

// works waits until /readyz says that the pair works.
func (d *daemon) works(ctx context.Context, within time.Duration) error {
	return waitFor(ctx, within, "the pair to work", func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.api+"/readyz", nil)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
}

// tail keeps the last lines that were written.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailSize = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.buf.Write(p)
	if extra := t.buf.Len() - tailSize; extra > 0 {
		t.buf.Next(extra)
	}
	return n, err
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(t.buf.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}
