package endpoint

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// masked replaces what is left out.
const masked = "***"

// secrets are the parts of a text that a node, or a proxy before it, may repeat of a
// request: the Authorization header, a token, the credentials and query values of a URL.
var secrets = []struct {
	form *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`(?i)\b(bearer|basic)[ :]+[A-Za-z0-9+/=_.~-]{12,}`), "$1 " + masked},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,2}`), masked},
	{regexp.MustCompile(`://[^@\s"'<>]+@`), "://" + masked + "@"},
	{regexp.MustCompile(`([?&][A-Za-z0-9_.-]+=)[^&\s"']+`), "${1}" + masked},
}

// Redact returns a text without what looks like a secret of a request in it.
func Redact(text string) string {
	for _, s := range secrets {
		text = s.form.ReplaceAllString(text, s.as)
	}
	return text
}

// Mask returns the value of a setting as others may see it: a URL loses user,
// password, query and fragment, and one that does not parse is left out whole.
// Text that is no URL stays.
func Mask(value string) string {
	if !strings.Contains(value, "://") {
		return value
	}
	u, err := url.Parse(value)
	if err != nil || u.User == nil && strings.Contains(u.Path, "@") {
		return masked
	}
	return maskURL(*u)
}

func maskURL(u url.URL) string {
	if u.User != nil {
		u.User = url.User(masked)
	}
	if u.RawQuery != "" {
		u.RawQuery = masked
	}
	u.Fragment, u.RawFragment = "", ""
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", masked)
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}
