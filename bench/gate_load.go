package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// The calls that the gate is measured with. The second one is answered by as many
// bytes as its only parameter says.
const (
	numberCall = `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`
	numberText = `{"jsonrpc":"2.0","id":1,"result":"0x1b4"}` + "\n"
	bytesCall  = `{"jsonrpc":"2.0","id":1,"method":"bench_bytes","params":[%d]}`
)

// plainGwat answers the calls above over HTTP at next to no cost, so that what stands
// before it is what is measured. It knows no other call.
type plainGwat struct {
	listener net.Listener
	url      string
	group    errgroup.Group
	end      context.CancelFunc
}

func newPlainGwat() (*plainGwat, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for gwat: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &plainGwat{listener: l, url: "http://" + l.Addr().String(), end: cancel}
	g.group.Go(func() error {
		for {
			conn, err := l.Accept()
			if err != nil {
				return nil // closed
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			g.group.Go(func() error {
				defer conn.Close()
				defer stop()
				serve(conn)
				return nil
			})
		}
	})
	return g, nil
}

func (g *plainGwat) close() error {
	g.end()
	err := g.listener.Close()
	return errors.Join(err, g.group.Wait())
}

// serve answers calls until the connection ends.
func serve(conn net.Conn) {
	m := newMessages(conn)
	out := bufio.NewWriterSize(conn, 64<<10)
	for {
		length, err := m.head()
		if err != nil {
			return
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(m.r, body); err != nil {
			return
		}
		_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ")
		if size := sizeAsked(body); size > 0 {
			_, _ = out.WriteString(strconv.Itoa(size) + "\r\n\r\n")
			_ = writeAnswer(out, size) // Flush says what went wrong
		} else {
			_, _ = out.WriteString(strconv.Itoa(len(numberText)) + "\r\n\r\n" + numberText)
		}
		if out.Flush() != nil || m.last {
			return
		}
	}
}

// sizeAsked is how many bytes a call asks for, 0 if it is another call.
func sizeAsked(body []byte) int {
	_, rest, found := bytes.Cut(body, []byte(`"bench_bytes","params":[`))
	digits, _, ended := bytes.Cut(rest, []byte("]"))
	size, err := strconv.Atoi(string(digits))
	if !found || !ended || err != nil {
		return 0
	}
	return size
}

var filler = bytes.Repeat([]byte("0123456789abcdef"), 4<<10)

// writeAnswer writes an answer of size bytes.
func writeAnswer(out io.Writer, size int) error {
	const begin, end = `{"jsonrpc":"2.0","id":1,"result":"`, `"}` + "\n"
	if _, err := io.WriteString(out, begin); err != nil {
		return err
	}
	for left := size - len(begin) - len(end); left > 0; {
		n, err := out.Write(filler[:min(left, len(filler))])
		if err != nil {
			return err
		}
		left -= n
	}
	_, err := io.WriteString(out, end)
	return err
}

// messages reads the heads of HTTP messages that say how long they are.
type messages struct {
	r    *bufio.Reader
	last bool // the peer ends the connection after the message just read
	ok   bool // the status of the answer just read is 200
}

func newMessages(conn net.Conn) *messages { return &messages{r: bufio.NewReaderSize(conn, 64<<10)} }

// head reads up to the body and returns its length.
func (m *messages) head() (length int, err error) {
	length = -1
	first, err := m.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	m.ok = bytes.HasPrefix(first, []byte("HTTP/1.1 200"))
	m.last = bytes.Contains(first, []byte("HTTP/1.0"))
	for {
		line, err := m.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		name, value, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case len(name) == 0:
			if length < 0 {
				return 0, errors.New("a message without Content-Length")
			}
			return length, nil
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Connection")):
			m.last = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// client makes calls over one connection at a time, at as little cost as the backend.
type client struct {
	address string
	request []byte
	within  time.Duration // of one call
	conn    net.Conn
	in      *messages
}

func newClient(address, body string) *client {
	return &client{address: address, within: callWithin, request: fmt.Appendf(nil,
		"POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(body), body)}
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

const callWithin = 30 * time.Second

// send begins a call, over the connection of the call before if it is still open.
func (c *client) send() error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, callWithin)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, newMessages(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.within)); err != nil {
		return err
	}
	_, err := c.conn.Write(c.request)
	return err
}

// receive reads the answer and returns its length.
func (c *client) receive() (int, error) {
	length, err := c.in.head()
	if err != nil {
		return 0, err
	}
	if !c.in.ok {
		return 0, errors.New("the answer's status is not 200")
	}
	_, err = c.in.r.Discard(length)
	if c.in.last {
		c.close()
	}
	return length, err
}

// call makes one call. After an error the next one has a connection of its own.
func (c *client) call() error {
	err := c.send()
	if err == nil {
		_, err = c.receive()
	}
	if err != nil {
		c.close()
	}
	return err
}

// rate makes calls over so many connections for a while and returns how many a second
// were answered.
func rate(ctx context.Context, address, body string, connections int, during time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	counts := make([]int, connections)
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for i := range connections {
		group.Go(func() error {
			c := newClient(address, body)
			defer c.close()
			for ctx.Err() == nil {
				if err := c.call(); err != nil {
					return err
				}
				counts[i]++
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begin).Seconds(), nil
}
