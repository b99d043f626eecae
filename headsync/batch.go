package headsync

import "time"

// Limits of what is pushed in one call.
type Limits struct {
	// Bytes of the entries' JSON; always below the transport's limit.
	Bytes int
	// Soft is how long gwat should take for a batch, by the measured speed; at
	// most half of Hard.
	Soft time.Duration
	// Hard bounds ready and push, each; past it the attempt ends, and what gwat
	// really has decides where the next one starts.
	Hard time.Duration
	// Capacity is how many batches may be unconfirmed at a time, at least 2: one
	// being pushed, the others collected ahead. It bounds the memory of a push.
	Capacity int
}

// Defaults of Limits. gwat takes 5 MiB a request over HTTP.
const (
	DefaultBatchBytes = 1 << 20
	DefaultSoft       = 8 * time.Second
	DefaultCapacity   = 3
)

func (l Limits) complete() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBatchBytes
	}
	if l.Soft <= 0 {
		l.Soft = DefaultSoft
	}
	if l.Capacity == 0 {
		l.Capacity = DefaultCapacity
	}
	l.Capacity = max(l.Capacity, 2)
	if l.Hard > 0 {
		l.Soft = min(l.Soft, l.Hard/2) // half of it is left for slippage
	}
	return l
}

const (
	// firstEntries is pushed before any speed was measured: some three minutes
	// of slots, which is what a restart leaves behind.
	firstEntries = 256
	// growth bounds how much longer a batch may be than what was measured.
	growth = 4
)

// Throughput is gwat's measured speed. It is kept over the attempts of a pair.
type Throughput struct {
	perEntry time.Duration
	largest  int
}

// Observe records how long a push of n entries took.
func (p *Throughput) Observe(n int, took time.Duration) {
	if n <= 0 {
		return
	}
	each := took / time.Duration(n)
	if p.perEntry == 0 || each > p.perEntry {
		p.perEntry = each // slower at once, faster step by step
	} else {
		p.perEntry = (3*p.perEntry + each) / 4
	}
	p.largest = max(p.largest, n)
}

// Failed records that a push of n entries did not end in the time that it had.
func (p *Throughput) Failed(n int, had time.Duration) {
	if n > 0 {
		p.perEntry = max(p.perEntry, growth*had/time.Duration(n))
	}
}

// Entries returns how many entries gwat can carry out within soft.
func (p *Throughput) Entries(soft time.Duration) int {
	if p.perEntry == 0 {
		return max(firstEntries, p.largest*growth)
	}
	n := int(soft / p.perEntry)
	return max(1, min(n, max(firstEntries, p.largest*growth)))
}

// Batch is a run of linked entries that follows what was confirmed.
type Batch struct {
	Entries []Entry
	bytes   int
}

// entrySize is what an entry adds to the call, its comma included.
func entrySize(e Entry) int { return e.Info.JSONSize() + 1 }

// Add adds an entry and returns true if the batch stays within bytes and entries. The first
// entry always fits.
func (s *Batch) Add(e Entry, bytes, entries int) bool {
	size := entrySize(e)
	if len(s.Entries) > 0 && (s.bytes+size > bytes || len(s.Entries) >= entries) {
		return false
	}
	s.Entries = append(s.Entries, e)
	s.bytes += size
	return true
}
