package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// livez answers 200 while syncd runs and its loop turns; the loop publishes at least once
// in a poll interval. What the pair does is no matter of it.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	if snap, err := snapshotOf(s.src); err == nil {
		if age := s.cfg.Now().Sub(snap.At); age > maxAge {
			writeText(w, http.StatusServiceUnavailable, fmt.Sprintf("the loop hangs: its newest snapshot is %s old\n", age.Round(time.Second)))
			return
		}
	}
	writeText(w, http.StatusOK, "ok\n")
}

// statusPath answers what syncd_status answers, to a monitor that makes no JSON-RPC.
func (s *Server) statusPath(local bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if _, err := s.serverFor(local, r); err != nil {
			s.unauthorized(w, err)
			return
		}
		snap, err := snapshotOf(s.src)
		if err != nil {
			writeError(w, http.StatusServiceUnavailable, errNothingKnown)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(snap) // the client is gone: nobody reads it
	}
}

// unauthorized answers a request whose token does not hold.
func (s *Server) unauthorized(w http.ResponseWriter, err error) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	writeError(w, http.StatusUnauthorized, &rpcError{code: CodeNotAllowed, msg: err.Error(), kind: errNotAllowed.kind})
}

// profiles serves what go tool pprof asks for: to callers of this machine, and to others
// with a token. The command line is left out, since it may name what is secret.
func (s *Server) profiles(local bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorized, err := s.authorized(r)
		switch {
		case err != nil && !local:
			s.unauthorized(w, err)
		case !local && !authorized && !fromLoopback(r.RemoteAddr):
			s.unauthorized(w, errors.New("profiles are for callers of this machine, over the socket, or with a token"))
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// fromLoopback reports whether a remote address is of this machine.
func fromLoopback(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
