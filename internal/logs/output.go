package logs

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// lastWait is how long a write may take after the end of the context.
const lastWait = 200 * time.Millisecond

// Output is the answer of a command, such as its stdout. Unlike a log it waits
// for its reader, but not beyond the end of the command's context, and a reader
// that goes away (`syncd status --watch | head`) ends the command and is no error.
type Output struct {
	out  io.Writer
	ctx  context.Context
	gone context.CancelFunc

	mu   sync.Mutex
	busy chan result // of a write that was left behind; nil if there is none
}

type result struct {
	n   int
	err error
}

// NewOutput returns an Output to out that calls gone when nobody reads it.
func NewOutput(ctx context.Context, out io.Writer, gone context.CancelFunc) *Output {
	return &Output{out: out, ctx: ctx, gone: gone}
}

// ToTheEnd returns the stdout of a command that ends by itself: as in `syncd check | head`,
// a reader that goes away must not cut its calls off, which would count as failures of the
// nodes.
func ToTheEnd(stdout io.Writer) io.Writer {
	if o, ok := stdout.(*Output); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.gone = func() {}
	}
	return stdout
}

// Write writes p, waiting for the reader. When the context ends first, its
// error is returned and p may be written in part.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy != nil { // the one before still has the file
		select {
		case <-o.busy:
			o.busy = nil
		default:
			return 0, context.Cause(o.ctx)
		}
	}
	own := append([]byte(nil), p...) // p is the caller's again after a return
	done := make(chan result, 1)
	go func() { // ends with the write, at the latest with the process
		n, err := o.out.Write(own)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return o.finished(len(p), r)
	case <-o.ctx.Done():
	}
	// What can be written at once is, although the command is to end.
	select {
	case r := <-done:
		return o.finished(len(p), r)
	case <-time.After(lastWait):
		o.busy = done
		return 0, context.Cause(o.ctx)
	}
}

func (o *Output) finished(size int, r result) (int, error) {
	if errors.Is(r.err, syscall.EPIPE) {
		o.gone()
		return size, nil
	}
	return r.n, r.err
}
