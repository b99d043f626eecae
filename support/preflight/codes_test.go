package preflight

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/daemon"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

// check ends with the code with which run would end for the same fault of the disk.
func TestADiskHasOneCode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cfg := &settings.Config{DataDir: filepath.Join(file, "data"), Pair: "main"}
	_, err := daemon.OpenJournal(cfg)
	require.Error(t, err)
	found := (&checker{cfg: cfg}).journal(t.Context())
	require.Len(t, found, 1)
	require.Equal(t, Fail, found[0].Level)
	require.Equal(t, exit.Of(err), found[0].Code)
	require.Equal(t, exit.Usage, found[0].Code)

	full := roomFinding("/d", 0)
	require.Equal(t, exit.OfStart(&fs.PathError{Op: "write", Path: "/d", Err: syscall.ENOSPC}), full.Code)
	require.Equal(t, exit.NotYet, full.Code)
}

// Each error of the system has one code, whichever command meets it.
func TestAReadOnlyDiskIsNotYet(t *testing.T) {
	for _, err := range []error{syscall.EROFS, syscall.ENOSPC, syscall.EIO} {
		require.Equal(t, exit.NotYet, exit.OfStart(&fs.PathError{Op: "open", Path: "/d", Err: err}), err)
	}
	for _, err := range []error{syscall.EACCES, syscall.ENOTDIR, errors.New("--pair is wrong")} {
		require.Equal(t, exit.Usage, exit.OfStart(err), err)
	}
}
