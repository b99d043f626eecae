package gate

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// idleAtLeast is how long a connection has had no call when a full listener may close it.
const idleAtLeast = time.Second

// slot waits for a place. While there is none, the connections that were idle longest are closed.
func (l *boundedListener) slot() error {
	for {
		select {
		case l.slots <- struct{}{}:
			return nil
		case <-l.closed:
			return net.ErrClosed
		default:
		}
		l.closeIdle()
		again := time.NewTimer(idleAtLeast)
		select {
		case l.slots <- struct{}{}:
			again.Stop()
			return nil
		case <-l.closed:
			again.Stop()
			return net.ErrClosed
		case <-again.C:
		}
	}
}

// closeIdle closes the connection that was idle longest, if there is any.
func (l *boundedListener) closeIdle() {
	for {
		oldest := l.oldest()
		if oldest == nil || oldest.evict() {
			return
		}
	}
}

// oldest returns the connection that has been idle longest, nil if none is.
func (l *boundedListener) oldest() *boundedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest *boundedConn
	var since time.Time
	for c := range l.open {
		if at, idle := c.idleSince(); idle && (oldest == nil || at.Before(since)) {
			oldest, since = c, at
		}
	}
	return oldest
}

// boundedConn frees its slot when it is closed, also as a WebSocket. What is read of it and
// whether it is idle change under one lock, so that it is never closed with a call that was read.
type boundedConn struct {
	net.Conn
	release func()
	link    atomic.Pointer[link] // if it carries messages

	raw  syscall.RawConn // nil if it has none
	look func(fd uintptr) bool
	into []byte // of the Read under way
	n    int    // what look read
	err  error

	mu      sync.Mutex
	waiting bool      // a Read has found nothing
	moved   bool      // something was read or written since the last look
	busy    bool      // a call is on its way; of messages only until it is read
	since   time.Time // of the end of the last call
	evicted bool      // nothing is read any more
}

func newBoundedConn(conn net.Conn) *boundedConn {
	c := &boundedConn{Conn: newDirect(conn), since: time.Now()}
	if d, ok := c.Conn.(*direct); ok {
		c.raw, c.look = d.raw, c.readNow
	}
	return c
}

// Read reads what there is, or notes that it waits, in one step.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.raw == nil || len(p) == 0 {
		c.waits(true)
		n, err := c.Conn.Read(p)
		c.waits(false)
		return n, err
	}
	c.into = p
	if err := c.raw.Read(c.look); err != nil {
		c.waits(false)
		return 0, err
	}
	switch {
	case c.err != nil:
		return 0, failedCall(c, "read", c.err)
	case c.n == 0:
		return 0, io.EOF
	}
	return c.n, nil
}

// readNow reads what there is; done reports whether Read is over.
func (c *boundedConn) readNow(fd uintptr) (done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n, c.err = 0, nil; !c.evicted {
		c.n, c.err = readNow(fd, c.into)
	}
	if c.waiting = errors.Is(c.err, syscall.EAGAIN); c.waiting {
		return false
	}
	c.moved = true
	return true
}

// Write writes p.
func (c *boundedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved = true
	return n, err
}

func (c *boundedConn) waits(waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.moved = waiting, c.moved || !waiting
}

func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// used notes that a call begins or ends; c may be nil.
func (c *boundedConn) used(busy bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy = busy; !busy {
		c.since, c.moved = time.Now(), false
	}
}

// idleSince reports whether the connection has had no call for a while, and since when.
func (c *boundedConn) idleSince() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.idle()
}

// evict closes the connection if it is still idle, and reports whether it was.
func (c *boundedConn) evict() bool {
	c.mu.Lock()
	c.evicted = c.idle()
	evicted := c.evicted
	if evicted && c.raw != nil {
		// Close would wait for a Read that waits for c.mu.
		_ = c.raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	}
	c.mu.Unlock()
	if evicted {
		_ = c.Close()
	}
	return evicted
}

// idle reports whether the connection has had no call for a while, has no subscription, and
// nothing came that was not read; c.mu is held.
func (c *boundedConn) idle() bool {
	if c.moved { // a part of a call, perhaps, or an answer
		c.moved, c.since = false, time.Now()
	}
	if c.busy || !c.waiting || time.Since(c.since) < idleAtLeast {
		return false
	}
	if l := c.link.Load(); l != nil && (l.subscribed.Load() || !l.idle()) {
		return false
	}
	return alive(c.Conn)
}

// boundOf returns the connection of a listener below c, nil if there is none.
func boundOf(c net.Conn) *boundedConn {
	for {
		switch t := c.(type) {
		case *boundedConn:
			return t
		case *handedConn:
			c = t.Conn
		case interface{ NetConn() net.Conn }:
			c = t.NetConn()
		default:
			return nil
		}
	}
}

// noteState is an http.Server's ConnState.
func noteState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateActive:
		boundOf(c).used(true)
	case http.StateIdle, http.StateHijacked:
		boundOf(c).used(false)
	}
}
