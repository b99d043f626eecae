package pair

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
)

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take gives what was written since the last call.
func (l *lines) take(t *testing.T) (out []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		out = append(out, fields)
	}
	l.b.Reset()
	return out
}

// The bounds for five minutes of one trouble, as in docs/operating.md:
// what is no change of a stage or finding, and all lines of a pair that stands still.
const (
	mostOther = 12
	mostLines = 20
)

// A trouble that lasts five minutes, with a look every second, fills no log.
func TestALongTroubleFillsNoLog(t *testing.T) {
	refuses := func(b *fake) { b.gwat.SetFault(func(string) gwatsim.Fault { return gwatsim.Fault{Error: "no"} }) }
	for name, c := range map[string]struct {
		from  fsm.Stage
		fault func(*fake)
		moves bool // the pair tries again and again, through several stages
	}{
		"nothing":             {fsm.Working, func(*fake) {}, false},
		"gwat down":           {fsm.Working, mode(gwatWire, wire.Refused), false},
		"gwat hangs":          {fsm.Working, mode(gwatWire, wire.Stopped), false},
		"gwat refuses all":    {fsm.Working, refuses, false},
		"gwat answers pages":  {fsm.Working, front(gwatWire, answering(502, "<html>")), false},
		"beacon down":         {fsm.Working, mode(beaconWire, wire.Refused), false},
		"beacon hangs":        {fsm.Working, mode(beaconWire, wire.Stopped), false},
		"a full disk":         {fsm.Connecting, func(b *fake) { b.store.full.Store(true) }, false},
		"no ready":            {fsm.Connecting, failCalls("dag_headSyncReady", gwatsim.Fault{Error: "busy"}), false},
		"no push":             {fsm.Connecting, failCalls("dag_headSync", gwatsim.Fault{Error: "bad block"}), false},
		"no normal work":      {fsm.Working, failCalls(normalWork, gwatsim.Fault{Error: "busy"}), true},
		"another's long lock": {fsm.Working, takeLock, false},
	} {
		t.Run(name, func(t *testing.T) {
			log := &lines{}
			with := fakeConfig{pair: func(cfg *Config) {
				quiet, err := logs.New(log, "info", "json")
				require.NoError(t, err)
				cfg.Log = quiet
			}}
			inFakeTime(t, with, func(f *fake) {
				if c.from == fsm.Working {
					f.reaches(fsm.Working)
				}
				log.take(t)
				c.fault(f)
				time.Sleep(5 * time.Minute) // of the fake clock
				told := log.take(t)
				alive, changes := 0, 0
				for _, l := range told {
					if l["event"] != nil || l["finding"] != nil {
						changes++
					}
					if strings.HasPrefix(l["msg"].(string), "Alive ") {
						alive++
						require.Contains(t, l, "stage")
						require.Contains(t, l, "verdict")
					}
				}
				t.Logf("%d lines, %d of a change", len(told), changes)
				require.InDelta(t, 5, alive, 1, "one line a minute that all is alive")
				require.LessOrEqual(t, len(told)-changes, mostOther, "%v", told)
				if !c.moves {
					require.LessOrEqual(t, len(told), mostLines, "%v", told)
				}
			})
		})
	}
}

// A cause is logged once, with what to do; what follows from it is not logged.
func TestACauseIsLoggedOnceWithItsRemedy(t *testing.T) {
	log := &lines{}
	with := fakeConfig{pair: func(cfg *Config) {
		quiet, err := logs.New(log, "info", "json")
		require.NoError(t, err)
		cfg.Log = quiet
	}}
	inFakeTime(t, with, func(f *fake) {
		f.reaches(fsm.Working)
		log.take(t)
		f.gwatWire.Set(wire.Refused)
		f.bcnWire.Set(wire.Refused)
		time.Sleep(5 * time.Minute) // of the fake clock
		f.gwatWire.Set(wire.Up)
		f.bcnWire.Set(wire.Up)
		time.Sleep(time.Minute)
		var told []string
		for _, l := range log.take(t) {
			if l["finding"] == nil {
				continue
			}
			told = append(told, l["level"].(string)+" "+l["finding"].(string))
			if l["level"] == "error" {
				require.NotEmpty(t, l["remedy"])
			}
		}
		require.NotEmpty(t, told)
		require.Equal(t, "error nodes_unreachable", told[0])
		require.Equal(t, 1, strings.Count(strings.Join(told, "\n"), "error nodes_unreachable"))
		require.NotContains(t, told, "error gwat_unreachable")
		require.NotContains(t, told, "error beacon_unreachable")
		require.Contains(t, told, "info nodes_unreachable")
	})
}
