package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// maxLine bounds a line that is read, its checksum included.
const maxLine = 4*maxValue + 1024

// A line is a JSON object whose last member is the checksum of what is before it.
const (
	sumBegin = `,"crc":"`
	sumSize  = len(sumBegin) + 8 + len(`"}`)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal adds checksum and line end to a JSON object.
func seal(object []byte) []byte {
	body := bytes.TrimSuffix(object, []byte("}"))
	return fmt.Appendf(bytes.Clone(body), "%s%08x\"}\n", sumBegin, crc32.Checksum(body, castagnoli))
}

// unseal returns the object of a line without its end; ok is false if it is damaged.
func unseal(line []byte) (object []byte, ok bool) {
	if len(line) <= sumSize || line[0] != '{' {
		return nil, false
	}
	body := line[:len(line)-sumSize]
	if want := fmt.Appendf(nil, "%s%08x\"}", sumBegin, crc32.Checksum(body, castagnoli)); !bytes.Equal(line[len(body):], want) {
		return nil, false
	}
	return append(bytes.Clone(body), '}'), true
}

// lineFile is a file of sealed lines to which more are appended.
type lineFile struct {
	path string
	file *os.File // nil after the close
	size int64    // of the whole lines
	// stale: the last write failed, or the file was changed by others: what it holds
	// is not known until it is rewritten.
	stale bool
}

// damage is what a scan found wrong.
type damage struct {
	bad  int  // lines that are not ours, but for a torn one at the end
	torn bool // the last write was cut off
}

// openLines opens or creates a file and passes on each of its objects.
func openLines(path string, each func(object []byte)) (*lineFile, damage, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, damage{}, err
	}
	l := &lineFile{path: path, file: file}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("no regular file but %s", info.Mode().Type())
	}
	var found damage
	if err == nil {
		found, err = l.scan(each)
	}
	if err != nil {
		return nil, found, errors.Join(err, file.Close())
	}
	// A new file gets its first line by a replacement, which makes its name durable.
	l.stale = l.size == 0 || found != damage{}
	return l, found, nil
}

// scan reads the whole file in bounded memory.
func (l *lineFile) scan(each func(object []byte)) (found damage, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, 0, 1<<62), maxLine)
	last := false // the line before this one was bad
	for {
		line, err := r.ReadSlice('\n')
		l.size += int64(len(line))
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			if last { // a write that no fsync had confirmed may be there in part, its end first
				found.bad, found.torn = found.bad-1, true
			}
			return found, nil
		case errors.Is(err, io.EOF):
			found.torn = true
			return found, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return found, err
		}
		object, ok := unseal(bytes.TrimSuffix(line, []byte("\n")))
		if last = !ok; last {
			found.bad++
			continue
		}
		each(object)
	}
}

// intact reports whether the file at the path is still the one that was written.
func (l *lineFile) intact() bool {
	open, err := l.file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(l.path)
	return err == nil && os.SameFile(open, now) && open.Size() == l.size
}

// append adds a sealed line. Without sync it may be lost with the power.
func (l *lineFile) append(line []byte, sync bool) error {
	_, err := l.file.Write(line)
	if err == nil && sync {
		err = syscall.Fdatasync(int(l.file.Fd()))
	}
	if err != nil {
		l.stale = true
		return err
	}
	l.size += int64(len(line))
	return nil
}

// replace puts a file of these lines in the place of this one: after a crash there
// is the one or the other. The new one is durable when it returns nil.
func (l *lineFile) replace(content []byte) (err error) {
	l.stale = true
	dir := filepath.Dir(l.path)
	if err := renameio.WriteFile(l.path, content, 0o600, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600)); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_ = l.file.Close() // of a file that is gone
	l.file, l.size, l.stale = file, int64(len(content)), false
	return nil
}

// syncDir makes a name in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// newest returns at most limit objects, the newest first, read from the end.
func (l *lineFile) newest(limit int) (objects [][]byte, err error) {
	var rest []byte // the part of a line that begins in an earlier chunk
	buf := make([]byte, 64<<10)
	for at := l.size; at > 0 && len(objects) < limit; {
		n := min(at, int64(len(buf)))
		at -= n
		if _, err := l.file.ReadAt(buf[:n], at); err != nil {
			return nil, err
		}
		chunk := append(bytes.Clone(buf[:n]), rest...)
		if len(chunk) > maxLine+len(buf) {
			return objects, nil // no line of ours
		}
		for len(objects) < limit {
			i := bytes.LastIndexByte(bytes.TrimSuffix(chunk, []byte("\n")), '\n')
			if i < 0 && at > 0 {
				break
			}
			if object, ok := unseal(bytes.TrimSuffix(chunk[i+1:], []byte("\n"))); ok {
				objects = append(objects, object)
			}
			if chunk = chunk[:i+1]; len(chunk) == 0 {
				break
			}
		}
		rest = chunk
	}
	return objects, nil
}

func (l *lineFile) close() error {
	if l == nil || l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// moveAside renames path to the first free <path>.corrupt-<n>.
func moveAside(path string) (string, error) {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.corrupt-%d", path, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, os.Rename(path, aside)
		} else if err != nil {
			return "", err
		}
	}
}
