package operator

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
)

func TestWhichCalls(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	chosen := status.CallFilter{Methods: []string{"m"}, Limit: 5}
	f, err := (&CallsOrder{Form: FormJSON, Filter: chosen}).filter(now)
	require.NoError(t, err)
	require.Equal(t, chosen, f)
	for text, since := range map[string]time.Time{"10m": now.Add(-10 * time.Minute), "2026-01-01T00:00:00Z": now.Add(-39*time.Hour - 4*time.Minute - 5*time.Second)} {
		f, err = (&CallsOrder{Form: FormJSON, Filter: chosen, Least: 1500 * time.Microsecond, Since: text}).filter(now)
		require.NoError(t, err)
		require.InDelta(t, 1.5, f.MinMS, 1e-9)
		require.True(t, f.Since.Equal(since), text)
	}
	for text, order := range map[string]CallsOrder{
		"--limit is 0: want 1 to 4096":           {Form: FormTable},
		`--output is "line": want table or json`: {Form: FormLine, Filter: chosen},
		"--limit is 9223372036854775807":         {Form: FormTable, Filter: status.CallFilter{Limit: math.MaxInt}},
		"--min-duration is -1s":                  {Form: FormTable, Filter: chosen, Least: -time.Second},
		`--since is "-3m": want`:                 {Form: FormTable, Filter: chosen, Since: "-3m"},
		`--since is "now": want`:                 {Form: FormTable, Filter: chosen, Since: "now"},
	} {
		_, err := order.filter(now)
		require.Equal(t, exit.Usage, exit.Of(err))
		require.ErrorContains(t, err, text)
	}
}
