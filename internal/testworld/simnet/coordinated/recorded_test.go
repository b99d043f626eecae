package coordinated

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"
)

// recordedRow is a line of testdata/recorded.jsonl.gz: a call to a real gwat with its
// answer, or what happened to the connection. Spines are numbered in the order of the
// recorded chain, -1 is a hash outside of it; roots are numbered, 0 is none.
type recordedRow struct {
	Stream string `json:"stream"` // begins a recording, of a chain of so many spines
	Chain  uint64 `json:"chain"`

	T      float64 `json:"t"` // seconds since genesis
	Event  string  `json:"event"`
	Newest uint64  `json:"newest"` // spine that any node was told so far
	Peers  *int    `json:"peers"`
	Call   string  `json:"call"` // F dag_finalize, C dag_coordinatedState, V dag_validateFinalization
	Params string  `json:"params"`
	F      *struct {
		Spines [][2]int64 `json:"spines"`
		Base   *int64     `json:"base"`
		Mode   any        `json:"mode"`
		Point  []int64    `json:"point"` // epoch, finEpoch, root, spine
	} `json:"f"`
	V      []int64 `json:"v"`
	Failed string  `json:"failed"`
	Answer struct {
		Error string  `json:"error"`
		Last  *int64  `json:"last"`
		Epoch *uint64 `json:"epoch"`
		Root  *uint64 `json:"root"`
	} `json:"answer"`
}

func recordedRows(t *testing.T) (out []recordedRow) {
	t.Helper()
	file, err := os.Open("testdata/recorded.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		var row recordedRow
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		out = append(out, row)
	}
	return out
}

// replayed is a simulated gwat on the recorded chain: the spine i is of slot i + past.
type replayed struct {
	net  *Network
	gwat *Gwat
	slot uint64 // of the clock
	past uint64 // slots before the recording
}

func (r *replayed) spine(i int64) common.Hash {
	if i < 0 {
		return common.HexToHash("0x1111111111111111111111111111111111111111111111111111111111111111")
	}
	return r.net.Spine(uint64(i) + r.past)
}

func recordedRoot(n uint64) (h common.Hash) {
	binary.BigEndian.PutUint64(h[24:], n)
	return h
}

// text is an answer of the recording as the simulated gwat gives it.
func (r *replayed) text(row *recordedRow) string {
	if row.Failed != "" {
		return "failed: " + row.Failed
	}
	if row.Call == "V" {
		return "true"
	}
	a := Answer{Epoch: row.Answer.Epoch}
	if row.Answer.Error != "" {
		a.Error = &row.Answer.Error
	}
	if row.Answer.Last != nil {
		a.LastFinalized = ptr(r.spine(*row.Answer.Last))
	}
	if row.Answer.Root != nil {
		a.Root = ptr(recordedRoot(*row.Answer.Root))
	}
	raw, _ := json.Marshal(a)
	return string(raw)
}

// params are the parameters of a recorded call.
func (r *replayed) params(row *recordedRow) string {
	switch {
	case row.Params == "none" || row.Call == "C":
		return "[]"
	case row.Params == "null":
		return "[null]"
	case row.Call == "V":
		hashes := []common.Hash{}
		for _, i := range row.V {
			hashes = append(hashes, r.spine(i))
		}
		raw, _ := json.Marshal([]any{hashes})
		return string(raw)
	}
	f := map[string]any{}
	if row.F.Mode != nil {
		f["syncMode"] = row.F.Mode
	}
	if row.F.Base != nil {
		f["baseSpine"] = r.spine(*row.F.Base)
	}
	spines := []common.Hash{}
	for _, span := range row.F.Spines {
		for i := span[0]; i <= span[1]; i++ {
			spines = append(spines, r.spine(i))
		}
	}
	f["spines"] = spines
	if p := row.F.Point; p != nil {
		spine := r.net.Spine(0) // older than the recording
		if p[3] >= 0 {
			spine = r.spine(p[3])
		}
		f["checkpoint"] = map[string]any{
			"epoch": hexutil.Uint64(p[0]), "finEpoch": hexutil.Uint64(p[1]), "root": recordedRoot(uint64(p[2])), "spine": spine,
		}
	}
	raw, _ := json.Marshal([]any{f})
	return string(raw)
}

var methods = map[string]string{"F": "dag_finalize", "C": "dag_coordinatedState", "V": "dag_validateFinalization"}

// before brings the simulated gwat to where the real one was: the clock, its peers, and
// what gossip had brought.
func (r *replayed) before(row *recordedRow) {
	r.slot = max(r.slot, row.Newest+r.past)
	g := r.gwat
	if row.Peers != nil {
		g.SetPeers(Enodes(*row.Peers)...)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.peers) > 0 {
		g.local = max(g.local, r.slot)
	}
}

// after puts it there where the real one was after its answer, so that one difference
// does not bring others.
func (r *replayed) after(row *recordedRow) {
	g := r.gwat
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := row.Answer; a.Last != nil && row.Call == "F" {
		g.final, g.point.FinEpoch, g.point.Root = uint64(*a.Last)+r.past, *a.Epoch, recordedRoot(*a.Root)
	}
}

type exclusion struct {
	why  string
	rows int
	is   func(stream string, row *recordedRow) bool
}

// excluded are the recorded calls whose answer the simulated gwat does not give.
var excluded = []exclusion{
	{"another call ran at the same time: here one is made after the other", 4, func(_ string, row *recordedRow) bool {
		return row.Answer.Error == "synchronization"
	}},
	{"the state was asked while a dag_finalize worked", 2, between("tap3", 744.3, 745.5)},
	{"gwat was wedged by a private fork, whose blocks the recording does not have", 38, between("tap3", 493, 629)},
	{"a peer was being added, and did not deliver yet", 3, between("tap4", 890.8, 892)},
	{"the beacon node made a call between the probe and its answer", 1, between("tap4", 1061.5, 1061.7)},
	{"the text names a type of gwat's source", 1, between("gw3", 5, 5)},
	{"an old base with a gap behind it rolls a real gwat back; the simulated one keeps what it finalized", 2, func(stream string, row *recordedRow) bool {
		return stream == "gw3" && (row.T == 21 || row.T == 24)
	}},
}

func between(stream string, from, to float64) func(string, *recordedRow) bool {
	return func(of string, row *recordedRow) bool { return of == stream && row.T >= from && row.T <= to }
}

// Every recorded call to a real gwat, in order, gets from the simulated one the answer
// that the real one gave, but for those that are excluded.
func TestRecordedAnswers(t *testing.T) {
	var r *replayed
	calls, left, stream := 0, make([]int, len(excluded)), ""
	for _, row := range recordedRows(t) {
		switch {
		case row.Stream != "":
			stream, r = row.Stream, newReplayed(row.Stream)
			continue
		case row.Event != "": // the process has ended: the next call is to a new one
			r.gwat.Restart(Enodes(2)...)
			continue
		}
		r.before(&row)
		result, failed := ask(t, r.gwat, methods[row.Call], r.params(&row))
		if failed != "" {
			result = "failed: " + strings.Split(failed, ": 0x")[0]
		}
		calls++
		if want := r.text(&row); want != result {
			at := slices.IndexFunc(excluded, func(e exclusion) bool { return e.is(stream, &row) })
			require.GreaterOrEqual(t, at, 0, "%s at %.1f s: %s answers %s, the real gwat answered %s", stream, row.T, row.Call, result, want)
			left[at]++
		}
		r.after(&row)
	}
	require.Equal(t, 670, calls)
	for i, e := range excluded {
		require.Equal(t, e.rows, left[i], e.why)
	}
}

// newReplayed returns a gwat as it was when a recording began.
func newReplayed(stream string) *replayed {
	r := &replayed{}
	r.net = &Network{ChainID: 1337, SecondsPerSlot: 1, SlotsPerEpoch: 32, Now: func() time.Time { return time.Unix(int64(r.slot), 0) }}
	r.gwat = NewGwat(r.net, Enodes(2)...)
	if stream == "gw3" { // it was at work for a while
		r.past, r.gwat.final, r.gwat.synced = 1, 63, true
		r.gwat.point = Checkpoint{Epoch: 6, FinEpoch: 8, Root: recordedRoot(15), Spine: r.net.Spine(0)}
	}
	return r
}
