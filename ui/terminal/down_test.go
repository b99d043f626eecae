package terminal

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/outage"
	"github.com/gwatsync/syncd/status"
)

// marked are the places where a view says that a value is the last known one.
var marked = regexp.MustCompile(`\(last slot \d+,|last known \S+ ago at slot \d+,`)

// In every stage and era, whichever node is down: no view shows a number that the node had
// before, in any size, but as the last known one.
func TestNoViewShowsWhatADeadNodeHad(t *testing.T) {
	for _, stage := range fsm.Stages() {
		for _, era := range outage.Eras() {
			for _, down := range outage.Downs() {
				t.Run(fmt.Sprintf("%s, %s, down: %s", stage, era, down.Name), func(t *testing.T) {
					up := outage.Up(stage, era, noon)
					s := outage.After(up, down)
					shown := map[string]string{"table": Table(&s, s.At, 200), "line": Line(&s), "plain": plainAfter(up, s)}
					for _, size := range [][2]int{{200, 60}, {80, 24}, {80, 12}, {40, 24}} {
						f := frame{snap: CleanSnapshot(&s), fresh: s.At, now: s.At, how: "live"}
						shown[fmt.Sprint(size)] = ansi.Strip(f.render(size[0], size[1], styles{}))
					}
					for name, text := range shown {
						text = marked.ReplaceAllString(strings.Join(strings.Fields(text), " "), "")
						for _, old := range outage.Old(up, down) {
							require.NotContains(t, text, old, name)
						}
					}
					if down.Gwat {
						require.Contains(t, shown["table"], "last known 40s ago at slot 7111101, now 222242 behind the clock")
						require.Contains(t, shown["line"], "gwat=down gwat_slot=- gwat_lag=222242 gwat_peers=-")
						require.Contains(t, shown["[200 60]"], "(last slot 7111101, 222242 behind)")
					}
				})
			}
		}
	}
}

// plainAfter is what a plain view, which has shown one snapshot, writes for the next one.
func plainAfter(before, s status.Snapshot) string {
	var out bytes.Buffer
	v := &plain{out: &out}
	v.Show(Update{Snapshot: &before})
	out.Reset()
	v.Show(Update{Snapshot: &s})
	return out.String()
}
