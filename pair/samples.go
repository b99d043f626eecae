package pair

import (
	"sync"
	"time"

	"github.com/gwatsync/syncd/status"
)

const (
	keptSamples = 900         // a quarter of an hour
	samplePace  = time.Second // least time between two
)

// samples is the recent past of the pair: a ring, the oldest of which is written over.
type samples struct {
	mu   sync.Mutex
	ring []status.Sample
	next int
	at   time.Time
}

func (s *samples) add(snap *status.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && snap.At.Sub(s.at).Abs() < samplePace {
		return
	}
	s.at = snap.At
	sample := status.Sample{
		Seq: snap.Seq, At: snap.At, Stage: snap.Stage, Verdict: snap.Verdict,
		GwatSlot: snap.Gwat.Slot, BeaconSlot: snap.Beacon.Slot, GwatNumber: snap.Gwat.Finalized,
	}
	if snap.Network != nil {
		slot := snap.Network.CurrentSlot
		sample.WallSlot = &slot
	}
	if snap.Push != nil {
		done, total := snap.Push.Progress.Current, snap.Push.Progress.Target
		sample.PushDone, sample.PushTotal = &done, &total
	}
	if len(s.ring) < keptSamples {
		s.ring = append(s.ring, sample)
		return
	}
	s.ring[s.next] = sample
	s.next = (s.next + 1) % keptSamples
}

// newest gives at most limit of them, the newest last.
func (s *samples) newest(limit int) []status.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(max(limit, 0), len(s.ring))
	out := make([]status.Sample, 0, n)
	for i := len(s.ring) - n; i < len(s.ring); i++ {
		out = append(out, s.ring[(s.next+i)%len(s.ring)])
	}
	return out
}

// Samples gives the pair's recent past, at most limit points and the newest
// last: one a second, of the last quarter of an hour.
func (p *Pair) Samples(limit int) []status.Sample { return p.samples.newest(limit) }
