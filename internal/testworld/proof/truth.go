package proof

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/status"
)

const (
	look = PollInterval + CallTimeout
	// Noticed is within how long a node that gives no answer is reported: three
	// looks, each with its timeout.
	Noticed = 3 * look
	// Named is within how long a finding names it, which wants three looks of one
	// kind: the one that the fault broke off may be of another.
	Named = 4 * look
	// Unworked is within how long "working" is taken back when the beacon's calls
	// no longer reach gwat: the slots that a spine may be late, and the looks.
	Unworked = (headsync.LateSlots+2)*SlotTime + Noticed
	// taken is within how long it is taken back when gwat itself says so (S5), with
	// a second for a machine that has other work.
	taken = look + time.Second
	// fresh is how old a snapshot of a running syncd may be.
	fresh = Noticed + time.Second
)

// Fault is one that was begun and ended.
type Fault struct {
	Begin, End time.Time

	Lost    string // the node that gave syncd no answer: "gwat", "beacon"; "" if none
	Cut     bool   // no call of the beacon reached gwat
	Stopped bool   // syncd itself was stopped or killed
	Moved   bool   // gwat may have lost data, or was driven by another
}

// RequireTruth proves that no answer of syncd was a lie; calls is gwat's own log.
func (w *Watch) RequireTruth(f Fault, calls []gwatsim.Call) {
	w.t.Helper()
	list := w.All()
	require.Empty(w.t, lies(list, f, calls), "syncd did not tell the truth")
	if f.Stopped || f.End.Sub(f.Begin) < Noticed {
		return
	}
	last := slices.IndexFunc(list, func(told Told) bool { return told.At.After(f.End) }) - 1
	require.Positive(w.t, last, "syncd answered nothing during the fault")
	s := list[last].Snapshot
	require.NotNil(w.t, s, "syncd answered nothing at the end of the fault")
	if f.Lost == "" || f.End.Sub(f.Begin) < Named {
		return
	}
	require.Equal(w.t, status.VerdictFailing, s.Verdict, "%s gives no answer; findings %+v", f.Lost, s.Findings)
	require.True(w.t, slices.ContainsFunc(s.Findings, func(found status.Finding) bool {
		return found.Node == f.Lost && found.Severity == status.SeverityCritical && len(found.Evidence) > 0
	}), "no critical finding names %s: %+v", f.Lost, s.Findings)
}

// lies lists what was told and is not so.
func lies(list []Told, f Fault, calls []gwatsim.Call) []string {
	slices.SortStableFunc(calls, func(a, b gwatsim.Call) int { return a.End.Compare(b.End) })
	var out []string
	var confirmed uint64
	for _, told := range list {
		s := told.Snapshot
		if s == nil || f.Stopped && told.At.After(f.Begin) && s.At.Before(f.End) {
			continue // the latter is from before the stop, and its time says so
		}
		found := lie(told, f, calls)
		if c := s.Confirmed; c != nil && !f.Moved {
			if uint64(c.Slot) < confirmed {
				found = append(found, fmt.Sprintf("the confirmed entry moved back from slot %d to %d (S4)", confirmed, c.Slot))
			}
			confirmed = uint64(c.Slot)
		}
		for _, why := range found {
			out = append(out, fmt.Sprintf("%s after the fault began, in %s: %s", told.Asked.Sub(f.Begin).Round(time.Millisecond), s.Stage, why))
		}
	}
	return out
}

// lie tells what is wrong with one answer.
func lie(told Told, f Fault, calls []gwatsim.Call) (out []string) {
	s := told.Snapshot
	during := told.Asked.After(f.Begin) && told.At.Before(f.End)
	since := told.Asked.Sub(f.Begin)
	working := s.Stage == "working"
	if age := told.Asked.Sub(s.At); age > fresh {
		out = append(out, fmt.Sprintf("the snapshot is %s old", age))
	}
	for name, n := range map[string]status.Node{"gwat": s.Gwat, "beacon": s.Beacon} {
		switch unsaid := n.Error == nil || n.Error.Kind == "" || n.Error.Message == ""; {
		case !n.Reachable && working && told.Asked.Sub(n.Since) <= taken:
			// One bad answer does not end "working": another poll follows at once (decision 7).
		case !n.Reachable && working:
			out = append(out, name+" is not reachable in working")
		case !n.Reachable && unsaid && s.Waiting != "the first answer of both nodes":
			out = append(out, name+" is not reachable and no error says why")
		case n.Reachable && during && name == f.Lost && since > Noticed:
			out = append(out, name+" gives no answer and is said to be reachable")
		}
	}
	switch {
	case s.Stage == "connecting" && s.Waiting == "":
		out = append(out, "nothing says what is waited for")
	case !working:
	case during && f.Lost != "" && since > Noticed:
		out = append(out, "it works without an answer of "+f.Lost)
	case during && f.Cut && since > Unworked:
		out = append(out, "it works without the beacon's calls")
	case neverIdle(calls, told.Asked.Add(-taken), told.Asked):
		out = append(out, "it works while gwat says that it does not (S5)")
	}
	return out
}

// RequireConfirmed proves S7 by asking gwat: what was told as confirmed is final.
func (w *Watch) RequireConfirmed(gwat string) {
	w.t.Helper()
	numbers := map[common.Hash]uint64{}
	for _, told := range w.All() {
		if told.Snapshot != nil && told.Snapshot.Confirmed != nil {
			numbers[told.Snapshot.Confirmed.Spine] = told.Snapshot.Confirmed.Number
		}
	}
	client, err := gwatclient.New(gwatclient.Config{Endpoint: gwat})
	require.NoError(w.t, err)
	defer client.Close()
	for spine, number := range numbers {
		b, err := client.BlockByHash(context.Background(), spine)
		require.NoError(w.t, err)
		require.NotNil(w.t, b, "gwat does not know the confirmed spine %s (S7)", spine)
		require.True(w.t, b.IsSpine() && *b.Number == number, "the confirmed spine %s, number %d, is %+v in gwat (S7)", spine, number, b)
	}
}

// Hold keeps a fault up for so long; it is the one thing that only the clock ends.
func Hold(t *testing.T, begin time.Time, long time.Duration) {
	t.Helper()
	select {
	case <-time.After(time.Until(begin.Add(long))):
	case <-t.Context().Done():
	}
}
