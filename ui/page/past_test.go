//go:build page

package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// remembered is a pair with a memory of eight days.
func remembered(t *testing.T, change func(*status.Snapshot)) (addr string, src *script) {
	t.Helper()
	src = &script{}
	s := working()
	s.At = time.Now()
	if change != nil {
		change(&s)
	}
	src.days(&s)
	src.publish(s)
	addr, _ = serve(t, src, "127.0.0.1:0")
	return addr, src
}

// The strips show the verdict over a day and a week, with the share of the time for which
// the pair worked; the charts go as far back as their buttons say.
func TestDaysAreShown(t *testing.T) {
	addr, src := remembered(t, nil)
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.querySelectorAll('.strip').length === 2 && document.querySelectorAll('.strip rect').length > 100")
	for i, span := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour} {
		samples, _ := src.past.Span(src.Snapshot().At.Add(-span), src.Snapshot().At, []time.Duration{15 * time.Minute, 2 * time.Hour}[i])
		known, worked := 0.0, 0.0
		for _, s := range samples {
			known, worked = known+s.KnownSeconds, worked+s.WorkingSeconds
		}
		require.Greater(t, known, span.Seconds()/2)
		text := eval[string](b, fmt.Sprintf("document.querySelectorAll('.strip small')[%d].textContent", i))
		require.Contains(t, text, fmt.Sprintf("worked %.1f %%", float64(int(worked/known*1000))/10))
		require.Contains(t, eval[string](b, fmt.Sprintf("document.querySelectorAll('.strip svg')[%d].getAttribute('aria-label')", i)), text)
	}
	require.Equal(t, []string{"failing", "syncing", "working"}, eval[[]string](b, "[...new Set([...document.querySelectorAll('.strip rect')].map((e) => e.getAttribute('class')))].sort()"))
	require.Equal(t, 3, eval[int](b, "new Set([...document.querySelectorAll('.strip rect')].map((e) => e.getAttribute('height'))).size"), "not by colour alone")
	for _, c := range []struct {
		seconds int
		points  int
	}{{3600, 60}, {21600, 200}, {86400, 200}, {604800, 100}} {
		eval[bool](b, fmt.Sprintf("(document.querySelector('[data-range=\"%d\"]').click(), true)", c.seconds))
		b.until(fmt.Sprintf("document.querySelector('[data-chart=slots] .plot').getAttribute('aria-label').includes(%q) && document.querySelector('[data-chart=slots]').dataset.points > %d",
			map[int]string{3600: "1 h 0 min", 21600: "6 h 0 min", 86400: "1 d 0 h", 604800: "7 d 0 h"}[c.seconds], c.points))
	}
	require.Less(t, eval[int](b, "Number(document.querySelector('[data-chart=slots]').dataset.points)"), 3100, "bounded")
	b.noErrors()
}

// The hero answers for each verdict: how it is, since when, and until when it worked.
func TestTheHeroAnswers(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		change func(*status.Snapshot)
		says   []string
	}{
		"working": {nil, []string{"For 3 h 40 min.", "Failing (gwat has no peers, so it gets no blocks) for 19 min", "Head slot"}},
		"syncing": {func(s *status.Snapshot) {
			s.Verdict, s.Stage, s.ETA = "syncing", "head_sync", ptr(now.Add(10*time.Minute))
		}, []string{"It worked until", "Step 5 of 6: Head sync", "may work in"}},
		"failing":  {func(s *status.Snapshot) { s.Verdict, s.Findings = "failing", findings(now) }, []string{"It worked until", "See 2 findings below", "Failing (gwat has no peers, so it gets no blocks) since"}},
		"halted":   {func(s *status.Snapshot) { s.Verdict, s.Stage = "halted", "halted" }, []string{"It worked until"}},
		"paused":   {func(s *status.Snapshot) { s.Verdict, s.Stage = "paused", "paused" }, []string{"It worked until", "syncd resume"}},
		"one slot": {func(s *status.Snapshot) { s.Gwat.LagSlots = ptr(uint64(1)) }, []string{"For 3 h"}},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := remembered(t, c.change)
			b := open(t, desktop)
			b.visit(addr)
			hero := eval[string](b, "document.querySelector('.hero').innerText")
			for _, text := range c.says {
				require.Contains(t, hero, text)
			}
			if name == "one slot" {
				require.Equal(t, "1 slot", b.text("[data-path='gwat.lagSlots']"))
			}
			if name == "syncing" {
				require.Equal(t, "83", eval[string](b, "document.querySelector('#overall [role=progressbar]').getAttribute('aria-valuenow')"))
			}
			require.Regexp(t, `svg`, eval[string](b, "document.getElementById('icon').href"))
			require.Contains(t, eval[string](b, "document.title"), eval[string](b, "document.querySelector('#verdict [data-path=verdict]').textContent"))
			for _, f := range findings(now) {
				require.LessOrEqual(t, strings.Count(eval[string](b, "document.body.innerText"), f.Remedy), 1, "a remedy stands once")
			}
			b.noErrors()
		})
	}
}

// A finding that another one explains is folded under it; notes stand under the stage.
func TestConsequencesAreFolded(t *testing.T) {
	src := &script{}
	snap := everything()
	snap.Findings[1].ExplainedBy = snap.Findings[0].Name
	src.publish(snap)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	require.Equal(t, 1, eval[int](b, "document.querySelectorAll('#findings > li').length"))
	require.Equal(t, "Explained by it: 1 finding", b.text("#findings > li > details > summary"))
	require.Contains(t, b.text("#findings > li > details li"), "second_driver")
	require.Equal(t, 1, eval[int](b, "document.querySelectorAll('#notes > li').length"))
	require.Equal(t, "See the finding below.", b.text("#remedy"))
	next := everything()
	next.Findings = next.Findings[1:]
	next.Findings[0].ExplainedBy = "gwat_no_peers"
	src.publish(next)
	b.until("document.querySelector('#findings > li code').textContent === 'second_driver'") // its cause has gone
	b.noErrors()
}

// The page speaks the browser's language, and the one that is chosen by the switch; both
// tables have the same keys and the same places to fill in, and no text is empty in one.
func TestLanguages(t *testing.T) {
	addr, src := remembered(t, nil)
	b := open(t, look{width: 1280, height: 900, script: `Object.defineProperty(navigator, "languages", { get: () => ["ru-RU", "en"] });`})
	b.visit(addr)
	require.Equal(t, "ru", eval[string](b, "document.documentElement.lang"))
	require.Equal(t, "Работает", b.text("#verdict"))
	require.Contains(t, b.text("#when"), "3 ч 40 мин")
	require.Equal(t, "English", b.text("#language"))
	b.until("document.querySelectorAll('.strip rect').length > 100")
	b.shoot("russian-1280-light")
	left := eval[[]string](b, `[...document.querySelectorAll("main [data-t], header [data-t]")].filter((e) => e.checkVisibility() && !/[а-яё]/i.test(e.textContent) && !["Spine", "Chain id"].includes(e.textContent)).map((e) => e.outerHTML)`)
	require.Empty(t, left)
	snap := *src.Snapshot()
	snap.Verdict, snap.Findings = status.VerdictFailing, findings(snap.At)[:1]
	snap.Findings = append(snap.Findings, status.Finding{Name: "of_a_newer_syncd", Severity: status.SeverityWarning, Node: "pair", Summary: "New.", Remedy: "Read on."})
	src.publish(snap)
	b.until("document.querySelectorAll('#findings > li').length === 2")
	require.Contains(t, b.text("#findings h3"), "У gwat нет пиров")
	require.Contains(t, b.text("#findings .remedy"), "Проверьте порт p2p")
	require.Contains(t, b.text("#lead"), "У gwat нет пиров")
	require.Equal(t, "ru", eval[string](b, "document.querySelector('#findings h3').lang"))
	require.Equal(t, []string{"New.", "en"}, eval[[]string](b, "(e => [e.textContent, e.lang])(document.querySelector('#findings > li:nth-child(2) h3'))"))
	eval[bool](b, "(window.old = true, document.getElementById('language').click(), true)")
	require.Eventually(t, func() bool { // the page is reloaded, so that a question may find none
		var done bool
		err := chromedp.Run(b.ctx, chromedp.Evaluate("Boolean(!window.old && document.documentElement?.dataset.seq > 0)", &done))
		return err == nil && done
	}, patience, 20*time.Millisecond)
	require.Equal(t, "en", eval[string](b, "document.documentElement.lang"))
	require.Equal(t, "Failing", b.text("#verdict"))
	require.Equal(t, snap.Findings[0].Summary, b.text("#findings h3"), "as syncd says it")
	require.Equal(t, "Русский", b.text("#language"))
	differences := eval[[]string](b, `(async () => {
		const { tables } = await import("./assets/words.js");
		const leaves = (o, path = "") => Object.entries(o).flatMap(([k, v]) => typeof v === "string" ? [[path + k, v]] : leaves(v, path + k + "."));
		const en = new Map(leaves(tables.en)), out = [];
		const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort().join();
		for (const [tag, table] of Object.entries(tables)) {
			const own = (key) => /^findings\./.test(key); // English says them as syncd does
			const other = new Map(leaves(table).filter(([key]) => !own(key)));
			for (const [key, text] of en) {
				if (!other.has(key)) out.push(tag + " lacks " + key);
				else if (Boolean(text) !== Boolean(other.get(key))) out.push(tag + " " + key + " is empty in one language");
				else if (places(text) !== places(other.get(key))) out.push(tag + " " + key + " has other places");
			}
			for (const key of other.keys()) if (!en.has(key) && !/^units\.\w+\.(few|many)$/.test(key)) out.push(tag + " has " + key);
		}
		return out;
	})()`)
	require.Empty(t, differences)
	b.noErrors()
}

// The history can be narrowed to interruptions; each change says how long its stage lasted.
func TestHistoryFilterAndDurations(t *testing.T) {
	src := &script{}
	st := states()[4] // paused
	st.put(src)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.querySelectorAll('#history > li').length === 4")
	require.Regexp(t, `^lasts \d+ s$`, b.text("#history > li:nth-child(1) .lasted"))
	require.Equal(t, "lasted 40 s", b.text("#history > li:nth-child(2) .lasted"))
	eval[bool](b, "(document.querySelector('[data-filter=interruptions]').click(), true)")
	b.until("document.querySelectorAll('#history > li').length === 1")
	require.Equal(t, "paused", eval[string](b, "document.querySelector('#history > li').dataset.to"))
	require.Equal(t, "1 change", b.text("#history-count"))
}

// A finding is copied as text that says all of it.
func TestCopyAFinding(t *testing.T) {
	src := &script{}
	snap := everything()
	src.publish(snap)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, look{width: 1280, height: 900, script: `Object.defineProperty(navigator, "clipboard", { get: () => ({ writeText: async (text) => { window.copied = text; } }) });`})
	b.visit(addr)
	eval[bool](b, "(document.querySelector('#findings .copy').click(), true)")
	b.until("window.copied && document.querySelector('#findings .copy').textContent === 'Copied'")
	text := eval[string](b, "window.copied")
	for _, part := range append([]string{"CRITICAL gwat_no_peers (gwat)", snap.Findings[0].Summary, "What to do: " + snap.Findings[0].Remedy, "syncd v0.2.0, main, testnet"}, snap.Findings[0].Evidence...) {
		require.Contains(t, text, part)
	}
	b.noErrors()
}
