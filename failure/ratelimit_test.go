package failure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The pause is what the server asks for, at least a second and at most a minute;
// without a Retry-After it doubles with each refusal in a row.
func TestHoldBackKeepsTheServersPause(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	for named, want := range map[time.Duration]time.Duration{
		0: time.Second, time.Millisecond: time.Second, 30 * time.Second: 30 * time.Second,
		time.Minute: time.Minute, 61 * time.Second: time.Minute, 24 * time.Hour: time.Minute,
	} {
		var h HoldBack
		require.NoError(t, h.Check(begin))
		require.Equal(t, want, h.Limited(begin, named), named)
		err := h.Check(begin.Add(want - time.Nanosecond))
		require.ErrorIs(t, err, ErrRateLimited)
		require.ErrorIs(t, err, RetryLater)
		require.ErrorContains(t, err, "the next request goes out in 1s")
		require.NoError(t, h.Check(begin.Add(want)))
	}
	var h HoldBack
	now := begin
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		require.Equal(t, want*time.Second, h.Limited(now, 0))
		require.Equal(t, (want*time.Second)/2, h.Limited(now.Add(want*time.Second/2), 30*time.Second), "it was sent before the pause began")
		now = now.Add(want * time.Second)
	}
	h.Answered()
	require.Equal(t, time.Second, h.Limited(now, 0))
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "30": 30 * time.Second, "-5": 0, "soon": 0, "99999999999999": 0, "2147483647": 2147483647 * time.Second,
		"Sat, 01 Jan 2000 00:00:20 GMT": 20 * time.Second, "Fri, 31 Dec 1999 00:00:00 GMT": 0,
	} {
		require.Equal(t, want, RetryAfter(text, now), text)
	}
}

func TestRateLimited(t *testing.T) {
	err := RateLimited(By429, 1500*time.Millisecond, " slow\ndown ")
	require.ErrorIs(t, err, ErrRateLimited)
	require.Equal(t, RetryLater, Kind(err))
	require.Equal(t, "rate limited (HTTP 429): no further request for 2s: slow down", err.Error())
	require.Equal(t, "rate limited (error 5): no further request for 1s", RateLimited("error 5", time.Second, " ").Error())
}
