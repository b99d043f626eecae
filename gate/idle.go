package gate

import (
	"net"
	"net/http"
	"sync/atomic"
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
	l.mu.Lock()
	var oldest *boundedConn
	for c := range l.open {
		if c.idle() && (oldest == nil || c.since.Load() < oldest.since.Load()) {
			oldest = c
		}
	}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
}

// boundedConn frees its slot when it is closed, also as a WebSocket.
type boundedConn struct {
	net.Conn
	release func()
	since   atomic.Int64         // when its last call ended, in nanoseconds; 0 during a call over HTTP
	link    atomic.Pointer[link] // if it carries messages
}

func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// used notes that a call begins or ends; c may be nil.
func (c *boundedConn) used(busy bool) {
	switch {
	case c == nil:
	case busy:
		c.since.Store(0)
	default:
		c.since.Store(time.Now().UnixNano())
	}
}

// idle reports whether the connection has had no call for a while, has no subscription, and
// nothing came that was not read.
func (c *boundedConn) idle() bool {
	since := c.since.Load()
	if since == 0 || time.Since(time.Unix(0, since)) < idleAtLeast {
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
