//go:build page

package page_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// shown is what the page shows at one moment.
type shown struct {
	Seq     uint64 `json:"seq,string"`
	Verdict string `json:"verdict"`
	Current string `json:"current"` // the stage marked in the diagram
	Observe bool   `json:"observe"`
	Fields  []struct {
		Path, Kind, Text string
	} `json:"fields"`
	Progress map[string]string `json:"progress"`
	Errors   map[string]string `json:"errors"`
	Findings map[string]string `json:"findings"` // by name, with those that are folded under another one
}

const readShown = `(() => {
  const d = document, root = d.documentElement, texts = (attribute) => Object.fromEntries(
    [...d.querySelectorAll("[data-" + attribute + "]")].map((e) => [e.dataset[attribute], e.hidden ? "" : e.innerText]));
  return {
    seq: root.dataset.seq ?? "0", verdict: root.dataset.verdict,
    current: d.querySelector("[aria-current=step]")?.dataset.stage ?? "",
    observe: !d.getElementById("observe").hidden,
    fields: [...d.querySelectorAll("[data-path]")].map((e) => ({ path: e.dataset.path, kind: e.dataset.kind ?? "text", text: e.textContent })),
    progress: texts("progress"), errors: texts("error"),
    findings: Object.fromEntries([...d.querySelectorAll("#findings .finding, #notes .finding")].map((e) => [e.querySelector(".fhead > code").textContent, e.textContent])),
  };
})()`

// ask is syncd_status as a program asks it.
func ask(t *testing.T, addr string) (*status.Snapshot, map[string]any) {
	t.Helper()
	res, err := http.Post("http://"+addr+"/", "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`))
	require.NoError(t, err)
	defer res.Body.Close()
	var answer struct{ Result json.RawMessage }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	var snap status.Snapshot
	require.NoError(t, json.Unmarshal(answer.Result, &snap))
	var raw map[string]any
	decoder := json.NewDecoder(bytes.NewReader(answer.Result))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&raw))
	return &snap, raw
}

// at gives the value at a path such as gwat.progress.rate; nil if it is absent.
func at(raw map[string]any, path string) any {
	var value any = raw
	for key := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[key]
	}
	return value
}

var stageNames = map[string]string{
	"connecting": "Connecting", "checkpoint_sync": "Checkpoint sync", "dag_sync": "DAG sync", "head_sync_ready": "Head sync ready",
	"head_sync": "Head sync", "switching": "Switching", "working": "Working", "paused": "Paused", "halted": "Halted",
}

// grouped writes a whole number with narrow spaces between its thousands.
func grouped(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// sameTime takes the local (here: UTC) time with its day and zone.
func sameTime(at time.Time, text string) bool {
	return text == at.UTC().Format("2006-01-02 15:04:05 UTC")
}

// words are what the page says for the words of a kind.
var words = map[string]map[string]string{
	"phase": {"collecting": "collecting", "proving": "proving", "ready": "asking whether gwat is ready", "pushing": "pushing", "confirming": "reading back", "done": "done", "failed": "failed"},
	"era":   {"head-sync": "head sync", "coordinated": "coordinated"},
	"sync": {
		"finalized": "the finalized chain", "dag": "after the checkpoint", "head": "head sync", "resync": "behind its tips", "none": "none",
		"checkpoint": "up to the checkpoint", "synced": "done", "syncing": "under way",
	},
	"error": {"retry_now": "Tried again at once", "retry_later": "Tried again later", "restart_attempt": "Attempt started again", "needs_human": "Needs a human"},
}

// counted is a number with the right form of slot.
func counted(digits string) string {
	if digits == "1" {
		return "1 slot"
	}
	return grouped(digits) + " slots"
}

// says reports whether the text is how the page writes the value. The rules are a second copy of
// the page's, so that a change of one of them is seen.
func says(t *testing.T, kind string, value any, text string) bool {
	t.Helper()
	if value == nil || value == "" {
		return text == "—"
	}
	switch kind {
	case "number":
		return text == grouped(value.(json.Number).String())
	case "float":
		want, err := value.(json.Number).Float64()
		require.NoError(t, err)
		got, err := strconv.ParseFloat(strings.ReplaceAll(text, "\u202f", ""), 64)
		half := 0.5
		if want < 10 {
			half = 0.05
		}
		return err == nil && got-want <= half+1e-9 && want-got <= half+1e-9
	case "time":
		when, err := time.Parse(time.RFC3339Nano, value.(string))
		require.NoError(t, err)
		return sameTime(when, text)
	case "unix":
		seconds, err := value.(json.Number).Int64()
		require.NoError(t, err)
		return sameTime(time.Unix(seconds, 0), text)
	case "slots":
		return text == counted(value.(json.Number).String())
	case "phase", "era", "sync":
		word, ok := words[kind][value.(string)]
		return ok && text == word
	case "stage":
		return text == stageNames[value.(string)]
	case "verdict":
		word := value.(string)
		return text == strings.ToUpper(word[:1])+word[1:]
	case "reachable":
		return value.(bool) && text == "✓ reachable" || !value.(bool) && (text == "✗ not reachable" || text == "not asked yet")
	case "ours":
		return text == map[bool]string{true: "ours", false: "a competing driver's"}[value.(bool)]
	}
	return text == fmt.Sprint(value)
}

// sameContent compares all that the page shows with the snapshot of the same number.
func sameContent(t *testing.T, got shown, snap *status.Snapshot, raw map[string]any) {
	t.Helper()
	require.Equal(t, snap.Seq, got.Seq)
	require.Equal(t, snap.Verdict, got.Verdict)
	require.Equal(t, snap.Stage, got.Current)
	require.Equal(t, snap.Observe, got.Observe)
	for _, f := range got.Fields {
		require.True(t, says(t, f.Kind, at(raw, f.Path), f.Text), "snapshot %d: %s (%s) is %v, the page shows %q", snap.Seq, f.Path, f.Kind, at(raw, f.Path), f.Text)
	}
	for path, text := range got.Progress {
		p, _ := at(raw, path).(map[string]any)
		if p == nil {
			require.Contains(t, text, "no progress known", path)
			continue
		}
		unit := p["unit"].(string)
		require.Contains(t, text, grouped(p["current"].(json.Number).String())+" of "+grouped(p["target"].(json.Number).String())+" "+unit[:len(unit)-1], path)
		if rate, err := p["rate"].(json.Number).Float64(); err == nil && rate > 0 {
			require.Contains(t, text, "/s", path)
		}
		if eta, ok := p["eta"].(string); ok {
			when, err := time.Parse(time.RFC3339Nano, eta)
			require.NoError(t, err)
			require.Contains(t, text, when.UTC().Format("15:04:05"), path)
		}
	}
	for path, text := range got.Errors {
		e, _ := at(raw, path).(map[string]any)
		if e == nil {
			require.Empty(t, text, path)
			continue
		}
		require.Contains(t, text, words["error"][e["kind"].(string)], path)
		require.Contains(t, text, e["message"], path)
	}
	require.Len(t, got.Findings, len(snap.Findings))
	for _, f := range snap.Findings {
		for _, part := range append([]string{f.Name, f.Summary, f.Remedy, strings.ToUpper(f.Severity[:1]) + f.Severity[1:], f.Since.UTC().Format("15:04:05")}, f.Evidence...) {
			require.Contains(t, got.Findings[f.Name], strings.ReplaceAll(part, "`", ""))
		}
	}
}

// leaves are the paths of all values of a snapshot.
func leaves(prefix string, value any, out map[string]bool) {
	object, ok := value.(map[string]any)
	if !ok {
		out[prefix] = true
		return
	}
	for key, v := range object {
		leaves(strings.TrimPrefix(prefix+"."+key, "."), v, out)
	}
}

// A snapshot with every field set is shown whole: no value has no place.
func TestEveryValueIsShown(t *testing.T) {
	src := &script{}
	src.publish(everything())
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	snap, raw := ask(t, addr)
	got := eval[shown](b, readShown)
	sameContent(t, got, snap, raw)
	all := map[string]bool{}
	leaves("", raw, all)
	require.Greater(t, len(all), 70)
	for _, f := range got.Fields {
		delete(all, f.Path)
	}
	delete(all, "observe")  // the badge, compared by sameContent
	delete(all, "findings") // each compared by sameContent
	for path := range all {
		group, _, _ := strings.Cut(path, ".")
		inProgress := strings.Contains(path, ".progress.") && got.Progress[path[:strings.LastIndex(path, ".")]] != ""
		inError := strings.Contains(strings.ToLower(path), "error.") && got.Errors[path[:strings.LastIndex(path, ".")]] != ""
		require.True(t, inProgress || inError, "%s of %s is not on the page", path, group)
	}
	b.noErrors()
}
