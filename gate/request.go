package gate

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
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
	unheld     bool // it streams as memory is short: an owned call in it must not reach gwat
	rec        *records
	memory     grant // of head beyond firstRead, and of what an owned call needs
	full       error // why the message, which has an owned call, is not held: memory is short
}

// element is a call of a batch.
type element struct {
	raw    []byte // within request.head
	action Action
	era    checkpoint.Era
}

// silent reports whether gwat says nothing about the message: it is a notification, or a
// batch of nothing else.
func (q *request) silent() bool {
	s := &q.scan
	switch {
	case !s.done:
		return false
	case !s.batch():
		return !answers(&s.msg)
	}
	return !s.empty() && !q.rec.more && !q.rec.foreign() && !slices.ContainsFunc(q.rec.ids, func(id string) bool { return id != "" })
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
// the message: all of it if it is owned, for which own must follow. The caller must release
// what it returns.
func (g *Gate) readRequest(r io.Reader, listener string) (*request, error) {
	q := spare.Get().(*request)
	q.begin(g, listener)
	v := q.view
	searched, longest := owns(v.Era, v.State, q.mends), g.longest()
	for !q.ended && !q.decided(searched, longest) {
		if len(q.head) == cap(q.head) {
			named := q.names()
			if err := q.grow(named); err != nil {
				if q.unheld = true; named {
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
	q.mixed = q.owned && q.scan.done && (short || q.barred) && q.valid()
	q.barred = q.barred && (q.mixed || !q.scan.done)
	if q.scan.batch() {
		q.rec.batch()
		return q, nil
	}
	q.subscribes = q.scan.msg.subscribes()
	q.action, q.era = judge(v, &q.scan.msg, q.mends)
	if q.action != ActionForward && (!q.scan.done || !short && q.action != ActionAnswer || !q.valid()) {
		q.action = ActionForward // not a whole call, too long, or no JSON: gwat says so
	}
	if !q.scan.foreign {
		q.rec.add(v, &q.scan.msg, q.action, q.era)
	}
	if q.action != ActionForward {
		q.scan.msg.wholeID(q.head)
	}
	return q, nil
}

// valid reports whether the message, all of which is read, is JSON: the scanner does not tell.
func (q *request) valid() bool { return json.Valid(q.head[:q.scan.pos]) }

// own takes what an owned call needs beside its body.
func (q *request) own() {
	switch {
	case q.full != nil:
	case q.mixed:
		q.full = q.await(int64(q.scan.part.count) * elementCost)
	case q.action != ActionForward:
		q.full = q.await(firstRead)
	}
}

// await takes memory for an owned call, and waits for it as long as the call would be held.
func (q *request) await(n int64) error {
	g := q.rec.g
	return q.memory.await(n, q.rec.arrived.Add(g.cfg.Absorb), g.stopping)
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
	q.owned, q.barred = q.owned || action != ActionForward, q.barred || q.bars(action)
	q.rec.add(q.view, m, ActionForward, era)
}

// errOwned: a message that is too long to be held, tells its method too late or found no memory
// has a call that must not go to gwat. Without its end, gwat takes it for no message.
var errOwned = failure.Newf(failure.NeedsHuman, "gate: a call that syncd owns is too long, names its method too late, or came while calls that are held had all memory: it was not passed on")

// bars reports whether a call must not reach gwat while its message streams.
func (q *request) bars(action Action) bool {
	return action == ActionAnswer || q.unheld && action == ActionHold
}

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
		q.barred = q.bars(action)
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
		q.barred = q.barred || q.bars(action)
	}
	return rest{q, r}
}

// recycle lets another message have the memory of q, which nobody may use any more.
func (q *request) recycle() {
	if q.release(); cap(q.head) == firstRead {
		spare.Put(q)
	}
}

// grow makes room in head; owned says whether an owned call was met.
func (q *request) grow(owned bool) error {
	more := 3 * cap(q.head)
	if cap(q.head) >= 1<<20 {
		more = cap(q.head)
	}
	var err error
	if owned {
		err = q.await(int64(more))
	} else {
		err = q.memory.takeOf(int64(more), q.memory.of.searched())
	}
	if err != nil {
		return err
	}
	grown := make([]byte, len(q.head), cap(q.head)+more)
	copy(grown, q.head)
	q.head = grown
	return nil
}

// release frees the memory that the message had.
func (q *request) release() { q.memory.release() }

// skim reads on without keeping what it reads.
func (q *request) skim(r io.Reader) {
	_, _ = io.CopyN(skimmer{q}, r, maxDrain)
}

type skimmer struct{ q *request }

func (s skimmer) Write(p []byte) (int, error) {
	s.q.scan.scan(p)
	return len(p), nil
}

// refuse ends a call that was read to its end and has no room in the gate's memory. It returns
// the answer; nil for none.
func (q *request) refuse() []byte {
	if answer, ok := q.absorb(); ok {
		return answer
	}
	id := "null"
	if !q.scan.batch() && q.scan.msg.key() != "" && !q.scan.msg.idCut {
		id = q.scan.msg.key()
	}
	q.rec.finish(0, q.full)
	return errorAnswer(id, codeLimit, q.full.Error())
}

// absorb answers a dag_finalize as one that was held in vain, if its spines are known: what they
// are is proved later (S9).
func (q *request) absorb() (answer []byte, ok bool) {
	m := &q.scan.msg
	action, era := judge(q.view, m, q.mends)
	if action != ActionHold || !q.scan.done || q.scan.batch() || m.idCut || len(q.rec.calls) != 1 {
		return nil, false
	}
	c := newCall(q.view, m, action, era, q.rec.listener, q.rec.arrived)
	if len(c.Spines) == 0 {
		return nil, false
	}
	q.rec.calls[0] = c
	q.rec.end(0, OutcomeAbsorbed, boundedText(q.full.Error()))
	return absorbedAnswer(m.key()), true
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
	if id := m.key(); id != "" && (id[0] == '{' || id[0] == '[') {
		return ActionForward, era // gwat takes it for no call
	}
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
