package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// beMain makes the test binary be syncd, for tests that need a process.
const beMain = "TEST_BE_SYNCD"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestASignalStopsTheProcess(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.Command(os.Args[0], "run", "--gwat.endpoint", "ws://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1",
			"--data-dir", t.TempDir(), "--api.listen", "127.0.0.1:0")
		cmd.Env = append(os.Environ(), beMain+"=1")
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(stderr)
		var last string
		for lines.Scan() {
			if last = lines.Text(); strings.Contains(last, "syncd starts") {
				require.NoError(t, cmd.Process.Signal(sig))
			}
		}
		require.NoError(t, cmd.Wait(), "exit code 0")
		require.Contains(t, last, "syncd has stopped")
	}
}
