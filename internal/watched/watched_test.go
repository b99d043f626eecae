package watched

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAChangedFileIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write := func(text string) { // as a careful program does: another file in its place
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	reads, failures := 0, 0
	read := func() (string, error) {
		reads++
		raw, err := os.ReadFile(path)
		if string(raw) == "bad" {
			err = errors.New("unusable")
		}
		return string(raw), err
	}
	_, err := New(read, func(error) {}, path)
	require.ErrorIs(t, err, os.ErrNotExist)

	write("one")
	v, err := New(read, func(error) { failures++ }, path)
	require.NoError(t, err)
	later := func() string {
		v.looked = time.Time{} // a second has passed
		return v.Get()
	}
	require.Equal(t, "one", later())
	reads = 0
	for range 10 {
		require.Equal(t, "one", later())
	}
	require.Zero(t, reads, "a file that did not change is not read")

	write("two")
	require.Equal(t, "one", v.Get(), "within a second the file is not looked at")
	require.Equal(t, "two", later(), "of the same length, in the same moment")
	write("bad")
	require.Equal(t, "two", later(), "the last good one stays")
	require.Equal(t, "two", later())
	require.Equal(t, 1, failures, "told once")
	require.NoError(t, os.Remove(path))
	require.Equal(t, "two", later())
	write("three")
	require.Equal(t, "three", later())
}
