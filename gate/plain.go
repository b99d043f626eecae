package gate

import (
	"bytes"
	"strconv"
)

// plainHead is the head of an HTTP message that can be read in one way only and has no
// header of its connection.
type plainHead struct {
	size   int // with the empty line
	length int // of the body
	hosts  int
	drop   [2]int // offsets of a line that is not passed on
}

var crlf = []byte("\r\n")

// readPlain reads the head at the beginning of raw; ok reports whether it is plain.
func readPlain(raw []byte, first string) (h plainHead, ok bool) {
	if len(raw) < len(first) || string(raw[:len(first)]) != first {
		return h, false
	}
	h.length = -1
	for at := len(first); ; {
		n := bytes.Index(raw[at:], crlf)
		switch {
		case n < 0:
			return h, false
		case n == 0:
			h.size = at + len(crlf)
			return h, h.length >= 0
		case !h.line(raw[at:at+n], at):
			return h, false
		}
		at += n + len(crlf)
	}
}

// line reads a line at an offset and reports whether it is plain.
func (h *plainHead) line(line []byte, at int) bool {
	colon := bytes.IndexByte(line, ':')
	var low [len("transfer-encoding")]byte
	if colon <= 0 {
		return false
	}
	for i, b := range line[:colon] {
		switch {
		case b >= 'A' && b <= 'Z':
			b += 'a' - 'A'
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '-':
		default:
			return false
		}
		if i < len(low) {
			low[i] = b
		}
	}
	value := bytes.Trim(line[colon+1:], " ")
	for _, b := range value {
		if b < ' ' || b > '~' {
			return false
		}
	}
	if colon > len(low) {
		return true
	}
	switch string(low[:colon]) {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect":
		return false
	case "content-length":
		return h.setLength(value)
	case "host":
		h.hosts++
		return plainHost(value)
	case "accept-encoding":
		first := h.drop[1] == 0
		h.drop = [2]int{at, at + len(line) + len(crlf)}
		return first
	}
	return true
}

func (h *plainHead) setLength(value []byte) bool {
	if h.length >= 0 || len(value) == 0 || len(value) > 6 || value[0] < '0' || value[0] > '9' {
		return false
	}
	n, err := strconv.Atoi(string(value))
	h.length = n
	return err == nil
}

func plainHost(value []byte) bool {
	for _, b := range value {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if !letter && (b < '0' || b > '9') && b != '.' && b != ':' && b != '-' {
			return false
		}
	}
	return len(value) > 0
}

// without returns raw without the line that is not passed on.
func (h *plainHead) without(raw []byte) []byte {
	if h.drop[1] == 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	return append(append(out, raw[:h.drop[0]]...), raw[h.drop[1]:]...)
}
