package gwatsim

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/checkpoint"
)

const (
	keptCalls   = 1 << 16
	keptAnswers = 512 // bytes of an answer
)

// Call is one call as the node saw it. Calls whose parameters did not decode
// never reached it and are not logged.
type Call struct {
	Seq    uint64 // in the order in which the calls came in, from 1
	Begin  time.Time
	End    time.Time
	Method string
	Peer   Peer

	Infos  []checkpoint.ConsensusInfo // of dag_headSyncReady, dag_headSync and dag_sync
	Spines []common.Hash              // of dag_finalize and dag_validateSpines

	Answer string // JSON of the result, cut to 512 bytes; "" with an error
	Err    string
	// Undelivered tells that a fault kept the answer from the caller.
	Undelivered bool

	Before, After Standing
}

// Peer is who called.
type Peer struct {
	Transport string // "http", "ws" or "ipc"
	Addr      string
	UserAgent string
}

// Standing is what a call can change.
type Standing struct {
	Finalized uint64
	Hash      common.Hash // of the last finalized block
	Locked    bool        // the head lock was held
	Stage     Stage
}

// callLog keeps the newest calls.
type callLog struct {
	told  func(Call)
	mu    sync.Mutex
	seq   uint64
	calls []Call
}

func (l *callLog) enter() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	return l.seq
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) >= keptCalls {
		l.calls = append(l.calls[:0], l.calls[keptCalls/2:]...)
	}
	l.calls = append(l.calls, c)
	l.told(c)
}

// Calls lists the newest calls in the order in which they ended; of old ones
// at least the last 32768 are kept.
func (n *Node) Calls() []Call {
	n.calls.mu.Lock()
	defer n.calls.mu.Unlock()
	return append([]Call(nil), n.calls.calls...)
}

// Fault is what happens to one call. The call itself always runs to its end,
// unless Error stands in its place.
type Fault struct {
	Delay time.Duration // waits inside before the call runs, whether or not its caller is still there
	Error string        // answered instead of running
	Hang  bool          // runs, and the answer is never sent
	Drop  bool          // runs, and the connection is cut instead of an answer
}

var errUndelivered = errors.New("the answer is lost")

// SetFault sets what happens to coming calls; nil ends all faults. fault is
// asked once for each call, with the name of its method.
func (n *Node) SetFault(fault func(method string) Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = fault
}

func (n *Node) faultOf(method string) Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fault == nil {
		return Fault{}
	}
	return n.fault(method)
}

func (n *Node) standing() Standing {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.advance(now)
	return Standing{
		Finalized: n.ledger.height(),
		Hash:      n.ledger.last().Hash,
		Locked:    n.locked(now),
		Stage:     n.stage(now),
	}
}

// serve runs one call, with the faults of its method, and logs it.
func serve[T any](ctx context.Context, n *Node, call Call, run func() (T, error)) (T, error) {
	call.Seq = n.calls.enter()
	call.Begin = time.Now()
	call.Peer = peerOf(ctx)
	fault := n.faultOf(call.Method)
	var result T
	err := n.sleep(fault.Delay)
	if err != nil {
		return result, err
	}
	call.Before = n.standing()
	if fault.Error != "" {
		err = errors.New(fault.Error)
	} else {
		result, err = run()
	}

	call.End = time.Now()
	call.After = n.standing()
	call.Undelivered = fault.Hang || fault.Drop
	if err != nil {
		call.Err = err.Error()
	} else if answer, jsonErr := json.Marshal(result); jsonErr == nil {
		call.Answer = string(answer[:min(len(answer), keptAnswers)])
	}
	n.calls.add(call)

	if fault.Drop {
		n.conns.cut(call.Peer)
	} else if fault.Hang {
		select {
		case <-ctx.Done():
		case <-n.stopped:
		}
	}
	if call.Undelivered {
		return result, errUndelivered
	}
	return result, err
}

// answer serves a call that only reads and cannot fail.
func answer[T any](ctx context.Context, n *Node, method string, read func() T) (T, error) {
	return serve(ctx, n, Call{Method: method}, func() (T, error) { return read(), nil })
}

func peerOf(ctx context.Context) Peer {
	info := rpc.PeerInfoFromContext(ctx)
	return Peer{Transport: info.Transport, Addr: info.RemoteAddr, UserAgent: info.HTTP.UserAgent}
}
