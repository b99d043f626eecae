package watch

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// A dry run shows the proof and the calls that the heal then makes; the order begins it
// although its setting is off, if the proof holds.
func TestHealByOrder(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{}), func(t *testing.T, p *simulated) {
		ask := func(name heal.Name, dry bool) (*status.Heal, error) {
			return p.watcher.Heal(t.Context(), status.HealOrder{Name: string(name), DryRun: dry})
		}
		p.works(t, 30*time.Second)
		for _, name := range heal.All {
			got, err := ask(name, true)
			require.NoError(t, err)
			require.False(t, got.Proved, name)
			require.NotEmpty(t, got.Why)
			_, err = ask(name, false)
			require.ErrorIs(t, err, heal.ErrUnproved)
		}
		_, err := ask("all", true)
		require.ErrorIs(t, err, ErrNoHeal)

		silence(p)
		within(t, p.watcher, 60*time.Second, "beacon_silent", hasFinding("beacon_silent"))
		before := p.mark()
		shown, err := ask(heal.Drive, true)
		require.NoError(t, err)
		require.True(t, shown.Proved, shown.Why)
		require.False(t, shown.On)
		require.False(t, shown.Begun)
		require.NotEmpty(t, shown.Calls)
		require.Len(t, p.gwat.Calls(), before, "a dry run makes no call that changes gwat")

		restart, err := ask(heal.RestartBeacon, true)
		require.NoError(t, err)
		require.True(t, restart.Proved)
		require.Contains(t, restart.Refused, "heal.restart-beacon names no command")

		require.NoError(t, p.watcher.Pause(t.Context(), "by hand"))
		_, err = ask(heal.Drive, false)
		require.ErrorIs(t, err, heal.ErrUnproved)
		require.ErrorContains(t, err, "paused")
		require.NoError(t, p.watcher.Resume(t.Context()))
		time.Sleep(2 * time.Second)

		begun, err := ask(heal.Drive, false)
		require.NoError(t, err)
		require.True(t, begun.Begun)
		within(t, p.watcher, 10*time.Second, "its end", func(*status.Snapshot) bool { return len(heals(t, p)) == 1 })
		calls := p.gwat.Calls()[before:]
		require.Len(t, calls, len(shown.Calls))
		for i, c := range shown.Calls {
			require.Equal(t, "dag_finalize", c.Method)
			raw, err := json.Marshal(c.Params[0])
			require.NoError(t, err)
			var asked coordinated.Finalize
			require.NoError(t, json.Unmarshal(raw, &asked))
			require.Equal(t, calls[i].Asked, asked)
		}
	})
}

// An observer shows, and begins nothing; before the nodes are known there is nothing to show.
func TestHealOfAnObserver(t *testing.T) {
	besideAPairWith(t, func(p *simulated, c *Config) { c.Observe = true }, func(t *testing.T, p *simulated) {
		order := status.HealOrder{Name: "restart-gwat", DryRun: true}
		_, err := p.watcher.Heal(t.Context(), order)
		require.ErrorIs(t, err, ErrUnknown)
		p.works(t, 30*time.Second)
		got, err := p.watcher.Heal(t.Context(), order)
		require.NoError(t, err)
		require.Equal(t, "observe is set", got.Why)
		p.watcher.healing.looking <- struct{}{}
		_, err = p.watcher.Heal(t.Context(), order)
		require.ErrorIs(t, err, ErrHealRuns)
		<-p.watcher.healing.looking
	})
}

// After each poll the gate gets the slot and whether the pair works. While the pair is paused
// the gate forwards everything.
func TestViewOfAGate(t *testing.T) {
	var told atomic.Pointer[View]
	besideAPairWith(t, func(_ *simulated, c *Config) {
		c.Report.View = func(v View) { told.Store(&v) }
	}, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		synctest.Wait()
		require.True(t, told.Load().Working)
		require.False(t, told.Load().HandsOff)
		require.Equal(t, p.watcher.Snapshot().Network.CurrentSlot, told.Load().Spec.SlotAt(time.Now()), "a gate dates calls by the clock of the network")
		require.NoError(t, p.watcher.Pause(t.Context(), ""))
		require.True(t, told.Load().HandsOff)
		require.NoError(t, p.watcher.Resume(t.Context()))
		require.False(t, told.Load().HandsOff)
	})
}

// What a gate saw of gwat's answers is reported.
func TestNullAnswersOfAGate(t *testing.T) {
	var nulls atomic.Int32
	besideAPairWith(t, func(_ *simulated, c *Config) { c.Report.NullAnswers = func() int { return int(nulls.Load()) } }, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		nulls.Store(2)
		within(t, p.watcher, 5*time.Second, "finalize_silently_failed", hasFinding("finalize_silently_failed"))
		nulls.Store(0)
		within(t, p.watcher, 5*time.Second, "its end", func(s *status.Snapshot) bool { return !hasFinding("finalize_silently_failed")(s) })
	})
}
