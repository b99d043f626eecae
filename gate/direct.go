package gate

import (
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// direct is a connection whose system calls the runtime is not told of. Its socket never
// blocks, so they are short; telling costs as much as the call, and wakes the runtime's
// monitor, a thread, at the first one after every pause.
type direct struct {
	net.Conn
	raw syscall.RawConn
	in  transfer
	mu  sync.Mutex // of out
	out transfer
}

// transfer is a Read or a Write under way.
type transfer struct {
	p    []byte
	n    int
	err  error
	step func(fd uintptr) (done bool)
}

// newDirect returns c itself where it has no socket.
func newDirect(c net.Conn) net.Conn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return c
	}
	d := &direct{Conn: c, raw: raw}
	d.in.step, d.out.step = d.readNow, d.writeNow
	return d
}

// SyscallConn makes a direct connection a syscall.Conn.
func (c *direct) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// Read reads what there is. One goroutine reads at a time.
func (c *direct) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.in.p = p
	if err := c.raw.Read(c.in.step); err != nil {
		return 0, err
	}
	if c.in.err == nil && c.in.n == 0 {
		return 0, io.EOF
	}
	return c.in.n, failedCall(c, "read", c.in.err)
}

func (c *direct) readNow(fd uintptr) (done bool) {
	c.in.n, c.in.err = readNow(fd, c.in.p)
	return !errors.Is(c.in.err, syscall.EAGAIN)
}

// Write writes all of p.
func (c *direct) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.p, c.out.n, c.out.err = p, 0, nil
	err := c.raw.Write(c.out.step)
	return c.out.n, cmp.Or(err, failedCall(c, "write", c.out.err))
}

func (c *direct) writeNow(fd uintptr) (done bool) {
	for c.out.n < len(c.out.p) {
		n, err := writeNow(fd, c.out.p[c.out.n:])
		if c.out.err = err; err != nil {
			return !errors.Is(err, syscall.EAGAIN)
		}
		c.out.n += n
	}
	return true
}

// failedCall returns the error of a system call as package net does.
func failedCall(c net.Conn, op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}

// maxNow bounds what one system call copies: it must be short.
const maxNow = 64 << 10

// now makes a system call for a socket that does not block. p is not empty.
func now(call, fd uintptr, p []byte, flags uintptr) (int, error) {
	for {
		n, _, failed := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(min(len(p), maxNow)), flags, 0, 0)
		switch failed {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, failed
		}
	}
}
