package memory

import (
	"sync"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// mostGap is how far two snapshots may be apart for the time between them to count as
// known: an older snapshot says nothing about now.
const mostGap = time.Minute

// verdicts are in the order of their weight: the verdict of an interval is the last of
// these that it saw.
var verdicts = []string{
	status.VerdictUnknown, status.VerdictWorking, status.VerdictPaused, status.VerdictSyncing, status.VerdictFailing, status.VerdictHalted,
}

var stages = fsm.Stages()

// Memory is the past of one pair. The zero value is empty and ready for use. Its methods
// may be called concurrently.
type Memory struct {
	mu      sync.Mutex
	tiers   [len(kept)]ring
	record  record
	last    time.Time // of the newest snapshot
	verdict string    // of it
}

// Add takes a snapshot into every tier and returns what is remembered of the verdict.
func (m *Memory) Add(s *status.Snapshot) *status.Past {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := pointOf(s)
	if between := s.At.Sub(m.last); m.verdict != status.VerdictUnknown && !m.last.IsZero() && between > 0 && between <= mostGap {
		p.known = uint32(between.Milliseconds())
		if m.verdict == status.VerdictWorking {
			p.working = p.known
		}
	}
	m.last, m.verdict = s.At, s.Verdict
	for i := range m.tiers {
		m.tiers[i].add(p, kept[i])
	}
	return m.record.add(s)
}

// Newest returns at most limit samples of the finest tier, the newest last.
func (m *Memory) Newest(limit int) []status.Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	finest := &m.tiers[0]
	n := min(max(limit, 0), len(finest.points))
	out := make([]status.Sample, 0, n)
	for i := len(finest.points) - n; i < len(finest.points); i++ {
		out = append(out, finest.at(i).sample())
	}
	return out
}

// The values of a point; a bit of point.has says whether each was known.
const (
	valueWall = iota
	valueGwat
	valueBeacon
	valueNumber
	valueDone
	valueTotal
	values
)

// point is a sample as it is kept: of one snapshot, or of an interval.
type point struct {
	at      int64 // of the newest snapshot, in microseconds since 1970
	seq     uint64
	values  [values]uint64
	known   uint32 // ms for which a verdict was known
	working uint32 // ms of it for which the pair worked
	stage   uint8  // an index of stages
	verdict uint8  // an index of verdicts: the worst of the interval
	has     uint8  // bits of the values that were known
}

func pointOf(s *status.Snapshot) point {
	p := point{at: s.At.UnixMicro(), seq: s.Seq}
	for i, stage := range stages {
		if s.Stage == string(stage) {
			p.stage = uint8(i)
		}
	}
	for i, v := range verdicts {
		if s.Verdict == v {
			p.verdict = uint8(i)
		}
	}
	set := func(i int, v uint64) { p.values[i], p.has = v, p.has|1<<i }
	if s.Network != nil {
		set(valueWall, uint64(s.Network.CurrentSlot))
	}
	if s.Gwat.Slot != nil {
		set(valueGwat, uint64(*s.Gwat.Slot))
	}
	if s.Beacon.Slot != nil {
		set(valueBeacon, uint64(*s.Beacon.Slot))
	}
	if s.Gwat.Finalized != nil {
		set(valueNumber, *s.Gwat.Finalized)
	}
	if s.Push != nil {
		set(valueDone, s.Push.Progress.Current)
		set(valueTotal, s.Push.Progress.Target)
	}
	return p
}

// merge returns the interval of p and of q, which follows it.
func (p point) merge(q point) point {
	q.known, q.working = p.known+q.known, p.working+q.working
	q.verdict = max(p.verdict, q.verdict)
	return q
}

func (p point) time() time.Time { return time.UnixMicro(p.at).UTC() }

func (p point) sample() status.Sample {
	number := func(i int) *uint64 {
		if p.has&(1<<i) == 0 {
			return nil
		}
		v := p.values[i]
		return &v
	}
	slot := func(i int) *primitives.Slot { return (*primitives.Slot)(number(i)) }
	return status.Sample{
		Seq: p.seq, At: p.time(), Stage: string(stages[p.stage]), Verdict: verdicts[p.verdict],
		WallSlot: slot(valueWall), GwatSlot: slot(valueGwat), BeaconSlot: slot(valueBeacon),
		GwatNumber: number(valueNumber), PushDone: number(valueDone), PushTotal: number(valueTotal),
	}
}
