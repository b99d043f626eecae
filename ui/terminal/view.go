package terminal

import (
	"io"
	"os"
)

// View shows how a pair goes on. Its methods may be called concurrently.
type View interface {
	Show(Update)
	// Print writes a line that stays.
	Print(line string)
	// Writer takes the lines of a log.
	Writer() io.Writer
	// Done is closed when the reader wants no more.
	Done() <-chan struct{}
	// Close puts the terminal back; the last picture stays.
	Close()
}

// Options of a view.
type Options struct {
	Out      io.Writer
	Log      io.Writer // of a plain view; a live one shows the lines itself
	In       *os.File  // the keyboard; nil if there is none
	Environ  []string
	Terminal bool // Out is one
	Replay   bool // the times are those of a recording
}

// Open returns a live view on a terminal that can move its cursor, a plain one
// anywhere else.
func Open(o Options) View {
	if term := lookup(o.Environ, "TERM"); o.Terminal && term != "dumb" {
		return openLive(o)
	}
	return &plain{out: o.Out, log: o.Log}
}
