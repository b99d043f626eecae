package simulation

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// host is a machine on which a node's process runs, or does not.
type host struct {
	net         *network
	name        string
	links       []link       // on which it calls others itself
	incarnation int          // of the process, from 1
	living      atomic.Int64 // its incarnation while it is up, else 0: for the processes' goroutines
	up          bool
	paused      bool // stopped by a signal: what comes in waits
	handler     http.Handler
	cancel      context.CancelFunc
	done        chan struct{}
	backlog     []backlogged
	serving     sync.WaitGroup
	died        time.Duration
	queues      bool // its sockets outlive the process: callers wait while it is away
	closing     bool // it stops: who comes now waits for the next process
}

type backlogged struct {
	key uint64
	run func()
}

// start has a process serve; live is its own incarnation, if it has one.
func (h *host) start(handler http.Handler, live func(context.Context) error) {
	h.incarnation++
	h.living.Store(int64(h.incarnation))
	h.up, h.closing, h.handler = true, false, handler
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		_ = live(ctx) // it ends with the context
	}(h.done)
	h.net.run.log("start", h.name, "", uint64(h.incarnation))
	if h.queues {
		h.takeIn()
	}
}

// lives reports whether an incarnation of the process goes on. It may be called at any time.
func (h *host) lives(incarnation int) bool { return h.living.Load() == int64(incarnation) }

// inFlight counts the requests that it has taken in and not answered.
func (h *host) inFlight() int {
	count := 0
	for _, x := range h.net.sorted() {
		if x.host == h && x.arrived != never && x.served == never && !x.closed {
			count++
		}
	}
	return count
}

// kill ends the process as kill -9 does. stop is what makes its calls return.
func (h *host) kill(stop func()) {
	if !h.up {
		return
	}
	h.up, h.paused = false, false
	h.living.Store(0)
	if !h.queues {
		h.backlog = nil
	}
	h.died = h.net.run.now()
	h.net.run.log("kill", h.name, "", uint64(h.incarnation))
	h.cancel()
	stop()
	for _, x := range h.net.sorted() {
		if x.host != h || x.arrived == never {
			continue
		}
		if h.closing && x.served != never && x.stream == nil {
			continue // the kernel delivers what a process wrote that ended by itself
		}
		if x.hangUp != nil {
			x.hangUp()
		}
		if x.stream != nil && x.closed {
			x.stream.end(errReset)
			h.net.over(x)
			continue
		}
		h.net.finish(x, errReset)
	}
	h.net.reap(h.done, h.links...)
	served := make(chan struct{})
	go func() { h.serving.Wait(); close(served) }()
	h.net.reap(served, h.links...)
}

// resume lets a paused process go on, with all that has come in meanwhile.
func (h *host) resume() {
	if !h.paused {
		return
	}
	h.paused = false
	h.takeIn()
}

// takeIn serves what has waited.
func (h *host) takeIn() {
	backlog := h.backlog
	h.backlog = nil
	for _, b := range backlog {
		h.net.run.sched.park(&waiting{
			key:   mix(b.key, digest("resume")),
			delay: func(r *seededRand) time.Duration { return r.span(time.Microsecond, 20*time.Millisecond) },
			run:   b.run,
		})
	}
}

// serve runs the node's handler for a request, in a goroutine as a server would.
func (h *host) serve(n *network, x *exchange, method, url string, header http.Header) {
	ctx, cancel := context.WithCancel(context.Background())
	x.hangUp = cancel
	if x.stream != nil && x.closed {
		cancel() // its caller has gone meanwhile: nobody else ends it
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(x.body))
	if err != nil {
		n.finish(x, err)
		cancel()
		return
	}
	req.Header, req.RequestURI = header, req.URL.RequestURI()
	req.ContentLength = int64(len(x.body))
	req.RemoteAddr = "10.0.0.1:" + strconv.Itoa(x.id())
	w := &responseWriter{run: n.run, x: x, header: http.Header{}}
	incarnation, handler := h.incarnation, h.handler
	h.serving.Go(func() {
		defer cancel()
		func() {
			defer func() {
				if r := recover(); r != nil && r != http.ErrAbortHandler {
					panic(r)
				} else if r != nil {
					w.cut = true
				}
			}()
			handler.ServeHTTP(w, req)
		}()
		if w.begun { // a stream: it has ended at the node
			x.stream.end(io.ErrUnexpectedEOF)
			return
		}
		if h.lives(incarnation) {
			n.answered(x, w)
		}
	})
}
