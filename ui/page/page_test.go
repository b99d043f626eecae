package page

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

// most is the bound of the page's size; all files together, as they are sent.
const most = 150 << 10

func get(t *testing.T, method, url string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

var browser = map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

func TestServesThePage(t *testing.T) {
	w := get(t, http.MethodGet, "/", browser)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "Accept", w.Header().Get("Vary"))
	require.Contains(t, w.Body.String(), "<!doctype html>")
	head := get(t, http.MethodHead, "/", browser)
	require.Equal(t, http.StatusOK, head.Code)
	require.Empty(t, head.Body.String())
}

func TestEveryFileIsServedGuarded(t *testing.T) {
	total := 0
	for _, url := range urls(t) {
		w := get(t, http.MethodGet, url, browser)
		require.Equal(t, http.StatusOK, w.Code, url)
		total += w.Body.Len()
		h := w.Header()
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), url)
		require.Equal(t, "no-cache", h.Get("Cache-Control"), url)
		require.NotEmpty(t, h.Get("Content-Type"), url)
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", url)
		for _, directive := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:",
			"frame-ancestors 'none'", "require-trusted-types-for 'script'",
		} {
			require.Contains(t, h.Get("Content-Security-Policy"), directive, url)
		}
		require.NotEmpty(t, h.Get("ETag"), url)
		again := get(t, http.MethodGet, url, map[string]string{"Accept": browser["Accept"], "If-None-Match": h.Get("ETag")})
		require.Equal(t, http.StatusNotModified, again.Code, url)
		require.Empty(t, again.Body.String())
	}
	require.Less(t, total, most)
	t.Logf("%.1f KiB in all", float64(total)/1024)
}

func urls(t *testing.T) []string {
	t.Helper()
	out := []string{"/"}
	require.NoError(t, fs.WalkDir(static, "static/assets", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			require.Contains(t, types, path.Ext(name), "a type for %s", name)
			out = append(out, strings.TrimPrefix(name, "static"))
		}
		return err
	}))
	require.Greater(t, len(out), 5)
	return out
}

func TestHelpForPrograms(t *testing.T) {
	for _, accept := range []string{"", "*/*", "application/json"} {
		w := get(t, http.MethodGet, "/", map[string]string{"Accept": accept})
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		require.Contains(t, w.Body.String(), "syncd_status")
		require.Empty(t, w.Header().Get("ETag"), "the page's tag must not stand for it")
	}
}

func TestNothingElseIsServed(t *testing.T) {
	for _, url := range []string{"/assets/", "/assets", "/index.html", "/assets/../index.html", "/assets/none.js", "/static/index.html", "/assets/%2e%2e/page.go"} {
		require.Equal(t, http.StatusNotFound, get(t, http.MethodGet, url, browser).Code, url)
	}
	w := get(t, http.MethodPost, "/", browser)
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

// The words of the page are those of the code, in each language: no stage, verdict,
// severity, phase, era, outcome or kind of error is without its own.
func TestWordsAreComplete(t *testing.T) {
	groups := map[string][]string{
		"verdicts":   {status.VerdictUnknown, status.VerdictSyncing, status.VerdictWorking, status.VerdictFailing, status.VerdictPaused, status.VerdictHalted},
		"severities": {status.SeverityInfo, status.SeverityWarning, status.SeverityCritical},
		"eras":       {string(checkpoint.EraHeadSync), string(checkpoint.EraCoordinated)},
	}
	for _, stage := range fsm.Stages() {
		groups["stages"] = append(groups["stages"], string(stage))
	}
	for _, p := range []headsync.Phase{headsync.PhaseCollecting, headsync.PhaseProving, headsync.PhaseReady, headsync.PhasePushing, headsync.PhaseConfirming, headsync.PhaseDone, headsync.PhaseFailed} {
		groups["phases"] = append(groups["phases"], string(p))
	}
	for _, o := range []gate.Outcome{
		gate.OutcomeOK, gate.OutcomeError, gate.OutcomeStatus, gate.OutcomeDown, gate.OutcomeCut, gate.OutcomeAnswered, gate.OutcomeAbsorbed,
		gate.OutcomeGone, gate.OutcomeDelivered, gate.OutcomeNoMatch,
	} {
		groups["outcomes"] = append(groups["outcomes"], string(o))
	}
	for _, k := range []error{failure.RetryNow, failure.RetryLater, failure.Abort, failure.NeedsHuman} {
		groups["errors"] = append(groups["errors"], failure.Name(k))
	}
	for _, stage := range []gwatclient.Stage{gwatclient.StageFinalized, gwatclient.StageDAG, gwatclient.StageHead, gwatclient.StageResync, gwatclient.StageNone} {
		groups["syncs"] = append(groups["syncs"], string(stage))
	}
	text, err := static.ReadFile("static/assets/text.js")
	require.NoError(t, err)
	last := -1
	for _, stage := range groups["stages"] {
		place := strings.Index(string(text), `"`+stage+`"`)
		require.Greater(t, place, last, "%s, in its order", stage)
		last = place
	}
	for _, language := range []string{"en", "ru"} {
		body, err := static.ReadFile("static/assets/" + language + ".js")
		require.NoError(t, err)
		for group, names := range groups {
			_, rest, ok := strings.Cut(string(body), "\n  "+group+": {")
			require.True(t, ok, "%s %s", language, group)
			end := "\n" // of a group on one line
			if strings.HasPrefix(rest, "\n") {
				end = "\n  }"
			}
			rest, _, _ = strings.Cut(rest, end)
			for _, name := range names {
				require.Regexp(t, `(^|[\s,])"?`+name+`"?: `, rest, "%s %s", language, group)
			}
		}
	}
}

// A finding in another language is complete: each of the catalogs' is there, with the
// numbers, commands and names that the English text has.
func TestFindingsAreTranslated(t *testing.T) {
	body, err := static.ReadFile("static/assets/ru-findings.js")
	require.NoError(t, err)
	texts := map[string][2]string{}
	for _, m := range regexp.MustCompile(`(?m)^  (\w+): \{\n    summary: "(.*)",\n    remedy: "(.*)",\n  \},$`).FindAllStringSubmatch(string(body), -1) {
		texts[m[1]] = [2]string{m[2], m[3]}
	}
	kept := regexp.MustCompile("`[^`]+`|\\b[a-z]+_[a-zA-Z_]+\\b|--[a-z0-9-]+|\\b(?:api|gate|beacon|gwat)\\.[a-z-]+\\b|\\d+")
	known := map[string]bool{}
	for _, e := range slices.Concat(health.Catalog(), health.CoordinatedCatalog()) {
		known[e.Name] = true
		for i, english := range []string{e.Meaning, e.Remedy} {
			own := texts[e.Name][i]
			require.Regexp(t, "[а-я]", own, e.Name)
			require.Equal(t, kept.FindAllString(english, -1), kept.FindAllString(own, -1), "%s: %s", e.Name, own)
		}
	}
	for name := range texts {
		require.True(t, known[name], "%s is no finding", name)
	}
}

// The files name no other host and no way from text to HTML; Chromium's test
// shows the same of the running page.
func TestFilesNameNothingOutside(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]`)
	toHTML := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc`)
	inline := regexp.MustCompile(`(?i)\son[a-z]+\s*=|\sstyle\s*=|<style|javascript:`)
	for _, url := range urls(t) {
		name := "static" + url
		if url == "/" {
			name = "static/index.html"
		}
		body, err := static.ReadFile(name)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(body), "http://www.w3.org/2000/svg", "") // a name, not an address
		require.NotRegexp(t, outside, text, name)
		require.NotRegexp(t, toHTML, text, name)
		if path.Ext(name) == ".html" {
			require.NotRegexp(t, inline, text, name)
		}
	}
}
