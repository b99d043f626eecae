//go:build page

package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// measureContrast gives every visible text and every graphical part with its
// colour and the colour behind it, as rendered. A background is that of the
// nearest ancestors, laid over each other; pictures and opacity are not used by
// the page, which the test holds it to.
const measureContrast = `(() => {
  const parse = (c) => { const m = c.match(/^rgba?\(([^)]*)\)$/); if (!m) throw new Error("colour " + c); const [r, g, b, a = 1] = m[1].split(/[ ,\/]+/).map(Number); return [r, g, b, a]; };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (el) => {
    const layers = [];
    for (let e = el; e; e = e.parentElement) {
      const s = getComputedStyle(e);
      if (s.opacity !== "1" || s.backgroundImage !== "none" || s.filter !== "none" || s.mixBlendMode !== "normal") throw new Error("not computable: " + e.outerHTML.slice(0, 100));
      layers.push(parse(s.backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const visible = (el) => el.checkVisibility({ visibilityProperty: true }) && el.getClientRects().length > 0;
  const luminance = (c) => { const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const out = [];
  const add = (what, el, colour, back, need) => out.push({ what, at: el.tagName + "." + (el.getAttribute("class") ?? "") + "#" + el.id, ratio: ratio(over(colour, back), back), need });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), el = walker.currentNode.parentElement;
    if (!text || !visible(el) || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(el.tagName)) continue;
    const s = getComputedStyle(el), size = parseFloat(s.fontSize), bold = Number(s.fontWeight) >= 700;
    const large = size >= 24 || (bold && size >= 18.66);
    add(text.slice(0, 40), el, parse(el instanceof SVGElement ? s.fill : s.color), behind(el), large ? 3 : 4.5);
  }
  for (const el of document.querySelectorAll(".series, .axis, .change")) if (visible(el)) add("line", el, parse(getComputedStyle(el).stroke), behind(el), 3);
  for (const el of document.querySelectorAll(".end, .sign path, .sev path, #strip-legend rect, .strip rect")) if (visible(el)) add("shape", el, parse(getComputedStyle(el).fill), behind(el), 3);
  for (const el of document.querySelectorAll(".fill")) if (visible(el)) add("bar", el, parse(getComputedStyle(el).backgroundColor), behind(el.parentElement), 3);
  for (const el of document.querySelectorAll(".bar, .button, .stages .mark, .beside .mark, .notice, .badge, .hero, .dot")) if (visible(el)) add("border", el, parse(getComputedStyle(el).borderTopColor), behind(el.parentElement), 3);
  for (const el of document.querySelectorAll(".stages li")) if (visible(el) && el.previousElementSibling) {
    const s = getComputedStyle(el, "::before");
    add("connection", el, parse(parseFloat(s.borderTopWidth) ? s.borderTopColor : s.borderLeftColor), behind(el), 3);
  }
  for (const el of document.querySelectorAll("a, button, summary, [tabindex='0']")) {
    el.focus();
    if (visible(el) && document.activeElement === el) add("focus ring", el, parse(getComputedStyle(el).outlineColor), behind(el.parentElement), 3);
  }
  return out;
})()`

type contrast struct {
	What, At    string
	Ratio, Need float64
}

func TestContrast(t *testing.T) {
	lowest := map[string]contrast{}
	for _, l := range []look{{width: 1280, height: 900}, {width: 1280, height: 900, dark: true}, {width: 360, height: 780}, {width: 360, height: 780, dark: true}} {
		b := open(t, l)
		for _, st := range states() {
			src := &script{}
			st.put(src)
			addr, stop := serve(t, src, "127.0.0.1:0")
			b.visit(addr)
			b.until("document.documentElement.dataset.link === 'live'")
			eval[bool](b, "(document.querySelector('details').open = true)")
			// The theme's button is tried too: it must do what the system's setting does.
			for _, chosen := range []string{"", "light", "dark"} {
				eval[bool](b, fmt.Sprintf("chosen = %q, chosen ? (document.documentElement.dataset.theme = chosen) : delete document.documentElement.dataset.theme, true", chosen))
				hold(t, b, fmt.Sprintf("%s, dark %t, chosen %q", st.name, l.dark, chosen), lowest)
			}
			eval[bool](b, "delete document.documentElement.dataset.theme")
			stop()
			b.until(noticeShown)
			b.until("document.documentElement.dataset.verdict === 'lost'")
			hold(t, b, "lost, "+st.name, lowest)
		}
	}
	for kind, c := range lowest {
		t.Logf("lowest contrast of %s: %.2f (%s %q)", kind, c.Ratio, c.At, c.What)
	}
}

func hold(t *testing.T, b *tab, where string, lowest map[string]contrast) {
	t.Helper()
	measured := eval[[]contrast](b, measureContrast)
	require.Greater(t, len(measured), 60, where)
	for _, c := range measured {
		require.GreaterOrEqual(t, c.Ratio, c.Need, "%s: %s %q", where, c.At, c.What)
		kind := fmt.Sprintf("what needs %.1f", c.Need)
		if low, ok := lowest[kind]; !ok || c.Ratio < low.Ratio {
			lowest[kind] = c
		}
	}
}

// Every control and picture has a name, there is one main heading, and what a
// screen reader is told by itself is little.
func TestNamesAndRoles(t *testing.T) {
	src := &script{}
	states()[3].put(src)
	addr, stop := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.querySelectorAll('[role=img]').length === 6") // the strips come with an answer of their own
	eval[bool](b, "(document.querySelector('details').open = true)")
	check := func() map[string]int {
		// The library's own type refuses what newer browsers say beside this.
		var tree struct {
			Nodes []struct {
				Ignored    bool `json:"ignored"`
				Role, Name struct{ Value string }
			} `json:"nodes"`
		}
		raw := jsontext.Value{}
		b.run(chromedp.ActionFunc(func(ctx context.Context) error {
			return cdp.Execute(ctx, accessibility.CommandGetFullAXTree, nil, &raw)
		}))
		require.NoError(t, json.Unmarshal(raw, &tree))
		roles := map[string]int{}
		for _, n := range tree.Nodes {
			if n.Ignored {
				continue
			}
			role, name := n.Role.Value, n.Name.Value
			roles[role]++
			if slices.Contains([]string{"button", "link", "image", "progressbar", "region", "group", "navigation", "heading", "table", "DisclosureTriangle"}, role) {
				if (role == "group" || role == "table") && name == "" {
					continue // <details> and a table inside a named region
				}
				require.NotEmpty(t, strings.TrimSpace(name), "a %s without a name", role)
			}
		}
		return roles
	}
	roles := check()
	require.Equal(t, 1, roles["main"])
	require.Equal(t, 1, roles["banner"])
	require.Equal(t, 1, roles["contentinfo"])
	require.GreaterOrEqual(t, roles["region"], 8)
	require.Equal(t, 3, roles["progressbar"])
	require.Equal(t, 6, roles["image"], "the charts and the strips; signs beside words are hidden")
	require.Equal(t, 1, roles["status"])
	require.Equal(t, 0, roles["alert"])
	require.Equal(t, 1, eval[int](b, "document.querySelectorAll('h1').length"))
	require.Equal(t, 2, eval[int](b, "document.querySelectorAll('[aria-live], [role=status], [role=alert], [role=log]').length"))
	require.Equal(t, "en", eval[string](b, "document.documentElement.lang"))
	for _, id := range []string{"lag", "slots", "blocks", "pushed"} {
		label := eval[string](b, "document.querySelector('[data-chart="+id+"] .plot').getAttribute('aria-label')")
		require.Regexp(t, `\d|not known`, label, "a chart tells its newest values")
	}
	stop()
	b.until(noticeShown)
	require.Equal(t, 1, check()["alert"])
}

// Nothing is told by colour alone: in grey the verdicts, stages, series and
// severities still differ by word, shape or dashes.
func TestReadableWithoutColour(t *testing.T) {
	src := &script{}
	states()[3].put(src)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	distinct := func(expression string, want int) {
		t.Helper()
		got := eval[[]string](b, expression)
		require.Len(t, got, want, expression)
		slices.Sort(got)
		require.Len(t, slices.Compact(got), want, expression)
	}
	distinct("[...document.querySelectorAll('[data-chart=slots] .plot .series')].map((e) => getComputedStyle(e).strokeDasharray)", 3)
	distinct("[...document.querySelectorAll('#findings .sev, #notes .sev')].map((e) => e.textContent.trim())", 3)
	distinct("[...document.querySelectorAll('#findings .sev path, #notes .sev path')].map((e) => e.getAttribute('d'))", 3)
	distinct("['done', 'current', 'open'].map((s) => document.querySelector('#stages [data-state=' + s + '] .state').textContent.split(',')[0])", 3)
	distinct("[...document.querySelectorAll('.up')].slice(0, 1).map((e) => e.textContent.trim())", 1)
	signs := map[string]bool{}
	for _, st := range states() {
		src := &script{}
		st.put(src)
		addr, _ := serve(t, src, "127.0.0.1:0")
		b.visit(addr)
		signs[eval[string](b, "document.getElementById('sign').getAttribute('d')")] = true
	}
	require.Len(t, signs, 6, "as many shapes as verdicts")
}

// Tab reaches every control, in the order of the page, each with a visible ring;
// Enter and Space do what a click does.
func TestKeyboard(t *testing.T) {
	src := &script{}
	st := states()[3]
	st.way = append(slices.Clone(way), way[1:4]...) // enough changes for "show all"
	st.put(src)
	addr, stop := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("!document.getElementById('more').hidden")
	press := func(keys ...string) {
		t.Helper()
		for _, key := range keys {
			b.run(chromedp.KeyEvent(key))
		}
	}
	const controls = `[...document.querySelectorAll("a[href], button, summary, [tabindex='0']")].filter((e) => e.checkVisibility())`
	const number = controls + `.indexOf(document.activeElement)`
	walk := func() {
		t.Helper()
		eval[bool](b, "(document.querySelector('.skip').focus(), true)")
		count := eval[int](b, controls+".length")
		require.GreaterOrEqual(t, count, 8)
		for i := range count {
			if i > 0 {
				press(kb.Tab)
			}
			require.Equal(t, i, eval[int](b, number), "Tab %d is at %s", i+1, eval[string](b, "document.activeElement.outerHTML.slice(0, 120)"))
			require.True(t, eval[bool](b, `(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2; })()`), "no ring at control %d", i)
		}
	}
	press(kb.Tab)
	require.Equal(t, "skip", eval[string](b, "document.activeElement.className"))
	require.GreaterOrEqual(t, eval[float64](b, "document.activeElement.getBoundingClientRect().top"), 0.0, "the skip link comes into sight")
	press(kb.Enter)
	b.until("document.activeElement.id === 'main'")
	b.run(chromedp.Navigate("http://" + addr + "/"))
	b.until("!document.getElementById('more').hidden")
	walk()

	for key, name := range map[string]string{kb.Enter: "light", " ": "dark"} {
		eval[bool](b, fmt.Sprintf("(localStorage.setItem('syncd-theme', %q), true)", map[string]string{"light": "system", "dark": "light"}[name]))
		b.run(chromedp.Reload())
		b.until("document.documentElement.dataset.seq > 0")
		eval[bool](b, "(document.getElementById('theme').focus(), true)")
		press(key)
		b.until(fmt.Sprintf("document.documentElement.dataset.theme === %q", name))
		require.Equal(t, "Theme: "+name, b.text("#theme"))
		require.Equal(t, name, eval[string](b, "getComputedStyle(document.documentElement).colorScheme"))
		b.run(chromedp.Reload())
		b.until("document.documentElement.dataset.seq > 0")
		require.Equal(t, name, eval[string](b, "document.documentElement.dataset.theme"), "it is kept")
	}
	b.until("!document.getElementById('more').hidden")
	eval[bool](b, "(document.getElementById('more').focus(), true)")
	press(kb.Enter)
	require.Equal(t, len(src.history), eval[int](b, "document.querySelectorAll('#history > li').length"))
	require.Equal(t, "true", eval[string](b, "document.getElementById('more').getAttribute('aria-expanded')"))
	require.Equal(t, "more", eval[string](b, "document.activeElement.id"), "the focus stays")
	eval[bool](b, "(document.querySelector('[data-range=\"300\"]').focus(), true)")
	press(" ")
	require.Equal(t, "true", eval[string](b, "document.querySelector('[data-range=\"300\"]').getAttribute('aria-pressed')"))
	eval[bool](b, "(document.querySelector('summary').focus(), true)")
	press(kb.Enter)
	require.True(t, eval[bool](b, "document.querySelector('details').open"))
	walk()
	stop()
	b.until(noticeShown)
	walk()
}

// No width asks for scrolling sideways, whatever the text.
func TestNarrow(t *testing.T) {
	for _, width := range []int64{320, 360, 600, 900, 1280} {
		b := open(t, look{width: width, height: 780})
		for _, st := range states() {
			src := &script{}
			st.put(src)
			addr, stop := serve(t, src, "127.0.0.1:0")
			b.visit(addr)
			b.until("document.documentElement.dataset.link === 'live'")
			eval[bool](b, "(document.querySelector('details').open = true)")
			flat := func(when string) {
				t.Helper()
				require.LessOrEqual(t, eval[int64](b, "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"), width, "%s at %d px, %s", st.name, width, when)
				require.Empty(t, eval[[]string](b, `[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest(".scroll, svg, .skip") && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)).map((e) => e.outerHTML.slice(0, 80))`), "%s at %d px, %s", st.name, width, when)
			}
			flat("live")
			stop()
			b.until(noticeShown)
			flat("lost")
		}
	}
}

// Nothing moves for those who asked for less motion, and little for others.
func TestMotion(t *testing.T) {
	src := &script{}
	src.publish(everything())
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop) // with reduced motion
	b.visit(addr)
	require.Empty(t, eval[[]string](b, `[...document.querySelectorAll("*")].filter((e) => { const s = getComputedStyle(e); return s.animationName !== "none" || s.transitionDuration.split(",").some((d) => parseFloat(d) > 0); }).map((e) => e.outerHTML.slice(0, 80))`))
}
