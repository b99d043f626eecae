package heal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/gwatsync/syncd/failure"
)

// The bounds of an operator's command.
const (
	CommandTimeout = time.Minute
	maxOutput      = 4 << 10
)

// ErrCommand is the error of a command that failed.
var ErrCommand = failure.WithKind(failure.RetryLater, errors.New("the command failed"))

// Run runs an operator's command, whose words are separated by blanks: no shell reads
// it. It ends with ctx or after CommandTimeout. Its output is kept up to 4 KiB.
func Run(ctx context.Context, command string) (output string, err error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return "", fmt.Errorf("%w: it is empty", ErrCommand)
	}
	ctx, cancel := context.WithTimeout(ctx, CommandTimeout)
	defer cancel()
	kept := &bounded{}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = kept, kept, time.Second
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrCommand, words[0], errors.Join(err, ctx.Err()))
	}
	return failure.Text(kept.String()), err
}

// bounded keeps the first maxOutput bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	_, _ = b.Buffer.Write(p[:min(len(p), maxOutput-b.Len())]) // a Buffer's Write does not fail
	return len(p), nil
}
