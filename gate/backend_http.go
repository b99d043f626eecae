package gate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

const (
	idleBackends = 256
	// idleBackend is well below gwat's 120 s, so that gwat hardly ever closes a
	// connection that a call is about to use.
	idleBackend = 30 * time.Second
)

// httpBackend sends each message as a POST.
type httpBackend struct {
	at        endpoint.Endpoint
	url       *url.URL  // of at
	whole     wholePool // of calls that are held whole, to an endpoint without TLS
	transport http.RoundTripper
}

func newHTTPBackend(e endpoint.Endpoint, carrier http.RoundTripper) *httpBackend {
	if carrier != nil {
		return &httpBackend{at: e, url: e.URL(), transport: carrier}
	}
	// No proxy of the environment and no redirects (a transport follows none). Here also
	// no HTTP/2, and no timeout for an answer.
	t := jsonrpc.NewTransport(dialTimeout, true)
	t.MaxIdleConns, t.MaxIdleConnsPerHost = idleBackends, idleBackends
	t.IdleConnTimeout = idleBackend
	t.MaxResponseHeaderBytes = maxHeaderBytes
	t.Protocols = httpOne()
	return &httpBackend{at: e, url: e.URL(), transport: t, whole: wholePool{at: e, dial: t.DialContext}}
}

func httpOne() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	return &p
}

func (b *httpBackend) close() {
	b.whole.close()
	if t, ok := b.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func (b *httpBackend) do(ctx context.Context, x *exchange) (*reply, error) {
	if b.wholly(x) {
		return b.whole.do(ctx, func(to *bytes.Buffer) { b.write(to, x) })
	}
	req := (&http.Request{
		Method: x.method, URL: b.target(x.url), Host: x.host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: forwarded(x.header), ContentLength: x.length,
	}).WithContext(ctx)
	if x.length != 0 {
		req.Body = noClose{x.body}
	}
	if req.Header.Get("Authorization") == "" && b.url.User != nil {
		password, _ := b.url.User.Password()
		req.SetBasicAuth(b.url.User.Username(), password)
	}
	resp, err := b.transport.RoundTrip(req)
	if err != nil {
		var op *net.OpError
		switch {
		case ctx.Err() != nil:
			return nil, &cutError{b.at, ctx.Err()}
		case errors.Is(err, errOwned):
			return nil, err
		case errors.As(err, &op) && op.Op == "dial":
			return nil, &downError{b.at, err}
		}
		return nil, &cutError{b.at, err}
	}
	return &reply{status: resp.StatusCode, header: resp.Header, body: resp.Body, length: resp.ContentLength}, nil
}

// wholly reports whether x is written at once, by the caller's goroutine.
func (b *httpBackend) wholly(x *exchange) bool { return b.url.Scheme == "http" && b.whole.takes(x) }

// write writes x, whose body is held whole, as a request.
func (b *httpBackend) write(to *bytes.Buffer, x *exchange) {
	to.WriteString("POST ")
	if b.url.Path+b.url.RawQuery+x.url.RawPath+x.url.RawQuery == "" && x.url.Path == "/" {
		to.WriteByte('/')
	} else {
		to.WriteString(b.target(x.url).RequestURI())
	}
	to.WriteString(" HTTP/1.1\r\nHost: ")
	to.WriteString(cmp.Or(x.host, b.url.Host))
	to.WriteString("\r\nContent-Length: ")
	to.Write(strconv.AppendInt(to.AvailableBuffer(), x.length, 10))
	to.WriteString("\r\n")
	_ = x.header.WriteSubset(to, withheld(x.header, notWritten))
	if b.url.User != nil && x.header.Get("Authorization") == "" {
		password, _ := b.url.User.Password()
		of := http.Request{Header: http.Header{}}
		of.SetBasicAuth(b.url.User.Username(), password)
		_ = of.Header.Write(to)
	}
	to.WriteString("\r\n")
	_, _ = to.ReadFrom(x.body)
}

// target is the endpoint with the caller's path and query; a path of the
// endpoint's own replaces the caller's.
func (b *httpBackend) target(from *url.URL) *url.URL {
	u := *b.url
	u.User = nil
	if from.RawQuery != "" {
		u.RawQuery = from.RawQuery
	}
	if u.Path == "" || u.Path == "/" {
		u.Path, u.RawPath = from.Path, from.RawPath
	}
	return &u
}

// noClose keeps the transport from closing, and so from reading to its end, the
// body of the caller's request.
type noClose struct {
	r interface{ Read([]byte) (int, error) }
}

func (n noClose) Read(p []byte) (int, error) { return n.r.Read(p) }
func (noClose) Close() error                 { return nil }

// hopByHop are the headers that belong to one connection.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// notPassed are the headers that are not passed on, notWritten those that are not copied
// into a request that the gate writes itself.
var notPassed, notWritten = func() (map[string]bool, map[string]bool) {
	out := map[string]bool{}
	for _, name := range hopByHop {
		out[name] = true
	}
	// gwat would compress what the gate has to read, and between neighbours that
	// gains nothing.
	out["Accept-Encoding"] = true
	written := maps.Clone(out)
	written["Host"], written["Content-Length"] = true, true
	return out, written
}()

// withheld returns all with the headers that h itself names as those of its connection.
func withheld(h http.Header, all map[string]bool) map[string]bool {
	own := false
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if all[name] {
				continue
			}
			if !own {
				all, own = maps.Clone(all), true
			}
			all[name] = true
		}
	}
	return all
}

// forwarded returns the headers that are passed on.
func forwarded(h http.Header) http.Header {
	out := make(http.Header, len(h)+1)
	dropped := withheld(h, notPassed)
	for name, values := range h {
		if !dropped[name] {
			out[name] = values
		}
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = nil // or the library names itself
	}
	return out
}
