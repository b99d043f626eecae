//go:build page

package page_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// brokenDays are the days that the page shows over two lines.
const brokenDays = `(() => {
  const out = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    for (const m of node.data.matchAll(/\d{4}-\d\d-\d\d/g)) {
      const range = document.createRange();
      range.setStart(node, m.index);
      range.setEnd(node, m.index + m[0].length);
      const lines = new Set([...range.getClientRects()].filter((r) => r.width > 0).map((r) => Math.round(r.top)));
      if (lines.size > 1) out.push(node.parentElement.outerHTML);
    }
  }
  return out;
})()`

// In a narrow window a day stays in one line, in each state and wherever a time is shown.
func TestADayIsNotBroken(t *testing.T) {
	for _, width := range []int64{390, 320} {
		b := open(t, look{width: width, height: 844})
		for _, st := range pictured() {
			src := &script{}
			st.put(src)
			snap := *src.snap
			src.days(&snap)
			src.publish(snap)
			addr, stop := serve(t, src, "127.0.0.1:0")
			b.visit(addr)
			require.Empty(t, eval[[]string](b, brokenDays), "%s, %d", st.name, width)
			stop()
		}
		b.noErrors()
	}
}

// The evidence of a finding that the newest poll does not show is marked with its time, on the
// page and in the copied text.
func TestOldEvidenceIsMarked(t *testing.T) {
	src := &script{}
	s := everything()
	require.NotEmpty(t, s.Findings)
	src.publish(s)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	require.Equal(t, "Evidence", b.text("#findings .evlead"))
	s.Seq++
	s.Findings = append([]status.Finding{}, s.Findings...)
	seen := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.Findings[0].EvidenceAt = &seen
	src.publish(s)
	b.until("document.querySelector('#findings .evlead').textContent !== 'Evidence'")
	require.Equal(t, "Evidence, last seen 2026-01-02 03:04:05 UTC", b.text("#findings .evlead"))
	eval[bool](b, "!!Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text; } } })")
	eval[bool](b, "document.querySelector('#findings .copy').click() === undefined")
	require.Contains(t, eval[string](b, "window.copied"), "evidence of 2026-01-02T03:04:05Z:\n- ")
	b.noErrors()
}

// A stage of less than a second is not said to have lasted none, and why a stage began is not
// said twice.
func TestHistoryAndStageSayNothingEmptyOrTwice(t *testing.T) {
	src := &script{}
	st := states()[0]
	snap := st.snap()
	snap.Stage, snap.Waiting, snap.Reason = st.stage, "gwat to answer", "gwat to answer"
	past(src, st.way, 400*time.Millisecond, snap)
	src.publish(snap)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.querySelectorAll('#history .lasted').length > 3")
	require.Equal(t, "lasted under 1 s", eval[string](b, "[...document.querySelectorAll('#history .lasted')].at(-1).textContent"))
	require.True(t, eval[bool](b, "document.getElementById('entered').hidden"))
	snap.Seq++
	snap.Reason = "both nodes answer"
	src.publish(snap)
	b.until("!document.getElementById('entered').hidden")
	b.noErrors()
}
