package publish

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMeter(t *testing.T) {
	at := time.Unix(1000, 0)
	var m meter
	p := m.progress(unitSlot, 100, 200, at)
	require.Zero(t, p.Rate)
	require.Nil(t, p.ETA, "nothing is known yet")
	p = m.progress(unitSlot, 105, 200, at.Add(time.Second))
	require.InDelta(t, 5, p.Rate, 0.01, "a rate is told from the first sample on")
	require.WithinDuration(t, at.Add(20*time.Second), *p.ETA, time.Second)
	p = m.progress(unitSlot, 106, 200, at.Add(1010*time.Millisecond))
	require.InDelta(t, 5, p.Rate, 0.01, "a sample of some milliseconds is none")
	require.Equal(t, uint64(106), p.Current)
	for i := range 60 {
		p = m.progress(unitSlot, uint64(107+i), 200, at.Add(time.Duration(2+i)*time.Second))
	}
	require.InDelta(t, 1, p.Rate, 0.1)
	p = m.progress(unitSlot, 90, 200, at.Add(70*time.Second))
	require.Equal(t, uint64(90), p.From, "a progress that falls begins anew")
	require.Zero(t, p.Rate)
}
