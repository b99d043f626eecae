package operator

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

// The places of the Debian package, used where nothing else is named.
const (
	DefaultFile    = "/etc/syncd/syncd.yaml"
	DefaultSocket  = "/run/syncd/syncd.sock"
	DefaultAddress = "http://127.0.0.1:8650"
)

// Where says how a running syncd is found. What is nearer wins: a flag, then the
// environment (SYNCD_API, SYNCD_SOCKET), then the settings of that syncd, then
// DefaultSocket or the user's own socket if it can be used, then the default address.
type Where struct {
	API     string // of --api; "" without
	Socket  string // of --socket
	Secret  string // of --jwt-secret, a file
	CAFile  string // of --ca-file: PEM certificates to trust beside those of the system
	Environ []string
	// Settings are those that the running syncd has, as far as this process can read
	// them; nil if it cannot.
	Settings *settings.Config
	// DefaultSocket replaces the constant; "-" for none.
	DefaultSocket string
}

// Named reports whether flags or the environment name the syncd, so that reads need no
// settings.
func (w Where) Named() bool {
	return w.API != "" || w.Socket != "" || w.variable("SYNCD_API") != "" || w.variable("SYNCD_SOCKET") != ""
}

// Client returns a client for reads. Its error has an exit code.
func (w Where) Client() (*apiclient.Client, error) {
	cfg, err := w.target()
	if err != nil {
		return nil, err
	}
	return open(cfg)
}

// Orders returns a client for the calls that change something, over the local socket or
// with a token. Its error has an exit code and says which of the two is missing.
func (w Where) Orders() (*apiclient.Client, error) {
	if w.Socket != "" && w.Secret != "" {
		return nil, exit.Errorf(exit.Usage, "--socket and --jwt-secret: the socket needs no token; give one of them")
	}
	if w.Socket == "" && w.Secret == "" && w.API == "" {
		w.Socket, w.Secret = w.permission()
	}
	switch {
	case w.Socket != "":
		return open(apiclient.Config{Socket: w.Socket})
	case w.Secret == "" && w.API != "":
		return nil, exit.Errorf(exit.Usage, "--socket or --jwt-secret is needed: at an address that was typed, an order needs the file of the running syncd's api.jwt-secret")
	case w.Secret == "":
		return nil, exit.Errorf(exit.Usage, "--socket or --jwt-secret is needed: an order goes over the socket of the running syncd or with its secret, and none was found: tried %s; "+
			"set api.socket for that syncd, run this as a user who may open it, or name its settings by --config", w.tried())
	}
	cfg, err := w.address()
	if err != nil {
		return nil, err
	}
	if cfg.Secret, err = loadSecret(w.Secret); err != nil {
		return nil, err
	}
	return open(cfg)
}

// tried says in words where the running syncd was looked for before its address.
func (w Where) tried() string {
	parts := []string{"--api and --socket (not given)"}
	for _, name := range []string{"SYNCD_API", "SYNCD_SOCKET"} {
		state := "not set"
		if value := w.variable(name); value != "" {
			state = endpoint.Mask(value)
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", name, state))
	}
	if set := w.Settings; set != nil {
		if file, unread := set.File(); file != "" {
			state := "read"
			switch {
			case errors.Is(unread, fs.ErrNotExist):
				state = "not there"
			case unread != nil:
				state = "this user may not read it"
			}
			parts = append(parts, fmt.Sprintf("%s (%s)", file, state))
		}
		if path := set.API.Socket; path != "" {
			parts = append(parts, "api.socket "+socketState(path))
		}
	}
	for _, path := range w.defaultSockets() {
		parts = append(parts, socketState(path))
	}
	return strings.Join(parts, ", ")
}

// socketState names a socket and says why it is not used.
func socketState(path string) string {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return path + " (not there)"
	case err == nil && info.Mode().Type() != os.ModeSocket:
		return path + " (no socket)"
	case !usable(path):
		return path + " (this user may not open it)"
	}
	return path + " (of another syncd than the settings name)"
}

// permission returns the socket, or else the file of the secret, by which an order may
// be given where no flag says so.
func (w Where) permission() (socket, secret string) {
	elsewhere := w.variable("SYNCD_API") != "" // a socket of this machine may be another syncd's
	switch set := w.Settings; {
	case w.variable("SYNCD_SOCKET") != "":
		return w.variable("SYNCD_SOCKET"), ""
	case !elsewhere && set != nil && usable(set.API.Socket):
		return set.API.Socket, ""
	case set != nil && set.API.JWTSecret != "":
		return "", set.API.JWTSecret
	case !elsewhere:
		return w.standardSocket(), ""
	}
	return "", ""
}

func open(cfg apiclient.Config) (*apiclient.Client, error) {
	client, err := apiclient.Open(cfg)
	switch {
	case err != nil && cfg.Socket != "":
		return nil, exit.Errorf(exit.Usage, "--socket: %w", err)
	case err != nil:
		return nil, exit.Errorf(exit.Usage, "--api: %w", err)
	}
	return client, nil
}

// target returns where reads go.
func (w Where) target() (apiclient.Config, error) {
	switch set := w.Settings; {
	case w.Socket != "" && w.API != "":
		return apiclient.Config{}, exit.Errorf(exit.Usage, "--socket and --api name one syncd each; give one of them")
	case w.Socket != "":
		return apiclient.Config{Socket: w.Socket}, nil
	case w.API != "", w.variable("SYNCD_API") != "":
		return w.address()
	case w.variable("SYNCD_SOCKET") != "":
		return apiclient.Config{Socket: w.variable("SYNCD_SOCKET")}, nil
	case set != nil && usable(set.API.Socket):
		return apiclient.Config{Socket: set.API.Socket}, nil
	case w.standardSocket() != "":
		return apiclient.Config{Socket: w.standardSocket()}, nil
	}
	cfg, err := w.address()
	cfg.Hint = "tried before: " + w.tried() + "; start syncd, or name it by --api, --socket or --config"
	return cfg, err
}

// standardSocket returns the socket at one of the places that need no setting, "" if
// none can be used or the settings are of a syncd that listens elsewhere.
func (w Where) standardSocket() string {
	if set := w.Settings; set != nil && (set.Source("api.listen") != settings.FromDefault || set.API.TLSCert != "") {
		return ""
	}
	for _, path := range w.defaultSockets() {
		if usable(path) {
			return path
		}
	}
	return ""
}

func (w Where) variable(name string) string {
	for i := len(w.Environ) - 1; i >= 0; i-- {
		if text, ok := strings.CutPrefix(w.Environ[i], name+"="); ok {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// defaultSockets are the package's and the user's own.
func (w Where) defaultSockets() []string {
	paths := []string{cmp.Or(w.DefaultSocket, DefaultSocket), settings.UserSocket(w.Environ)}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" || path == "-" })
}

// usable reports whether a socket is there and this user may dial it.
func usable(path string) bool {
	info, err := os.Stat(path)
	return path != "" && err == nil && info.Mode().Type() == os.ModeSocket && unix.Access(path, unix.W_OK) == nil
}

// apiError returns the error of an answer that is no status with its exit code.
func apiError(err error) error {
	if errors.Is(err, apiclient.ErrNothing) {
		return exit.Errorf(exit.Unknown, "%w; ask again in a moment", err)
	}
	return exit.With(exit.Unreachable, err)
}
