// Package api tells what a pair does and takes orders for it: JSON-RPC 2.0
// (namespace syncd) over HTTP and WebSocket, /livez, /readyz and /metrics, all
// on one listener.
package api

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/status"
)

// The limits. Requests of this API are small, and few ask at a time.
const (
	maxBody          = 128 << 10
	maxBatch         = 50
	maxBatchResponse = 8 << 20
	maxConnections   = 128
	// A WebSocket stays for long: enough connections remain for the probes.
	maxWebSockets = 64

	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	shutdownTimeout   = 5 * time.Second
	maxHeaderBytes    = 32 << 10
)

// Source is the pair as the API sees it. Its methods are called concurrently.
type Source interface {
	// Snapshot is nil as long as nothing is known.
	Snapshot() *status.Snapshot
	// History gives at most limit stage changes, the newest first.
	History(ctx context.Context, limit int) ([]status.Change, error)
	Pause(ctx context.Context, reason string) error
	Resume(ctx context.Context) error
}

// Config of a Server. Gatherer may be nil: then there are no metrics.
type Config struct {
	Listen         string   // host:port; port 0 takes a free one
	AllowedHosts   []string // beside localhost, loopback addresses and the listen host; "*" is any
	AllowedOrigins []string // browser origins such as http://localhost:3000; "*" is any
	Gatherer       prometheus.Gatherer
	Log            logrus.FieldLogger
}

// Server serves one pair.
type Server struct {
	cfg      Config
	src      safeSource
	rpc      *rpc.Server
	http     *http.Server
	sockets  chan struct{} // one element for each open WebSocket
	mu       sync.Mutex
	listener net.Listener
}

// Check refuses an address and names that cannot be served; it does not listen.
func (c Config) Check() error {
	_, err := c.gate()
	return err
}

func (c Config) gate() (*gate, error) {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("api listen address %q is not host:port, such as 127.0.0.1:8650", c.Listen)
	}
	return newGate(host, c.AllowedHosts, c.AllowedOrigins)
}

// New checks cfg; it does not listen.
func New(cfg Config, src Source) (*Server, error) {
	if src == nil || cfg.Log == nil {
		return nil, errors.New("api needs a source and a log")
	}
	guard, err := cfg.gate()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		src:     safeSource{src: src, log: cfg.Log},
		rpc:     rpc.NewServer(),
		sockets: make(chan struct{}, maxWebSockets),
	}
	s.rpc.SetBatchLimits(maxBatch, maxBatchResponse)
	s.rpc.SetHTTPBodyLimit(maxBody)
	s.rpc.SetWebsocketReadLimit(maxBody)
	if err := s.rpc.RegisterName("syncd", &service{src: s.src}); err != nil {
		return nil, fmt.Errorf("register the syncd namespace: %w", err)
	}
	s.http = &http.Server{
		Handler:           guard.wrap(s.routes()),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(errorLog{cfg.Log}, "", 0),
	}
	return s, nil
}

// Listen takes the address, so that a busy one is known before anything else
// is started; the error wraps syscall.EADDRINUSE then. Run calls it if need be.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on api address %s: %w", s.cfg.Listen, err)
	}
	s.listener = newLimitListener(l, maxConnections)
	return nil
}

// Addr is the address listened on, "" before Listen.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Run serves until ctx ends, then lets running requests finish for a few
// seconds and closes the rest. It returns nil after such a stop.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		s.rpc.Stop()
		return fmt.Errorf("serve the api: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	// The RPC server first: it closes the WebSockets, which Shutdown does not know.
	s.rpc.Stop()
	if err := s.http.Shutdown(stop); err != nil {
		s.cfg.Log.WithError(err).Warn("API requests were cut off at the stop")
		_ = s.http.Close()
	}
	<-served
	for range maxWebSockets { // every WebSocket handler has ended
		s.sockets <- struct{}{}
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.cfg.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{
			ErrorLog: s.cfg.Log, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 8,
		}))
	}
	ws := s.webSocket()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case websocket.IsWebSocketUpgrade(r):
			ws.ServeHTTP(w, r)
		case r.Method == http.MethodPost:
			s.rpc.ServeHTTP(w, r)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			writeText(w, http.StatusOK, "This is the API of syncd.\n"+paths)
		default:
			w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
			writeText(w, http.StatusMethodNotAllowed, "JSON-RPC is asked by POST.\n"+paths)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusNotFound, "There is nothing at this path.\n"+paths)
	})
	return mux
}

// webSocket bounds the sockets. The origin was checked by the gate, with the
// same rule as for HTTP, so the handler's own check is opened.
func (s *Server) webSocket() http.Handler {
	next := s.rpc.WebsocketHandler([]string{"*"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.sockets <- struct{}{}:
			defer func() { <-s.sockets }()
			next.ServeHTTP(w, r)
		default:
			writeText(w, http.StatusServiceUnavailable, fmt.Sprintf("%d WebSockets are open already.\n", maxWebSockets))
		}
	})
}

const paths = `Paths: POST / (JSON-RPC: syncd_status, syncd_history, syncd_pause, syncd_resume),
GET / (the same over WebSocket), GET /livez, GET /readyz, GET /metrics.
`

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // the client is gone: nobody is left to tell
}

// errorLog takes net/http's own lines (bad handshakes, panics of a handler)
// into the log of syncd.
type errorLog struct{ log logrus.FieldLogger }

func (e errorLog) Write(line []byte) (int, error) {
	e.log.Warn(strings.TrimSpace(string(line)))
	return len(line), nil
}
