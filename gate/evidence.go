package gate

import (
	"context"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// Outcome is what became of a call.
type Outcome string

// The outcomes. Only OutcomeOK of a forwarded call is evidence of work (S5).
const (
	OutcomeOK        Outcome = "ok"         // gwat answered without an error
	OutcomeError     Outcome = "error"      // gwat answered a JSON-RPC error or result.error
	OutcomeStatus    Outcome = "status"     // gwat answered an HTTP status other than 2xx
	OutcomeDown      Outcome = "down"       // gwat was not reached, and the caller got an error
	OutcomeCut       Outcome = "cut"        // sent, but no whole answer came back
	OutcomeAnswered  Outcome = "answered"   // answered without gwat, as the table says
	OutcomeAbsorbed  Outcome = "absorbed"   // held, then answered without gwat
	OutcomeGone      Outcome = "gone"       // the caller hung up
	OutcomeDelivered Outcome = "delivered"  // a notification: nobody answers
	OutcomeNoMatch   Outcome = "unanswered" // gwat's answer lacks it
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeOK, OutcomeError, OutcomeStatus, OutcomeDown, OutcomeCut, OutcomeAnswered, OutcomeAbsorbed,
		OutcomeGone, OutcomeDelivered, OutcomeNoMatch,
	}
}

// The bounds of what is kept.
const (
	ringSize      = 4096
	maxSpines     = 128 // of one call
	maxAbsorbed   = 1024
	maxEntries    = 65536 // of the list of a dag_headSync
	maxErrorText  = 200
	subscriberCap = 256
)

// Call is one call that passed the gate.
type Call struct {
	Seq      uint64          `json:"seq"` // from 1, without gaps
	Time     time.Time       `json:"time"`
	Method   string          `json:"method"`
	Era      checkpoint.Era  `json:"era"`
	Slot     primitives.Slot `json:"slot"` // named by the call, else that of the clock; 0 if neither is known
	Spines   []common.Hash   `json:"spines,omitempty"`
	Duration time.Duration   `json:"duration_ns"`
	Action   Action          `json:"action"`
	Outcome  Outcome         `json:"outcome"`
	Tries    int             `json:"tries,omitempty"` // attempts of a held call
	Error    string          `json:"error,omitempty"` // what gwat or the transport said, bounded and masked
	Listener string          `json:"listener"`        // "http", "ws" or "ipc"
	// Lasting marks an absorbed call whose error no wait repairs.
	Lasting bool `json:"lasting,omitempty"`
}

// Worked reports whether the call changed gwat on the beacon node's behalf:
// evidence of normal work (S5). An absorbed call never is.
func (c Call) Worked() bool {
	return c.Outcome == OutcomeOK && (c.Method == methodFinalize || c.Method == methodSync)
}

// Absorbed are the calls answered without gwat that nobody has proved yet (S9).
type Absorbed struct {
	Count   int           // since the last Proved
	Since   time.Time     // arrival of the first; zero if there is none
	LastSeq uint64        // sequence number of the last
	Lasting int           // how many of them met an error that no wait repairs
	Error   string        // of the last
	Spines  []common.Hash // the newest of them, in order of arrival, each once
}

// SentList is the list of a dag_headSync that was answered without gwat.
type SentList struct {
	At        time.Time
	Total     int // entries in the list
	Entries   []checkpoint.ConsensusInfo
	Truncated bool // Entries lacks the rest of a list that is too long
	Malformed string
}

// Status summarizes what the gate saw.
type Status struct {
	Calls     uint64    // that ended
	LastCall  time.Time // arrival of the newest
	Held      int       // waiting now
	HeldSince time.Time // arrival of the oldest of them
	Locked    bool      // syncd holds the lock
	Asked     time.Time // the newest dag_headSyncReady: the beacon node's own sync is done
	Absorbed  Absorbed
	// NullAnswers counts the answers to dag_finalize of the coordinated era in a row that
	// were null in every field.
	NullAnswers int
}

// recorder keeps the newest calls and sends each to the subscribers.
type recorder struct {
	mu       sync.Mutex
	seq      uint64
	ring     []Call
	last     time.Time
	asked    time.Time
	absorbed Absorbed
	nulls    int // Status.NullAnswers
	sent     *SentList
	subs     map[chan Call]struct{}
	observe  func(Call) // Config.Observe; nil for none
}

// add numbers c and records it. It never blocks.
func (r *recorder) add(c Call) {
	if r.observe != nil {
		r.observe(c)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	c.Seq = r.seq
	if len(r.ring) < ringSize {
		r.ring = append(r.ring, c)
	} else {
		r.ring[(c.Seq-1)%ringSize] = c
	}
	if c.Time.After(r.last) {
		r.last = c.Time
	}
	switch {
	case c.Outcome == OutcomeAbsorbed:
		r.absorb(c)
	case c.Error == nullAnswer:
		r.nulls++
	case c.Method == methodFinalize && c.Outcome == OutcomeOK:
		r.nulls = 0
	}
	for sub := range r.subs {
		select {
		case sub <- c:
		default: // a slow reader sees the gap in Seq
		}
	}
}

func (r *recorder) absorb(c Call) {
	a := &r.absorbed
	if a.Count == 0 {
		a.Since = c.Time
	}
	a.Count++
	a.LastSeq, a.Error = c.Seq, c.Error
	if c.Lasting {
		a.Lasting++
	}
	known := make(map[common.Hash]bool, len(a.Spines))
	for _, s := range a.Spines {
		known[s] = true
	}
	spines := a.Spines[:len(a.Spines):len(a.Spines)] // readers have the old slice
	for _, s := range c.Spines {
		if !known[s] {
			known[s] = true
			spines = append(spines, s)
		}
	}
	a.Spines = spines[max(0, len(spines)-maxAbsorbed):]
}

// Calls returns the recorded calls with a sequence number above after, oldest
// first. If the first number is above after+1, older calls were lost.
func (g *Gate) Calls(after uint64) []Call {
	r := &g.evidence
	r.mu.Lock()
	defer r.mu.Unlock()
	first := max(after, r.seq-uint64(len(r.ring)))
	out := make([]Call, 0, r.seq-min(first, r.seq))
	for seq := first + 1; seq <= r.seq; seq++ {
		out = append(out, r.ring[(seq-1)%ringSize])
	}
	return out
}

// Subscribe returns a channel with every call that ends until ctx ends; then it
// is closed. A reader that falls behind by 256 calls misses some.
func (g *Gate) Subscribe(ctx context.Context) <-chan Call {
	r := &g.evidence
	ch := make(chan Call, subscriberCap)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.subs == nil {
		r.subs = make(map[chan Call]struct{})
	}
	r.subs[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.subs, ch)
		close(ch)
	})
	return ch
}

// Status returns what the gate saw so far.
func (g *Gate) Status() Status {
	held, since, locked := g.hold.status()
	r := &g.evidence
	r.mu.Lock()
	defer r.mu.Unlock()
	return Status{
		Calls: r.seq, LastCall: r.last, Held: held, HeldSince: since, Locked: locked,
		Asked: r.asked, Absorbed: r.absorbed, NullAnswers: r.nulls,
	}
}

// Proved records that gwat has finalized what the gate absorbed up to the call with sequence
// number seq, or that it was pushed (S9).
func (g *Gate) Proved(seq uint64) {
	r := &g.evidence
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.absorbed.LastSeq <= seq {
		r.absorbed = Absorbed{}
	}
}

// TakeSent returns the newest list of a dag_headSync that was answered without gwat, and
// keeps it no longer; nil if there is none.
func (g *Gate) TakeSent() *SentList {
	r := &g.evidence
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

// headSyncAsked records that the beacon node's own sync is done.
func (r *recorder) headSyncAsked(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = at
}

// headSyncSent records the list of a dag_headSync.
func (r *recorder) headSyncSent(list *SentList) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = list
}
