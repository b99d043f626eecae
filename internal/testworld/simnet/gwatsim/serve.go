package gwatsim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/internal/testworld/simnet/nodehttp"
)

// newServer registers every namespace that the node answers.
func (n *Node) newServer() (*rpc.Server, error) {
	server := rpc.NewServer()
	server.SetHTTPBodyLimit(n.cfg.HTTPBodyLimit)
	for name, service := range map[string]any{
		"dag": &dagAPI{n}, "eth": &ethAPI{n}, "net": &netAPI{n}, "web3": &web3API{n},
		"txpool": &txpoolAPI{n}, "admin": &adminAPI{n}, "rpc": &rpcAPI{n},
	} {
		if err := server.RegisterName(name, service); err != nil {
			return nil, fmt.Errorf("register %s: %w", name, err)
		}
	}
	return server, nil
}

// Handler serves JSON-RPC by POST and by WebSocket upgrade. It keeps the write
// timeout itself: an http.Server with one of its own would make the library
// answer "request timed out", where gwat cuts the connection.
func (n *Node) Handler() http.Handler {
	overHTTP := nodehttp.Handler(lenient(n.rpc), n.cfg.VirtualHosts, n.cfg.JWTSecret)
	overWS := nodehttp.Tokens(n.rpc.WebsocketHandler(nil), n.cfg.JWTSecret)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			hijacker := &trackedHijacker{ResponseWriter: w, conns: &n.conns}
			defer hijacker.forget()
			overWS.ServeHTTP(hijacker, r)
			return
		}
		control := http.NewResponseController(w)
		// A writer without deadlines, as in tests without a socket, has no timeout.
		_ = control.SetWriteDeadline(time.Now().Add(n.cfg.WriteTimeout))
		peer := Peer{Transport: "http", Addr: r.RemoteAddr}
		n.conns.add(peer, func() { _ = control.SetWriteDeadline(time.Unix(1, 0)) })
		defer n.conns.remove(peer)
		overHTTP.ServeHTTP(w, r)
	})
}

// ServeIPC serves JSON-RPC on a Unix socket until ctx ends, without token and
// timeouts. A socket file that nobody listens on is replaced.
func (n *Node) ServeIPC(ctx context.Context, path string) error {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return fmt.Errorf("listen on %s: somebody does already", path)
	} else if removeErr := os.Remove(path); removeErr != nil && !os.IsNotExist(removeErr) {
		return fmt.Errorf("remove stale socket: %w", removeErr)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("guard %s: %w", path, err), listener.Close())
	}

	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	stopListening := context.AfterFunc(ctx, func() { listener.Close() })
	defer stopListening()
	for id := 1; ; id++ {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			return fmt.Errorf("accept on %s: %w", path, err)
		}
		open.Go(func() { n.serveIPCConn(ctx, ipcConn{Conn: conn, id: path + "#" + strconv.Itoa(id)}) })
	}
}

func (n *Node) serveIPCConn(ctx context.Context, conn ipcConn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	peer := Peer{Transport: "ipc", Addr: conn.id}
	n.conns.add(peer, func() { conn.Close() })
	defer n.conns.remove(peer)
	n.rpc.ServeCodec(rpc.NewCodec(conn), 0)
}

// ipcConn has a name of its own, since the callers of a Unix socket have none.
type ipcConn struct {
	net.Conn
	id string
}

func (c ipcConn) RemoteAddr() string { return c.id }

// conns knows how to cut the connection of a peer.
type conns struct {
	mu   sync.Mutex
	cuts map[Peer]func()
}

func (c *conns) add(peer Peer, cut func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cuts == nil {
		c.cuts = make(map[Peer]func())
	}
	c.cuts[peer] = cut
}

func (c *conns) remove(peer Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.cuts, peer)
}

// cut ends the connection of a peer, so that nothing more reaches it.
func (c *conns) cut(peer Peer) {
	peer.UserAgent = ""
	c.mu.Lock()
	defer c.mu.Unlock()
	if cut, ok := c.cuts[peer]; ok {
		cut()
	}
}

// trackedHijacker lets the connection of a WebSocket be cut later.
type trackedHijacker struct {
	http.ResponseWriter
	conns *conns
	peer  Peer
}

func (t *trackedHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err == nil {
		t.peer = Peer{Transport: "ws", Addr: conn.RemoteAddr().String()}
		t.conns.add(t.peer, func() { conn.Close() })
	}
	return conn, buffered, err
}

func (t *trackedHijacker) forget() { t.conns.remove(t.peer) }
