package pair

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/status"
)

// The list that the beacon node sends itself is compared with what was pushed: an equal
// one brings no finding, one with another slot does, once a checkpoint has passed it.
func TestTheBeaconsListIsCompared(t *testing.T) {
	const finding = "beacon_list_differs"
	for name, change := range map[string]func([]checkpoint.ConsensusInfo){
		"equal":         func([]checkpoint.ConsensusInfo) {},
		"other creator": func(list []checkpoint.ConsensusInfo) { list[0].Creators = nil },
	} {
		t.Run(name, func(t *testing.T) {
			log, lines := test.NewNullLogger()
			over := fakeConfig{pair: func(c *Config) { overGate.pair(c); c.Log = log }}
			inFakeTime(t, over, func(b *fake) {
				b.reaches(fsm.Switching)
				beacon := b.pair.nodes.beacon
				finality, err := beacon.Finality(b.t.Context(), beaconclient.StateHead)
				require.NoError(b.t, err)
				justified, err := beacon.Header(b.t.Context(), beaconclient.AtRoot(finality.CurrentJustified.Root))
				require.NoError(b.t, err)
				head, err := beacon.Header(b.t.Context(), beaconclient.Head)
				require.NoError(b.t, err)
				entries, err := headsync.NewCollector(beacon, b.world.Spec()).Collect(b.t.Context(), head, justified.Slot+1, nil)
				require.NoError(b.t, err)
				require.NotEmpty(b.t, entries)
				list := headsync.Infos(entries)
				change(list)
				onGate(func(g *busyGate) { g.sent = &gate.SentList{Total: len(list), Entries: list} })(b)
				if name != "equal" {
					b.within(time.Hour, finding, func(s *status.Snapshot) bool { return told(s, finding) != nil })
					evidence := strings.Join(told(b.pair.Snapshot(), finding).Evidence, "\n")
					require.Contains(b.t, evidence, "1 difference from REST")
					require.Contains(b.t, evidence, "has other spines or creators")
					return
				}
				b.within(time.Hour, "the list's end", func(*status.Snapshot) bool {
					return slices.ContainsFunc(lines.AllEntries(), func(e *logrus.Entry) bool {
						compared, _ := e.Data["entries"].(int)
						return strings.Contains(e.Message, "compared to its end") && compared > 0
					})
				})
				require.Nil(b.t, told(b.pair.Snapshot(), finding))
			})
		})
	}
}
