package gate

import (
	"net"
	"net/http"
	"sync/atomic"

	"github.com/gwatsync/syncd/endpoint"
)

// Gate forwards calls to one gwat.
type Gate struct {
	cfg      Config
	at       endpoint.Endpoint
	backend  backend
	view     atomic.Pointer[View]
	evidence recorder
	hold     queue
	held     budget // of the memory for calls that are held whole
	flights  flights

	listeners map[string]net.Listener // by name
	stopping  chan struct{}           // closed when Run ends: what is held is absorbed
	draining  atomic.Bool             // each answer closes its connection
	links     links
}

// Handler serves the requests of the HTTP listener, for a caller that has a listener of its own.
func (g *Gate) Handler() http.Handler { return httpHandler{g: g, post: true} }

// New returns a gate that listens on nothing yet.
func New(cfg Config) (*Gate, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	at, err := cfg.backend()
	if err != nil {
		return nil, err
	}
	g := &Gate{cfg: cfg, at: at, backend: newBackend(at, cfg.Transport), stopping: make(chan struct{})}
	g.evidence.observe, g.held.limit = cfg.Observe, cfg.MaxHeld
	g.SetView(cfg.View)
	return g, nil
}
