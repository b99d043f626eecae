package beaconclient

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine bounds a line of the event stream and the data of an event.
const maxLine = 64 << 10

// errFrame reports an event over the limit; the stream goes on behind it.
var errFrame = errors.New("event over the size limit")

// frameReader cuts an event stream (WHATWG server-sent events) into events. It
// holds at most one line and one event's data, however long the stream's are.
type frameReader struct {
	in     *bufio.Reader
	begun  bool // the first line was read: a byte order mark may precede only that
	afterC bool // the last line ended with CR: an LF that follows belongs to it
}

func newFrameReader(stream io.Reader) *frameReader {
	return &frameReader{in: bufio.NewReaderSize(stream, maxLine)}
}

// next returns the next event with data or a name: name is "message" if the
// stream names none.
func (r *frameReader) next() (name string, data []byte, err error) {
	tooLong := false
	for {
		line, err := r.line()
		if errors.Is(err, errFrame) {
			tooLong = true
			continue
		}
		if err != nil {
			return "", nil, err // an event that is cut off by the end does not count
		}
		if len(line) == 0 {
			switch {
			case tooLong:
				return "", nil, errFrame
			case name == "" && data == nil:
				continue
			case name == "":
				name = "message"
			}
			return name, data, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			if data = append(data, value...); data == nil {
				data = []byte{}
			}
			if len(data) > maxLine {
				tooLong, data = true, nil
			}
		}
	}
}

// byteOrderMark may begin a stream and is no part of its first line.
var byteOrderMark = []byte("\uFEFF")

// line returns the next line without its end, which is LF, CR or CR LF; it is
// valid until the next call. A CR ends the line at once, whether an LF follows
// or not: that may come with the next event only.
func (r *frameReader) line() ([]byte, error) {
	tooLong := false
	for scanned := 0; ; {
		if _, err := r.in.Peek(scanned + 1); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		buffered, _ := r.in.Peek(r.in.Buffered())
		if r.afterC {
			r.afterC = false
			if buffered[0] == '\n' {
				r.in.Discard(1)
				continue
			}
		}
		end := bytes.IndexAny(buffered[scanned:], "\r\n")
		if end < 0 {
			if scanned = len(buffered); scanned == r.in.Size() {
				r.in.Discard(scanned)
				tooLong, scanned = true, 0
			}
			continue
		}
		end += scanned
		line := buffered[:end]
		r.afterC = buffered[end] == '\r'
		r.in.Discard(end + 1)
		if !r.begun {
			r.begun, line = true, bytes.TrimPrefix(line, byteOrderMark)
		}
		if tooLong {
			return nil, errFrame
		}
		return line, nil
	}
}
