//go:build page

package page_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// Where WebSocket is blocked on the way, the page asks by POST, and tries the
// socket again later.
func TestPollsWhereWebSocketIsBlocked(t *testing.T) {
	src := &script{}
	src.publish(working())
	inner, _ := serve(t, src, "127.0.0.1:0")
	target, err := url.Parse("http://" + inner)
	require.NoError(t, err)
	var blocked atomic.Bool
	var refused, posts atomic.Int32
	blocked.Store(true)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) && blocked.Load() {
			refused.Add(1)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()

	b := open(t, desktop)
	b.visit(front.Listener.Addr().String())
	require.Eventually(t, func() bool { return refused.Load() > 1 }, patience, 10*time.Millisecond, "it tries again")
	b.until("document.documentElement.dataset.link === 'polling'")
	require.Contains(t, b.text("#link"), "polling")
	triesBefore, postsBefore := refused.Load(), posts.Load()
	require.Eventually(t, func() bool { return posts.Load() >= postsBefore+8 }, patience, 10*time.Millisecond)
	require.Less(t, refused.Load()-triesBefore, int32(5), "it polls between its tries, which get rarer")
	next := working()
	next.Verdict, next.Waiting = status.VerdictSyncing, "something that was polled"
	src.publish(next)
	b.until("document.querySelector('[data-path=waiting]').textContent === 'something that was polled'")
	b.until("document.documentElement.dataset.verdict === 'syncing'")
	require.True(t, eval[bool](b, "document.getElementById('lost').hidden"))

	blocked.Store(false)
	b.until("document.documentElement.dataset.link === 'live'")
	src.publish(working())
	b.until("document.documentElement.dataset.seq === '3'")
}

const noticeShown = "!document.getElementById('lost').hidden"

// A page that lost its syncd says so at once, shows nothing of what it knew as
// if it were current, and goes on when syncd is back.
func TestLostConnection(t *testing.T) {
	src := &script{}
	src.publish(working())
	addr, stop := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.documentElement.dataset.link === 'live'")
	require.True(t, eval[bool](b, "document.getElementById('lost').hidden"))
	b.until("document.title === 'Working · main · syncd'")

	stop()
	b.until(noticeShown)
	require.Contains(t, b.text("#lost-why"), "cannot be reached")
	require.Contains(t, b.text("#lost-head"), "No data since "+src.Snapshot().At.UTC().Format("2006-01-02 15:04:05 UTC"))
	require.Equal(t, "alert", eval[string](b, "document.getElementById('lost').getAttribute('role')"))
	b.until("document.documentElement.dataset.verdict === 'lost'")
	require.Equal(t, "No data; last known: Working", b.text("#verdict"))
	require.Contains(t, b.text("[data-state=current] .state"), "last known")
	require.Equal(t, "last known", b.text("#stage-lead"))
	b.until("document.title === 'No data · main · syncd'")

	next := everything()
	src.publish(next)
	serve(t, src, addr)
	b.until("document.documentElement.dataset.verdict === 'failing'")
	b.until("document.getElementById('lost').hidden && document.documentElement.dataset.link === 'live'")
	snap, raw := ask(t, addr)
	sameContent(t, eval[shown](b, readShown), snap, raw)
	b.onlyFrom(addr)
	b.noErrors()
}

// "Try now" asks at once, not when the pause is over.
func TestTryNow(t *testing.T) {
	src := &script{}
	src.publish(working())
	addr, stop := serve(t, src, "127.0.0.1:0")
	// Every pause is made too long to wait for.
	b := open(t, look{width: 1280, height: 900, script: `const later = setTimeout; setTimeout = (f, ms, ...more) => later(f, ms > 300 ? 1e8 : ms, ...more);`})
	b.visit(addr)
	b.until("document.documentElement.dataset.link === 'live'")
	stop()
	b.until(noticeShown)
	serve(t, src, addr)
	require.True(t, eval[bool](b, noticeShown))
	eval[bool](b, "document.getElementById('retry').click() ?? true")
	b.until("document.getElementById('lost').hidden")
}

// A syncd that answers but whose loop hangs tells nothing about now.
func TestOldSnapshot(t *testing.T) {
	src := &script{}
	old := working()
	old.At = time.Now().Add(-45 * time.Second)
	src.publish(old)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until(noticeShown)
	require.Contains(t, b.text("#lost-why"), "its loop hangs")
	b.until("document.documentElement.dataset.verdict === 'lost'")
	src.publish(working())
	b.until("document.getElementById('lost').hidden && document.documentElement.dataset.verdict === 'working'")
}

// A browser whose clock is wrong by an hour shows no fresh data as old.
func TestOtherClock(t *testing.T) {
	for _, off := range []string{"3600e3", "-3600e3"} {
		src := &script{}
		src.publish(working())
		addr, _ := serve(t, src, "127.0.0.1:0")
		b := open(t, look{width: 1280, height: 900, script: `const right = Date.now; Date.now = () => right() + (` + off + `);`})
		b.visit(addr)
		b.until("document.documentElement.dataset.link === 'live'")
		require.True(t, eval[bool](b, "document.getElementById('lost').hidden"), b.text("#lost-why"))
		next := working()
		next.NextTry = ptr(time.Now().Add(time.Minute))
		src.publish(next)
		b.until("/^in (5[0-9] s|1 min 0 s)$/.test(document.querySelector('[data-age=nextTry]').textContent)")
	}
}

// A hidden page holds no socket; shown again, it is live at once.
func TestHiddenPage(t *testing.T) {
	src := &script{}
	src.publish(working())
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, look{width: 1280, height: 900, script: `
		window.hide = (yes) => {
			Object.defineProperty(document, "hidden", { configurable: true, get: () => yes });
			document.dispatchEvent(new Event("visibilitychange"));
		};`})
	b.visit(addr)
	b.until("document.documentElement.dataset.link === 'live'")
	readers := func() int { src.mu.Lock(); defer src.mu.Unlock(); return len(src.readers) }
	require.Equal(t, 1, readers())
	eval[bool](b, "hide(true) ?? true")
	require.Eventually(t, func() bool { return readers() == 0 }, patience, 10*time.Millisecond)
	src.publish(everything())
	eval[bool](b, "hide(false) ?? true")
	b.until("document.documentElement.dataset.seq === '2' && document.documentElement.dataset.link === 'live'")
	require.True(t, eval[bool](b, "document.getElementById('lost').hidden"))
}

// A node may name any number and any time: the page shows them and lives on.
func TestHostileNumbers(t *testing.T) {
	const most = math.MaxUint64
	s := everything()
	s.Gwat.Slot, s.Beacon.Slot, s.Gwat.LagSlots = ptr(primitives.Slot(most)), ptr(primitives.Slot(0)), ptr(uint64(most))
	s.Gwat.Finalized, s.Gwat.Peers, s.Network.CurrentSlot, s.Network.GenesisTime = ptr(uint64(most)), ptr(uint64(most)), most, most
	s.Gwat.Progress = &status.Progress{Unit: "block", From: most, Current: most, Target: 0, Rate: 1e300, ETA: ptr(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))}
	s.Beacon.Progress = &status.Progress{Unit: "slot", From: 0, Current: 0, Target: most}
	s.Push.Progress.Target, s.Checkpoint.Epoch, s.Since, s.ETA = most, most, time.Time{}, &time.Time{}
	src := &script{samples: []status.Sample{
		{Seq: 1, At: time.Time{}, Stage: "working", WallSlot: ptr(primitives.Slot(most)), GwatNumber: ptr(uint64(most))},
		{Seq: 2, At: time.Now().Add(-time.Minute), Stage: "working", WallSlot: ptr(primitives.Slot(0)), GwatNumber: ptr(uint64(0))},
	}}
	src.publish(s)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.querySelector('[data-chart=blocks]').dataset.points >= 2")
	require.NotContains(t, b.text("main"), "NaN")
	require.Equal(t, 0, eval[int](b, `[...document.querySelectorAll("svg *")].filter((e) => /NaN|Infinity/.test(e.outerHTML)).length`))
	require.LessOrEqual(t, eval[int](b, "document.documentElement.scrollWidth"), 1280)
	eval[bool](b, "(document.querySelector('[data-range=\"300\"]').click(), true)") // all that is left is of one value
	src.publish(s)
	b.until("document.documentElement.dataset.seq === '2'")
	src.publish(working())
	b.until("document.documentElement.dataset.seq === '3' && document.documentElement.dataset.verdict === 'working'")
	b.noErrors()
}

// What nodes and findings say is text, whatever it is.
func TestHostileText(t *testing.T) {
	const bad = `<img src=x onerror="window.hit=1"><script>window.hit=1</script>&lt;b&gt;` + "\u202e" + `javascript:alert(1)`
	s := everything()
	s.Pair, s.Version, s.Waiting, s.Reason = bad, bad, bad, bad
	s.Network.Name, s.Gwat.Version, s.Gwat.SyncStage, s.Gwat.Endpoint, s.Beacon.Version, s.Beacon.SyncStage = bad, bad, bad, bad, bad, bad
	s.Gwat.Error.Message, s.Gwat.Error.Kind, s.LastError.Message, s.CompetingDriver.Sign, s.Push.Phase = bad, bad, bad, bad, bad
	s.Gwat.Progress.Unit = bad
	for i := range s.Findings {
		f := &s.Findings[i]
		f.Name, f.Severity, f.Node, f.Summary, f.Remedy, f.Evidence = bad, bad, bad, bad, bad, []string{bad, bad}
	}
	s.Stage, s.Verdict = "__proto__", "constructor"
	src := &script{history: []status.Change{{At: time.Now(), From: bad, To: bad, Event: bad, Reason: bad}}}
	src.samples = []status.Sample{{Seq: 1, At: time.Now().Add(-time.Minute), Stage: bad, Verdict: bad}}
	src.publish(s)
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.querySelectorAll('#history > li').length === 1")
	require.Equal(t, 0, eval[int](b, "document.querySelectorAll('img, body script, iframe, b b').length"))
	require.False(t, eval[bool](b, "'hit' in window"))
	require.Equal(t, bad, b.text("[data-path=reason]"))
	require.Equal(t, bad, b.text("[data-path='gwat.version']"))
	require.Equal(t, bad, b.text("#findings > li h3"))
	require.Equal(t, bad, b.text("#history > li .why"))
	require.Equal(t, bad, b.text("[data-error=lastError] .message"))
	require.Equal(t, "unknown", eval[string](b, "document.documentElement.dataset.verdict"))
	require.LessOrEqual(t, eval[int](b, "document.documentElement.scrollWidth"), 1280)
	b.onlyFrom(addr)
	b.noErrors()
	// The policy stands even for a script that would try.
	require.Equal(t, "refused", eval[string](b, `(() => { try { document.createElement("p").innerHTML = "<i>x</i>"; return "set"; } catch { return "refused"; } })()`))
}

// Of a node that does not answer nothing stands as of now but for how long, how far it is
// behind the clock and where it is; what it had is marked, with its time.
func TestADeadNodeIsMarked(t *testing.T) {
	all := pictured()
	down := all[slices.IndexFunc(all, func(s state) bool { return s.name == "gwat-down" })].snap()
	for _, node := range []string{"gwat", "beacon"} {
		snap, known := down, *down.Gwat.LastKnown
		if node == "beacon" {
			snap.Gwat, snap.Beacon = snap.Beacon, snap.Gwat
		}
		src := &script{}
		src.publish(snap)
		addr, _ := serve(t, src, "127.0.0.1:0")
		b := open(t, desktop)
		b.visit(addr)
		require.Equal(t, "last known: slot 1\u202f204\u202f188 at "+known.At.Format("2006-01-02 15:04:05 UTC")+", finalized 2\u202f204\u202f871", b.text("[data-known='"+node+".lastKnown']"))
		now := eval[map[string]string](b, `Object.fromEntries([...document.querySelectorAll("[data-path^='`+node+`.']")].filter((e) => e.textContent !== "—").map((e) => [e.dataset.path.split(".")[1], e.textContent]))`)
		delete(now, "since")
		require.Equal(t, map[string]string{"reachable": "✗ not reachable", "lagSlots": "45 slots", "endpoint": "ws://127.0.0.1:8546", "version": down.Gwat.Version}, now)
		require.Contains(t, b.text("[data-progress='"+node+".progress']"), "no progress known")
		require.Contains(t, b.text("[data-error='"+node+".error']"), "connection refused")
		require.Equal(t, "systemctl status gwat", b.text("#findings .remedy code"))
		if node == "beacon" {
			require.False(t, eval[bool](b, "document.querySelector('.facts [data-path=\"beacon.slot\"]').checkVisibility()"), "no head slot among the answers")
		}
		b.noErrors()
	}
}
