package beaconsim

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is what goes wrong with a REST answer; several may be combined.
type Fault struct {
	Delay  time.Duration // the answer comes late
	Hang   bool          // the answer never comes
	Drop   bool          // the connection is cut in the middle of the answer
	Status int           // the answer is this status with no content
}

type faults struct {
	mu     sync.Mutex
	byPath map[string]Fault
}

func newFaults() *faults { return &faults{byPath: make(map[string]Fault)} }

// SetFault makes every request whose path begins with prefix fail so; the zero
// Fault heals it. The longest prefix holds.
func (n *Node) SetFault(prefix string, fault Fault) {
	n.rest.mu.Lock()
	defer n.rest.mu.Unlock()
	if fault == (Fault{}) {
		delete(n.rest.byPath, prefix)
		return
	}
	n.rest.byPath[prefix] = fault
}

func (f *faults) of(path string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	longest, out := -1, Fault{}
	for prefix, fault := range f.byPath {
		if strings.HasPrefix(path, prefix) && len(prefix) > longest {
			longest, out = len(prefix), fault
		}
	}
	return out
}

// Handler serves the node's REST and event stream.
func (n *Node) Handler() http.Handler {
	routes := n.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := Call{At: time.Now(), Path: r.URL.RequestURI()}
		out := &statusWriter{ResponseWriter: w}
		defer func() {
			entry.Elapsed, entry.Status = time.Since(entry.At), out.status
			n.calls.add(entry)
		}()
		fault := n.rest.of(r.URL.Path)
		if !n.pause(r, n.cfg.AnswerCost+fault.Delay) {
			return
		}
		switch {
		case fault.Hang:
			select {
			case <-r.Context().Done():
			case <-n.done:
			}
			panic(http.ErrAbortHandler)
		case fault.Status != 0:
			out.WriteHeader(fault.Status)
		case fault.Drop:
			cut(w, r, routes)
		default:
			routes.ServeHTTP(out, r)
		}
	})
}

// pause waits as long as an answer takes; false if nobody waits for it any more.
func (n *Node) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-n.done:
	}
	return false
}

// cut sends the first half of the answer and closes the connection.
func cut(w http.ResponseWriter, r *http.Request, routes http.Handler) {
	whole := &bufferedAnswer{header: w.Header(), status: http.StatusOK}
	routes.ServeHTTP(whole, r)
	w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()+1))
	w.WriteHeader(whole.status)
	_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// bufferedAnswer keeps an answer instead of sending it.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *bufferedAnswer) Header() http.Header            { return b.header }
func (b *bufferedAnswer) WriteHeader(status int)         { b.status = status }
func (b *bufferedAnswer) Write(data []byte) (int, error) { return b.body.Write(data) }

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush through it.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
