package gate

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxDrain bounds what is read of a request after gwat has answered it already,
// so that the caller sees the answer and keeps its connection.
const maxDrain = 64 << 20

// httpHandler serves one address: messages by POST, messages over WebSockets, or both.
type httpHandler struct {
	g        *Gate
	post, ws bool
}

func (h httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrade := strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	switch {
	case h.g.fromPage(r, upgrade):
		http.Error(w, "gate: gwat's endpoint cannot check host and origin, so only a local name and no origin are served", http.StatusForbidden)
	case upgrade && h.ws:
		h.g.serveWS(w, r)
	case !h.post:
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "gate: this address serves WebSockets only", http.StatusUpgradeRequired)
	case r.Method != http.MethodPost && r.ContentLength == 0: // gwat takes calls by other methods, too
		h.g.forwardHTTP(w, r, &records{g: h.g}, r.Body, r.ContentLength, false)
	default:
		h.g.servePost(w, r)
	}
}

// fromPage reports whether a web page may have made the request and gwat would
// not see it: gwat checks Host and Origin itself where it is reached the same way.
func (g *Gate) fromPage(r *http.Request, upgrade bool) bool {
	if g.at.HTTP() && !upgrade || g.at.WebSocket() && upgrade {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return r.Header.Get("Origin") != "" || err != nil && !strings.EqualFold(host, "localhost") && g.isLocal(r)
}

// isLocal reports whether the request came to a loopback address, where a page
// could reach it by a name of its own.
func (g *Gate) isLocal(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (g *Gate) servePost(w http.ResponseWriter, r *http.Request) {
	if sent := sentOf(r); sent != nil {
		g.finishSent(w, r, sent, &g.backend.(*httpBackend).whole)
		return
	}
	q, err := g.readRequest(r.Body, "http")
	if err != nil {
		http.Error(w, "gate: the request's body ended early: "+boundedText(err.Error()), http.StatusBadRequest)
		return
	}
	q.own()
	spent := false // nothing reads q any more
	defer func() {
		if spent {
			q.recycle()
		} else {
			q.release()
		}
	}()
	switch {
	case q.full != nil:
		q.skim(r.Body)
		g.answerHTTP(w, &plain{body: q.refuse()})
	case q.mixed:
		q.readOn(r.Body)
		g.answerHTTP(w, g.answerBatch(r.Context(), q, exchangeOf(r)))
	case q.action != ActionForward:
		q.readOn(r.Body)
		g.answerHTTP(w, g.answerOwned(r.Context(), q, exchangeOf(r)))
	case q.ended && q.scan.level == 0 && !q.scan.foreign && !g.at.HTTP():
		g.answerHTTP(w, &plain{}) // nothing was said; over HTTP gwat answers so
	case q.ended:
		body := bytes.NewReader(q.head)
		g.forwardHTTP(w, r, q.rec, body, int64(len(q.head)), true)
		b, ok := g.backend.(*httpBackend)
		spent = ok && b.wholly(&exchange{method: r.Method, body: body, length: int64(len(q.head))}) // before gwat answered
	default:
		g.forwardHTTP(w, r, q.rec, io.MultiReader(bytes.NewReader(q.head), q.rest(r.Body)), r.ContentLength, false)
	}
}

// readOn reads what follows a message that is held: until a body is read to its end, the
// server does not see that the caller hangs up.
func (q *request) readOn(body io.Reader) {
	if !q.ended {
		_, _ = io.CopyN(io.Discard, body, maxDrain)
	}
}

func exchangeOf(r *http.Request) exchange {
	return exchange{method: r.Method, url: r.URL, host: r.Host, header: r.Header}
}

// answerHTTP writes an answer that is held whole.
func (g *Gate) answerHTTP(w http.ResponseWriter, a *plain) {
	if a == nil {
		panic(http.ErrAbortHandler) // the caller is gone
	}
	copyHeader(w.Header(), a.header)
	if a.header == nil {
		w.Header().Set("Content-Type", "application/json")
	}
	g.closing(w)
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = w.Write(a.body)
}

// forwardHTTP passes a request on, and its answer back, as they come.
func (g *Gate) forwardHTTP(w http.ResponseWriter, r *http.Request, rec *records, body io.Reader, length int64, whole bool) {
	x := exchangeOf(r)
	x.body, x.length = body, length
	answer, err := g.backend.do(r.Context(), &x)
	if err == nil && !whole {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
	}
	g.passAnswer(w, r, rec, answer, err)
}

// passAnswer passes gwat's answer back as it comes, or says that there is none.
func (g *Gate) passAnswer(w http.ResponseWriter, r *http.Request, rec *records, answer *reply, err error) {
	if err != nil {
		rec.finish(0, err)
		g.failHTTP(w, r, err)
		return
	}
	defer answer.body.Close()
	copyHeader(w.Header(), answer.header)
	if answer.header.Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // or the library guesses one
	}
	g.closing(w)
	w.WriteHeader(answer.status)
	var flush func()
	if answer.length < 0 {
		control := http.NewResponseController(w)
		flush = func() { _ = control.Flush() }
	}
	_, readErr, writeErr := copyThrough(onlyWriter{w}, answer.body, rec.feed, flush)
	switch {
	case writeErr != nil || r.Context().Err() != nil:
		rec.finish(0, &callerError{io.ErrClosedPipe})
	case readErr != nil:
		rec.finish(0, &cutError{g.at, readErr})
		_ = http.NewResponseController(w).Flush() // what came is passed on
	default:
		rec.finish(answer.status, nil)
		return
	}
	panic(http.ErrAbortHandler) // half an answer: the caller must see that it is cut
}

// failHTTP answers the caller that gwat gave no answer.
func (g *Gate) failHTTP(w http.ResponseWriter, r *http.Request, err error) {
	var caller *callerError
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	case errors.Is(err, errOwned):
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
		g.answerHTTP(w, &plain{body: errorAnswer("null", codeLimit, err.Error())})
		return
	case errors.As(err, &caller):
		// Only where gwat has no HTTP of its own that would say it.
		g.answerHTTP(w, &plain{body: errorAnswer("null", codeParse, "parse error")})
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
	g.closing(w)
	http.Error(w, err.Error(), http.StatusBadGateway)
}

// closing makes an answer the last one of its connection, once the gate stops.
func (g *Gate) closing(w http.ResponseWriter) {
	if g.draining.Load() {
		w.Header().Set("Connection", "close")
	}
}

// onlyWriter hides ReadFrom, which would take a buffer of its own.
type onlyWriter struct{ io.Writer }

func copyHeader(to, from http.Header) {
	for name, values := range from {
		to[name] = values
	}
	for _, name := range hopByHop {
		delete(to, name)
	}
}
