package terminal

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/gwatsync/syncd/status"
)

// maxText bounds a text of a node or of an API on a terminal, in runes.
const maxText = 600

// Clean returns a text that came from outside as it may reach a terminal: on one
// line, no escape sequence, no control or format character (these could move the
// cursor, set a title, turn the writing round), at most 600 characters.
func Clean(said string) string {
	return cut(strings.Join(strings.Fields(harmless(said)), " "))
}

// CleanLine is Clean for a line of our own: its columns stay.
func CleanLine(line string) string { return cut(strings.TrimRight(harmless(line), " ")) }

func harmless(said string) string {
	// Cut first: what follows would walk through megabytes.
	if len(said) > 16*maxText {
		said = said[:16*maxText]
	}
	said = ansi.Strip(strings.ToValidUTF8(said, "?"))
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // ASCII space is the only space that is
			return ' '
		}
		return r
	}, said)
}

func cut(said string) string {
	if runes := []rune(said); len(runes) > maxText {
		return string(runes[:maxText]) + "…"
	}
	return said
}

// CleanSnapshot returns a copy of s in which every text is clean.
func CleanSnapshot(s *status.Snapshot) *status.Snapshot {
	if s == nil {
		return nil
	}
	out := &status.Snapshot{}
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		// A rate that is no number does not go through JSON: nothing of s can be shown.
		return &status.Snapshot{Seq: s.Seq, At: s.At, Stage: Clean(s.Stage), Verdict: status.VerdictUnknown, Waiting: Clean("unreadable status: " + err.Error())}
	}
	cleanTexts(reflect.ValueOf(out).Elem())
	return out
}

// CleanChange is a clean copy of a stage change.
func CleanChange(c status.Change) status.Change {
	cleanTexts(reflect.ValueOf(&c).Elem())
	return c
}

// cleanTexts goes through all that v holds: a field that is added to the
// snapshot needs no change here.
func cleanTexts(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			cleanTexts(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				cleanTexts(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			cleanTexts(v.Index(i))
		}
	case reflect.String:
		v.SetString(Clean(v.String()))
	}
}

// JSON writes v on one line as JSON that says the same as usual, with all that a
// terminal could obey written as \u escapes.
func JSON(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(data)+1)
	for _, r := range string(data) {
		switch {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return append(out, '\n'), nil
}
