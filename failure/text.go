package failure

import (
	"strings"
	"unicode"
)

// MaxText bounds what a node can write into an error, and so into our log.
const MaxText = 512

// Text gives what a node said as it may stand in an error: on one line, valid
// UTF-8, at most MaxText bytes, and without the web pages of servers that are no node.
func Text(said string) string {
	said = strings.TrimSpace(said)
	if strings.HasPrefix(said, "<") {
		return "(a web page)"
	}
	cut := ""
	if len(said) > MaxText {
		said, cut = said[:MaxText], "…"
	}
	said = strings.ToValidUTF8(said, "?")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, said) + cut
}
