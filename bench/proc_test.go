package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const statusFile = "Name:\tsyncd\nVmPeak:\t 1234000 kB\nVmHWM:\t   65536 kB\nVmRSS:\t   40960 kB\nVmData:\t many kB\nThreads:\t9\n"

func TestMemoryField(t *testing.T) {
	peak, err := memoryField([]byte(statusFile), "VmHWM")
	require.NoError(t, err)
	require.EqualValues(t, 64<<20, peak)
	resident, err := memoryField([]byte(statusFile), "VmRSS")
	require.NoError(t, err)
	require.EqualValues(t, 40<<20, resident)
	for _, field := range []string{"VmData", "Threads", "VmSwap"} {
		_, err := memoryField([]byte(statusFile), field)
		require.ErrorContains(t, err, field)
	}
}

func TestCPUTime(t *testing.T) {
	used, err := cpuTime([]byte("42 (a (very) odd) name) S 1 42 42 0 -1 4194304 500 0 0 0 150 25 7 7 20 0 9 0 100 1 2"))
	require.NoError(t, err)
	require.Equal(t, 1750*time.Millisecond, used)
	for _, bad := range []string{"", "42 syncd S 1", "42 (syncd) S 1 2", "42 (syncd) S 1 2 3 4 5 6 7 8 9 10 x 12 13"} {
		_, err := cpuTime([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestOwnProcess(t *testing.T) {
	resident, err := memoryOf(os.Getpid(), "VmRSS")
	require.NoError(t, err)
	require.Greater(t, resident, 1.0)
	_, err = cpuOf(os.Getpid())
	require.NoError(t, err)
	_, err = cpuOf(-1)
	require.Error(t, err)
}
