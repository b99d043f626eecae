package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/certificate"
	"github.com/gwatsync/syncd/status"
)

// keyPair writes a certificate for 127.0.0.1 and its key, and returns who trusts it.
func keyPair(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return cert, key, certificate.Write(t, cert, key, time.Now().Add(time.Hour))
}

func TestBeyondLoopbackNeedsTLSOrAFlag(t *testing.T) {
	cert, key, _ := keyPair(t)
	for _, listen := range []string{"0.0.0.0:8650", ":8650", "[::]:8650", "192.0.2.1:8650", "status.example:8650"} {
		require.ErrorContains(t, Config{Listen: listen}.Check(), "--api.insecure", listen)
		require.NoError(t, Config{Listen: listen, TLS: TLS{Insecure: true}}.Check(), listen)
		require.NoError(t, Config{Listen: listen, TLS: TLS{TLSCert: cert, TLSKey: key}}.Check(), listen)
	}
	for _, listen := range []string{"127.0.0.1:8650", "localhost:0", "[::1]:8650", "127.9.9.9:1"} {
		require.NoError(t, Config{Listen: listen}.Check(), listen)
	}
	require.ErrorContains(t, Config{Listen: "127.0.0.1:0", TLS: TLS{TLSCert: cert}}.Check(), "belong together")
	require.ErrorContains(t, Config{Listen: "127.0.0.1:0", TLS: TLS{TLSCert: cert, TLSKey: cert}}.Check(), "--api.tls-key")
	require.ErrorContains(t, Config{Listen: "127.0.0.1:0", Socket: strings.Repeat("x", 91)}.Check(), "91 bytes")
	require.NoError(t, Config{Listen: "127.0.0.1:0", Socket: strings.Repeat("x", 90)}.Check())
	// A service manager may make the directory at the start: only who listens wants it.
	require.NoError(t, Config{Listen: "127.0.0.1:0", Socket: "/no/such/directory/s"}.Check())
	_, err := listenLocal("/no/such/directory/s")
	require.ErrorContains(t, err, "directory is not there")
	_, err = New(Config{Listen: "0.0.0.0:0", Log: quietLog()}, &fakePair{})
	require.Error(t, err)
}

func TestTLS(t *testing.T) {
	cert, key, roots := keyPair(t)
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{At: time.Now(), Stage: "working"})
	addr := start(t, src, func(c *Config) { c.TLSCert, c.TLSKey = cert, key })
	trusting := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport := &http.Transport{TLSClientConfig: trusting, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("https://" + addr + "/livez")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, 1, res.ProtoMajor)

	c, err := rpc.DialOptions(t.Context(), "wss://"+addr, rpc.WithWebsocketDialer(websocket.Dialer{TLSClientConfig: trusting}))
	require.NoError(t, err)
	require.NoError(t, c.CallContext(t.Context(), nil, "syncd_status"))
	c.Close()

	code, body, _ := ask(t, http.MethodGet, "http://"+addr+"/livez", "", nil)
	require.Equal(t, http.StatusBadRequest, code, "no plain HTTP beside it")
	require.NotContains(t, body, "ok")
	_, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	require.Error(t, err)
}

// Public report 50 (the old certificate stays on 677a403): renewed files are taken
// while syncd runs, and two that do not fit leave the one before in use.
func TestARenewedCertificateIsTaken(t *testing.T) {
	cert, key, roots := keyPair(t)
	addr := start(t, &fakePair{}, func(c *Config) { c.TLSCert, c.TLSKey = cert, key })
	connects := func(roots *x509.CertPool) bool {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots})
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	require.True(t, connects(roots))
	open := openConnection(t, addr, roots)
	renewed := certificate.Write(t, cert, key, time.Now().Add(2*time.Hour))
	require.Eventually(t, func() bool { return connects(renewed) }, 10*time.Second, 50*time.Millisecond)
	require.False(t, connects(roots))
	require.Equal(t, http.StatusOK, open(), "a connection from before stays")
	require.NoError(t, os.WriteFile(key, []byte("half"), 0o600))
	time.Sleep(1100 * time.Millisecond) // the files are looked at once a second
	require.True(t, connects(renewed))
}

// openConnection asks /livez over one connection and never opens another.
func openConnection(t *testing.T, addr string, roots *x509.CertPool) func() int {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	answers := bufio.NewReader(conn)
	ask := func() int {
		_, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
		require.NoError(t, err)
		res, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, ask())
	return ask
}

// Public report 50: an expired certificate is served and told; a probe by TCP
// that sends nothing is no warning.
func TestWhatIsLoggedOfTLS(t *testing.T) {
	var told lines
	log := logrus.New()
	log.SetOutput(&told)
	cert, key, _ := keyPair(t)
	certificate.Write(t, cert, key, time.Now().Add(-time.Hour))
	addr := start(t, &fakePair{}, func(c *Config) { c.TLSCert, c.TLSKey, c.Log = cert, key, log })
	require.Contains(t, told.String(), "expired at")
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	_, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: x509.NewCertPool()})
	require.Error(t, err)
	require.Eventually(t, func() bool {
		return strings.Contains(told.String(), "bad certificate") || strings.Contains(told.String(), "unknown certificate")
	}, 10*time.Second, 10*time.Millisecond)
	require.NotContains(t, told.String(), "EOF")
	require.NotContains(t, told.String(), "reset by peer")
}

// lines is a log that a server and a test share.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// socketClient asks over a local socket.
func socketClient(t *testing.T, path string) *rpc.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := rpc.DialOptions(t.Context(), "http://localhost", rpc.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestLocalSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncd.sock")
	var orders []string
	src := &fakePair{order: func(_ context.Context, what string) error { orders = append(orders, what); return nil }}
	s, err := New(Config{Listen: "127.0.0.1:0", Socket: path, Log: quietLog()}, src)
	require.NoError(t, err)
	require.NoError(t, s.Listen())
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o600, info.Mode())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left of its making")

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := socketClient(t, path)
	for _, method := range changing {
		var answer any
		require.NoError(t, c.CallContext(t.Context(), &answer, method))
		require.NotNil(t, answer)
	}
	require.Len(t, orders, len(changing))
	for range 2 * callsBurst { // its callers are not counted
		require.NoError(t, c.CallContext(t.Context(), nil, "syncd_resume"))
	}

	other, err := New(Config{Listen: "127.0.0.1:0", Socket: path, Log: quietLog()}, src)
	require.NoError(t, err)
	require.ErrorIs(t, other.Listen(), syscall.EADDRINUSE, "a living one is never replaced")
	require.Empty(t, other.Addr(), "and the address is given back")
	require.NoError(t, c.CallContext(t.Context(), nil, "syncd_resume"))

	cancel()
	require.NoError(t, <-done)
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// No name leads to a socket, and no web page asks over it.
func TestLocalSocketTakesAnyHostAndNoPage(t *testing.T) {
	s, err := New(Config{Listen: "127.0.0.1:0", Log: quietLog()}, &fakePair{order: func(context.Context, string) error { return nil }})
	require.NoError(t, err)
	ask := func(origin string) int {
		r := httptest.NewRequest(http.MethodPost, "http://syncd.invalid/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"syncd_resume"}`))
		r.Header.Set("Content-Type", "application/json")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		s.local.Handler.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusOK, ask(""))
	require.Equal(t, http.StatusForbidden, ask("http://syncd.invalid"), "the Host that it equals was not checked")
}

func TestAStaleSocketIsReplacedAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	fresh, err := listenLocal(stale)
	require.NoError(t, err)

	require.NoError(t, os.Remove(stale))
	require.NoError(t, os.WriteFile(stale, []byte("another's"), 0o600))
	require.NoError(t, fresh.Close())
	require.FileExists(t, stale, "what stands there by now is not ours to remove")

	_, err = listenLocal(stale)
	require.ErrorContains(t, err, "something else than a socket")
	left, err := os.ReadFile(stale)
	require.NoError(t, err)
	require.Equal(t, "another's", string(left))
	_, err = listenLocal(filepath.Join(dir, "none", "s"))
	require.Error(t, err)
	require.ErrorIs(t, vacant(filepath.Join(dir, strings.Repeat("x", 300))), syscall.ENAMETOOLONG)
	deep := filepath.Join(dir, strings.Repeat("d", 100))
	require.NoError(t, os.Mkdir(deep, 0o700))
	_, err = listenLocal(filepath.Join(deep, "s"))
	require.ErrorContains(t, err, "--api.socket", "the system's bound on a socket's path")
	t.Chdir(dir)
	_, err = listenLocal("/proc/s") // where nobody can make a file
	require.ErrorContains(t, err, "--api.socket")
	require.NoFileExists(t, "s")
}
