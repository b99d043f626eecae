package preflight

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/settings"
)

// otherUser is the remedy where only the user that runs syncd can see.
const otherUser = "the user that runs syncd may: ask again with sudo or as that user"

// existing returns path, or the nearest directory above it that is there.
func existing(path string) (string, os.FileInfo, error) {
	at, err := filepath.Abs(path)
	if err != nil {
		return path, nil, err
	}
	for {
		info, err := os.Stat(at)
		if err == nil || !os.IsNotExist(err) || at == filepath.Dir(at) {
			return at, info, err
		}
		at = filepath.Dir(at)
	}
}

// journal reports whether the journal could be written, and leaves nothing behind.
func (c *checker) journal(context.Context) []Finding {
	path := c.cfg.JournalPath()
	note, err := journal.Examine(path)
	switch {
	case errors.Is(err, journal.ErrInUse):
		return []Finding{warn("stop it before you start another", "a syncd is running with %s", path)}
	case errors.Is(err, os.ErrNotExist):
		return []Finding{c.writable()}
	case errors.Is(err, os.ErrPermission):
		return []Finding{notOurs(path, err)}
	case err != nil:
		return []Finding{failed(exit.OfStart(err), settings.RemedyOfDataDir(err), "--data-dir is %q: %v", c.cfg.DataDir, err)}
	case note != "":
		return []Finding{warn("nothing needs to be done", "%s", note)}
	}
	return []Finding{ok("%s can be written", path)}
}

// The bits of access(2).
const (
	mayEnter = 1
	mayWrite = 2
)

// writable asks about the directory, or that in which it would be made.
func (c *checker) writable() Finding {
	at, info, err := existing(c.cfg.DataDir)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "use", Path: at, Err: syscall.ENOTDIR}
	}
	if err == nil {
		if err = syscall.Access(at, mayEnter|mayWrite); err != nil {
			err = &os.PathError{Op: "write", Path: at, Err: err}
		}
	}
	whole, _ := filepath.Abs(c.cfg.DataDir)
	switch {
	case errors.Is(err, os.ErrPermission):
		return notOurs(at, err)
	case err != nil:
		return failed(exit.OfStart(err), settings.RemedyOfDataDir(err), "--data-dir is %q: %v", c.cfg.DataDir, err)
	case at != whole:
		return ok("%s is not there yet and can be made", c.cfg.DataDir)
	}
	return ok("%s can be written", c.cfg.JournalPath())
}

// notOurs is a warning where another user owns what this one may not write, as
// the service does.
func notOurs(path string, err error) Finding {
	var stat syscall.Stat_t
	if syscall.Stat(path, &stat) == nil && int(stat.Uid) == os.Geteuid() {
		return failed(exit.Usage, "give yourself the right to write it, or name another --data-dir", "%v", err)
	}
	return warn(otherUser, "this user may not write here: %v", err)
}

// The free space below which the journal is in danger, in bytes. It is small
// itself, but the nodes often share its disk.
const (
	leastDisk  = 16 << 20
	scarceDisk = 256 << 20
)

// disk looks at the file system of the data directory, or at that of the
// nearest directory that is there.
func (c *checker) disk(context.Context) []Finding {
	dir, _, err := existing(c.cfg.DataDir)
	var fs syscall.Statfs_t
	if err == nil {
		err = syscall.Statfs(dir, &fs)
	}
	if errors.Is(err, os.ErrPermission) {
		return []Finding{warn(otherUser, "the free space of %s is not known: %v", c.cfg.DataDir, err)}
	}
	if err != nil {
		return []Finding{warn("see whether the disk is mounted", "the free space of %s is not known: %v", c.cfg.DataDir, err)}
	}
	return []Finding{roomFinding(dir, fs.Bavail*uint64(fs.Bsize))}
}

func roomFinding(dir string, free uint64) Finding {
	mib := free >> 20
	switch {
	case free < leastDisk:
		return failed(exit.OfStart(syscall.ENOSPC), "make room, or give --data-dir a directory on another disk", "%s has %d MiB free", dir, mib)
	case free < scarceDisk:
		return warn("make room before the nodes stop", "%s has only %d MiB free", dir, mib)
	}
	return ok("%s has %d MiB free", dir, mib)
}
