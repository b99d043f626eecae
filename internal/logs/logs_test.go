package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARepeatedTroubleIsLoggedOnceAMinute(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			log, err := New(&out, "info", format)
			require.NoError(t, err)
			for i := range 300 {
				log.WithField("attempt", i).Warnf("Slot %d of 0xab%x is late by %s", i, i, time.Duration(i)*time.Millisecond)
				log.Info("a change is always told")
				time.Sleep(time.Second)
			}
			require.Equal(t, 300, strings.Count(out.String(), "a change is always told"))
			require.Equal(t, 5, strings.Count(out.String(), "is late by"), out.String())
			require.Equal(t, 4, strings.Count(out.String(), "repeated"), "59 were left out before each but the first")
			require.Contains(t, out.String(), "59")
		})
	}
}

// What differs in more than numbers, and what names a finding, is logged at once.
func TestNewsIsNotLeftOut(t *testing.T) {
	var out bytes.Buffer
	log, err := New(&out, "warn", "json")
	require.NoError(t, err)
	log.Warn("gwat at http://127.0.0.1:8545 is late")
	log.Warn("beacon at http://127.0.0.1:8545 is late")
	log.Error("gwat at http://127.0.0.1:8545 is late")
	for range 2 {
		log.WithField(FieldFinding, "gwat_hung").Warn("Finding gwat_hung")
	}
	require.Equal(t, 5, strings.Count(out.String(), "\n"), out.String())
	for line := range strings.Lines(out.String()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
}

func TestDebugLeavesNothingOut(t *testing.T) {
	var out bytes.Buffer
	log, err := New(&out, "debug", "text")
	require.NoError(t, err)
	for range 5 {
		log.Warn("late")
	}
	require.Equal(t, 5, strings.Count(out.String(), "late"))
}

// A flood of different troubles takes bounded memory and is heard again later.
func TestAFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log, err := New(&out, "info", "text")
		require.NoError(t, err)
		for i := range 10 * shapesKept {
			log.Warn(strings.Repeat("x", i))
		}
		require.Equal(t, shapesKept, strings.Count(out.String(), "\n"))
		time.Sleep(Quiet)
		log.Warn("after the flood")
		require.Contains(t, out.String(), "after the flood")
	})
}

func TestWhatNewRefuses(t *testing.T) {
	_, err := New(&bytes.Buffer{}, "loud", "text")
	require.ErrorContains(t, err, `"loud"`)
	_, err = New(&bytes.Buffer{}, "info", "xml")
	require.ErrorContains(t, err, `"xml"`)
}
