package gate

import (
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pairOf returns the two ends of a connection, the first of them direct.
func pairOf(t *testing.T, network, address string) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	defer l.Close()
	peer, err := net.Dial(network, l.Addr().String())
	require.NoError(t, err)
	c, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(); peer.Close() })
	return newDirect(c), peer
}

// A direct connection reads and writes as any other, more than the system takes at once, too.
func TestDirect(t *testing.T) {
	for _, at := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", filepath.Join(t.TempDir(), "a")}} {
		c, peer := pairOf(t, at[0], at[1])
		long := make([]byte, 16<<20)
		for i := range long {
			long[i] = byte(i >> 12)
		}
		wrote := make(chan error, 1)
		go func() {
			n, err := c.Write(long)
			if err == nil && n != len(long) {
				err = io.ErrShortWrite
			}
			wrote <- err
		}()
		got := make([]byte, len(long))
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.NoError(t, <-wrote)
		require.Equal(t, long, got)

		go func() { _, err := peer.Write(long); wrote <- err }()
		clear(got)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		require.NoError(t, <-wrote)
		require.Equal(t, long, got)
		n, err := c.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)

		go func() { _, err := c.Write(long); wrote <- err }() // which nobody reads
		select {
		case err := <-wrote:
			t.Fatalf("16 MiB went nowhere: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		require.NoError(t, c.SetWriteDeadline(time.Now()))
		var late net.Error
		require.ErrorAs(t, <-wrote, &late)
		require.True(t, late.Timeout())

		require.NoError(t, peer.Close())
		_, err = c.Read(got[:1])
		if err != io.EOF {
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.ErrorContains(t, err, "read "+at[0])
		}
		require.NoError(t, c.SetWriteDeadline(time.Time{}))
		waitFor(t, "a write fails", func() bool { _, err = c.Write([]byte("x")); return err != nil })
		require.ErrorContains(t, err, "write "+at[0])
		require.NoError(t, c.Close())
		_, err = c.Read(got[:1])
		require.ErrorIs(t, err, net.ErrClosed)
	}
}

// What has no socket is used as it is.
func TestDirectWithoutSocket(t *testing.T) {
	c, peer := net.Pipe()
	defer peer.Close()
	defer c.Close()
	require.Equal(t, c, newDirect(c))
}

// A caller that hangs up, or resets its connection, is missed at the next look, and a call that
// is late is given away.
func TestPlainCallsAreWatched(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn){
		"closed": func(c *net.TCPConn) { _ = c.Close() },
		"reset":  func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() },
	} {
		caller, peer := pairOf(t, "tcp", "127.0.0.1:0")
		to, _ := pairOf(t, "tcp", "127.0.0.1:0")
		c, now := &quickConn{below: caller}, time.Now()
		require.False(t, c.look(now), "nothing waits")
		at := &wholeConn{Conn: to, body: true}
		c.waiting.begin(at, now)
		require.True(t, c.look(now.Add(quickWait-1)))
		require.False(t, c.look(now.Add(quickWait)))
		_, err := at.Read(make([]byte, 1))
		var late net.Error
		require.ErrorAs(t, err, &late)
		require.False(t, c.waiting.end())

		c.waiting.begin(at, now)
		require.True(t, c.look(now), "its deadline is over")
		end(peer.(*net.TCPConn))
		waitFor(t, name, func() bool { return !c.look(now) })
		_, err = at.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		require.True(t, c.waiting.end())
	}
}
