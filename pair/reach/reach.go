package reach

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
)

// Gwat returns how gwat answered, by the error of a read.
func Gwat(err error) health.Reach {
	switch {
	case err == nil:
		return health.Answers
	case errors.Is(err, failure.ErrRateLimited): // before ErrDown: a request held back here is that, too
		return health.Limited
	case errors.Is(err, gwatclient.ErrUnauthorized):
		return health.Denied
	case errors.Is(err, gwatclient.ErrDown):
		return health.Down
	case TimedOut(err):
		return health.Silent
	case errors.Is(err, gwatclient.ErrLost), errors.Is(err, failure.ErrGateway):
		return health.Down
	}
	return health.Garbled
}

// Beacon returns how the beacon node answered, by the error of a read.
func Beacon(err error) health.Reach {
	switch {
	case err == nil:
		return health.Answers
	case errors.Is(err, failure.ErrRateLimited):
		return health.Limited
	case errors.Is(err, beaconclient.ErrStarting):
		return health.Starting
	case errors.Is(err, beaconclient.ErrDown):
		return health.Down
	case TimedOut(err):
		return health.Silent
	case errors.Is(err, beaconclient.ErrLost), errors.Is(err, failure.ErrGateway):
		return health.Down
	}
	return health.Garbled
}

// TimedOut reports whether a call had no answer in time.
func TimedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// Slow returns the error of a node that is to blame for a call which had no time left in a poll:
// its own answers took more than four fifths of the poll's time, and longer than those of the
// other node. It returns nil for any other node.
func Slow(took, other, within time.Duration) error {
	if took <= max(other, within*4/5) {
		return nil
	}
	return fmt.Errorf("its answers took %s of the %s that a poll has: %w", took.Round(time.Millisecond), within, context.DeadlineExceeded)
}
