package gate

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/certificate"
)

// A renewed certificate is served to new connections; the beacon node's connection from
// before goes on with its calls.
func TestARenewedCertificateDropsNoCaller(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	old := certificate.Write(t, cert, key, time.Now().Add(time.Hour))
	gwat := newStandIn(t, func(string) (int, string) { return http.StatusOK, `{"jsonrpc":"2.0","id":1,"result":true}` })
	g := startGate(t, gwat.http.URL, View{}, func(c *Config) { c.TLSCert, c.TLSKey = cert, key })
	addr := g.Addr(NameHTTP).String()

	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: old})
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	call := func() {
		t.Helper()
		body := `{"jsonrpc":"2.0","id":1,"method":"eth_syncing"}`
		_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, len(body), body)
		require.NoError(t, err)
		res, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"jsonrpc":"2.0","id":1,"result":true}`, string(answer))
	}
	call()
	renewed := certificate.Write(t, cert, key, time.Now().Add(2*time.Hour))
	require.Eventually(t, func() bool {
		fresh, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: renewed})
		if err != nil {
			return false
		}
		return fresh.Close() == nil
	}, 10*time.Second, 50*time.Millisecond)
	call()
}
