package gate

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A caller that leaves before net/http has taken its call takes the connection to gwat along;
// one that has been taken belongs to who waits for the answer.
func TestWhoseConnectionToGwatIsClosed(t *testing.T) {
	for _, taken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			caller, gate := net.Pipe()
			to, gwat := net.Pipe()
			c := &handedConn{Conn: gate}
			c.sent.Store(&sentCall{to: &wholeConn{Conn: to}})
			if taken {
				c.sent.Swap(nil)
			}
			closed := false
			go func() {
				_, err := gwat.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF)
				closed = true
			}()
			require.NoError(t, c.Close())
			synctest.Wait()
			require.Equal(t, !taken, closed)
			_, err := caller.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, to.Close())
		})
	}
}

// Only a host of letters, digits, dots, colons and dashes is taken without net/http.
func TestPlainHosts(t *testing.T) {
	for host, plain := range map[string]bool{
		"localhost:8545": true, "127.0.0.1": true, "a-z.A-Z:09": true,
		"": false, "a@b": false, "a`b": false, "a[b": false, "a{b": false, "a/b": false, "a_b": false, "a b": false,
	} {
		require.Equal(t, plain, plainHost([]byte(host)), host)
	}
}
