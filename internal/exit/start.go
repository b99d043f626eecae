package exit

import (
	"errors"
	"io/fs"
	"net"
	"syscall"

	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/settings"
)

// noRestartHeals are the errors of the system about what a human has to change: names
// and rights. Others (an address that is not there yet, no room, no file descriptors)
// may be gone at the next start.
var noRestartHeals = []error{
	fs.ErrPermission, syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.ELOOP,
}

// OfStart returns the code of an error that keeps syncd from starting: Busy, NotYet for
// what a restart heals, else Usage. `run` and `check` have one code for one fault by it.
func OfStart(err error) int {
	var (
		lookup *net.DNSError
		system syscall.Errno
	)
	switch {
	case err == nil:
		return OK
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, journal.ErrInUse):
		return Busy
	case errors.Is(err, settings.ErrNotYet), errors.As(err, &lookup):
		return NotYet
	case errors.As(err, &system):
		for _, lasting := range noRestartHeals {
			if errors.Is(err, lasting) {
				return Usage
			}
		}
		return NotYet
	}
	return Usage
}
