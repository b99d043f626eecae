package failure

import (
	"regexp"
	"strings"
	"unicode"
)

// MaxText bounds what a node can write into an error, and so into our log.
const MaxText = 512

// secrets are what a node, or a proxy before it, may repeat of a request of ours:
// the Authorization header, a token, the credentials and query values of a URL.
var secrets = []struct {
	form *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`(?i)\b(bearer|basic)[ :]+[A-Za-z0-9+/=_.~-]{12,}`), "$1 ***"},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,2}`), "***"},
	{regexp.MustCompile(`://[^/@\s]+@`), "://***@"},
	{regexp.MustCompile(`([?&][A-Za-z0-9_.-]+=)[^&\s"']+`), "$1***"},
}

// Text gives what a node said as it may stand in an error: on one line, valid
// and printable UTF-8, at most MaxText bytes, without the web pages of servers that are no node,
// and without what looks like a secret of ours.
func Text(said string) string {
	said = strings.TrimSpace(said)
	if strings.HasPrefix(said, "<") {
		return "(a web page)"
	}
	said = said[:min(len(said), 4*MaxText)] // what is masked may be long
	for _, s := range secrets {
		said = s.form.ReplaceAllString(said, s.as)
	}
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

// Bounded gives err a text that may stand in an error: what the libraries say of
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
