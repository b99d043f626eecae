package simulation

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"syscall"
	"testing/synctest"
	"time"
)

// Errors as the real ones are.
var (
	errRefused     = &netError{"dial tcp: connect: connection refused", syscall.ECONNREFUSED}
	errUnreachable = &netError{"dial tcp: connect: no route to host", syscall.EHOSTUNREACH}
	errReset       = &netError{"read tcp: connection reset by peer", syscall.ECONNRESET}
	errDead        = errors.New("the process is dead")
)

type netError struct {
	text string
	kind error
}

func (e *netError) Error() string { return e.text }
func (e *netError) Unwrap() error { return e.kind }

// network carries every request of every process; each hop is a step.
type network struct {
	run       *run
	hosts     map[link]*host // whom the requests of a link are for
	callers   map[link]*host // whose requests they are, if a host can be stopped
	faults    []*linkFault   // that hold now
	exchanges []*exchange

	mu       sync.Mutex
	inFlight map[*exchange]bool
}

func (n *network) opened(x *exchange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inFlight[x] = true
}

func (n *network) over(x *exchange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.inFlight, x)
}

// wire is the transport of one incarnation of one process.
type wire struct {
	net         *network
	link        link
	incarnation int
	alive       func() bool
}

// RoundTrip implements http.RoundTripper. It returns only when the scheduler
// lets it, whether with an answer, an error, or because its caller gave up.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{
		link: w.link, from: w.incarnation, reply: make(chan struct{}), sent: w.net.run.now(),
		arrived: never, served: never, ended: never,
	}
	if req.Body != nil {
		x.body, _ = io.ReadAll(req.Body) // it is in memory
		req.Body.Close()
	}
	x.name(req)
	if !w.alive() {
		return nil, errDead
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	x.key = mix(digest(string(x.link), x.call, x.params), callerOf(w.link))
	if x.call == pathEvents {
		x.stream = newStream(x)
	}
	w.net.opened(x)
	header := req.Header.Clone()
	x.header = header
	url := req.URL.String()
	method := req.Method
	departs := &waiting{
		key:   x.key,
		delay: func(r *seededRand) time.Duration { return w.net.latency(x, r) },
		admit: func(r *seededRand, s *step) { w.net.depart(x, r, s) },
		run:   func() { w.net.arrive(x, method, url, header) },
	}
	w.net.run.sched.park(departs)
	select {
	case <-x.reply:
	case <-req.Context().Done():
		// A caller that is told to stop in the instant in which it asks may as well have
		// been told before: no seed decides which of the two comes first.
		if w.net.run.sched.withdraw(departs) {
			w.net.over(x)
			return nil, req.Context().Err()
		}
		w.net.run.sched.park(&waiting{
			key:   mix(x.key, digest("give up"), uint64(x.id())), // of equal requests each its own
			delay: func(r *seededRand) time.Duration { return r.span(time.Microsecond, 50*time.Microsecond) },
			moot:  func() bool { return x.closed },
			run:   func() { w.net.giveUp(x, req.Context().Err()) },
		})
		<-x.reply
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && x.written {
		if trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		if trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
	}
	if x.err != nil {
		return nil, x.err
	}
	x.response.Request = req
	if x.stream != nil {
		x.stream.caller = req.Context()
	}
	return x.response, nil
}

// depart numbers a request that was let through, and counts it as an await point, in
// which syncd waits for the world.
func (n *network) depart(x *exchange, r *seededRand, s *step) {
	n.exchanges = append(n.exchanges, x)
	x.number.Store(int64(len(n.exchanges)))
	x.conn = n.hosts[x.link].incarnation
	if x.link == syncdGwat || x.link == syncdBeacon {
		n.run.awaits(s)
	}
	if act := n.run.onGateCall; act != nil && x.link == gateGwat {
		n.run.onGateCall = nil
		act()
	}
	if f := n.fault(x, hopRequest); f != nil {
		x.hit = true
		f.onRequest(n, x, r, s)
	}
}

// latency of a hop when nothing is wrong, and what slow links add.
func (n *network) latency(x *exchange, r *seededRand) time.Duration {
	out := r.span(100*time.Microsecond, 4*time.Millisecond)
	if far := n.run.plan.far; far > 0 {
		out += r.span(far/4, far)
	}
	for _, f := range n.faults {
		if f.kind == linkSlow && f.hits(x) {
			out += r.span(f.low, f.high)
		}
	}
	return out
}

// arrive has the node take the request in.
func (n *network) arrive(x *exchange, method, url string, header http.Header) {
	if x.closed && !x.goesOn {
		return
	}
	node := n.hosts[x.link]
	x.host = node
	switch {
	case x.doom != nil: // a fault on the way has decided already
		n.finish(x, x.doom)
		return
	case node.queues && (!node.up || node.closing):
		node.backlog = append(node.backlog, backlogged{x.key, func() { n.arrive(x, method, url, header) }})
		x.conn = node.incarnation + 1
		return
	case !node.up:
		n.finish(x, errRefused)
		return
	case x.written && x.conn != node.incarnation: // its connection died with the process
		n.finish(x, errReset)
		return
	}
	x.written = true
	serve := func() {
		if !node.up {
			n.finish(x, errReset)
			return
		}
		x.arrived, x.node = n.run.now(), node.incarnation
		n.run.log("arrive", string(x.link), x.shown(), uint64(x.id()))
		node.serve(n, x, method, url, header)
	}
	for _, stopped := range []*host{node, n.callers[x.link]} {
		if stopped != nil && stopped.paused {
			stopped.backlog = append(stopped.backlog, backlogged{x.key, serve})
			return
		}
	}
	serve()
}

// answered is called by the node's goroutine when it has an answer.
func (n *network) answered(x *exchange, w *responseWriter) {
	deliver := func() { n.deliver(x, w) }
	n.run.sched.park(&waiting{
		key:   mix(x.key, digest("answer")),
		delay: func(r *seededRand) time.Duration { return n.latency(x, r) },
		admit: func(r *seededRand, s *step) {
			x.served = n.run.now()
			if x.host.paused {
				s.run = func() {}
				x.host.backlog = append(x.host.backlog, backlogged{mix(x.key, 1), deliver})
				return
			}
			if f := n.fault(x, hopAnswer); f != nil {
				x.hit = true
				f.onAnswer(n, x, r, s, w)
			}
		},
		run: deliver,
	})
}

// deliver hands the answer to the caller.
func (n *network) deliver(x *exchange, w *responseWriter) {
	if x.closed {
		return
	}
	if w.cut { // the node's own write timeout, or a connection it has ended
		n.finish(x, errReset)
		return
	}
	x.status, x.answer, x.whole = w.status, w.body.Bytes(), w.garbled == nil && w.half == 0
	var body io.Reader = bytes.NewReader(x.answer)
	if w.garbled != nil {
		body = bytes.NewReader(w.garbled)
	}
	if w.half > 0 {
		body = io.MultiReader(bytes.NewReader(x.answer[:min(w.half, len(x.answer))]), broken{})
	}
	x.response = &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: -1,
	}
	n.finish(x, nil)
}

// broken is the end of a body that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// finish lets the caller go on.
func (n *network) finish(x *exchange, err error) {
	if x.closed {
		return
	}
	x.closed, x.err, x.ended = true, err, n.run.now()
	switch {
	case err != nil:
		x.lost = err.Error()
		n.run.log("error", string(x.link), x.call+": "+x.lost, uint64(x.id()))
	default:
		n.run.log("answer", string(x.link), x.call, digestBytes(x.said()))
	}
	if !x.kept() {
		x.answer = nil
	}
	if x.stream == nil || err != nil {
		n.over(x)
	}
	if x.stream != nil && err != nil && x.hangUp != nil {
		x.hangUp() // a stream has no other end at the node
	}
	close(x.reply)
}

// giveUp ends the caller's waiting; what is on its way or at the node goes on.
func (n *network) giveUp(x *exchange, why error) {
	if x.closed {
		return
	}
	x.gaveUp = true
	if x.hangUp != nil {
		x.hangUp()
	}
	n.finish(x, why)
}

// die ends what a dead process waits for; what it has sent goes on.
func (n *network) die(links ...link) {
	for _, x := range n.sorted() {
		for _, l := range links {
			if x.link != l {
				continue
			}
			x.goesOn = x.goesOn || x.written || mix(n.run.seed, x.key)%2 == 0 // or was on its way
			if x.hangUp != nil {
				x.hangUp()
			}
			if x.stream != nil {
				x.stream.end(errDead)
				n.over(x)
			}
			if !x.closed {
				x.closed, x.err, x.ended, x.gaveUp = true, errDead, n.run.now(), true
				n.over(x)
				close(x.reply)
			}
		}
	}
}

// sorted gives what is in flight in the order in which it was sent; what came in
// since the last step goes last.
func (n *network) sorted() []*exchange {
	n.mu.Lock()
	out := slices.Collect(maps.Keys(n.inFlight))
	n.mu.Unlock()
	slices.SortFunc(out, func(a, b *exchange) int {
		if a.id() != b.id() && a.id() > 0 && b.id() > 0 {
			return cmp.Compare(a.id(), b.id())
		}
		return cmp.Or(cmp.Compare(min(b.id(), 1), min(a.id(), 1)), cmp.Compare(a.key, b.key))
	})
	return out
}

// reap waits for the end of a process whose context is cancelled, and fails what
// it still tries on its way.
func (n *network) reap(done <-chan struct{}, links ...link) {
	for range 100 {
		n.die(links...)
		select {
		case <-done:
			return
		default:
			synctest.Wait()
		}
	}
	<-done // it waits for its own clock
}
