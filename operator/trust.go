package operator

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/internal/exit"
)

// address returns the URL, by flag, environment or settings, and which certificates to trust there.
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
	if err := w.addCAFile(roots); err != nil {
		return out, err
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

// addCAFile adds the certificates of --ca-file or SYNCD_CA_FILE to the roots.
func (w Where) addCAFile(roots *x509.CertPool) error {
	name, path := "--ca-file", w.CAFile
	if path == "" {
		name, path = "SYNCD_CA_FILE", w.variable("SYNCD_CA_FILE")
	}
	if path == "" {
		return nil
	}
	if err := endpoint.CheckSecretPath(path); err != nil {
		return exit.Errorf(exit.Usage, "%s %w", name, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return exit.Errorf(exit.Usage, "%s: %w; name a PEM file that this user can read", name, err)
	}
	if !roots.AppendCertsFromPEM(raw) {
		return exit.Errorf(exit.Usage, "%s is %q, which holds no PEM certificate", name, path)
	}
	return nil
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
