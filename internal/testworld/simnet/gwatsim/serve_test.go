package gwatsim

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v4"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/nodehttp"
)

// served runs a node behind a real HTTP listener.
func served(t *testing.T, change func(*Config)) (*Node, *httptest.Server) {
	cfg := Config{Chain: lineChain(3), Peers: 2}
	if change != nil {
		change(&cfg)
	}
	n := live(t, cfg)
	server := httptest.NewServer(n.Handler())
	t.Cleanup(func() {
		server.CloseClientConnections()
		n.Close() // before the server waits for calls that hang
		server.Close()
	})
	return n, server
}

func dial(t *testing.T, url string, options ...rpc.ClientOption) *rpc.Client {
	client, err := rpc.DialOptions(t.Context(), url, options...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func asWS(url string) string { return "ws" + strings.TrimPrefix(url, "http") }

// sockets gives a client over each transport to one node.
func sockets(t *testing.T, n *Node, server *httptest.Server) map[string]func() *rpc.Client {
	path := filepath.Join(t.TempDir(), "gwat.ipc")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.ServeIPC(ctx, path) }()
	t.Cleanup(func() {
		n.Close()
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Second, time.Millisecond)
	require.ErrorContains(t, n.ServeIPC(ctx, path), "somebody does already")
	return map[string]func() *rpc.Client{
		"http": func() *rpc.Client { return dial(t, server.URL) },
		"ws":   func() *rpc.Client { return dial(t, asWS(server.URL)) },
		"ipc":  func() *rpc.Client { return dial(t, path) },
	}
}

func TestEveryTransport(t *testing.T) {
	n, server := served(t, nil)
	for name, client := range sockets(t, n, server) {
		t.Run(name, func(t *testing.T) {
			client := client()
			var peers string
			require.NoError(t, client.Call(&peers, "net_peerCount"))
			require.Equal(t, "0x2", peers)
			var list []map[string]any
			require.NoError(t, client.Call(&list, "admin_peers"))
			require.Len(t, list, 2)
			var ready bool
			require.NoError(t, client.Call(&ready, "dag_headSyncReady", map[string]any{"slot": "0x0"}))
			require.True(t, ready)
			require.NoError(t, client.Call(&ready, "dag_headSync", []any{}))
			err := client.Call(&ready, "dag_headSync", []any{})
			require.EqualError(t, err, "not ready")
			var rpcErr rpc.Error
			require.ErrorAs(t, err, &rpcErr)
			require.Equal(t, -32000, rpcErr.ErrorCode())

			calls := n.Calls()
			last := calls[len(calls)-1]
			require.Equal(t, name, last.Peer.Transport)
			require.Equal(t, "dag_headSync", last.Method)
			require.Equal(t, "not ready", last.Err)
			before := calls[len(calls)-2]
			require.Equal(t, "true", before.Answer)
			require.True(t, before.Before.Locked)
			require.False(t, before.After.Locked)
			require.Less(t, before.Seq, last.Seq)
		})
	}
}

func TestLostAnswers(t *testing.T) {
	n, server := served(t, nil)
	for name, client := range sockets(t, n, server) {
		// The delay lets the client finish sending: one whose connection is cut
		// before hangs until its deadline.
		const sent = 20 * time.Millisecond
		for _, fault := range []Fault{{Delay: sent, Drop: true}, {Delay: sent, Hang: true}} {
			t.Run(fmt.Sprintf("%s drop %t hang %t", name, fault.Drop, fault.Hang), func(t *testing.T) {
				client := client()
				n.SetFault(func(method string) Fault {
					if method == "dag_headSyncReady" {
						return fault
					}
					return Fault{}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				var ready bool
				err := client.CallContext(ctx, &ready, "dag_headSyncReady", map[string]any{})
				require.Error(t, err)
				require.Equal(t, fault.Hang, ctx.Err() != nil, "a cut connection is told at once: %v", err)

				require.Equal(t, StageHead, n.State().Stage, "the call was done all the same")
				_, err = n.headSync(nil)
				require.NoError(t, err)
				calls := n.Calls()
				require.True(t, calls[len(calls)-1].Undelivered)
				require.Equal(t, "true", calls[len(calls)-1].Answer)
			})
		}
	}
}

func TestCallsOutliveTheirCallers(t *testing.T) {
	n, server := served(t, nil)
	n.SetFault(func(string) Fault { return Fault{Delay: 300 * time.Millisecond} })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var ready bool
	require.Error(t, dial(t, server.URL).CallContext(ctx, &ready, "dag_headSyncReady", map[string]any{}))
	require.Empty(t, n.State().Stage)
	require.Eventually(t, func() bool { return n.State().Stage == StageHead }, 5*time.Second, 10*time.Millisecond)

	n.SetFault(func(string) Fault { return Fault{Error: "database closed"} })
	require.EqualError(t, dial(t, server.URL).Call(&ready, "dag_headSync", []any{}), "database closed")
	require.Equal(t, StageHead, n.State().Stage, "an error in place of the call changes nothing")
	n.SetFault(nil)
	require.NoError(t, dial(t, server.URL).Call(&ready, "dag_headSync", []any{}))
}

func TestHTTPLimits(t *testing.T) {
	n, server := served(t, func(c *Config) { c.HTTPBodyLimit, c.WriteTimeout = 4000, 100*time.Millisecond })
	var valid bool
	many := make([]common.Hash, 100)
	err := dial(t, server.URL).Call(&valid, "dag_validateSpines", many)
	var tooLarge rpc.HTTPError
	require.ErrorAs(t, err, &tooLarge)
	require.Equal(t, http.StatusRequestEntityTooLarge, tooLarge.StatusCode)
	require.NoError(t, dial(t, asWS(server.URL)).Call(&valid, "dag_validateSpines", many), "only HTTP has the limit")

	n.SetFault(func(string) Fault { return Fault{Delay: 200 * time.Millisecond} })
	err = dial(t, server.URL).Call(&valid, "dag_validateSpines", many[:1])
	require.ErrorContains(t, err, "EOF", "past the write timeout the connection is cut")
	require.NoError(t, dial(t, asWS(server.URL)).Call(&valid, "dag_validateSpines", many[:1]), "a WebSocket has no write timeout")
}

func TestTokens(t *testing.T) {
	secret := [32]byte{7}
	_, server := served(t, func(c *Config) { c.JWTSecret = secret[:] })
	auth := rpc.WithHTTPAuth(nodehttp.Sign(secret[:]))
	var version string
	require.NoError(t, dial(t, server.URL, auth).Call(&version, "web3_clientVersion"))
	require.NoError(t, dial(t, asWS(server.URL), auth).Call(&version, "web3_clientVersion"))
	require.Equal(t, DefaultVersion, version)

	claims := func(key []byte, claims jwt.MapClaims) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		require.NoError(t, err)
		return "bearer " + text
	}
	signed := func(key []byte, issued time.Time) string { return claims(key, jwt.MapClaims{"iat": issued.Unix()}) }
	now := time.Now()
	for _, tt := range []struct{ token, want string }{
		{"", "missing token"},
		{"Basic abc", "missing token"},
		{claims(secret[:], jwt.MapClaims{}), "missing issued-at"},
		{claims(secret[:], jwt.MapClaims{"iat": now.Unix(), "exp": now.Unix() - 1}), "token is expired"},
		{signed(secret[:], now.Add(-70*time.Second)), "stale token"},
		{signed(secret[:], now.Add(70*time.Second)), "future token"},
		{signed([]byte("other"), now), "signature is invalid"},
	} {
		err := dial(t, server.URL, rpc.WithHeader("Authorization", tt.token)).Call(&version, "web3_clientVersion")
		var refused rpc.HTTPError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, http.StatusUnauthorized, refused.StatusCode)
		require.Equal(t, tt.want, strings.TrimSpace(string(refused.Body)))
	}
}

func TestCompression(t *testing.T) {
	_, server := served(t, nil)
	post := func(encoding string) *http.Response {
		request, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion"}`))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept-Encoding", encoding) // said by the caller, it is the caller that unpacks
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	plain, zipped := post("identity"), post("deflate, gzip")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.Equal(t, "gzip", zipped.Header.Get("Content-Encoding"))
	want, err := io.ReadAll(plain.Body)
	require.NoError(t, err)
	require.Contains(t, string(want), DefaultVersion)
	unzipped, err := gzip.NewReader(zipped.Body)
	require.NoError(t, err)
	got, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	http.DefaultClient.CloseIdleConnections()
}

func TestHostNames(t *testing.T) {
	_, server := served(t, func(c *Config) { c.VirtualHosts = []string{"gwat"} })
	for host, want := range map[string]int{"gwat:8545": 200, "127.0.0.1": 200, "localhost": 403} {
		request, err := http.NewRequest(http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, want, response.StatusCode, host)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestIPCPath(t *testing.T) {
	n := live(t, Config{Chain: lineChain(1)})
	path := filepath.Join(t.TempDir(), "gwat.ipc")
	require.NoError(t, os.WriteFile(path, nil, 0o600), "a stale file")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, n.ServeIPC(ctx, path), context.Canceled)
	require.Error(t, n.ServeIPC(t.Context(), filepath.Join(path, "no", "such", "directory")))
}

func TestBlocks(t *testing.T) {
	c := lineChain(20)
	c.spec.GenesisTime -= 20 * c.spec.SecondsPerSlot
	_, server := served(t, func(cfg *Config) { cfg.Chain, cfg.StartSlot = c, 15 })
	client := dial(t, server.URL)
	for _, tt := range []struct {
		at   string
		want any
	}{
		{"latest", "0xa"}, {"pending", "0xa"}, {"earliest", "0x0"}, {"0x3", "0x3"}, {"0xb", nil},
	} {
		var got map[string]any
		require.NoError(t, client.Call(&got, "eth_getBlockByNumber", tt.at, false))
		require.Equal(t, tt.want, got["number"], tt.at)
		require.Equal(t, tt.want == nil, got == nil, tt.at)
	}
	var got map[string]any
	require.NoError(t, client.Call(&got, "eth_getBlockByHash", line(12), false))
	require.Nil(t, got["number"], "not final")
	require.Equal(t, "0xc", got["height"])
	require.Equal(t, line(7).Hex(), got["lfHash"])
	got = nil
	require.NoError(t, client.Call(&got, "eth_getBlockByHash", h("unknown"), false))
	require.Nil(t, got)
	for _, bad := range []any{"finalized", 5, "0x01"} {
		err := client.Call(&got, "eth_getBlockByNumber", bad, false)
		var rpcErr rpc.Error
		require.ErrorAs(t, err, &rpcErr)
		require.Equal(t, -32602, rpcErr.ErrorCode(), bad)
	}
}
