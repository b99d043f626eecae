package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/internal/watched"
)

// The names of the listeners, as in FileDescriptorName= of a socket unit.
const (
	NameHTTP   = "gate-http"
	NameWS     = "gate-ws"
	NameSocket = "gate-socket"
)

const (
	// drainGrace is the time in which callers with kept-alive connections take
	// their last answer before idle connections are closed.
	drainGrace = 300 * time.Millisecond
)

// Inherited returns the listening sockets of the gate that the service manager
// passed, by name.
func Inherited() (map[string]net.Listener, error) {
	passed, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("sockets of the service manager: %w", err)
	}
	out := map[string]net.Listener{}
	for _, name := range []string{NameHTTP, NameWS, NameSocket} {
		if l := passed[name]; len(l) > 0 {
			out[name] = l[0]
		}
	}
	return out, nil
}

// Listen takes the addresses. An error wraps syscall.EADDRINUSE if one is busy.
func (g *Gate) Listen() error {
	g.listeners = map[string]net.Listener{}
	for _, l := range []struct {
		name, address string
		listen        func(string) (net.Listener, error)
	}{{NameHTTP, g.cfg.HTTP, listenTCP}, {NameWS, g.cfg.WS, listenTCP}, {NameSocket, g.cfg.Socket, listenUnix}} {
		listener, inherited := g.cfg.Inherited[l.name]
		if !inherited {
			if l.address == "" || l.name == NameWS && l.address == g.cfg.HTTP {
				continue
			}
			var err error
			if listener, err = l.listen(l.address); err != nil {
				g.closeListeners()
				return failure.Newf(failure.NeedsHuman, "--gate.%s: %w; %s", settingOf(l.name), err, remedyOfListen(err))
			}
		}
		listener = &boundedListener{Listener: listener, slots: make(chan struct{}, g.cfg.MaxConnections), closed: make(chan struct{}), open: map[*boundedConn]struct{}{}}
		if l.name != NameSocket && g.cfg.TLSCert != "" {
			pair, err := watched.KeyPair(g.cfg.TLSCert, g.cfg.TLSKey, "--gate.tls-cert", "--gate.tls-key", g.cfg.Log)
			if err != nil {
				_ = listener.Close()
				g.closeListeners()
				return failure.Newf(failure.NeedsHuman, "gate: TLS certificate and key: %w", err)
			}
			listener = tls.NewListener(listener, watched.ServerTLS(pair))
		}
		g.listeners[l.name] = listener
	}
	return nil
}

// Addr returns the address of a listener by its name, nil if there is none.
func (g *Gate) Addr(name string) net.Addr {
	if l, ok := g.listeners[name]; ok {
		return l.Addr()
	}
	return nil
}

func (g *Gate) closeListeners() {
	for _, l := range g.listeners {
		_ = l.Close()
	}
}

// settingOf is the setting that names the address of a listener.
func settingOf(name string) string {
	if name == NameSocket {
		return "socket"
	}
	return "listen"
}

// remedyOfListen says what to do about an address that cannot be listened on.
func remedyOfListen(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop what listens there or give another address"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "give an address of this machine"
	case errors.Is(err, fs.ErrNotExist):
		return "make the directory of the socket, or give another path"
	}
	return "give an address that this user may listen on"
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// listenUnix makes the socket for this user and its group. One that nobody
// listens on is replaced.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%q is not a socket: move it away, or choose another path", path)
		}
		conn, err := net.DialTimeout("unix", path, time.Second)
		switch {
		case err == nil:
			_ = conn.Close()
			return nil, fmt.Errorf("a running program listens on %q: %w", path, syscall.EADDRINUSE)
		case !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("whether a program listens on %q could not be found out: %w", path, err)
		}
	}
	// Made under another name, so that it never has more rights than it shall.
	made := filepath.Join(filepath.Dir(path), fmt.Sprintf(".gate%d", os.Getpid()))
	_ = os.Remove(made)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("socket %q: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o660), os.Rename(made, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("socket %q: %w", path, err), l.Close(), os.Remove(made))
	}
	own, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket %q: %w", path, err), l.Close())
	}
	return &unixListener{l, path, own}, nil
}

// unixListener removes its socket when it closes, unless another one is there by now.
type unixListener struct {
	net.Listener
	path string
	made os.FileInfo
}

func (l *unixListener) Close() error {
	err := l.Listener.Close()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.made) {
		return errors.Join(os.Remove(l.path), err)
	}
	return err
}

// boundedListener takes no connection while too many are open: further callers
// wait in the system's queue until an idle one is closed, and none is refused.
type boundedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[*boundedConn]struct{}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	if err := l.slot(); err != nil {
		return nil, err
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	c := newBoundedConn(conn)
	c.release = sync.OnceFunc(func() {
		l.mu.Lock()
		delete(l.open, c)
		l.mu.Unlock()
		<-l.slots
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	return c, nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// Run serves until ctx ends. Then it answers what is held, lets what is in
// flight end within Config.Drain, and returns nil.
func (g *Gate) Run(ctx context.Context) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	failed := make(chan error, 2*len(g.listeners))
	var serving sync.WaitGroup
	var servers []*http.Server
	var first *quick // nil for none
	for name, l := range g.listeners {
		if name == NameSocket {
			serving.Go(func() { failed <- g.serveSocket(base, l) })
			continue
		}
		_, apart := g.listeners[NameWS]
		s := &http.Server{
			Handler: httpHandler{g: g, post: name == NameHTTP, ws: name == NameWS || !apart && g.cfg.WS != ""},
			// No timeout of any kind: gwat's count, and a connection that is closed
			// with a call on its way loses the call.
			MaxHeaderBytes: maxHeaderBytes,
			BaseContext:    func(net.Listener) context.Context { return base },
			ConnContext:    withHanded,
			ConnState:      noteState,
			ErrorLog:       stdlog.New(io.Discard, "", 0),
		}
		servers = append(servers, s)
		if name == NameHTTP {
			if first = g.newQuick(l); first != nil {
				l = first
				serving.Go(func() { failed <- first.serve(base) })
			}
		}
		serving.Go(func() { failed <- s.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("gate: %w", err)
	}
	g.drain(cancel, first, servers)
	serving.Wait()
	g.flights.work.Wait()
	g.backend.close()
	return err
}

// serveSocket accepts connections in gwat's IPC form.
func (g *Gate) serveSocket(ctx context.Context, l net.Listener) error {
	var open sync.WaitGroup
	defer open.Wait()
	return g.acceptAll(ctx, l, func(c net.Conn) {
		open.Go(func() { g.serveLink(ctx, newIPCStream(c), "ipc", nil) })
	})
}

// acceptAll serves the connections of l until it is closed.
func (g *Gate) acceptAll(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	for {
		c, err := l.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			serve(c)
		case errors.As(err, &temporary) && temporary.Temporary():
			g.cfg.Log.WithError(err).Warn("the gate could not accept a connection")
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		default:
			return err
		}
	}
}

// drain ends what Run serves.
func (g *Gate) drain(cancel context.CancelFunc, first *quick, servers []*http.Server) {
	g.draining.Store(true)
	close(g.stopping)
	g.closeListeners()
	<-time.After(min(drainGrace, g.cfg.Drain))
	ctx, end := context.WithTimeout(context.Background(), g.cfg.Drain)
	defer end()
	if first != nil {
		first.drain(ctx)
	}
	var closing sync.WaitGroup
	for _, s := range servers {
		closing.Go(func() {
			if s.Shutdown(ctx) != nil {
				_ = s.Close()
			}
		})
	}
	g.links.drain(ctx)
	closing.Wait()
	cancel()
	g.links.wait()
}
