package simulation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClockJumpsItsWallOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock{begin: time.Now()}
		before := c.now()
		require.True(t, before.Round(0).Equal(time.Now()))
		time.Sleep(3 * time.Second)
		c.off.Store(int64(-time.Hour))
		after := c.now()
		require.Equal(t, 3*time.Second, after.Sub(before), "a duration does not see the jump")
		require.True(t, after.After(before))
		require.Equal(t, before.Unix()+3-3600, after.Unix())
		require.True(t, after.Round(0).Before(before.Round(0)), "what was written down does")
		require.Equal(t, after.Add(time.Second).Sub(after), time.Second)
	})
}
