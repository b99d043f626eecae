package beaconclient

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine bounds a line of the event stream and the data of an event.
const maxLine = 64 << 10

// errFrame tells an event that is over the limit; the stream goes on behind it.
var errFrame = errors.New("event over the size limit")

// frameReader cuts an event stream (WHATWG server-sent events) into events. It
// holds at most one line and one event's data, however long the stream's are.
type frameReader struct{ lines *bufio.Reader }

func newFrameReader(stream io.Reader) *frameReader {
	return &frameReader{bufio.NewReaderSize(stream, maxLine)}
}

// next gives the next event with data or a name: name is "message" if the
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

// line gives the next line without its end; it is valid until the next call.
func (r *frameReader) line() ([]byte, error) {
	line, err := r.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.lines.ReadSlice('\n')
		}
		if err == nil {
			err = errFrame
		}
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
}
