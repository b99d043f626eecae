package terminal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func TestThePastIsTold(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	before := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	over := &status.Trouble{From: *before(time.Hour), Until: before(40 * time.Minute), Verdict: "failing", Finding: "gwat_no_peers"}
	lasts := &status.Trouble{From: *before(time.Minute), Verdict: "halted"}
	for want, past := range map[string]status.Past{
		"not seen to work yet":  {},
		"works for 30m0s":       {WorkingSince: before(30 * time.Minute)},
		"worked until 1m0s ago": {WorkedUntil: before(time.Minute)},
		"works for 30m0s; last trouble: failing (gwat_no_peers) for 20m0s, over for 40m0s": {WorkingSince: before(30 * time.Minute), LastTrouble: over},
		"worked until 1m1s ago; halted for 1m0s":                                           {WorkedUntil: before(61 * time.Second), LastTrouble: lasts},
	} {
		require.Equal(t, want, pastText(&past, now))
		require.Contains(t, Table(&status.Snapshot{Past: &past}, now, 0), want)
	}
	require.NotContains(t, Table(&status.Snapshot{}, now, 0), "work yet")
	live := picture(t, frame{snap: &status.Snapshot{Past: &status.Past{WorkingSince: before(time.Hour)}}, fresh: now, now: now}, 110, 60, "NO_COLOR=1")
	require.Contains(t, live, "works for 1h0m0s")
}
