package recording

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/counted"
)

// Reader reads a bundle line by line; it holds one line at a time, however
// much the file claims to unpack to.
type Reader struct {
	Header Header

	lines *bufio.Reader
	limit int
	size  int
	line  int
	ended bool
}

// NewReader reads the header.
func NewReader(in io.Reader) (*Reader, error) { return newReader(in, MaxSize) }

func newReader(in io.Reader, limit int) (*Reader, error) {
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not compressed as one: %w", ErrFormat, err)
	}
	zip.Multistream(false) // what follows the end is not part of it
	r := &Reader{lines: bufio.NewReaderSize(zip, 64<<10), limit: limit}
	data, err := r.next()
	if err != nil {
		return nil, fmt.Errorf("%w: the header cannot be read: %w", ErrFormat, err)
	}
	// The version first: a newer header may be of another form.
	var kind struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &kind); err != nil || kind.Format != Format || kind.Version < 1 {
		return nil, fmt.Errorf("%w: the first line is no header", ErrFormat)
	}
	if kind.Version > Version {
		return nil, fmt.Errorf("%w: its form is version %d, this syncd reads up to %d; replay it with the syncd that made it or a newer one", ErrNewer, kind.Version, Version)
	}
	if err := json.Unmarshal(data, &r.Header); err != nil {
		return nil, fmt.Errorf("%w: the header: %w", ErrCorrupt, err)
	}
	if r.Header.Poll <= 0 {
		return nil, fmt.Errorf("%w: the header has %s between two polls", ErrCorrupt, r.Header.Poll)
	}
	return r, nil
}

// Next returns the next entry; io.EOF after the last one of a whole bundle.
func (r *Reader) Next() (Entry, error) {
	if r.ended {
		return Entry{}, io.EOF
	}
	data, err := r.next()
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return Entry{}, fmt.Errorf("%w in line %d: %w", ErrCorrupt, r.line, err)
	}
	if err := e.check(); err != nil {
		return Entry{}, fmt.Errorf("%w in line %d: %w", ErrCorrupt, r.line, err)
	}
	if e.End != nil {
		r.ended = true
		// The checksum follows the last line.
		if _, err := r.lines.ReadByte(); errors.Is(err, io.EOF) {
			return e, nil
		} else if err != nil {
			return e, r.broken(err)
		}
		return e, fmt.Errorf("%w: lines follow the end", ErrCorrupt)
	}
	return e, nil
}

// check refuses what no writer wrote and what an engine could not take.
func (e *Entry) check() error {
	if l := e.Evaluation; l != nil {
		if s := l.Input.Spec; s != nil {
			if err := s.Validate(); err != nil {
				return fmt.Errorf("constants of the network: %w", err)
			}
		}
		for _, s := range l.Input.Gwat.Spines {
			if s < checkpoint.SpineUnknown || s > checkpoint.SpineMisplace {
				return fmt.Errorf("%d is no state of a spine", s)
			}
		}
	}
	if e.Snapshot != nil && e.Snapshot.Stage == "" {
		return errors.New("a snapshot without a stage")
	}
	return nil
}

// next reads one line within the limits.
func (r *Reader) next() ([]byte, error) {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		line = append(line, part...)
		if r.size += len(part); r.size > r.limit || len(line) > maxLine {
			return nil, fmt.Errorf("%w: line %d goes beyond the limit", ErrTooLarge, r.line+1)
		}
		switch {
		case err == nil:
			r.line++
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return nil, r.broken(err)
		}
	}
}

func (r *Reader) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w, after %s", ErrTruncated, counted.Of(r.line, "line"))
	}
	return fmt.Errorf("%w after line %d: %w", ErrCorrupt, r.line, err)
}
