package failuretest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
)

// RequireTold asks that an error, if there is one, is of a kind and fits a log line.
func RequireTold(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	kinds := []error{failure.RetryNow, failure.RetryLater, failure.Abort, failure.NeedsHuman}
	require.True(t, slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }), "of no kind: %v", err)
	RequireText(t, err.Error(), 3*failure.MaxText)
}

// RequireText asks that a text is at most limit bytes of UTF-8 without control characters.
func RequireText(t testing.TB, text string, limit int) {
	t.Helper()
	require.LessOrEqual(t, len(text), limit)
	require.True(t, utf8.ValidString(text), "%q", text)
	require.Equal(t, -1, strings.IndexFunc(text, unicode.IsControl), "%q", text)
}
