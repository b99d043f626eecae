package logs

import (
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Quiet is how long a warning or an error is not repeated.
const Quiet = time.Minute

// shapesKept bounds what is remembered of written messages.
const shapesKept = 256

// The fields that have a meaning to this package.
const (
	// FieldFinding marks a line that reports a change: it is always written.
	FieldFinding = "finding"
	// FieldRepeated is on a line that was left out so many times before.
	FieldRepeated = "repeated"
	// FieldLost is how many lines a Writer dropped.
	FieldLost = "lost"
)

// New returns a logger of a level ("debug", "info", "warn", "error") and a format
// ("text" or "json"). Any other level or format is an error. If out is a Writer,
// its own lines are of that format too.
func New(out io.Writer, level, format string) (*logrus.Logger, error) {
	log := logrus.New()
	log.SetOutput(out)
	parsed, err := logrus.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	log.SetLevel(parsed)
	r := &repeats{written: map[string]*written{}}
	switch format {
	case "json":
		r.Formatter = &logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}
	case "text":
		r.Formatter = &logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "2006-01-02 15:04:05.000"}
	default:
		return nil, fmt.Errorf("log format %q: want text or json", format)
	}
	log.SetFormatter(r)
	if w, ok := out.(*Writer); ok {
		w.setNotice(func(lost uint64) []byte {
			e := logrus.NewEntry(log).WithField(FieldLost, lost)
			e.Time, e.Level, e.Message = time.Now(), logrus.WarnLevel, "Lines of the log were lost: its reader was too slow, or gone"
			line, err := r.Formatter.Format(e)
			if err != nil {
				return nil // a number and a text: they can be written
			}
			return line
		})
	}
	return log, nil
}

// repeats leaves out a warning or an error whose like was written less than
// Quiet ago. At level debug nothing is left out.
type repeats struct {
	logrus.Formatter
	mu      sync.Mutex
	written map[string]*written // by shape
}

type written struct {
	at   time.Time
	left int // since then
}

// varying is what differs between two messages about the same trouble.
var varying = regexp.MustCompile(`0x[0-9a-fA-F]+|[0-9]+(\.[0-9]+)?(ns|µs|ms|s|m|h)?`)

// Format returns no bytes for a line that is left out.
func (r *repeats) Format(e *logrus.Entry) ([]byte, error) {
	_, change := e.Data[FieldFinding]
	if e.Level > logrus.WarnLevel || change || e.Logger.IsLevelEnabled(logrus.DebugLevel) {
		return r.Formatter.Format(e)
	}
	left, write := r.pass(e.Level.String()+varying.ReplaceAllString(e.Message, "#"), e.Time)
	if !write {
		return nil, nil
	}
	if left > 0 {
		again := e.WithField(FieldRepeated, left)
		again.Level, again.Message, again.Buffer = e.Level, e.Message, e.Buffer
		e = again
	}
	return r.Formatter.Format(e)
}

// pass reports whether a line is written, and how often its like was left out.
func (r *repeats) pass(shape string, now time.Time) (left int, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.written[shape]
	if last == nil {
		r.forget(now)
		if len(r.written) >= shapesKept {
			return 0, false // so many different ones within the time are a flood
		}
		r.written[shape] = &written{at: now}
		return 0, true
	}
	if since := now.Sub(last.at); since >= 0 && since < Quiet {
		last.left++
		return 0, false
	}
	left = last.left
	last.at, last.left = now, 0
	return left, true
}

// forget drops what may be written again anyway.
func (r *repeats) forget(now time.Time) {
	if len(r.written) < shapesKept {
		return
	}
	for shape, t := range r.written {
		if now.Sub(t.at) >= Quiet {
			delete(r.written, shape)
		}
	}
}
