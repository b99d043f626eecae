package nodehttp

import (
	"compress/gzip"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Handler serves next to callers with a token of the secret (all if it is empty) that
// name the node by an address or by one of the hosts ("*": by any name). Answers are
// compressed for those who take it.
func Handler(next http.Handler, hosts []string, secret []byte) http.Handler {
	return compressed(Tokens(named(next, hosts), secret))
}

// named refuses requests to a name that is none of the hosts.
func named(next http.Handler, hosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		allowed := func(name string) bool { return name == "*" || strings.EqualFold(name, host) }
		if host != "" && net.ParseIP(host) == nil && !slices.ContainsFunc(hosts, allowed) {
			http.Error(w, "invalid host specified", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		zipped := &gzipWriter{ResponseWriter: w}
		defer zipped.close()
		next.ServeHTTP(zipped, r)
	})
}

// zippers are kept: one takes most of a megabyte.
var zippers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// gzipWriter compresses an answer from its first byte on.
type gzipWriter struct {
	http.ResponseWriter
	zip *gzip.Writer // nil before the first write
}

func (w *gzipWriter) begin() {
	if w.zip == nil {
		w.zip = zippers.Get().(*gzip.Writer)
		w.zip.Reset(w.ResponseWriter)
		w.Header().Del("Content-Length") // that of the answer as it was before
		w.Header().Set("Content-Encoding", "gzip")
	}
}

func (w *gzipWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

func (w *gzipWriter) Write(b []byte) (int, error) {
	w.begin()
	return w.zip.Write(b)
}

func (w *gzipWriter) close() {
	if w.zip != nil {
		_ = w.zip.Close() // a caller that is gone needs no answer
		zippers.Put(w.zip)
	}
}
