package beaconsim

import (
	"encoding/json"
	"sync"
	"time"
)

// keptCalls bounds the log; the oldest calls are forgotten first.
const keptCalls = 10_000

// Call is one REST request that the node answered (Method is empty) or one
// call that it made to gwat (Path is empty).
type Call struct {
	At      time.Time
	Elapsed time.Duration

	Path   string // with the query
	Status int    // 0 if the answer was cut or never given

	Method string
	Params json.RawMessage
	Answer json.RawMessage // what gwat answered, if it did
	Err    error           // why there is no answer
}

type callLog struct {
	mu    sync.Mutex
	calls []Call
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) >= keptCalls {
		l.calls = append(l.calls[:0], l.calls[keptCalls/2:]...)
	}
	l.calls = append(l.calls, c)
}

// Calls gives the node's newest calls, REST and gwat, in the order they ended.
func (n *Node) Calls() []Call {
	n.calls.mu.Lock()
	defer n.calls.mu.Unlock()
	return append([]Call(nil), n.calls.calls...)
}
