package watched

import (
	"crypto/tls"
	"time"

	"github.com/sirupsen/logrus"
)

// KeyPair returns the certificate of two PEM files, also when they are renewed. Between
// the writing of one file and the other they do not fit, and the pair before is kept.
// The log names the files by the settings that name them; it reports a certificate
// that has expired.
func KeyPair(cert, key, certSetting, keySetting string, log logrus.FieldLogger) (*Value[*tls.Certificate], error) {
	return New(func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		if end := pair.Leaf.NotAfter; time.Now().After(end) {
			log.Warnf("The certificate in %s (%s) expired at %s; renew it: clients that check it do not connect", cert, certSetting, end.UTC().Format(time.RFC3339))
		}
		return &pair, nil
	}, func(err error) {
		log.WithError(err).Warnf("The changed files of %s and %s cannot be used; going on with the certificate from before", certSetting, keySetting)
	}, cert, key)
}

// ServerTLS serves the newest certificate of a KeyPair to each new connection; those that
// are open stay. It is of HTTP/1.1: HTTP/2 would carry any number of requests over one
// counted connection, and no WebSocket.
func ServerTLS(pair *Value[*tls.Certificate]) *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get(), nil },
		MinVersion:     tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}
}
