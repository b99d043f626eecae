package gate

import (
	"errors"
	"io"
	"sync"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// The bounds of what is read of a request before its fate is known.
const (
	firstRead = 4 << 10
	// maxPeek bounds what is read of a call before its method, for the record, while the
	// policy owns no call.
	maxPeek = 64 << 10
	// maxHTTP and maxWS are gwat's own limits: it refuses a message that is longer.
	maxHTTP = 5 << 20
	maxWS   = 15 << 20
	// maxList bounds a dag_headSync, of which a list of 65,536 slots fits, and every owned
	// call over a Unix socket, where gwat has no limit.
	maxList = 32 << 20
)

// longest returns how much of a message is read to find an owned call in it and to hold it.
// What is longer is forwarded as it comes, except for what the gate answers.
func (g *Gate) longest() int {
	switch {
	case g.at.HTTP():
		return maxHTTP
	case g.at.WebSocket():
		return maxWS
	}
	return maxList
}

// request is the beginning of a message from the beacon node's side.
type request struct {
	scan       scanner
	head       []byte // what was read so far
	ended      bool   // head is all that there is
	view       View
	mends      bool   // any is on
	action     Action // of a single call; ActionForward of a batch
	era        checkpoint.Era
	owned      bool // an owned call of a batch was met
	barred     bool // a call of a batch was met that must not reach gwat
	subscribes bool // a call was met that subscribes
	mixed      bool // a batch with owned calls; head has all of it
	rec        *records
	memory     grant // of head beyond firstRead, and of what an owned call needs
	full       error // why the message is not held: memory is short
}

// element is a call of a batch.
type element struct {
	raw    []byte // within request.head
	action Action
	era    checkpoint.Era
}

// message reads the element again: a batch may have millions.
func (e *element) message() message {
	var s scanner
	if len(e.raw) > 0 && e.raw[0] == '{' {
		s.scan(e.raw)
		s.msg.wholeID(e.raw)
	}
	return s.msg
}

// readRequest reads from r as far as it takes to know what the policy does with
// the message: all of it if it is owned. The caller must release what it returns.
func (g *Gate) readRequest(r io.Reader, listener string) (*request, error) {
	q := spare.Get().(*request)
	q.begin(g, listener)
	v := q.view
	searched, longest := owns(v.Era, v.State, q.mends), g.longest()
	for !q.ended && !q.decided(searched, longest) {
		if len(q.head) == cap(q.head) {
			if err := q.grow(); err != nil {
				if q.names() {
					q.full = err
				}
				break // what is not owned needs no memory
			}
		}
		n, err := r.Read(q.head[len(q.head):cap(q.head)])
		fresh := q.head[len(q.head) : len(q.head)+n]
		q.head = q.head[:len(q.head)+n]
		if !q.scan.done {
			q.scan.scan(fresh)
		}
		switch {
		case errors.Is(err, io.EOF):
			q.ended = true
		case err != nil:
			q.release()
			return nil, err
		}
	}
	short := q.scan.pos <= int64(longest)
	q.mixed = q.owned && q.scan.done && (short || q.barred)
	if q.scan.batch() {
		q.rec.batch()
		if q.mixed {
			q.full = q.memory.take(int64(q.scan.part.count) * elementCost)
		}
		return q, nil
	}
	q.subscribes = q.scan.msg.subscribes()
	q.action, q.era = judge(v, &q.scan.msg, q.mends)
	if !q.scan.done || !short && q.action != ActionAnswer {
		q.action = ActionForward // not a whole call, or too long: gwat says so
	}
	if !q.scan.foreign {
		q.rec.add(v, &q.scan.msg, q.action, q.era)
	}
	if q.action != ActionForward {
		q.full = q.memory.take(firstRead)
		q.scan.msg.wholeID(q.head)
	}
	return q, nil
}

// spare are requests that nobody uses any more.
var spare = sync.Pool{New: func() any {
	q := &request{head: make([]byte, 0, firstRead), rec: &records{}}
	q.scan.element = q.saw
	return q
}}

// begin makes q ready for a message that arrives now.
func (q *request) begin(g *Gate, listener string) {
	q.scan.reset()
	*q = request{scan: q.scan, head: q.head[:0], rec: q.rec, view: g.View(), mends: g.cfg.Mends.any(), action: ActionForward, memory: grant{of: &g.held}}
	q.rec.begin(g, listener)
}

// saw notes a call of a batch.
func (q *request) saw(m *message, _, _ int64) {
	action, era := judge(q.view, m, q.mends)
	q.subscribes = q.subscribes || m.subscribes()
	q.owned, q.barred = q.owned || action != ActionForward, q.barred || action == ActionAnswer
	q.rec.add(q.view, m, ActionForward, era)
}

// errOwned: a message that is too long to be held, or tells its method too late, has a call
// that the gate answers. Without its end, gwat takes it for no message.
var errOwned = failure.Newf(failure.NeedsHuman, "gate: a call that never goes to gwat is too long, or names its method too late: it was not passed on")

// pass scans p, which follows the head of a message that is forwarded, and returns how much
// of it may be passed on.
func (q *request) pass(p []byte) (n int, err error) {
	if q.scan.done || q.scan.foreign {
		return len(p), nil
	}
	n = q.scan.scan(p)
	switch {
	case q.scan.foreign:
		return len(p), nil
	case !q.scan.done:
		return n, nil
	}
	if !q.scan.batch() {
		action, _ := judge(q.view, &q.scan.msg, q.mends)
		q.barred = action == ActionAnswer
	}
	if q.barred {
		return n - 1, errOwned
	}
	return n, nil
}

// rest reads what follows the head of a message.
type rest struct {
	q *request
	r io.Reader
}

func (b rest) Read(p []byte) (int, error) {
	if b.q.barred && b.q.scan.done {
		return 0, errOwned
	}
	n, err := b.r.Read(p)
	if passed, barred := b.q.pass(p[:n]); barred != nil {
		return passed, barred
	}
	return n, err
}

// rest returns the reader of what follows head, which may be read beside q.rec.
func (q *request) rest(r io.Reader) io.Reader {
	q.scan.element = func(m *message, _, _ int64) {
		action, _ := judge(q.view, m, q.mends)
		q.barred = q.barred || action == ActionAnswer
	}
	return rest{q, r}
}

// recycle lets another message have the memory of q, which nobody may use any more.
func (q *request) recycle() {
	if q.release(); cap(q.head) == firstRead {
		spare.Put(q)
	}
}

// grow makes room in head.
func (q *request) grow() error {
	more := 3 * cap(q.head)
	if cap(q.head) >= 1<<20 {
		more = cap(q.head)
	}
	if err := q.memory.take(int64(more)); err != nil {
		return err
	}
	grown := make([]byte, len(q.head), cap(q.head)+more)
	copy(grown, q.head)
	q.head = grown
	return nil
}

// release frees the memory that the message had.
func (q *request) release() { q.memory.release() }

// refuse records that the message does not fit into the gate's memory, and returns the
// answer.
func (q *request) refuse() []byte {
	id := "null"
	if !q.scan.batch() && q.scan.msg.key() != "" && !q.scan.msg.idCut {
		id = q.scan.msg.key()
	}
	q.rec.finish(0, q.full)
	return errorAnswer(id, codeLimit, q.full.Error())
}

// decided reports whether enough was read.
func (q *request) decided(searched bool, longest int) bool {
	s := &q.scan
	bound := maxPeek
	if searched {
		bound = longest
	}
	switch {
	case s.done, s.foreign:
		return true
	case s.batch():
		if !searched {
			return true
		}
	case len(s.msg.method) > 0 && s.member.target != &s.msg.method:
		switch name := s.msg.name(); {
		case !searched, name != methodReady && name != methodHeadSync && name != methodFinalize:
			return true
		case name == methodHeadSync:
			bound = maxList
		}
	}
	return len(q.head) >= bound
}

// names reports whether a call that the policy owns was met, or has begun.
func (q *request) names() bool {
	action, _ := judge(q.view, &q.scan.msg, q.mends)
	return q.owned || action != ActionForward
}

// judge returns what the policy does with the whole call m, and the era of the call.
func judge(v View, m *message, mends bool) (Action, checkpoint.Era) {
	method, era := m.name(), v.Era
	if era == checkpoint.EraUnknown {
		era = eraOf(method, m.params)
	}
	action := decide(era, v.State, method)
	if (action == ActionMend || action == ActionVouch) && m.key() == "" || action == ActionMend && !mends {
		action = ActionForward // a notification, which nobody waits for; no mend that is on
	}
	return action, era
}

// elements returns the calls of a mixed batch.
func (q *request) elements() []element {
	out := make([]element, 0, q.scan.part.count)
	s := scanner{element: func(m *message, from, to int64) {
		action, era := judge(q.view, m, q.mends)
		out = append(out, element{raw: q.head[from:to], action: action, era: era})
	}}
	s.scan(q.head)
	return out
}
