package gate

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// shortDir returns a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "g")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// A socket is replaced only if nobody listens on it: not that of a program that hangs, whose
// queue is full, nor one of another sort.
func TestOnlyAStaleSocketIsReplaced(t *testing.T) {
	dir := shortDir(t)
	hung := filepath.Join(dir, "hung")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Close(fd)) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: hung}))
	require.NoError(t, syscall.Listen(fd, 0))
	waiting, err := net.Dial("unix", hung)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, waiting.Close()) })

	datagrams := filepath.Join(dir, "datagrams")
	other, err := net.ListenPacket("unixgram", datagrams)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })

	for _, path := range []string{hung, datagrams} {
		before, err := os.Lstat(path)
		require.NoError(t, err)
		_, err = listenUnix(path)
		require.ErrorContains(t, err, "could not be found out")
		after, err := os.Lstat(path)
		require.NoError(t, err)
		require.True(t, os.SameFile(before, after), path)
	}

	stale := filepath.Join(dir, "stale")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	require.NoError(t, err)
	left.SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	l, err := listenUnix(stale)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoFileExists(t, stale)
}

func TestTheSocketOfAnotherStaysAtTheEnd(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	l, err := listenUnix(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	next, err := listenUnix(path) // of the syncd that takes over
	require.NoError(t, err)
	require.NoError(t, l.Close())
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, next.Close())
	require.NoFileExists(t, path)
}
