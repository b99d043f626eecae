package operator

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/gwatclient"
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
// DefaultSocket if it can be used, then the default address.
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
	if w.Socket == "" && w.Secret == "" {
		return nil, exit.Errorf(exit.Usage, "--socket or --jwt-secret is needed: only who can read one of the two may order this, and neither the environment nor a configuration file names one that this user can use")
	}
	if w.Socket != "" {
		return open(apiclient.Config{Socket: w.Socket})
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

// Token returns a token for the calls that change something. Its error has an exit code.
func (w Where) Token() (string, error) {
	path := w.Secret
	if path == "" && w.Settings != nil {
		path = w.Settings.API.JWTSecret
	}
	if path == "" {
		return "", exit.Errorf(exit.Usage, "--jwt-secret is needed: no configuration file names one that this user can read")
	}
	secret, err := loadSecret(path)
	if err != nil {
		return "", err
	}
	return apiclient.Token(secret)
}

func loadSecret(path string) ([]byte, error) {
	if err := endpoint.CheckSecretPath(path); err != nil {
		return nil, exit.Errorf(exit.Usage, "--jwt-secret %w", err)
	}
	secret, err := gwatclient.LoadJWTSecret(path)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "--jwt-secret: %w; name the file that syncd was started with", err)
	}
	return secret, nil
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
	case !elsewhere && usable(w.defaultSocket()):
		return w.defaultSocket(), ""
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
	case (set == nil || set.Source("api.listen") == settings.FromDefault && set.API.TLSCert == "") && usable(w.defaultSocket()):
		return apiclient.Config{Socket: w.defaultSocket()}, nil
	}
	return w.address()
}

// address returns the URL, by flag, environment or settings, and whom to trust there.
func (w Where) address() (apiclient.Config, error) {
	out := apiclient.Config{Address: w.API}
	if out.Address == "" {
		out.Address = w.variable("SYNCD_API")
	}
	var own *x509.Certificate
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if set := w.Settings; out.Address == "" && set != nil {
		out.Direct = true
		out.Address = endpoint.Local(set.API.Listen, set.API.TLSCert != "")
		if out.Address == "" {
			return out, exit.Errorf(exit.Usage, "--api is needed: api.listen is %q, so the port is known only to the running syncd", set.API.Listen)
		}
		own = leaf(set.API.TLSCert)
		if raw, err := os.ReadFile(set.API.TLSCert); err == nil && set.API.TLSCert != "" {
			roots.AppendCertsFromPEM(raw)
		}
	}
	if out.Address == "" {
		out.Address = DefaultAddress
	}
	if w.CAFile != "" {
		if err := endpoint.CheckSecretPath(w.CAFile); err != nil {
			return out, exit.Errorf(exit.Usage, "--ca-file %w", err)
		}
		raw, err := os.ReadFile(w.CAFile)
		if err != nil {
			return out, exit.Errorf(exit.Usage, "--ca-file: %w; name a PEM file that this user can read", err)
		}
		if !roots.AppendCertsFromPEM(raw) {
			return out, exit.Errorf(exit.Usage, "--ca-file is %q, which holds no PEM certificate", w.CAFile)
		}
	}
	out.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	at, err := endpoint.Syncd.Parse(out.Address)
	if err == nil && own != nil && own.VerifyHostname(at.URL().Hostname()) != nil {
		// The certificate is for the name under which others ask, not for loopback.
		switch {
		case len(own.DNSNames) > 0:
			out.TLS.ServerName = strings.Replace(own.DNSNames[0], "*", "syncd", 1)
		case len(own.IPAddresses) > 0:
			out.TLS.ServerName = own.IPAddresses[0].String()
		}
	}
	return out, nil
}

// leaf returns the first certificate of a PEM file, nil without one.
func leaf(path string) *x509.Certificate {
	if path == "" {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	cert, err := firstCertificate(raw)
	if err != nil {
		return nil
	}
	return cert
}

func (w Where) variable(name string) string {
	for i := len(w.Environ) - 1; i >= 0; i-- {
		if text, ok := strings.CutPrefix(w.Environ[i], name+"="); ok {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

func (w Where) defaultSocket() string {
	switch w.DefaultSocket {
	case "":
		return DefaultSocket
	case "-":
		return ""
	}
	return w.DefaultSocket
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

func firstCertificate(raw []byte) (*x509.Certificate, error) {
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			return nil, errors.New("no certificate")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}
