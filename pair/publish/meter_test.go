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
	require.InDelta(t, 5, p.Rate, 0.01, "there is a rate from the first sample on")
	require.WithinDuration(t, at.Add(20*time.Second), *p.ETA, time.Second)
	p = m.progress(unitSlot, 106, 200, at.Add(1010*time.Millisecond))
	require.InDelta(t, 5, p.Rate, 0.01, "a sample of some milliseconds is none")
	require.Equal(t, uint64(106), p.Current)
	for i := range 60 {
		p = m.progress(unitSlot, uint64(107+i), 200, at.Add(time.Duration(2+i)*time.Second))
	}
	require.InDelta(t, 1, p.Rate, 0.1)
	p = m.progress(unitSlot, 90, 200, at.Add(70*time.Second))
	require.Equal(t, uint64(90), p.From, "a progress that falls begins again")
	require.Zero(t, p.Rate)
}

// A sample is taken when the last one is half a second old. Standing still counts.
func TestMeterSamples(t *testing.T) {
	at := time.Unix(1000, 0)
	var m meter
	m.progress(unitBlock, 100, 200, at)
	require.Zero(t, m.progress(unitBlock, 105, 200, at.Add(499*time.Millisecond)).Rate)
	require.InDelta(t, 10, m.progress(unitBlock, 105, 200, at.Add(500*time.Millisecond)).Rate, 0.01)
	p := m.progress(unitBlock, 105, 200, at.Add(time.Second))
	require.InDelta(t, 5, p.Rate, 0.01)
	require.EqualValues(t, 100, p.From)
}

// The rate is that of the last twenty steps; what was before does not count.
func TestMeterForgets(t *testing.T) {
	at := time.Unix(1000, 0)
	var m meter
	m.progress(unitBlock, 0, 10_000, at)
	for i := range 20 {
		p := m.progress(unitBlock, 1000, 10_000, at.Add(time.Duration(i+1)*time.Second))
		require.InDelta(t, 1000/float64(i+1), p.Rate, 0.001)
	}
	for i := range 100 {
		p := m.progress(unitBlock, uint64(1003+3*i), 10_000, at.Add(time.Duration(21+i)*time.Second))
		require.InDelta(t, 3*min(1, float64(i+1)/20), p.Rate, 0.001, i)
		require.LessOrEqual(t, len(m.samples), 21)
	}
}

// A progress in steps, each after a long pause, is estimated by its whole speed: the
// estimate does not move away while nothing is done, and comes close to the truth.
func TestMeterEstimateDoesNotRunAway(t *testing.T) {
	at := time.Unix(1000, 0)
	var m meter
	truth := at.Add(100 * time.Second)
	var shown *time.Time
	for second := range 100 {
		done := uint64(second / 5 * 5) // five at a time
		p := m.progress(unitEntry, done, 100, at.Add(time.Duration(second)*time.Second))
		if second%5 != 0 && shown != nil {
			require.Equal(t, shown, p.ETA, "second %d: nothing was done", second)
		}
		shown = p.ETA
		if second >= 5 {
			require.WithinDuration(t, truth, *shown, 20*time.Second, "second %d", second)
		}
	}
}

func TestMeterEstimates(t *testing.T) {
	at := time.Unix(1000, 0)
	// moving is a meter that went from 100 to 101 in a second: its target is then target.
	moving := func(target uint64) (*meter, *time.Time) {
		var m meter
		m.progress(unitBlock, 100, target, at)
		return &m, m.progress(unitBlock, 101, target, at.Add(time.Second)).ETA
	}
	m, eta := moving(111)
	require.Equal(t, at.Add(11*time.Second), *eta)
	require.Equal(t, eta, m.progress(unitBlock, 101, 111, at.Add(11*time.Second)).ETA, "it stays while nothing moves")
	require.Nil(t, m.progress(unitBlock, 101, 111, at.Add(11*time.Second+1)).ETA, "and its time passes")
	m, _ = moving(111)
	require.Nil(t, m.progress(unitBlock, 101, 101, at.Add(time.Second)).ETA, "the target comes down to what is reached")
	m, eta = moving(101)
	require.Nil(t, eta, "it is reached")
	require.NotNil(t, m.progress(unitBlock, 101, 111, at.Add(2*time.Second)).ETA, "and moves on")
	_, eta = moving(101 + 3_600_000)
	require.Nil(t, eta, "a thousand hours")
	_, eta = moving(101 + 3_599_999)
	require.NotNil(t, eta)
}
