package coordinated

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
)

// recordedSequence returns the kinds of the calls that a real beacon node made in a time,
// in order.
func recordedSequence(t *testing.T, stream string, from, to float64) string {
	t.Helper()
	var out []Letter
	now := ""
	for _, row := range recordedRows(t) {
		if row.Stream != "" {
			now = row.Stream
		}
		switch {
		case now != stream || row.T < from || row.T > to:
		case row.Call == "C":
			out = append(out, Asks)
		case row.Call == "F":
			out = append(out, map[any]Letter{"0x0": Works, "0x1": Main, "0x2": Head}[row.F.Mode])
		}
	}
	return sequence(out)
}

// sequence writes the states of a driver without its waits; what is done over and over
// is written once.
func sequence(letters []Letter) string {
	var out strings.Builder
	last := Waits
	for _, l := range letters {
		if l != Waits && l != last {
			out.WriteString(string(l))
			last = l
		}
	}
	text := out.String()
	for _, again := range []string{"CM", "CMH"} {
		for strings.Contains(text, again+again) {
			text = strings.ReplaceAll(text, again+again, again)
		}
	}
	return text
}

// After each incident the simulated beacon node makes the calls that the real one made,
// in kind and order. Left out is A3, in which another program asked for the state, too.
func TestSequencesAsRecorded(t *testing.T) {
	away := func(p *pair, d time.Duration, restart func()) {
		p.wire.Set(wire.Refused)
		time.Sleep(d)
		restart()
		p.wire.Set(wire.Up)
	}
	for name, tc := range map[string]struct {
		stream   string
		from, to float64
		incident func(t *testing.T, p *pair)
		want     string
	}{
		"B0 killed before finality, started with peers": {"tap3", 236, 240, func(t *testing.T, p *pair) {
			away(p, 6*time.Second, func() { p.gwat.Restart("enode://a") })
			p.works(t, 10*time.Second)
		}, "CMHN"},
		"B1 killed, started with peers": {"tap4", 793, 800, func(t *testing.T, p *pair) {
			away(p, 5*time.Second, func() { p.gwat.Restart("enode://a") })
			p.works(t, 10*time.Second)
		}, "CMHN"},
		"B2 started without peers": {"tap4", 832, 862, func(_ *testing.T, p *pair) {
			away(p, 2*time.Second, func() { p.gwat.Restart() })
			time.Sleep(30 * time.Second)
		}, "CM"},
		"B2b a peer added": {"tap4", 889, 900, func(t *testing.T, p *pair) {
			away(p, 2*time.Second, func() { p.gwat.Restart() })
			time.Sleep(10 * time.Second)
			p.gwat.AddPeer("enode://a")
			p.works(t, 10*time.Second)
		}, "CMHN"},
		"C1 both empty": {"tap4", 549, 570, func(t *testing.T, p *pair) {
			p.beacon.SyncSpeed = 40
			p.beacon.Wipe()
			p.gwat.Wipe()
			p.gwat.Restart("enode://a")
			p.works(t, 20*time.Second)
		}, "CMHN"},
		"A1 stopped and continued": {"tap3", 193, 200, func(t *testing.T, p *pair) {
			p.wire.Set(wire.Stopped)
			time.Sleep(40 * time.Second)
			p.wire.Set(wire.Up)
			p.works(t, 10*time.Second)
		}, "CMHN"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, recordedSequence(t, tc.stream, tc.from, tc.to), "of the real beacon node")
			inFakeTime(t, 180, func(t *testing.T, p *pair) {
				p.works(t, 15*time.Second)
				before := len(p.beacon.Letters())
				tc.incident(t, p)
				require.Equal(t, tc.want, sequence(p.beacon.Letters()[before:]))
			})
		})
	}
}
