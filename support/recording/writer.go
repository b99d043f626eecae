package recording

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Writer writes a bundle. It is safe for concurrent use.
type Writer struct {
	mu      sync.Mutex
	zip     *gzip.Writer
	mask    *Masker
	limit   int
	size    int
	entries int
	err     error // the first; nothing is written after it
}

// endRoom is kept free for the last line.
const endRoom = 4 << 10

// NewWriter writes the header. limit bounds the bundle, in bytes of JSON, and
// is at most MaxSize.
func NewWriter(out io.Writer, mask *Masker, header Header, limit int) (*Writer, error) {
	w := &Writer{zip: gzip.NewWriter(out), mask: mask, limit: min(limit, MaxSize) - endRoom}
	header.Format, header.Version = Format, Version
	if err := w.line(header); err != nil {
		return nil, err
	}
	return w, nil
}

// Add writes an entry. After ErrFull, and after any other error, it takes nothing more.
func (w *Writer) Add(e Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if w.err = w.line(e); w.err == nil {
		w.entries++
	}
	return w.err
}

// Answer makes an answer of a node fit for a Call: one that is too long, or no
// JSON, is left out, with its length.
func Answer(raw []byte) (answer json.RawMessage, length int) {
	if len(raw) > maxBytes || len(raw) > 0 && !json.Valid(raw) {
		return nil, len(raw)
	}
	return raw, 0
}

func (w *Writer) line(v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		data, err = w.mask.JSON(data)
	}
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	if w.size+len(data)+1 > w.limit || len(data) >= maxLine {
		return fmt.Errorf("%w of %d bytes", ErrFull, w.limit+endRoom)
	}
	return w.write(data)
}

func (w *Writer) write(data []byte) error {
	n, err := w.zip.Write(append(data, '\n'))
	w.size += n
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}

// Flush brings what was added to the file: a recorder that is killed leaves it.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.zip.Flush()
}

// Size is how many bytes of JSON were written, and how many entries.
func (w *Writer) Size() (bytes, entries int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size, w.entries
}

// Close writes the end, and why the recording ended.
func (w *Writer) Close(e Entry, why string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.End = &End{Why: w.mask.Text(why), Entries: w.entries}
	data, err := json.Marshal(e)
	if err == nil {
		err = w.write(data)
	}
	if closeErr := w.zip.Close(); err == nil {
		err = closeErr
	}
	return err
}
