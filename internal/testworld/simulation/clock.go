package simulation

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// clock is the clock of syncd's machine. Its wall clock can be set; its monotonic
// reading cannot, as on a real machine.
type clock struct {
	begin time.Time
	off   atomic.Int64 // of the wall clock, in nanoseconds
}

// parts is how time.Time is laid out; a test holds it to what the library does.
type parts struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

const (
	hasMonotonic = 1 << 63
	wallSeconds  = 1 << 33 // that fit beside a monotonic reading
	nsecBits     = 30
	wallEpoch    = -2682288000 // 1885-01-01, where the seconds of such a time begin, in Unix seconds
)

// now is what time.Now would say. A fake clock gives no monotonic reading, so it
// is put in here: without it a jump would bend every duration as well.
func (c *clock) now() time.Time {
	fake := time.Now()
	wall := fake.Add(time.Duration(c.off.Load()))
	var out time.Time
	p := (*parts)(unsafe.Pointer(&out))
	seconds := uint64(wall.Unix()-wallEpoch) % wallSeconds
	p.wall = hasMonotonic | seconds<<nsecBits | uint64(wall.Nanosecond())
	p.ext = int64(fake.Sub(c.begin)) + 1
	return out
}
