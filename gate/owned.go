package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	maxHeldAnswer = 1 << 20  // of a dag_finalize
	maxPartAnswer = 64 << 20 // of the forwarded part of a mixed batch
)

// JSON-RPC error codes.
const (
	codeServer = -32000
	codeParse  = -32700
	codeLimit  = -32005
)

// transient are the texts of gwat's errors that time heals.
var transient = []string{"synchronization", "busy", spineNotFound}

const spineNotFound = "spine not found"

// plain is a whole answer.
type plain struct {
	status int
	header http.Header // nil for that of JSON
	body   []byte
}

// ok reports whether the HTTP status of an answer of gwat's is one of success.
func (p *plain) ok() bool { return p.status >= 200 && p.status <= 299 }

// answerOwned answers a call that the policy owns. q has all of it; x is how it
// came, without its body. The result is nil if the caller is gone.
func (g *Gate) answerOwned(ctx context.Context, q *request, x exchange) *plain {
	if q.action == ActionAnswer {
		body := g.answerTrue(&q.scan.msg, q.head, q.rec.arrived)
		q.rec.end(0, OutcomeAnswered, "")
		return &plain{body: body}
	}
	return g.whole(ctx, q.rec, q.action, &q.scan.msg, x, q.head)
}

// whole answers a call that is passed to gwat in one piece: held, mended or vouched for. It
// is the first one of rec. The result is nil if the caller is gone.
func (g *Gate) whole(ctx context.Context, rec *records, action Action, m *message, x exchange, body []byte) *plain {
	switch action {
	case ActionMend:
		return g.mendCall(ctx, rec, 0, m, x, body)
	case ActionVouch:
		return g.vouchCall(ctx, rec, m, x, body)
	}
	return g.holdCall(ctx, rec, 0, m.key(), x, body)
}

// answerTrue answers dag_headSyncReady and dag_headSync without gwat.
func (g *Gate) answerTrue(m *message, raw []byte, at time.Time) []byte {
	if m.name() == methodReady {
		g.evidence.headSyncAsked(at)
	} else {
		var whole struct{ Params json.RawMessage }
		_ = json.Unmarshal(raw, &whole)
		g.evidence.headSyncSent(sentList(at, whole.Params))
	}
	if m.key() == "" {
		return nil
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":true}`+"\n", m.key())
}

// absorbedAnswer is what gwat answers to a dag_finalize that succeeded; nothing to a notification.
func absorbedAnswer(id string) []byte {
	if id == "" {
		return nil
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{"error":null}}`+"\n", id)
}

// errorAnswer is a JSON-RPC error of the gate's own.
func errorAnswer(id string, code int, text string) []byte {
	quoted, _ := json.Marshal(text)
	if !json.Valid([]byte(id)) {
		id = "null" // it was too long to be kept
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%s}}`+"\n", id, code, quoted)
}

// holdCall holds a dag_finalize, the call i of rec, until gwat takes it or it is absorbed. A
// notification, whose id is "", is over once gwat has it: gwat says nothing about it.
func (g *Gate) holdCall(ctx context.Context, rec *records, i int, id string, x exchange, body []byte) *plain {
	var last *plain
	var why string
	lasting := false
	v, tries, err := g.hold.wait(ctx, rec.arrived, times{g.cfg.Absorb, g.cfg.Retry}, g.stopping, func(ctx context.Context, tries int) (bool, error) {
		answer, err := g.try(ctx, x, body)
		if err != nil {
			last = nil
			return true, err
		}
		last = answer
		if id == "" && answer.ok() {
			return false, nil
		}
		again, failed := classify(answer, tries)
		lasting = failed != nil && !again && answer.status == http.StatusOK
		return again, failed
	})
	if err != nil {
		why = boundedText(err.Error())
	}
	rec.calls[i].Tries = tries
	if v == absorbed && strings.Contains(why, spineNotFound) && g.View().State == StateWorking {
		lasting = true // all the time, of a pair that has its blocks
	}
	switch {
	case v == gone:
		rec.end(i, OutcomeGone, why)
		return nil
	case (v == taken && !lasting) || lasting && g.cfg.PassLastingErrors && last != nil:
		outcome := OutcomeOK
		switch {
		case !last.ok():
			outcome = OutcomeStatus
		case why != "":
			outcome = OutcomeError
		case id == "":
			outcome = OutcomeDelivered
		}
		rec.end(i, outcome, why)
		return last
	}
	rec.calls[i].Lasting = lasting
	rec.end(i, OutcomeAbsorbed, why)
	g.cfg.Log.Warnf("A dag_finalize was answered without gwat after %d tries: %s", tries, why)
	return &plain{body: absorbedAnswer(id)}
}

// try makes one attempt of a held call.
func (g *Gate) try(ctx context.Context, x exchange, body []byte) (*plain, error) {
	x.body, x.length = bytes.NewReader(body), int64(len(body))
	r, err := g.backend.do(ctx, &x)
	if err != nil {
		return nil, err
	}
	defer r.body.Close()
	answer, err := io.ReadAll(io.LimitReader(r.body, maxHeldAnswer))
	if err != nil {
		return nil, &cutError{g.at, err}
	}
	return &plain{status: r.status, header: r.header, body: answer}, nil
}

var errEmptyAnswer = errors.New("an answer that is no JSON object")

// classify reports whether a held call must be made again after answer, and what
// gwat says went wrong.
func classify(answer *plain, tries int) (again bool, failed error) {
	if !answer.ok() {
		failed = fmt.Errorf("HTTP %d: %s", answer.status, bytes.TrimSpace(answer.body))
		refused := answer.status == http.StatusUnauthorized || answer.status == http.StatusForbidden
		// A token that grew old while the call was held is no fault of the caller.
		return answer.status >= 500 || refused && tries > 1, failed
	}
	var s scanner
	s.scan(answer.body)
	if !s.done || s.batch() {
		return true, errEmptyAnswer
	}
	text := said(&s.msg)
	if text == "" {
		return false, nil
	}
	for _, t := range transient {
		if strings.Contains(text, t) {
			return true, errors.New(text)
		}
	}
	return false, errors.New(text)
}

// answerBatch answers a batch with owned calls: each of these by itself, what is
// between them in batches of its own, in order. nil: the caller is gone.
func (g *Gate) answerBatch(ctx context.Context, q *request, x exchange) *plain {
	var answers [][]byte
	elements := q.elements()
	for len(elements) > 0 {
		n := 0
		for n < len(elements) && elements[n].action == ActionForward {
			n++
		}
		if n > 0 {
			answers = append(answers, g.answerPart(ctx, q, x, elements[:n])...)
			elements = elements[n:]
			continue
		}
		e := &elements[0]
		msg := e.message()
		rec := &records{g: g, listener: q.rec.listener, arrived: q.rec.arrived}
		rec.add(q.view, &msg, e.action, e.era)
		var answer []byte
		if e.action == ActionAnswer {
			answer = g.answerTrue(&msg, e.raw, rec.arrived)
			rec.end(0, OutcomeAnswered, "")
		} else if whole := g.whole(ctx, rec, e.action, &msg, x, e.raw); whole != nil {
			answer = jsonOf(whole, msg.key())
			if err := q.memory.take(int64(len(answer))); err != nil {
				answer = errorAnswer(msg.key(), codeLimit, err.Error())
			}
		}
		answers = append(answers, answer)
		elements = elements[1:]
	}
	if ctx.Err() != nil {
		return nil
	}
	var body []byte
	for _, a := range answers {
		if a = bytes.TrimSpace(a); len(a) > 0 {
			body = append(append(body, ','), a...)
		}
	}
	if body == nil {
		return &plain{} // nothing but notifications
	}
	body[0] = '['
	return &plain{body: append(body, ']', '\n')}
}

// jsonOf returns an answer in the form of a batch element: an HTTP error as a JSON-RPC error,
// nothing for the id "".
func jsonOf(a *plain, id string) []byte {
	switch {
	case a.status == 0 || a.ok():
		return a.body
	case id == "":
		return nil // a notification
	}
	return errorAnswer(id, codeServer, boundedText(fmt.Sprintf("HTTP %d: %s", a.status, bytes.TrimSpace(a.body))))
}

// answerPart forwards calls of a mixed batch as one batch and returns the answers.
func (g *Gate) answerPart(ctx context.Context, q *request, x exchange, part []element) [][]byte {
	rec := &records{g: g, listener: q.rec.listener, arrived: q.rec.arrived}
	rec.batch()
	for i := range part {
		msg := part[i].message()
		rec.add(q.view, &msg, ActionForward, part[i].era)
	}
	status, answer, err := g.sendPart(ctx, q, x, part)
	rec.feed(answer)
	rec.finish(status, err)
	var out [][]byte
	if err == nil && status >= 200 && status <= 299 {
		s := scanner{element: func(_ *message, from, to int64) { out = append(out, answer[from:to]) }}
		s.scan(answer)
		if s.done && s.batch() || len(bytes.TrimSpace(answer)) == 0 {
			return out
		}
	}
	code, text := codeServer, "gate: gwat's answer to the batch is no batch"
	if errors.Is(err, errFull) {
		code = codeLimit
	}
	if err != nil {
		text = err.Error()
	} else if status != http.StatusOK {
		text = boundedText(fmt.Sprintf("HTTP %d: %s", status, bytes.TrimSpace(answer)))
	}
	for i := range part {
		msg := part[i].message()
		if id := msg.key(); id != "" {
			out = append(out, errorAnswer(id, code, text))
		}
	}
	return out
}

// sendPart sends calls of a mixed batch as one batch and reads the answer.
func (g *Gate) sendPart(ctx context.Context, q *request, x exchange, part []element) (status int, answer []byte, err error) {
	size := 1
	for i := range part {
		size += 1 + len(part[i].raw)
	}
	if err := q.memory.take(int64(size)); err != nil {
		return 0, nil, err
	}
	body := make([]byte, 0, size)
	for i := range part {
		body = append(append(body, ','), part[i].raw...)
	}
	body[0] = '['
	body = append(body, ']')
	x.body, x.length = bytes.NewReader(body), int64(len(body))
	r, err := g.backend.do(ctx, &x)
	if err != nil {
		return 0, nil, err
	}
	defer r.body.Close()
	answer, err = q.memory.read(r.body, maxPartAnswer)
	if err != nil && !errors.Is(err, errFull) {
		err = &cutError{g.at, err}
	}
	return r.status, answer, err
}
