package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const maxPort = 1<<16 - 1

// Kind says which addresses one sort of server may have.
type Kind struct {
	name    string   // what errors call the address
	want    string   // the accepted forms, for errors
	schemes []string // of a URL
	socket  bool     // the path of a Unix socket is accepted too
	query   bool     // a URL may have a query
}

// The kinds.
var (
	Gwat      = Kind{name: "gwat endpoint", want: "http(s)://, ws(s):// or the path of an IPC socket", schemes: []string{"http", "https", "ws", "wss"}, socket: true, query: true}
	Beacon    = Kind{name: "beacon URL", want: "http://host:port or https://host:port", schemes: []string{"http", "https"}}
	Collector = Kind{name: "collector URL", want: "a URL such as http://127.0.0.1:4318", schemes: []string{"http", "https"}}
	Syncd     = Kind{name: "API address", want: "a URL such as http://127.0.0.1:8650", schemes: []string{"http", "https"}}
)

// Endpoint is one checked address: a URL, or the path of a Unix socket.
type Endpoint struct {
	raw string
	url *url.URL // nil for a socket
}

// Parse checks an address. Its error names the kind and the accepted forms, and
// repeats no part of the address that may be a secret.
func (k Kind) Parse(raw string) (Endpoint, error) {
	if strings.TrimSpace(raw) == "" {
		return Endpoint{}, fmt.Errorf("%s is empty: want %s", k.name, k.want)
	}
	if !strings.Contains(raw, "://") {
		return k.parsePath(raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%s does not parse, it is no URL: want %s%s", k.name, k.want, harmless(raw, err))
	}
	_, behind, _ := strings.Cut(raw, "://")
	behind, _, _ = strings.Cut(behind, "?")
	switch port := u.Port(); {
	case !slices.Contains(k.schemes, u.Scheme):
		return Endpoint{}, fmt.Errorf("%s has the scheme %.32q: want %s", k.name, u.Scheme, k.want)
	case u.Hostname() == "":
		return Endpoint{}, fmt.Errorf("%s %s:// names no host: want %s", k.name, u.Scheme, k.want)
	case u.User == nil && strings.Contains(behind, "@"): // a / in a password ends the host early
		return Endpoint{}, fmt.Errorf("%s has an @ behind its host: write / in a user name or password as %%2F, ? as %%3F and # as %%23", k.name)
	case port != "" && !validPort(port, 1):
		return Endpoint{}, fmt.Errorf("%s has the port %.32s: want 1 to %d", k.name, port, maxPort)
	case !k.query && (u.RawQuery != "" || u.ForceQuery || u.Fragment != ""):
		return Endpoint{}, fmt.Errorf("%s has a query or a fragment: want %s and perhaps a path", k.name, k.want)
	}
	return Endpoint{raw: raw, url: u}, nil
}

// almostScheme is how a URL begins of whose :// something is missing. Without this, ws:/host
// would be taken for the path of a socket that is never there.
var almostScheme = regexp.MustCompile(`^(?i)(https?|wss?)(:/?|//)`)

// socketScheme is how other programs name a socket by its path.
var socketScheme = regexp.MustCompile(`^(?i)(unix|ipc|file):`)

// parsePath takes what has no scheme for the path of a socket, where one is accepted.
func (k Kind) parsePath(raw string) (Endpoint, error) {
	host, port, err := net.SplitHostPort(raw)
	if err == nil && !strings.ContainsAny(raw, "/@") && len(raw) < 256 {
		return Endpoint{}, fmt.Errorf("%s %q has no scheme, want %s: write %s://%s", k.name, raw, k.want, k.schemes[0], net.JoinHostPort(host, port))
	}
	if scheme := almostScheme.FindString(raw); scheme != "" {
		return Endpoint{}, fmt.Errorf("%s has %q where a URL has \"://\": want %s", k.name, scheme, k.want)
	}
	if !k.socket {
		return Endpoint{}, fmt.Errorf("%s has no scheme: want %s", k.name, k.want)
	}
	if scheme := socketScheme.FindString(raw); scheme != "" {
		return Endpoint{}, fmt.Errorf("%s begins with %q: want %s, the path alone", k.name, scheme, k.want)
	}
	if err := CheckSocketPath(raw); err != nil {
		return Endpoint{}, fmt.Errorf("%s: %w", k.name, err)
	}
	return Endpoint{raw: raw}, nil
}

// harmless returns what the parser says of a URL that cannot hold a secret.
func harmless(raw string, err error) string {
	var parse *url.Error
	if strings.ContainsAny(raw, "@?#") || !errors.As(err, &parse) {
		return ""
	}
	return fmt.Sprintf(" (%.128s)", strings.Map(printable, parse.Err.Error()))
}

func validPort(port string, least int) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n >= least && n <= maxPort && port[0] != '+'
}

// Raw returns the address as it was given, secrets included.
func (e Endpoint) Raw() string { return e.raw }

// Socket reports whether the address is the path of a Unix socket.
func (e Endpoint) Socket() bool { return e.url == nil }

// HTTP reports whether the address is an http or https URL.
func (e Endpoint) HTTP() bool { return e.Scheme() == "http" || e.Scheme() == "https" }

// WebSocket reports whether the address is a ws or wss URL.
func (e Endpoint) WebSocket() bool { return e.Scheme() == "ws" || e.Scheme() == "wss" }

// Scheme returns the scheme of a URL in lower case, "" for a socket.
func (e Endpoint) Scheme() string {
	if e.url == nil {
		return ""
	}
	return e.url.Scheme
}

// URL returns a copy of the URL, nil for a socket.
func (e Endpoint) URL() *url.URL {
	if e.url == nil {
		return nil
	}
	u := *e.url
	return &u
}

// String returns the address without user, password, query values and fragment.
func (e Endpoint) String() string {
	if e.url == nil {
		return e.raw
	}
	return maskURL(*e.url)
}

// CheckListen checks an address to listen on, host:port; port 0 takes a free one.
func CheckListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" || !validPort(port, 0) {
		return errors.New("want host:port, such as 127.0.0.1:8650")
	}
	return nil
}

// Local returns the URL under which a server that listens on a checked address is
// asked from the same machine, "" if the port is not known before it listens.
func Local(listen string, tls bool) string {
	host, port, err := net.SplitHostPort(listen)
	if n, _ := strconv.Atoi(port); err != nil || n == 0 {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// MaxSocketPath is how many bytes the kernel takes as the path of a Unix socket.
const MaxSocketPath = 107

// CheckSocketPath refuses a path that no Unix socket can have.
func CheckSocketPath(path string) error {
	switch {
	case len(path) > MaxSocketPath:
		return fmt.Errorf("the path of a socket has %d bytes, at most %d: give a shorter path, such as a link to its directory", len(path), MaxSocketPath)
	case strings.ContainsRune(path, 0):
		return errors.New("the path of a socket has a zero byte: give another path")
	}
	return CheckTilde(path)
}

// CheckTilde refuses a path that a shell would have expanded, and that names nothing as it
// stands: syncd would wait for it, or make a directory of the name ~.
func CheckTilde(path string) error {
	first, _, _ := strings.Cut(path, "/")
	if !strings.HasPrefix(first, "~") && !strings.HasPrefix(first, "$") {
		return nil
	}
	if _, err := os.Lstat(first); err == nil {
		return nil
	}
	return fmt.Errorf("the path begins with %.64q, which only a shell expands: write the whole path", first)
}
