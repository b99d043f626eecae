package reach

import (
	"context"
	"errors"
	"os"

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
