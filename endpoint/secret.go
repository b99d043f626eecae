package endpoint

import (
	"errors"
	"os"
	"regexp"
	"strings"
)

// ErrSecretItself is the error of a secret given where the path of its file belongs.
var ErrSecretItself = errors.New("is the secret itself; want the path of a file that holds it")

// The forms of a text that holds a secret rather than names a file: hex digits of any
// length or a token; a long run of the digits of base64, with a / only beside all three
// sorts of them, which a path seldom has.
var (
	secretForms = regexp.MustCompile(`^(?:(?:0[xX])?[0-9a-fA-F\s:_-]+|eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*)$`)
	base64Form  = regexp.MustCompile(`^[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{31,}$`)
	// What stands around a secret that was copied with a bit too much: hex:, file://, Bearer,
	// a comma, an ending. No name of a file without a directory has such a run in it.
	secretInside = regexp.MustCompile(`[0-9a-fA-F]{32,}|eyJ[A-Za-z0-9_-]{8,}\.`)
	base64Sorts  = []string{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"}
)

func isSecret(text string) bool {
	bare := strings.Trim(text, " \t\r\n\"'`")
	if inside := strings.TrimPrefix(bare, "file://"); !strings.Contains(inside, "/") && secretInside.MatchString(inside) {
		return true
	}
	if strings.Contains(text, "-----BEGIN") || strings.ContainsAny(text, "\r\n\"'`") || secretForms.MatchString(bare) {
		return true
	}
	if !base64Form.MatchString(bare) {
		return false
	}
	for _, sort := range base64Sorts {
		if strings.Contains(bare, "/") && !strings.ContainsAny(bare, sort) {
			return false
		}
	}
	return true
}

// CheckSecretPath refuses a text that is a secret and not the path of its file. Its
// error, ErrSecretItself, does not repeat the text. A text that names a file that is
// there is a path, whatever it looks like.
func CheckSecretPath(text string) error {
	if text == "" {
		return nil
	}
	if _, err := os.Stat(text); err == nil {
		return nil
	}
	if isSecret(text) {
		return ErrSecretItself
	}
	return nil
}

// MaskPath returns the path of a secret's file as others may see it: a text that may
// be the secret itself is left out whole.
func MaskPath(text string) string {
	if CheckSecretPath(text) != nil {
		return masked
	}
	return text
}

// MaskWord returns a word of a command line as an error may repeat it: one that may be a
// secret in the wrong place is left out.
func MaskWord(word string) string {
	if len(word) < 16 {
		return word
	}
	return MaskPath(word)
}
