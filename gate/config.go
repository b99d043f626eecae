package gate

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
)

// Defaults and bounds of Config.
const (
	// DefaultAbsorb is the time after which a held call is answered without gwat:
	// a beacon node stops the processing of a gossip block after 30 s and hangs up.
	DefaultAbsorb = 20 * time.Second
	// DefaultRetry is the time between two attempts of a held call.
	DefaultRetry = 100 * time.Millisecond
	// DefaultDrain bounds how long Run waits for calls in flight at its end.
	DefaultDrain = 5 * time.Second
	// DefaultLease bounds one Lock: gwat drops its own head lock after 120 s.
	DefaultLease = 120 * time.Second
	// DefaultMaxConnections bounds the open connections of each listener.
	DefaultMaxConnections = 1024
	// DefaultMaxHeld bounds the memory of the calls that are held whole, over all
	// connections: four of the longest lists.
	DefaultMaxHeld = 128 << 20

	maxSocketPath  = 90
	maxHeaderBytes = 64 << 10
	dialTimeout    = 5 * time.Second
)

// ErrBadConfig marks an unusable Config: NeedsHuman.
var ErrBadConfig = errors.New("unusable gate configuration")

// Config of a Gate. Backend, Log and at least one of HTTP, WS and Socket must be set.
type Config struct {
	HTTP   string // host:port of the HTTP listener; "" for none, port 0 for a free one
	WS     string // host:port of the WebSocket listener; may equal HTTP
	Socket string // path of the Unix socket in gwat's IPC form; "" for none

	TLS

	// Inherited are listening sockets of the service manager by name ("gate-http",
	// "gate-ws", "gate-socket"); one replaces the address of its listener.
	Inherited map[string]net.Listener

	// Backend is gwat: an http, https, ws or wss URL, or the path of its IPC socket.
	Backend string
	// Transport carries the calls to an HTTP backend in place of sockets; nil dials.
	Transport http.RoundTripper

	// PassLastingErrors passes an error that no wait repairs on to the beacon node,
	// which then marks the block bad. By default the call is absorbed.
	PassLastingErrors bool
	Mends             Mends // of the coordinated era

	Limits

	// Observe is called with each call that ends, before it is numbered; nil for
	// none. It is called at the same time for several calls, and must not block.
	Observe func(Call)

	View View // in force until the first SetView
	Log  logrus.FieldLogger
}

// TLS is how HTTP and WS are protected.
type TLS struct {
	TLSCert, TLSKey string // PEM files; without them an address that other machines reach needs Insecure
	Insecure        bool
}

// Limits are the times and bounds of a gate; 0 takes the default.
type Limits struct {
	Absorb         time.Duration // after which a held call is answered without gwat
	Retry          time.Duration // between two attempts of a held call
	Drain          time.Duration // for calls in flight at the end of Run
	Lease          time.Duration // of one Lock
	MaxConnections int           // of each listener
	MaxHeld        int64         // bytes of calls held whole
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Absorb, DefaultAbsorb}, {&c.Retry, DefaultRetry}, {&c.Drain, DefaultDrain}, {&c.Lease, DefaultLease}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = DefaultMaxConnections
	}
	if c.MaxHeld == 0 {
		c.MaxHeld = DefaultMaxHeld
	}
	return c
}

// Check reports whether the gate can run with c; it does not listen.
func (c Config) Check() error {
	if c.Log == nil {
		return badConfig("there is no log")
	}
	if c.HTTP == "" && c.WS == "" && c.Socket == "" && len(c.Inherited) == 0 {
		return badConfig("nothing listens: set an HTTP address, a WebSocket address or a socket path")
	}
	if c.Absorb < 0 || c.Retry < 0 || c.Drain < 0 || c.Lease < 0 || c.MaxConnections < 0 || c.MaxHeld < 0 {
		return badConfig("a time or a limit is negative")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return badConfig("a TLS certificate and its key belong together: set both or neither")
	}
	if len(c.Socket) > maxSocketPath {
		return badConfig("the socket path has %d bytes, at most %d: choose a shorter one", len(c.Socket), maxSocketPath)
	}
	for _, listen := range []string{c.HTTP, c.WS} {
		if err := c.checkAddress(listen); err != nil {
			return err
		}
	}
	_, err := c.backend()
	return err
}

// backend returns where gwat is.
func (c Config) backend() (endpoint.Endpoint, error) {
	at, err := endpoint.Gwat.Parse(c.Backend)
	if err != nil {
		return at, badConfig("backend: %v", err)
	}
	return at, nil
}

func (c Config) checkAddress(listen string) error {
	if listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return badConfig("listen address %q is not host:port, such as 127.0.0.1:8550", listen)
	}
	if !isLoopback(host) && c.TLSCert == "" && !c.Insecure {
		return badConfig("listen address %q is reached by other machines, and there is no TLS: give --gate.tls-cert and --gate.tls-key, "+
			"listen on 127.0.0.1, or set --gate.insecure if everybody on that network may call gwat", listen)
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func badConfig(format string, args ...any) error {
	return failure.Newf(failure.NeedsHuman, "%w: %s", ErrBadConfig, fmt.Sprintf(format, args...))
}
