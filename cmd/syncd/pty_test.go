package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gwatsync/syncd/internal/exit"
)

// ptyRun is syncd as a process on a pseudo-terminal.
type ptyRun struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	ended  chan error

	mu  sync.Mutex
	raw strings.Builder
	scr *screen
}

func onTerminal(t *testing.T, columns, rows uint16, env []string, args ...string) *ptyRun {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	p := &ptyRun{t: t, master: master, ended: make(chan error, 1), scr: newScreen(int(columns), int(rows))}
	p.resize(columns, rows)
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "CI=") || strings.HasPrefix(e, "NO_COLOR=")
	}), beMain+"=1", "TERM=xterm-256color"), env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, p.cmd.Start())
	require.NoError(t, slave.Close())
	read := make(chan struct{})
	go func() { // ends with the last holder of the slave
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.raw.Write(buf[:n])
			p.scr.write(string(buf[:n]))
			answer := p.scr.answer
			p.scr.answer = ""
			p.mu.Unlock()
			_, _ = master.WriteString(answer) // nobody asks after the end
			if err != nil {
				return
			}
		}
	}()
	go func() {
		err := p.cmd.Wait()
		<-read
		p.ended <- err
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-read
		master.Close()
	})
	return p
}

func (p *ptyRun) resize(columns, rows uint16) {
	p.mu.Lock()
	p.scr.rows = int(rows)
	p.mu.Unlock()
	require.NoError(p.t, unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}))
}

func (p *ptyRun) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

func (p *ptyRun) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.scr.String()
}

// picture returns the newest picture that is wholly drawn, "" without one.
func (p *ptyRun) picture() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.scr.picture
}

// waitFor waits until the screen shows a text.
func (p *ptyRun) waitFor(text string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.shown(), text) }, 60*time.Second, 20*time.Millisecond,
		"%q is not on the screen", text)
}

func (p *ptyRun) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Empty(p.t, p.scr.unknown, "the screen of this test has to learn it")
		return err
	case <-time.After(60 * time.Second):
		p.t.Fatalf("it does not end; the screen:\n%s", p.shown())
		return nil
	}
}

// screen understands as much of a terminal as the view uses.
type screen struct {
	lines    [][]rune
	row, col int
	width    int
	rows     int    // of the window; the lines above it are out of reach
	rest     string // of a sequence that is not whole yet
	last     rune   // written
	answer   string // to what was asked of the terminal
	picture  string // as it was when the last one was whole
	unknown  string // first sequence that this screen does not know
}

func newScreen(width, rows int) *screen {
	return &screen{lines: [][]rune{nil}, width: width, rows: rows}
}

// top returns the first line of the window.
func (s *screen) top() int { return max(0, len(s.lines)-s.rows) }

var (
	sequence     = regexp.MustCompile(`^\x1b\[([?<>=0-9;$]*)([A-Za-z@])`)
	sequenceHead = regexp.MustCompile(`^\x1b(\[[?<>=0-9;$]*)?$`)
)

const reverseIndex = "\x1bM" // up by a line

func (s *screen) write(text string) {
	text = s.rest + text
	s.rest = ""
	for len(text) > 0 {
		if rest, ok := strings.CutPrefix(text, reverseIndex); ok {
			s.row = max(s.top(), s.row-1)
			text = rest
			continue
		}
		if text[0] == '\x1b' {
			if sequenceHead.MatchString(text) {
				s.rest = text
				return
			}
			m := sequence.FindStringSubmatch(text)
			if m == nil {
				if s.unknown == "" {
					s.unknown = strconv.QuoteToASCII(text[:min(len(text), 16)])
				}
				text = text[1:]
				continue
			}
			s.obey(m[2], m[1])
			text = text[len(m[0]):]
			continue
		}
		if !utf8.FullRuneInString(text) {
			s.rest = text
			return
		}
		r := []rune(text)[0]
		s.put(r)
		text = text[len(string(r)):]
	}
}

func (s *screen) obey(command, args string) {
	n, err := strconv.Atoi(args)
	if err != nil || n == 0 {
		n = 1
	}
	line := s.lines[s.row]
	switch command + args {
	case "p?2026$": // whether it is to be told where a picture begins and ends: yes
		s.answer += "\x1b[?2026;2$y"
	case "l?2026":
		s.picture = s.String()
	}
	switch command {
	case "A":
		s.row = max(s.top(), s.row-n)
	case "B":
		s.row = min(len(s.lines)-1, s.row+n)
	case "C":
		s.col += n
	case "D":
		s.col = max(0, s.col-n)
	case "G":
		s.col = n - 1
	case "Z": // back to the n-th stop
		s.col = max(0, ((s.col+tabStop-1)/tabStop-n)*tabStop)
	case "L":
		bottom := s.top() + s.rows
		for range n {
			s.lines = slices.Insert(s.lines, s.row, nil)
		}
		s.lines = s.lines[:min(len(s.lines), bottom)]
	case "M":
		s.lines = slices.Delete(s.lines, s.row, min(len(s.lines), s.row+n))
		if s.row == len(s.lines) {
			s.lines = append(s.lines, nil)
		}
	case "P":
		if s.col < len(line) {
			s.lines[s.row] = slices.Delete(line, s.col, min(len(line), s.col+n))
		}
	case "@":
		if s.col < len(line) {
			s.lines[s.row] = slices.Insert(line, s.col, []rune(strings.Repeat(" ", n))...)
		}
	case "X":
		for i := s.col; i < min(len(line), s.col+n); i++ {
			line[i] = ' '
		}
	case "b":
		for range n {
			s.put(s.last)
		}
	case "K":
		if args == "1" {
			for i := range min(len(line), s.col+1) {
				line[i] = ' '
			}
		} else if args == "2" {
			s.lines[s.row] = nil
		} else if s.col < len(line) {
			s.lines[s.row] = line[:s.col]
		}
	case "J":
		s.lines = s.lines[:s.row+1]
		s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
	}
}

const tabStop = 8

func (s *screen) put(r rune) {
	switch {
	case r == '\r':
		s.col = 0
	case r == '\b':
		s.col = max(0, s.col-1)
	case r == '\t':
		s.col = (s.col/tabStop + 1) * tabStop
	case r == '\n':
		if s.row++; s.row == len(s.lines) {
			s.lines = append(s.lines, nil)
		}
	case r >= ' ':
		line := s.lines[s.row]
		for len(line) <= s.col {
			line = append(line, ' ')
		}
		line[s.col] = r
		s.lines[s.row] = line
		s.col++
		s.last = r
	}
}

func (s *screen) String() string {
	var out strings.Builder
	for _, l := range s.lines {
		out.WriteString(strings.TrimRight(string(l), " ") + "\n")
	}
	return out.String()
}

// The library moves up by one line with a sequence of its own. A sequence or letter that
// arrives in two parts is read as one.
func TestTheScreenOfTheseTests(t *testing.T) {
	text := "one\r\ntwo\r\nthree\x1bM\r\x1b[Kzwö\x1b[1A\rONE\x1b[1;31m"
	for cut := range len(text) + 1 {
		s := newScreen(20, 5)
		s.write(text[:cut])
		s.write(text[cut:])
		require.Equal(t, "ONE\nzwö\nthree\n", s.String(), "cut at %d", cut)
		require.Empty(t, s.unknown)
	}
	s := newScreen(20, 5)
	s.write("a\x1b]11;?b")
	require.Contains(t, s.unknown, "]11;?b")
}

// In a low window the picture leaves one line free. A line of the log that is broken into
// several leaves no head of an older picture behind.
func TestALogLineLeavesNoHeadBehind(t *testing.T) {
	p := onTerminal(t, 60, 20, []string{"NO_COLOR=1"}, "demo", "--until", "dag_sync", "--api.listen", "127.0.0.1:0")
	require.NoError(t, p.end())
	got := p.shown()
	require.Regexp(t, `(?m)^\d\d:\d\d:\d\d\.\d+  checkpoint_sync: .*\n[^\n]*together`, got, "a line of two")
	require.Equal(t, 1, strings.Count(got, "\nsyncd      "), "one picture:\n%s", got)
}

// TestDemoIsSeenOnATerminal: from the start to working.
func TestDemoIsSeenOnATerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some twelve seconds")
	}
	p := onTerminal(t, 110, 40, nil, "demo", "--until", "working", "--api.listen", "127.0.0.1:0")
	p.waitFor("SYNCING, stage checkpoint_sync")
	p.waitFor("[#")
	p.waitFor("stage dag_sync for")
	require.NoError(t, p.end())
	got := p.shown()
	at := 0
	for _, part := range []string{
		"syncd: the API is at http://127.0.0.1:", "  connecting: ", "  checkpoint_sync: ", "  dag_sync: ", "  head_sync_ready: ",
		"  head_sync: ", "  switching: ", "  working: ", "verdict    ", "WORKING, stage working",
		"stages     x connecting x checkpoint_sync x dag_sync x head_sync_ready x head_sync x switching > working", "gwat       up", "beacon     up",
	} {
		i := strings.Index(got[at:], part)
		require.GreaterOrEqual(t, i, 0, "%q after the ones before it in\n%s", part, got)
		at += i
	}
	require.Equal(t, 1, strings.Count(got, "verdict    "), "one picture:\n%s", got)
	raw := p.output()
	require.NotContains(t, raw, "\x1b]11;?", "the terminal is not asked for its colours")
	require.NotContains(t, raw, "\x1b[6n")
	require.True(t, strings.HasSuffix(strings.TrimRight(raw, "\r\n"), "\x1b[?25h") || strings.Contains(raw[strings.LastIndex(raw, "WORKING"):], "\x1b[?25h"), "the cursor is back")
}

// A table on a terminal; what is piped gets the line.
func TestStatusOnATerminal(t *testing.T) {
	url, _, stopRun := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	p := onTerminal(t, 60, 30, nil, "status", "--api", url)
	p.waitFor("stage    ")
	_ = p.end() // the code is that of the verdict
	require.NotContains(t, p.shown(), "verdict=")
	p = onTerminal(t, 200, 30, nil, "status", "--api", url, "--output", "line")
	p.waitFor("verdict=")
	_ = p.end()
	require.Contains(t, syncd(t, nil, "status", "--api", url).stdout, "verdict=")
	require.Equal(t, exit.OK, stopRun())
}

func TestWatchOnATerminal(t *testing.T) {
	url, _, stopRun := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	p := onTerminal(t, 100, 30, []string{"NO_COLOR=1"}, "status", "--watch", "--api", url)
	p.waitFor("stage connecting for")
	p.waitFor("gwat       DOWN")
	p.waitFor("(live, #")
	p.waitFor("q quits")
	require.NotRegexp(t, `\x1b\[[0-9;]*m`, strings.ReplaceAll(p.output(), "\x1b[0m", ""), "no colour")
	p.resize(46, 30)
	p.waitFor("[>......] 1 of 7: connecting")
	require.Equal(t, exit.OK, stopRun())
	p.waitFor("NO ANSWER")
	p.waitFor("OLD")
	_, err := p.master.WriteString("q")
	require.NoError(t, err)
	require.NoError(t, p.end(), "q ends it well")

	for name, end := range map[string]func(*ptyRun) error{
		"Ctrl-C on the keyboard": func(p *ptyRun) error { _, err := p.master.WriteString("\x03"); return err },
		"SIGTERM":                func(p *ptyRun) error { return p.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		p := onTerminal(t, 80, 24, nil, "status", "--watch", "--api", url)
		p.waitFor("NO ANSWER")
		require.NoError(t, end(p), name)
		require.NoError(t, p.end(), name)
		require.Contains(t, p.output(), "\x1b[?25h", "the cursor is back")
	}
}

func TestADumbTerminalGetsLines(t *testing.T) {
	p := onTerminal(t, 80, 24, []string{"TERM=dumb"}, "demo", "--until", "checkpoint_sync", "--api.listen", "127.0.0.1:0")
	require.NoError(t, p.end())
	require.NotContains(t, p.output(), "\x1b")
	require.Contains(t, p.output(), "  checkpoint_sync: ")
}
