package terminal

import (
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// redraw is how often the times in the picture are counted on.
const redraw = 500 * time.Millisecond

// live draws below the lines that stay.
type live struct {
	program *tea.Program
	out     *drawing
	done    chan struct{} // closed by the program's end
	stop    chan struct{}
	once    sync.Once
	loops   sync.WaitGroup

	width *atomic.Int64 // of the terminal, as the model knows it

	mu      sync.Mutex
	changes changes

	printing sync.Mutex
	drawn    bool     // a picture is on the terminal
	early    []string // lines from before
}

func openLive(o Options) *live {
	m, out := newModel(o), newDrawing(o.Out)
	options := []tea.ProgramOption{
		tea.WithOutput(out.writer()), tea.WithoutSignalHandler(), tea.WithEnvironment(o.Environ), tea.WithWindowSize(defaultWidth, defaultHeight),
	}
	if o.In != nil {
		options = append(options, tea.WithInput(o.In))
	} else {
		options = append(options, tea.WithInput(nil))
	}
	v := &live{program: tea.NewProgram(m, options...), out: out, done: make(chan struct{}), stop: make(chan struct{}), width: m.columns}
	v.loops.Go(func() {
		defer close(v.done)
		// Its errors are those of a terminal that went away: nobody can read them.
		_, _ = v.program.Run()
	})
	v.loops.Go(func() {
		select {
		case <-v.out.drawn:
		case <-v.done:
		case <-v.stop: // with Close, which prints what is left
			return
		}
		v.printEarly()
	})
	v.loops.Go(func() {
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				v.program.Send(now)
			case <-v.done:
				return
			case <-v.stop:
				return
			}
		}
	})
	return v
}

func (v *live) Show(u Update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u.Snapshot = CleanSnapshot(u.Snapshot)
	u.Trouble = Clean(u.Trouble)
	for _, c := range v.changes.of(u) {
		v.Print(ChangeText(c))
	}
	v.program.Send(news{Update: u, at: time.Now()})
}

// Print breaks the line itself: the library leaves the rest of what was there
// before behind a line that the terminal broke.
func (v *live) Print(line string) {
	v.printing.Lock()
	defer v.printing.Unlock()
	if !v.drawn {
		v.early = append(v.early, line)
		return
	}
	v.print(line)
}

// print prints one line of the terminal after the other: for several at once, the library
// scrolls by more lines than a high picture leaves free, and the picture's head with them.
func (v *live) print(line string) {
	width := max(int(v.width.Load()), minWidth)
	for part := range strings.SplitSeq(ansi.Wrap(CleanLine(line), width-1, " "), "\n") {
		v.program.Send(tea.Println(part)())
	}
}

// printEarly prints what came before the first picture: the library would write it
// over what is on the terminal, as it takes the whole window for the picture then.
func (v *live) printEarly() {
	v.printing.Lock()
	defer v.printing.Unlock()
	v.drawn = true
	for _, line := range v.early {
		select {
		case <-v.done: // without a picture, as on a terminal that is gone
			_, _ = io.WriteString(v.out, CleanLine(line)+"\n")
		default:
			v.print(line)
		}
	}
	v.early = nil
}

func (v *live) Writer() io.Writer     { return lineWriter{v} }
func (v *live) Done() <-chan struct{} { return v.done }

func (v *live) Close() {
	v.once.Do(func() {
		close(v.stop)
		select {
		case <-v.out.drawn:
		case <-v.done:
		case <-time.After(firstPicture):
		}
		v.printEarly()
	})
	v.program.Quit()
	v.loops.Wait()
}

// firstPicture is how long a view that is closed at once waits for its first picture.
const firstPicture = time.Second

// lineWriter shows what a log writes above the picture.
type lineWriter struct{ v *live }

func (w lineWriter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		w.v.Print(line)
	}
	return len(p), nil
}

// news is an update and when it came.
type news struct {
	Update
	at time.Time
}

// model is the state of the live view; bubbletea calls it from one goroutine.
type model struct {
	frame         frame
	width, height int
	styles        styles
	columns       *atomic.Int64 // the width, for Print
}

func newModel(o Options) model {
	m := model{frame: frame{how: "connecting", replaying: o.Replay}, width: defaultWidth, styles: newStyles(o.Environ), columns: &atomic.Int64{}}
	m.columns.Store(defaultWidth)
	if o.In != nil {
		m.frame.hint = "q quits"
	}
	return m
}

// Init does nothing: the news come from outside.
func (m model) Init() tea.Cmd { return nil }

// Update takes a key, a new size, news, or the time.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "Q", "ctrl+c", "esc":
			return m, tea.Quit
		}
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.columns.Store(int64(msg.Width))
	case news:
		m.take(msg)
	case time.Time:
		if !m.frame.replaying {
			m.frame.now = msg
		}
	}
	return m, nil
}

func (m *model) take(n news) {
	f := &m.frame
	if n.Trouble != "" && f.trouble == "" {
		f.since = n.at
	}
	f.trouble = n.Trouble
	if n.How != "" {
		f.how = n.How
	}
	f.now = n.at
	if n.Snapshot != nil {
		if f.snap == nil || f.snap.Seq != n.Snapshot.Seq || !f.snap.At.Equal(n.Snapshot.At) {
			f.fresh = n.at
		}
		f.snap = n.Snapshot
		if f.replaying {
			f.now = n.Snapshot.At
		}
	}
}

// View draws the picture below the lines that stay.
func (m model) View() tea.View {
	view := tea.NewView(m.frame.render(m.width, m.height, m.styles))
	view.DisableBracketedPasteMode = true
	return view
}
