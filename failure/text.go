package failure

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/gwatsync/syncd/endpoint"
)

// MaxText bounds what a node can write into an error, and so into our log.
const MaxText = 512

// Text returns what a node said in a form for errors: on one line, valid
// and printable UTF-8, at most MaxText bytes, without the web pages of servers that are no node,
// and without what looks like a secret of ours.
func Text(said string) string {
	said = strings.TrimSpace(said)
	if strings.HasPrefix(said, "<") {
		return "(a web page)"
	}
	said = said[:min(len(said), 4*MaxText)] // what is masked may be long
	said = endpoint.Redact(said)
	cut := ""
	if len(said) > MaxText {
		said, cut = said[:MaxText], "…"
	}
	said = strings.ToValidUTF8(said, "?")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // control and format characters: a terminal may show the log
			return ' '
		}
		return r
	}, said) + cut
}

// Bounded returns err with a text in a form for errors: what the libraries say of
// a bad answer at times repeats it whole. errors.Is and As go on to err; nil stays nil.
func Bounded(err error) error {
	if err == nil {
		return nil
	}
	return &bounded{err}
}

type bounded struct{ err error }

func (b *bounded) Error() string { return Text(b.err.Error()) }
func (b *bounded) Unwrap() error { return b.err }

// Untrusted adds to the error of a certificate of an unknown authority how a known one is
// named; other errors, and nil, stay as they are.
func Untrusted(err error) error {
	if !errors.As(err, new(x509.UnknownAuthorityError)) {
		return err
	}
	return fmt.Errorf("%w; SSL_CERT_FILE in syncd's environment names the PEM file of the authorities to trust", err)
}
