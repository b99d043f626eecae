package gate

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// withLength returns a message of HTTP; sized says that its length is added to the headers.
func withLength(first, headers string, body []byte, sized bool) []byte {
	if sized {
		headers += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return append([]byte(first+headers+"\r\n"), body...)
}

// A request that is taken for plain is to a server of net/http one whole request, to the same
// path, with the same headers and the same body, also without the line that is not passed on.
func FuzzPlainRequest(f *testing.F) {
	const first = "POST / HTTP/1.1\r\n"
	for _, headers := range []string{
		"Host: localhost\r\n", "Host: 127.0.0.1:8545\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\n", "Host: a\r\nHost: a\r\n",
		"host:a\r\nAuthorization: Bearer x.y.z\r\nX-A:  b  \r\n", "Host: a:b:c\r\n", "Host: -\r\nContent-Length: 2\r\n", "Host: a\r\nTransfer-Encoding: chunked\r\n",
		"Host: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n", "Host: a\r\nConnection: close\r\n", "Host: a\r\n folded: x\r\n", "Host: a\r\nX\t: y\r\n", "Host: a\nX: y\r\n",
		"Host: a\r\nPragma: no-cache\r\n", "Host: a\r\nX:\r\n", "Host: a\r\nHTTP2-Settings: x\r\nUpgrade: h2c\r\n",
	} {
		f.Add(headers, []byte("{}"), true)
		f.Add(headers, []byte("{}"), false)
	}
	f.Fuzz(func(t *testing.T, headers string, body []byte, sized bool) {
		raw := withLength(first, headers, body, sized)
		h, ok := readPlain(raw, first)
		if !ok || h.hosts != 1 || h.length == 0 || h.size+h.length != len(raw) || len(raw) > firstRead {
			return // not passed on as it came
		}
		whole, passed := theRequest(t, raw), theRequest(t, h.without(raw))
		require.Equal(t, string(raw[h.size:]), whole.body, "%q", raw)
		require.Equal(t, whole.body, passed.body, "%q", raw)
		require.Equal(t, whole.Host, passed.Host, "%q", raw)
		whole.Header.Del("Accept-Encoding")
		require.Equal(t, whole.Header, passed.Header, "%q", raw)
	})
}

// served is a request of a server, with its body.
type served struct {
	*http.Request
	body string
}

// theRequest returns the one request in raw, as a server of net/http hands it to its handler.
func theRequest(t *testing.T, raw []byte) served {
	t.Helper()
	var all []served
	serveBytes(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err, "%q", raw)
		all = append(all, served{r, string(body)})
	}), nil, [][]byte{raw})
	require.Len(t, all, 1, "%q", raw)
	r := all[0]
	require.Equal(t, "POST / HTTP/1.1", r.Method+" "+r.RequestURI+" "+r.Proto, "%q", raw)
	require.False(t, r.Close, "%q", raw)
	require.Empty(t, r.TransferEncoding, "%q", raw)
	require.Empty(t, r.Trailer, "%q", raw)
	return r
}

// An answer that is taken for plain is to net/http one whole answer with the same body, after
// which the connection goes on.
func FuzzPlainAnswer(f *testing.F) {
	const first = "HTTP/1.1 200 OK\r\n"
	for _, headers := range []string{
		"", "Content-Type: application/json\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "Vary: Origin\r\n", "Connection: close\r\n", "Content-Length: 2\r\n", "Content-Length: 02\r\n",
		"Content-Length: 1, 2\r\n", "Transfer-Encoding: identity\r\n", "Trailer: X\r\n", "Content-Encoding: gzip\r\n", "X: y\n", "Keep-Alive: timeout=1\r\n",
	} {
		f.Add(headers, []byte("{}"), true)
		f.Add(headers, []byte("{}"), false)
	}
	f.Fuzz(func(t *testing.T, headers string, body []byte, sized bool) {
		raw := withLength(first, headers, body, sized)
		h, ok := readPlain(raw, first)
		if !ok || h.size+h.length != len(raw) {
			return // not passed back as it came
		}
		r := bufio.NewReader(bytes.NewReader(raw))
		resp, err := http.ReadResponse(r, aPost)
		require.NoError(t, err, "%q", raw)
		read, err := io.ReadAll(resp.Body)
		require.NoError(t, err, "%q", raw)
		require.Equal(t, string(raw[h.size:]), string(read), "%q", raw)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.False(t, resp.Close, "%q", raw)
		require.Zero(t, r.Buffered(), "%q", raw)
		_, err = r.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	})
}
