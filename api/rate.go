package api

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/lru"
	"golang.org/x/time/rate"
)

// How many calls a remote address may make: each element of a batch counts, and
// so does every other request but the probes.
const (
	callsPerSecond = 100
	callsBurst     = 300
	// maxRemembered bounds the memory; who is forgotten begins with a full burst.
	maxRemembered = 1024
)

// limiters holds one limiter for each remote address that asked of late.
type limiters struct {
	mu    sync.Mutex
	byKey lru.BasicLRU[netip.Prefix, *rate.Limiter]
}

func newLimiters() *limiters {
	return &limiters{byKey: lru.NewBasicLRU[netip.Prefix, *rate.Limiter](maxRemembered)}
}

// of returns the limiter of a remote address; nil, which allows all, for what is no address, as
// on the local socket.
func (l *limiters) of(remote string) *rate.Limiter {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64 // one machine has as many addresses below as it likes
	}
	key, err := addr.Prefix(bits)
	if err != nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.byKey.Get(key)
	if !ok {
		limiter = rate.NewLimiter(callsPerSecond, callsBurst)
		l.byKey.Add(key, limiter)
	}
	return limiter
}

// allow takes n calls from a limiter.
func allow(l *rate.Limiter, n int) bool { return l == nil || l.AllowN(time.Now(), n) }

// limited counts every request but the probes, which must get through whatever
// else asks.
func (l *limiters) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" || r.URL.Path == "/readyz" || allow(l.of(r.RemoteAddr), 1) {
			next.ServeHTTP(w, r)
			return
		}
		tooMany(w)
	})
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	writeError(w, http.StatusTooManyRequests, errTooMany)
}
