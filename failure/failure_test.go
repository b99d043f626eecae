package failure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var errLocked = errors.New("procedure is locked")

func TestKinds(t *testing.T) {
	require.NoError(t, WithKind(RetryLater, nil))
	require.NoError(t, Kind(nil))
	require.Empty(t, Name(nil))

	err := WithKind(RetryLater, errLocked)
	require.ErrorIs(t, err, errLocked)
	require.ErrorIs(t, err, RetryLater)
	require.Equal(t, "procedure is locked", err.Error(), "the kind does not stand in the text")
	require.Equal(t, "retry_later", Name(fmt.Errorf("ask: %w", err)))
	require.Equal(t, RetryLater, Kind(errors.New("of no kind")))
	require.Equal(t, "needs_human", Name(Newf(NeedsHuman, "wrong secret in %s", "file")))
}

// The gravest kind in a chain is the one told.
func TestGravestKindIsTold(t *testing.T) {
	grave := []error{NeedsHuman, Abort, RetryLater, RetryNow}
	for i, outer := range grave {
		for j, inner := range grave {
			err := WithKind(outer, fmt.Errorf("wrapped: %w", WithKind(inner, errLocked)))
			require.Equal(t, grave[min(i, j)], Kind(err), "%v over %v", outer, inner)
		}
	}
	require.Equal(t, NeedsHuman, Kind(errors.Join(WithKind(RetryNow, errLocked), WithKind(NeedsHuman, errLocked))))
}

func TestText(t *testing.T) {
	require.Equal(t, "procedure is locked", Text("  procedure is locked\n"))
	require.Equal(t, "a b?", Text("a\nb\xff"))
	require.Equal(t, "(a web page)", Text(" <!DOCTYPE html><html>"))
	require.Equal(t, " [2J up  side", Text("\x1b[2J\u202eup\u2028\u009bside"), "nothing that a terminal obeys")
	long := Text(strings.Repeat("x", 10*MaxText))
	require.Equal(t, strings.Repeat("x", MaxText)+"…", long)
}

func TestCanceled(t *testing.T) {
	require.True(t, Canceled(fmt.Errorf("read: %w", context.Canceled)))
	require.False(t, Canceled(context.DeadlineExceeded))
}

// A node may repeat our request in its answer.
func TestTextRepeatsNoSecret(t *testing.T) {
	for said, want := range map[string]string{
		"bad token Bearer eyJhbGci.eyJpYXQi.c2ln here":        "bad token Bearer *** here",
		"authorization: basic b3BlcmF0b3I6aHVudGVyMg==":       "authorization: basic ***",
		"eyJhbGci.eyJpYXQi.c2ln is too old":                   "*** is too old",
		"GET http://operator:hunter2@a:1/x?key=1&b=2 refused": "GET http://***@a:1/x?key=***&b=*** refused",
		"a basic error at 10:30, slot = 5":                    "a basic error at 10:30, slot = 5",
	} {
		if got := Text(said); got != want {
			t.Errorf("%q gives %q, want %q", said, got, want)
		}
	}
}
