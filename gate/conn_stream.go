package gate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"

	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

// maxTasks bounds the calls of one connection that the gate handles at once; the
// connection is not read while there are more. gwat takes 256.
const maxTasks = 256

// link is a connection of messages from the beacon node's side.
type link struct {
	g        *Gate
	client   stream
	bound    *boundedConn // of client; nil if its listener has no bound
	listener string
	header   http.Header // of the handshake; nil for IPC
	ctx      context.Context
	cancel   context.CancelFunc

	write sync.Mutex    // of messages to the client
	tasks chan struct{} // a slot for each call handled beside the reader
	work  sync.WaitGroup

	subscribed atomic.Bool // notifications may come at any time

	mu sync.Mutex
	up *uplink // to gwat, over a stream backend; nil before the first use and after a loss
}

// serveLink carries a connection until it ends.
func (g *Gate) serveLink(ctx context.Context, client stream, listener string, header http.Header) {
	l := &link{g: g, client: client, listener: listener, header: header, tasks: make(chan struct{}, maxTasks)}
	l.ctx, l.cancel = context.WithCancel(ctx)
	if l.bound = boundOf(client.conn()); l.bound != nil {
		l.bound.link.Store(l)
	}
	unregister := g.links.add(l)
	defer unregister()
	stop := context.AfterFunc(l.ctx, func() { client.end(nil) })
	defer stop()
	err := l.read()
	l.cancel()
	l.close(err)
	l.work.Wait()
}

// read handles the client's messages until the connection ends.
func (l *link) read() (err error) {
	defer l.caught(&err)
	for {
		r, err := l.client.next()
		if err != nil {
			return err
		}
		l.bound.used(true)
		if err := l.message(r); err != nil {
			return err
		}
		l.bound.used(false)
	}
}

// caught turns a panic into the end of this one connection.
func (l *link) caught(err *error) {
	if p := recover(); p != nil {
		l.g.cfg.Log.WithField("panic", p).WithField("stack", string(debug.Stack())).Error("a connection of the gate failed")
		if err != nil {
			*err = errors.New("panic")
		}
		l.cancel()
	}
}

// close ends the client's connection and the one to gwat.
func (l *link) close(reason error) {
	l.client.end(reason)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up != nil {
		l.up.s.end(reason)
	}
}

// message handles one message; an error ends the connection.
func (l *link) message(r io.Reader) error {
	q, err := l.g.readRequest(r, l.listener)
	if err != nil {
		return err
	}
	q.own()
	if q.subscribes || !q.ended && !q.scan.done {
		l.subscribed.Store(true)
	}
	streaming, piped := l.g.backend.(*streamBackend)
	switch {
	case q.full != nil:
		return l.refuse(q, r)
	case q.mixed:
		return l.task(q, func() { l.answer(l.g.answerBatch(l.ctx, q, l.exchange()), q) })
	case q.action != ActionForward:
		return l.task(q, func() { l.answer(l.g.answerOwned(l.ctx, q, l.exchange()), q) })
	case piped:
		defer q.release()
		return l.pipe(streaming, q, r)
	}
	return l.post(q, r)
}

func (l *link) exchange() exchange {
	return exchange{method: http.MethodPost, url: &url.URL{Path: "/"}, header: postHeader(l.header)}
}

// postHeader is what a call of a connection carries over HTTP.
func postHeader(handshake http.Header) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	for _, name := range []string{"Authorization", "User-Agent"} {
		if values := handshake[name]; len(values) > 0 {
			h[name] = values
		}
	}
	return h
}

// refuse reads the rest of a message that cannot be held and answers it.
func (l *link) refuse(q *request, r io.Reader) error {
	defer q.release()
	if err := l.skip(q, r); err != nil {
		return err
	}
	if answer := q.refuse(); len(answer) > 0 {
		l.send(answer)
	}
	return nil
}

// skip reads the rest of a message that is not passed on.
func (l *link) skip(q *request, r io.Reader) error {
	for !q.scan.done && !q.scan.foreign && !q.ended {
		switch err := l.more(q, r, func([]byte, bool) error { return nil }); {
		case errors.Is(err, io.EOF), errors.Is(err, errOwned):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// task runs fn, which handles q, beside the reader, and releases q.
func (l *link) task(q *request, fn func()) error {
	select {
	case l.tasks <- struct{}{}:
	case <-l.ctx.Done():
		q.release()
		return l.ctx.Err()
	}
	l.work.Go(func() {
		defer func() { <-l.tasks }()
		defer q.release()
		defer l.caught(nil)
		fn()
	})
	return nil
}

// answer writes an answer that is held whole; nil means that the client is gone.
func (l *link) answer(a *plain, q *request) {
	id := q.scan.msg.key()
	if q.scan.batch() {
		id = "null"
	}
	switch {
	case a == nil, len(a.body) == 0 && (a.status == 0 || id == ""):
		return
	case a.status != 0 && !a.ok() && q.silent():
		return // HTTP has an answer for it, a connection of messages has none
	}
	l.send(jsonOf(a, cmp.Or(id, "null")))
}

// send writes one message. A client that cannot be written to is gone.
func (l *link) send(message []byte) {
	l.write.Lock()
	defer l.write.Unlock()
	w, err := l.client.begin()
	if err == nil {
		if _, err = w.Write(message); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		l.cancel()
	}
}

// fail answers the open calls of rec with an error: gwat is away, and the
// connection stays.
func (l *link) fail(rec *records, batch bool, cause error) {
	var body []byte
	for i, id := range rec.ids {
		if rec.noCall(i) {
			id = "null" // as in gwat's answer
		}
		if rec.open[i] && id != "" {
			body = append(body, ',')
			body = append(body, bytes.TrimSpace(errorAnswer(id, codeServer, cause.Error()))...)
		}
	}
	rec.finish(0, cause)
	if rec.more {
		l.cancel() // some of its calls would wait for ever
		return
	}
	if len(body) == 0 {
		return
	}
	body = body[1:]
	if batch {
		body = append(append([]byte{'['}, body...), ']')
	}
	l.send(append(body, '\n'))
}

// errAnswered: gwat has answered before it read all of a message.
var errAnswered = errors.New("answered early")

// post forwards a message over HTTP, beside the reader: gwat, too, answers the
// calls of a connection as they are done.
func (l *link) post(q *request, r io.Reader) error {
	if !q.scan.done && (q.scan.foreign || q.ended) {
		q.release()
		l.send(errorAnswer("null", codeParse, "parse error"))
		return errForeign
	}
	if q.scan.done {
		body := q.head[:q.scan.pos]
		return l.task(q, func() { l.posted(q, bytes.NewReader(body), int64(len(body)), func() {}) })
	}
	out, in := io.Pipe()
	read := make(chan struct{})
	defer close(read)
	if err := l.task(q, func() {
		l.posted(q, out, -1, func() {
			_ = out.CloseWithError(errAnswered) // nobody reads the rest any more
			<-read
		})
	}); err != nil {
		return err
	}
	pass := func(p []byte, _ bool) error { _, err := in.Write(p); return err }
	_, err := in.Write(q.head)
	for {
		if errors.Is(err, errAnswered) { // and not an error of the caller's connection
			pass, err = func([]byte, bool) error { return nil }, nil
		}
		if err != nil || q.scan.done {
			break
		}
		err = l.more(q, r, pass)
	}
	if errors.Is(err, io.EOF) {
		err = nil // gwat says what it thinks of the message
	}
	_ = in.CloseWithError(err)
	if errors.Is(err, errOwned) {
		return nil // the caller is told
	}
	return err
}

// more reads a part of the message q, which r continues, and passes it to take.
func (l *link) more(q *request, r io.Reader, take func(p []byte, ends bool) error) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	n, err := r.Read(*buf)
	part := (*buf)[:n]
	var barred error
	if !q.scan.done {
		n, barred = q.pass(part)
		part = part[:n]
		if !q.scan.foreign && !q.scan.batch() && len(q.rec.ids) > 0 {
			q.rec.ids[0] = q.scan.msg.key() // it may come late
		}
	}
	if len(part) > 0 {
		if failed := take(part, q.scan.done && barred == nil); failed != nil {
			return failed
		}
	}
	return cmp.Or(barred, err)
}

// posted makes the call and writes its answer as it comes. It calls answered
// before it touches q.
func (l *link) posted(q *request, body io.Reader, length int64, answered func()) {
	x := l.exchange()
	x.body, x.length = body, length
	r, err := l.g.backend.do(l.ctx, &x)
	answered()
	if err != nil {
		l.fail(q.rec, q.scan.batch(), err)
		return
	}
	defer r.body.Close()
	if r.status < 200 || r.status > 299 {
		text, _ := io.ReadAll(io.LimitReader(r.body, maxHead))
		q.rec.finish(r.status, nil)
		l.answer(&plain{status: r.status, body: text}, q)
		return
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(r.body, first); errors.Is(err, io.EOF) {
		q.rec.finish(r.status, nil) // a notification
		return
	} else if err != nil {
		l.fail(q.rec, q.scan.batch(), &cutError{l.g.at, err})
		return
	}
	l.write.Lock()
	defer l.write.Unlock()
	w, err := l.client.begin()
	if err == nil {
		var readErr, writeErr error
		_, readErr, writeErr = copyThrough(w, io.MultiReader(bytes.NewReader(first), r.body), q.rec.feed, nil)
		if err = errors.Join(readErr, writeErr); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		q.rec.finish(0, &cutError{l.g.at, err})
		l.cancel() // half a message cannot be taken back
		return
	}
	q.rec.finish(r.status, nil)
}

var wsBuffers sync.Pool

// upgrader takes every origin: gwat's own check follows, or fromPage was asked.
var upgrader = websocket.Upgrader{
	ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &wsBuffers,
	CheckOrigin: func(*http.Request) bool { return true },
}

// serveWS carries a WebSocket. A gwat that refuses the handshake refuses it here,
// too; one that is away does not.
func (g *Gate) serveWS(w http.ResponseWriter, r *http.Request) {
	var first stream
	if b, ok := g.backend.(*streamBackend); ok && b.at.WebSocket() {
		var err error
		first, err = b.dial(r.Context(), r.Header)
		var refused *jsonrpc.StatusError
		if errors.As(err, &refused) {
			copyHeader(w.Header(), refused.Header)
			w.WriteHeader(refused.Code)
			_, _ = w.Write(refused.Body)
			return
		}
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		if first != nil {
			first.end(nil)
		}
		return // the upgrader has answered
	}
	if first != nil {
		// Kept for the first message of this or another caller with the same token.
		g.backend.(*streamBackend).put(first, r.Header.Get("Authorization"))
	}
	g.serveLink(r.Context(), &wsStream{ws: ws}, "ws", r.Header)
}
