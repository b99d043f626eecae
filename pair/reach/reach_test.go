package reach

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
)

func TestGwat(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want health.Reach
	}{
		"answered":              {nil, health.Answers},
		"not sent after a 429":  {errors.Join(gwatclient.ErrDown, failure.ErrRateLimited), health.Limited},
		"no or a wrong token":   {gwatclient.ErrUnauthorized, health.Denied},
		"refused":               {fmt.Errorf("dial: %w", gwatclient.ErrDown), health.Down},
		"no answer in time":     {errors.Join(gwatclient.ErrLost, context.DeadlineExceeded), health.Silent},
		"no answer by a socket": {errors.Join(gwatclient.ErrLost, os.ErrDeadlineExceeded), health.Silent},
		"the connection broke":  {gwatclient.ErrLost, health.Down},
		"a proxy's answer":      {failure.Gateway(502, gwatclient.ErrHTTPStatus), health.Down},
		"unreadable":            {gwatclient.ErrMalformed, health.Garbled},
		"an error of the node":  {errors.New("internal error"), health.Garbled},
	} {
		require.Equal(t, tc.want, Gwat(tc.err), name)
	}
}

func TestBeacon(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want health.Reach
	}{
		"answered":             {nil, health.Answers},
		"not sent after a 429": {errors.Join(beaconclient.ErrDown, failure.ErrRateLimited), health.Limited},
		"it starts":            {beaconclient.ErrStarting, health.Starting},
		"refused":              {fmt.Errorf("dial: %w", beaconclient.ErrDown), health.Down},
		"no answer in time":    {errors.Join(beaconclient.ErrLost, context.DeadlineExceeded), health.Silent},
		"the connection broke": {beaconclient.ErrLost, health.Down},
		"a proxy's answer":     {failure.Gateway(504, beaconclient.ErrHTTPStatus), health.Down},
		"unreadable":           {beaconclient.ErrMalformed, health.Garbled},
	} {
		require.Equal(t, tc.want, Beacon(tc.err), name)
	}
}

func TestSlow(t *testing.T) {
	const within = time.Second
	for name, tc := range map[string]struct {
		took, other time.Duration
		want        bool
	}{
		"it took nearly all of it":  {801 * time.Millisecond, 10 * time.Millisecond, true},
		"a fifth was left":          {800 * time.Millisecond, 10 * time.Millisecond, false},
		"the other one took longer": {900 * time.Millisecond, 901 * time.Millisecond, false},
		"both took the same":        {900 * time.Millisecond, 900 * time.Millisecond, false},
		"both were quick":           {10 * time.Millisecond, 5 * time.Millisecond, false},
	} {
		err := Slow(tc.took, tc.other, within)
		require.Equal(t, tc.want, err != nil, name)
		require.Equal(t, tc.want, TimedOut(err), name)
	}
	require.EqualError(t, Slow(812345*time.Microsecond, 0, within),
		"its answers took 812ms of the 1s that a poll has: context deadline exceeded")
}
