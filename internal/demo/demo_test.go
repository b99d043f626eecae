package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/ui/terminal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func demo(t *testing.T, listen string) (d *Demo, out, log *bytes.Buffer) {
	t.Helper()
	cfg, err := settings.Load(settings.Input{Flags: map[string]string{"api.listen": listen}, Defaults: Defaults})
	require.NoError(t, err)
	require.NoError(t, cfg.CheckServing())
	out, log = &bytes.Buffer{}, &bytes.Buffer{}
	return &Demo{Settings: cfg, Version: "test", View: JSON(out, log), Until: fsm.CheckpointSync, Timeout: time.Minute, Seed: 1}, out, log
}

func TestUntilAStage(t *testing.T) {
	d, out, log := demo(t, "127.0.0.1:0")
	require.NoError(t, d.Check())
	require.NoError(t, d.Run(t.Context()))
	require.Contains(t, log.String(), "the API is at http://127.0.0.1:")
	var stages []string
	for line := range strings.Lines(out.String()) {
		var l StageLine
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		stages = append(stages, l.Stage)
	}
	require.Equal(t, []string{"connecting", "checkpoint_sync"}, stages)
}

// seen is a view that keeps the names of the findings it was shown.
type seen struct {
	terminal.View
	findings map[string]bool
}

func (v *seen) Show(u terminal.Update) {
	for _, f := range u.Snapshot.Findings {
		v.findings[f.Name] = true
	}
	v.View.Show(u)
}

// The beacon node drives, and calls gwat through the gate: syncd alone pushes, and nothing
// is said about a second driver or a gate that is not used.
func TestTheBeaconNodeCallsThroughTheGate(t *testing.T) {
	d, out, log := demo(t, "127.0.0.1:0")
	view := &seen{View: JSON(out, log), findings: map[string]bool{}}
	d.View, d.Until = view, fsm.Working
	require.NoError(t, d.Run(t.Context()))
	require.Contains(t, out.String(), "by our push")
	for _, name := range []string{"gate_unused", "gate_bypassed", "second_driver"} {
		require.NotContains(t, view.findings, name)
	}
}

func TestThePairOfTheCoordinatedEra(t *testing.T) {
	d, out, log := demo(t, "127.0.0.1:0")
	d.Era, d.Until = checkpoint.EraCoordinated, fsm.Working
	begin := time.Now()
	require.NoError(t, d.Run(t.Context()), log.String())
	require.Less(t, time.Since(begin), time.Minute)
	for _, stage := range []string{"checkpoint_sync", "head_sync", "switching", "working"} {
		require.Contains(t, out.String(), `"stage":"`+stage+`"`)
	}
}

func TestEndsBeforeTheStage(t *testing.T) {
	d, _, _ := demo(t, "127.0.0.1:0")
	d.Until, d.Timeout = fsm.Working, 300*time.Millisecond
	err := d.Run(t.Context())
	require.Equal(t, exit.Timeout, exit.Of(err))
	require.ErrorContains(t, err, "--timeout 300ms is over")

	stopped := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		return ctx
	}
	d, _, _ = demo(t, "127.0.0.1:0")
	d.Until = fsm.Working
	require.ErrorContains(t, d.Run(stopped()), "the demo was stopped")
	d, _, _ = demo(t, "127.0.0.1:0")
	d.Until = ""
	require.NoError(t, d.Run(stopped()), "without a stage every end is a good one")
}

func TestABusyAddress(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	d, _, _ := demo(t, busy.Addr().String())
	require.Equal(t, exit.Busy, exit.Of(d.Run(t.Context())))
	d, _, log := demo(t, busy.Addr().String())
	d.AnyPort = true
	require.NoError(t, d.Run(t.Context()))
	require.Contains(t, log.String(), "so the API takes a free port")
}

func TestWhatCheckRefuses(t *testing.T) {
	for text, change := range map[string]func(*Demo){
		`--until is "done": want one of connecting, checkpoint_sync,`: func(d *Demo) { d.Until = "done" },
		`--era is "third": want head-sync or coordinated`:             func(d *Demo) { d.Era = "third" },
		"--timeout is 0s": func(d *Demo) { d.Timeout = 0 },
	} {
		d, _, _ := demo(t, "127.0.0.1:0")
		change(d)
		err := d.Check()
		require.Equal(t, exit.Usage, exit.Of(err))
		require.ErrorContains(t, err, text)
	}
}
