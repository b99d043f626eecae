package terminal

import (
	"io"
	"os"
	"strings"
	"sync"

	"github.com/charmbracelet/x/ansi"
)

// drawing is an output that reports when the first picture is on it.
type drawing struct {
	out   io.Writer
	once  sync.Once
	drawn chan struct{} // closed by the first text; before it come sequences alone
}

func newDrawing(out io.Writer) *drawing { return &drawing{out: out, drawn: make(chan struct{})} }

// Write passes on what is drawn.
func (d *drawing) Write(p []byte) (int, error) {
	n, err := d.out.Write(p)
	if strings.TrimSpace(ansi.Strip(string(p))) != "" {
		d.once.Do(func() { close(d.drawn) })
	}
	return n, err
}

// writer returns the output for the library, which asks a file for its size.
func (d *drawing) writer() io.Writer {
	if file, ok := d.out.(*os.File); ok {
		return drawingFile{File: file, drawing: d}
	}
	return d
}

type drawingFile struct {
	*os.File
	drawing *drawing
}

// Write passes on what is drawn.
func (f drawingFile) Write(p []byte) (int, error) { return f.drawing.Write(p) }
