package recording

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

var update = flag.Bool("update", false, "condense the live recordings again, if they lie beside the repository")

// With -update the recordings are condensed: the polls and what was judged of them
// then stay, calls and snapshots are left out.
func TestCondenseLiveRecordings(t *testing.T) {
	const from = "../../../shared/transcripts/headsync/live"
	if _, err := os.Stat(from); err != nil || !*update {
		t.Skip("no raw recordings, or no -update")
	}
	for _, name := range []string{"devA_stuck_beacon_resync", "devA_T3_T5", "devA_T8_builtin_race"} {
		in, err := os.Open(filepath.Join(from, name+".bundle"))
		require.NoError(t, err)
		defer in.Close()
		r, err := NewReader(in)
		require.NoError(t, err)
		out, err := os.Create(filepath.Join("testdata", "live", strings.ToLower(name)+".bundle"))
		require.NoError(t, err)
		defer out.Close()
		header := r.Header
		header.Config = nil
		w, err := NewWriter(out, NewMasker(nil, nil), header, MaxSize)
		require.NoError(t, err)
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if e.Evaluation != nil {
				require.NoError(t, w.Add(e))
			}
			if e.End != nil {
				require.NoError(t, w.Close(Entry{At: e.At}, "condensed"))
			}
		}
	}
}

// What a syncd that drove a real pair measured, judged by the code of today: what
// appears and goes, and when.
func TestLiveRecordingsAreJudgedRight(t *testing.T) {
	for name, want := range map[string][]string{
		// The block of slot 9 met a gwat that was away: the head stands at 8 to the end.
		"deva_stuck_beacon_resync": {"19:30:40 +gwat_ahead_of_beacon", "19:31:11 +beacon_stalled_head"},
		"deva_t3_t5": {
			"19:38:38 +gwat_unreachable", "19:38:41 -gwat_unreachable", // killed at 19:38:36.8, its socket back after 3 s
			// gwat stopped for 15 s at 19:39:24: it goes on before the third poll's time is over.
			"19:40:43 +beacon_hung", "19:40:55 -beacon_hung", // stopped from 19:40:28 to 19:40:53
			"19:41:58 +gwat_hung", // stopped from 19:41:42 on
		},
		"deva_t8_builtin_race": {
			"19:44:39 +beacon_unreachable", "19:44:43 +beacon_rolled_back", "19:44:43 -beacon_unreachable", // killed at 19:44:37.5
			"19:44:48 -beacon_rolled_back", // gwat is ahead of it meanwhile, which follows from it
			// The built-in driver rolls gwat back from 382 to 293 and pushes all again.
			"19:44:49 +gwat_rolled_back", "19:44:51 +second_driver", "19:44:53 -gwat_rolled_back",
			"19:45:03 -second_driver",
			// Our own resync at 19:46:09 is told as nothing else.
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, want, judged(t, name))
		})
	}
}

func judged(t *testing.T, name string) (changes []string) {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", "live", name+".bundle"))
	require.NoError(t, err)
	defer in.Close()
	r, err := NewReader(in)
	require.NoError(t, err)
	engine := health.New(r.Header.Poll)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return changes
		}
		require.NoError(t, err)
		if e.Evaluation == nil {
			continue
		}
		report := engine.Observe(e.Evaluation.Input)
		note := func(sign string, list []status.Finding) {
			for _, f := range list {
				changes = append(changes, e.At.UTC().Format("15:04:05 ")+sign+f.Name)
			}
		}
		note("+", report.Appeared)
		note("-", report.Gone)
	}
}
