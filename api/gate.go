package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"

	"github.com/gwatsync/syncd/endpoint"
)

// anyone, as the only entry of a list, lets everything pass.
const anyone = "*"

// gate refuses what a web page of another site could send through the browser
// of somebody on this machine: a name of its own that it points here (Host),
// and requests that carry its origin.
type gate struct {
	hosts   []string // lower case, without port
	anyIP   bool     // listening on every address: an IP literal cannot be a page's name
	origins []string // lower case scheme://host[:port]
}

// newGate refuses entries that could never match.
func newGate(listenHost string, hosts, origins []string) (*gate, error) {
	g := &gate{hosts: []string{"localhost"}}
	if ip, err := netip.ParseAddr(listenHost); listenHost == "" || err == nil && ip.IsUnspecified() {
		g.anyIP = true
	} else {
		g.hosts = append(g.hosts, strings.ToLower(listenHost))
	}
	for _, h := range hosts {
		if h == "" || strings.ContainsAny(h, "/ ") || h != anyone && strings.Contains(h, anyone) {
			return nil, fmt.Errorf("--api.allowed-hosts has %q: want a host name such as syncd.example, or %s alone", h, anyone)
		}
		if name, _, err := net.SplitHostPort(h); err == nil {
			h = name // any port of an allowed host is allowed
		}
		g.hosts = append(g.hosts, strings.ToLower(strings.TrimSuffix(strings.Trim(h, "[]"), ".")))
	}
	for _, o := range origins {
		u, err := url.Parse(o)
		if o != anyone && (err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || strings.ContainsAny(o, "?#*")) {
			return nil, fmt.Errorf("--api.allowed-origins has %q: want scheme://host[:port] such as http://localhost:3000, or %s alone", endpoint.Mask(o), anyone)
		}
		g.origins = append(g.origins, withoutDefaultPort(strings.ToLower(strings.TrimRight(o, "/"))))
	}
	return g, nil
}

// hostAllowed reports whether a request may name this host. One without a host
// passes: probes send none (HTTP/1.0), and a browser, from which the gate
// protects, cannot leave it out.
func (g *gate) hostAllowed(hostport string) bool {
	if hostport == "" || strings.HasPrefix(hostport, ":") {
		return true
	}
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if slices.Contains(g.hosts, host) || slices.Contains(g.hosts, anyone) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (g.anyIP || ip.Unmap().IsLoopback() || slices.ContainsFunc(g.hosts, func(known string) bool {
		other, err := netip.ParseAddr(known) // an address of version 6 can be written in many ways
		return err == nil && other == ip
	}))
}

// originAllowed takes what no browser sent, what is configured, and, but over the
// local socket, a page that was served from the very address it asks: only a proxy
// brings a browser there, and the Host that it names was not checked.
func (g *gate) originAllowed(r *http.Request, local bool) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	origin := withoutDefaultPort(strings.ToLower(values[0]))
	if slices.Contains(g.origins, origin) || slices.Contains(g.origins, anyone) {
		return true
	}
	u, err := url.Parse(origin)
	// A proxy may name the port that a browser leaves out.
	return err == nil && !local && u.Host != "" && withoutDefaultPort(u.Scheme+"://"+u.Host) == withoutDefaultPort(u.Scheme+"://"+strings.ToLower(r.Host))
}

// withoutDefaultPort returns an origin as a browser writes it: without the port that its
// scheme has anyway.
func withoutDefaultPort(origin string) string {
	for scheme, port := range map[string]string{"http://": ":80", "https://": ":443"} {
		if short, ok := strings.CutSuffix(origin, port); ok && strings.HasPrefix(origin, scheme) {
			return short
		}
	}
	return origin
}

// wrap guards a listener; over the local socket no name leads, so that any Host will do.
func (g *gate) wrap(next http.Handler, local bool) http.Handler {
	if len(g.origins) > 0 {
		next = cors.New(cors.Options{
			AllowedOrigins: g.origins,
			AllowedMethods: []string{http.MethodGet, http.MethodPost},
			AllowedHeaders: []string{"Content-Type", "Authorization"},
			MaxAge:         600,
		}).Handler(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !local && !g.hostAllowed(r.Host):
			writeText(w, http.StatusForbidden, fmt.Sprintf("Host %.100q is not allowed; add it to --api.allowed-hosts.\n", r.Host))
		case !g.originAllowed(r, local):
			writeText(w, http.StatusForbidden, fmt.Sprintf("Origin %.100q is not allowed; add it to --api.allowed-origins.\n", r.Header.Get("Origin")))
		default:
			next.ServeHTTP(w, r)
		}
	})
}
