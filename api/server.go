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
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
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

// Config of a Server. Gatherer may be nil: then there are no metrics; Page may
// be nil: then GET / names the paths.
type Config struct {
	Listen         string   // host:port; port 0 takes a free one
	AllowedHosts   []string // beside localhost, loopback addresses and the listen host; "*" is any
	AllowedOrigins []string // browser origins such as http://localhost:3000; "*" is any
	BasePath       string   // all is served below it too, such as /syncd; "" for the root alone
	Gatherer       prometheus.Gatherer
	Page           http.Handler // of GET / and GET /assets/…
	Settings       []Setting    // what syncd_config answers
	Calls          CallSource   // of syncd_calls; nil without a gate

	// JWTSecret is what tokens are made from; nil if none is taken. Secret, if it is
	// not nil, is asked instead with each token: the secret may change.
	JWTSecret []byte
	Secret    func() []byte
	TLS
	// Profiles serves /debug/pprof/ to callers of this machine, and to others with a token.
	Profiles bool
	// Socket is the path of a local socket, whose callers may change something; "" for none.
	Socket string
	Log    logrus.FieldLogger
	// Now is the clock of the source; time.Now if it is nil.
	Now func() time.Time
}

// TLS is how Listen is protected.
type TLS struct {
	// TLSCert and TLSKey are PEM files. Without them, an address that other
	// machines reach is served only if Insecure says so.
	TLSCert, TLSKey string
	Insecure        bool
}

// Server serves one pair.
type Server struct {
	cfg       Config
	src       Source
	reads     *rpc.Server // refuses the calls that change something
	all       *rpc.Server
	subs      *subscriptions
	limiters  *limiters
	public    *http.Server
	local     *http.Server  // on the local socket
	sockets   chan struct{} // one element for each open WebSocket
	mu        sync.Mutex
	listener  net.Listener
	localSock net.Listener // nil if there is none
}

// Check refuses an address, names and files that cannot be served; it does not listen.
func (c Config) Check() error {
	_, err := c.gate()
	return err
}

func (c Config) gate() (*gate, error) {
	if err := checkBase(c.BasePath); err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("api listen address %q is not host:port, such as 127.0.0.1:8650", c.Listen)
	}
	if err := c.checkListening(host); err != nil {
		return nil, err
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
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		cfg: cfg, src: src,
		limiters: newLimiters(), sockets: make(chan struct{}, maxWebSockets),
	}
	s.subs = &subscriptions{src: s.src, between: cfg.Calls}
	if s.reads, err = s.newRPC(false); err != nil {
		return nil, err
	}
	if s.all, err = s.newRPC(true); err != nil {
		return nil, err
	}
	s.public, s.local = s.newHTTP(guard, false), s.newHTTP(guard, true)
	return s, nil
}

// newRPC makes a server of the methods; operator reports whether its callers may
// change something.
func (s *Server) newRPC(operator bool) (*rpc.Server, error) {
	server := rpc.NewServer()
	server.SetBatchLimits(maxBatch, maxBatchResponse)
	server.SetHTTPBodyLimit(2 * maxBody) // serveRPC bounds it; a renamed call is longer
	methods := &service{src: s.src, settings: s.cfg.Settings, between: s.cfg.Calls, operator: operator}
	for _, receiver := range []any{methods, s.subs} {
		if err := server.RegisterName("syncd", receiver); err != nil {
			return nil, fmt.Errorf("register the syncd namespace: %w", err)
		}
	}
	if err := server.RegisterName("rpc", discovery{}); err != nil {
		return nil, fmt.Errorf("register the rpc namespace: %w", err)
	}
	return server, nil
}

func (s *Server) newHTTP(guard *gate, local bool) *http.Server {
	return &http.Server{
		Handler:           belowBase(s.cfg.BasePath, guard.wrap(s.limiters.limited(s.routes(local)), local)),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(errorLog{s.cfg.Log}, "", 0),
	}
}

// Handler is what Run serves to callers over TCP, for a caller that has no listener.
func (s *Server) Handler() http.Handler { return s.public.Handler }

// Listen takes the address and the local socket, so that a busy one is known
// before anything else is started; the error wraps syscall.EADDRINUSE then. Run
// calls it if need be.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	public, err := s.cfg.listenTCP()
	if err != nil {
		return err
	}
	if s.cfg.Socket != "" {
		if s.localSock, err = listenLocal(s.cfg.Socket); err != nil {
			_ = public.Close()
			return err
		}
	}
	s.listener = public
	return nil
}

// URL is where the API is served, "" before Listen.
func (s *Server) URL() string {
	addr := s.Addr()
	switch {
	case addr == "":
		return ""
	case s.cfg.TLSCert != "":
		return "https://" + addr
	}
	return "http://" + addr
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
	served := make(chan error, 2)
	serving := 1
	go func() { served <- s.public.Serve(s.listener) }()
	if s.localSock != nil {
		serving++
		go func() { served <- s.local.Serve(s.localSock) }()
	}
	var failed error
	select {
	case err := <-served:
		serving--
		failed = fmt.Errorf("serve the api: %w", err)
	case <-ctx.Done():
	}
	s.stop(context.WithoutCancel(ctx))
	for range serving {
		<-served
	}
	for range maxWebSockets { // every WebSocket handler has ended
		s.sockets <- struct{}{}
	}
	s.subs.running.Wait()
	return failed
}

// stop lets running requests finish for a while, and cuts off the rest.
func (s *Server) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	// The RPC servers first: they close the WebSockets, which Shutdown does not know.
	s.reads.Stop()
	s.all.Stop()
	for _, server := range []*http.Server{s.public, s.local} {
		if err := server.Shutdown(ctx); err != nil {
			s.cfg.Log.WithError(err).Warn("API requests were cut off at the stop")
			_ = server.Close()
		}
	}
}

// routes are the same for both listeners, but for what a caller may do.
func (s *Server) routes(local bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /v1/status", s.statusPath(local))
	if s.cfg.Profiles {
		mux.Handle("GET /debug/pprof/", s.profiles(local))
	}
	if s.cfg.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{
			ErrorLog: s.cfg.Log, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 8,
		}))
	}
	page := s.cfg.Page
	if page == nil {
		page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			writeText(w, http.StatusOK, "This is the API of syncd.\n"+paths)
		})
	} else {
		mux.Handle("GET /assets/", page)
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		socket := websocket.IsWebSocketUpgrade(r)
		switch {
		case socket || r.Method == http.MethodPost:
			server, err := s.serverFor(local, r)
			switch {
			case err != nil:
				s.unauthorized(w, err)
			case socket:
				s.serveSocket(w, r, server)
			default:
				s.serveRPC(w, r, server)
			}
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			page.ServeHTTP(w, r)
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

// serverFor chooses the methods that a caller may use.
func (s *Server) serverFor(local bool, r *http.Request) (*rpc.Server, error) {
	authorized, err := s.authorized(r)
	switch {
	case err != nil && !local:
		return nil, err
	case local || authorized:
		return s.all, nil
	}
	return s.reads, nil
}

const paths = `Paths: POST / (JSON-RPC; rpc.discover lists the methods), GET / (the same over
WebSocket, with subscriptions), GET /v1/status, GET /livez, GET /readyz, GET /metrics.
`

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // the client is gone: nobody reads it
}

// errorLog takes net/http's own lines (bad handshakes, panics of a handler)
// into the log of syncd.
type errorLog struct{ log logrus.FieldLogger }

func (e errorLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.HasPrefix(text, handshakeFailed) && (strings.HasSuffix(text, ": EOF") || strings.HasSuffix(text, ": "+syscall.ECONNRESET.Error())) {
		e.log.Debug(text) // a probe by TCP, which connects and is content
		return len(line), nil
	}
	e.log.Warn(text)
	return len(line), nil
}

// handshakeFailed is how net/http's line about a failed handshake begins.
const handshakeFailed = "http: TLS handshake error from "
