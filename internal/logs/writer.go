package logs

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gwatsync/syncd/internal/counted"
)

// What a Writer keeps for a reader that is slow: some minutes of a busy log.
const (
	maxLines = 2048
	maxBytes = 1 << 20
)

// Writer passes lines on to another writer from a goroutine of its own, so that
// logging never waits: a log's reader that stops (a full pipe, a stopped
// terminal) or goes away (journald restarts) must not stop the control loop.
// Lines beyond a bound are dropped and counted, and so are those that the other
// writer refuses; one line says how many, once there is room again. It is safe
// for concurrent use.
type Writer struct {
	out  io.Writer
	wake chan struct{} // one element: there is something to do
	done chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	queue  [][]byte
	size   int // bytes in queue
	lost   uint64
	noted  uint64 // of lost
	closed bool
	notice func(lost uint64) []byte
}

// NewWriter returns a Writer to out. Its goroutine ends with Close, at the latest
// when the write to out that is under way then returns.
func NewWriter(out io.Writer) *Writer {
	w := &Writer{
		out: out, wake: make(chan struct{}, 1), done: make(chan struct{}),
		notice: func(lost uint64) []byte { return fmt.Appendf(nil, "syncd: %s lost here\n", counted.Of(lost, "line")) },
	}
	go w.run()
	return w
}

// Write takes one or more whole lines. It neither waits nor fails.
func (w *Writer) Write(p []byte) (int, error) {
	if len(p) == 0 { // a line that was left out
		return 0, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.queue) >= maxLines || w.size+len(p) > maxBytes {
		w.lost++
		return len(p), nil
	}
	w.queue = append(w.queue, bytes.Clone(p))
	w.size += len(p)
	w.signal()
	return len(p), nil
}

// Lost returns how many writes were dropped so far.
func (w *Writer) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Close waits until all lines are written, at most for the time that is given.
// What is written afterwards is dropped.
func (w *Writer) Close(wait time.Duration) {
	w.mu.Lock()
	w.closed = true
	w.signal()
	w.mu.Unlock()
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-w.done:
	case <-late.C:
	}
}

func (w *Writer) setNotice(notice func(lost uint64) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notice = notice
}

func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes what is queued. An error of out could not be reported anywhere.
func (w *Writer) run() {
	defer close(w.done)
	for {
		line, more := w.next()
		switch {
		case line != nil:
			if _, err := w.out.Write(line); err != nil {
				w.failed()
			}
		case !more:
			w.report()
			return
		default:
			w.report()
			<-w.wake
		}
	}
}

// next returns the oldest line, nil if there is none; more is false at the end.
func (w *Writer) next() (line []byte, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil, !w.closed
	}
	line = w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	w.size -= len(line)
	return line, true
}

func (w *Writer) failed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost++
}

// report writes how many lines were lost since the last report, if any were.
func (w *Writer) report() {
	w.mu.Lock()
	lost, notice := w.lost, w.notice
	since := lost - w.noted
	w.mu.Unlock()
	if since == 0 {
		return
	}
	if _, err := w.out.Write(notice(since)); err != nil {
		return // there is no room yet
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noted = lost
}
