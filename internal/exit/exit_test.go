package exit

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

type libraryError struct{ error }

func (libraryError) ExitCode() int { return 77 }

func TestOf(t *testing.T) {
	for code, err := range map[int]error{
		OK:        nil,
		Internal:  errors.New("of no kind"),
		Usage:     fmt.Errorf("run: %w", failure.Newf(failure.NeedsHuman, "wrong secret")),
		NotYet:    fmt.Errorf("run: %w", Errorf(NotYet, "no address: %w", syscall.EADDRINUSE)),
		Busy:      fmt.Errorf("journal: %w", journal.ErrInUse),
		Different: With(Different, failure.Newf(failure.NeedsHuman, "a code of its own wins")),
		Halted:    With(Halted, errors.New("two networks")),
	} {
		require.Equal(t, code, Of(err), "%v", err)
	}
	require.Equal(t, Busy, Of(fmt.Errorf("listen: %w", syscall.EADDRINUSE)))
	require.Equal(t, Usage, Of(libraryError{errors.New("no such flag")}))
	require.NoError(t, With(Usage, nil))
	require.NoError(t, Reported(OK))
	require.Empty(t, Reported(Different).Error())
	require.Equal(t, Different, Of(Reported(Different)))
}

func TestOfVerdict(t *testing.T) {
	for verdict, code := range map[string]int{
		status.VerdictWorking: OK, status.VerdictSyncing: NotWorking, status.VerdictFailing: Failing,
		status.VerdictPaused: Paused, status.VerdictHalted: Halted, status.VerdictUnknown: Unknown, "": Unknown, "new": Unknown,
	} {
		require.Equal(t, code, OfVerdict(verdict), verdict)
	}
}

func TestCodesAreDistinctAndInOrder(t *testing.T) {
	require.True(t, slices.IsSortedFunc(Codes, func(a, b struct {
		Code    int
		Meaning string
	}) int {
		if a.Code < b.Code {
			return -1
		}
		return 1 // equal ones are not in order either
	}))
	for _, c := range Codes {
		require.NotEmpty(t, c.Meaning)
	}
}
