package journal

import (
	"errors"
	"fmt"
	"os"

	bolterrors "go.etcd.io/bbolt/errors"
)

// Examine tells whether the journal file at path could be opened by this user,
// and neither makes nor changes anything. While another syncd has it open the
// error is ErrInUse; without a file it wraps fs.ErrNotExist. note says what Open
// would do about a file that cannot be read.
func Examine(path string) (note string, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	switch _, err = lockAndCheck(file); {
	case errors.Is(err, bolterrors.ErrTimeout):
		return "", fmt.Errorf("%w: another syncd holds %s", ErrInUse, path)
	case errors.Is(err, errCorrupt):
		return fmt.Sprintf("the journal %s cannot be read (%v); the start moves it aside and begins a fresh one", path, err), nil
	}
	return "", err
}
