package publish

import (
	"sync"
	"time"

	"github.com/gwatsync/syncd/status"
)

const (
	// KeptSamples is how many samples are kept: a quarter of an hour of them.
	KeptSamples = 900
	// SamplePace is the least time between two samples.
	SamplePace = time.Second
)

// sampleRing keeps the recent past of the pair; the newest sample replaces the oldest.
type sampleRing struct {
	mu   sync.Mutex
	ring []status.Sample
	next int
	at   time.Time
}

func (s *sampleRing) add(snap *status.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && snap.At.Sub(s.at).Abs() < SamplePace {
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
	if len(s.ring) < KeptSamples {
		s.ring = append(s.ring, sample)
		return
	}
	s.ring[s.next] = sample
	s.next = (s.next + 1) % KeptSamples
}

// newest returns at most limit samples, the newest last.
func (s *sampleRing) newest(limit int) []status.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(max(limit, 0), len(s.ring))
	out := make([]status.Sample, 0, n)
	for i := len(s.ring) - n; i < len(s.ring); i++ {
		out = append(out, s.ring[(s.next+i)%len(s.ring)])
	}
	return out
}
