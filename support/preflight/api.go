package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gwatsync/syncd/internal/exit"
)

func (c *checker) api(ctx context.Context) []Finding {
	out := append(c.socket(), c.port(ctx)...)
	return append(out, c.certificate(time.Now())...)
}

// socket: the service manager may make the directory at the start.
func (c *checker) socket() []Finding {
	if c.cfg.API.Socket == "" {
		return nil
	}
	dir := filepath.Dir(c.cfg.API.Socket)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{warn("the unit makes it (RuntimeDirectory=); without the unit make it, or give another --api.socket", "%s is not there yet", dir)}
	case err != nil:
		return []Finding{warn(otherUser, "%v", err)}
	case !info.IsDir():
		return []Finding{failed(exit.Usage, "give another --api.socket", "%s is no directory", dir)}
	}
	return nil
}

func (c *checker) port(ctx context.Context) []Finding {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.API.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return []Finding{warn("give another --api.listen, if it is not a syncd that runs already", "%v", err)}
	}
	if err != nil {
		return []Finding{failed(exit.OfStart(err), "give --api.listen an address of this machine", "%v", err)}
	}
	if err := l.Close(); err != nil {
		return []Finding{warn("", "%v", err)}
	}
	return []Finding{ok("%s is free", c.cfg.API.Listen)}
}

// expiresSoon is how long before the end of a certificate check warns.
const expiresSoon = 14 * 24 * time.Hour

// certificate compares the dates of the API's certificates with the clock: a client
// that checks them is refused by one that is out of date. Config.Check has read the
// files.
func (c *checker) certificate(now time.Time) []Finding {
	if c.cfg.API.TLSCert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cfg.API.TLSCert, c.cfg.API.TLSKey)
	if err != nil {
		return []Finding{failed(exit.Usage, "name the PEM files of a certificate and its key", "--api.tls-cert and --api.tls-key: %v", err)}
	}
	var out []Finding
	for i, raw := range pair.Certificate {
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			out = append(out, warn("put a chain of certificates into the file", "certificate %d of %s is not readable: %v", i+1, c.cfg.API.TLSCert, err))
			continue
		}
		at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
		const renew = "renew it, else clients refuse the API"
		switch {
		case now.After(cert.NotAfter):
			out = append(out, warn(renew, "certificate %d of %s expired at %s", i+1, c.cfg.API.TLSCert, at(cert.NotAfter)))
		case now.Add(expiresSoon).After(cert.NotAfter):
			out = append(out, warn(renew, "certificate %d of %s expires at %s", i+1, c.cfg.API.TLSCert, at(cert.NotAfter)))
		case now.Before(cert.NotBefore):
			out = append(out, warn("set the clock, or wait: clients refuse the API until then", "certificate %d of %s is valid from %s on", i+1, c.cfg.API.TLSCert, at(cert.NotBefore)))
		}
	}
	if len(out) == 0 {
		out = append(out, ok("the certificate in %s is in date", c.cfg.API.TLSCert))
	}
	return out
}
