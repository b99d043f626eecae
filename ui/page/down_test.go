//go:build page

package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/outage"
)

// readNow is all that the page says in text and in labels as of now: without what it marks as
// last known, the axes of its charts and the times and reasons of its history.
const readNow = `(() => {
  const marked = [...document.querySelectorAll("[data-known], svg.plot, #history")];
  const before = marked.map((el) => el.style.display);
  for (const el of marked) el.style.display = "none";
  const text = document.querySelector("main").innerText;
  marked.forEach((el, i) => { el.style.display = before[i]; });
  const labels = [...document.querySelectorAll("[aria-label], [aria-valuetext]")].filter((el) => el.checkVisibility());
  return [text, ...labels.map((el) => el.getAttribute("aria-label") + " " + el.getAttribute("aria-valuetext"))].join("\n").replaceAll("\u202f", "");
})()`

// In every stage and era, whichever node is down: a page that was open before shows no number
// that the node had, but as the last known one.
func TestThePageShowsNothingOfADeadNodeAsOfNow(t *testing.T) {
	src := &script{}
	src.publish(outage.Up(fsm.Connecting, outage.Eras()[0], time.Now()))
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.documentElement.dataset.link === 'live'")
	shown := func() string {
		t.Helper()
		b.until(fmt.Sprintf("document.documentElement.dataset.seq === '%d'", src.Snapshot().Seq))
		return eval[string](b, readNow)
	}
	for _, stage := range fsm.Stages() {
		for _, era := range outage.Eras() {
			for _, down := range outage.Downs() {
				name := fmt.Sprintf("%s, %s, down: %s", stage, era, down.Name)
				up := outage.Up(stage, era, time.Now())
				src.publish(up)
				before := shown()
				next := outage.After(up, down)
				next.At = time.Now() // a page calls nothing of a later time new
				src.publish(next)
				after := shown()
				for _, old := range outage.Old(up, down) {
					require.NotContains(t, after, old, name)
				}
				for node, dead := range map[string]bool{"gwat": down.Gwat, "beacon": down.Beacon} {
					known := b.text("[data-known='" + node + ".lastKnown']")
					require.Equal(t, dead, strings.HasPrefix(known, "last known: slot"), "%s: %s", name, known)
				}
				require.Equal(t, down.Gwat, strings.Contains(after, "222242 slots"), name)
				require.Equal(t, down.Beacon, strings.Contains(after, "111142 slots"), name)
				require.Contains(t, before, "7111101", "what is looked for is shown while the node answers")
				require.Contains(t, before, "7222201")
				lock := b.text("#no-lock")
				require.True(t, !down.Gwat || lock == "not known", "%s: %s", name, lock)
			}
		}
	}
	b.noErrors()
}
