package recording

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func header() Header { return Header{Made: noon, By: "v0", Poll: time.Second, Source: "daemon"} }

func entries() []Entry {
	number := uint64(7)
	return []Entry{
		{At: noon, Call: &Call{Node: "gwat", Method: "eth_getBlockByNumber", Params: json.RawMessage(`["latest",false]`), Answer: json.RawMessage(`{"number":"0x7","big":18446744073709551615}`), Took: time.Millisecond}},
		{At: noon, Call: &Call{Node: "beacon", Method: "/eth/v1/node/syncing", Status: 500, Error: "no answer"}},
		{At: noon, Evaluation: &Evaluation{Verdict: status.VerdictSyncing, Findings: []string{}, Input: health.Input{
			At: noon, Elapsed: time.Second, Stage: "dag_sync",
			Spec: &checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 4, DepositChainID: 1, GenesisTime: 1},
			Gwat: health.Gwat{Node: health.Node{Reach: health.Answers}, Number: &number, Spines: []checkpoint.SpineState{checkpoint.SpineFinal}},
		}}},
		{At: noon, Snapshot: &status.Snapshot{Seq: 1, At: noon, Stage: "dag_sync"}},
		{At: noon, Change: &status.Change{At: noon, To: "dag_sync"}},
		{At: noon, Trouble: "connection refused"},
	}
}

func written(t *testing.T, list []Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, NewMasker(nil, nil), header(), MaxSize)
	require.NoError(t, err)
	for _, e := range list {
		require.NoError(t, w.Add(e))
	}
	require.NoError(t, w.Close(Entry{At: noon}, "its time is over"))
	return out.Bytes()
}

func readAll(data []byte) (Header, []Entry, error) {
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		return Header{}, nil, err
	}
	var out []Entry
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header, out, nil
		}
		if err != nil {
			return r.Header, out, err
		}
		out = append(out, e)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	h, got, err := readAll(written(t, entries()))
	require.NoError(t, err)
	require.Equal(t, Header{Format: Format, Version: Version, Made: noon, By: "v0", Poll: time.Second, Source: "daemon"}, h)
	require.Len(t, got, len(entries())+1)
	for i, e := range entries() {
		require.JSONEq(t, asJSON(t, e), asJSON(t, got[i]))
	}
	require.Contains(t, string(got[0].Call.Answer), "18446744073709551615", "no number loses digits")
	require.Equal(t, &End{Why: "its time is over", Entries: len(entries())}, got[len(got)-1].End)
}

// TestACutIsTold: whatever is missing at the end, what was read before is
// whole and the reader says that more was there.
func TestACutIsTold(t *testing.T) {
	whole := written(t, entries())
	for n := 0; n < len(whole); n += 3 {
		_, got, err := readAll(whole[:n])
		require.Error(t, err, n)
		require.True(t, errors.Is(err, ErrTruncated) || errors.Is(err, ErrFormat), "%d: %v", n, err)
		for i, e := range got {
			if i < len(entries()) {
				require.JSONEq(t, asJSON(t, entries()[i]), asJSON(t, e))
			}
		}
	}
}

// TestAFlippedByteIsTold: the checksum finds what JSON does not.
func TestAFlippedByteIsTold(t *testing.T) {
	whole := written(t, entries())
	for n := 0; n < len(whole); n += 3 {
		bad := bytes.Clone(whole)
		bad[n] ^= 0x10
		if _, got, err := readAll(bad); err == nil {
			// The gzip header has fields that nobody checks (time, system).
			require.Less(t, n, 10, "byte %d", n)
			require.Len(t, got, len(entries())+1)
		}
	}
}

func zipped(lines ...string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
	w.Close()
	return out.Bytes()
}

const goodHeader = `{"format":"syncd-bundle","version":1,"poll":1000000000}`

func TestWhatIsNoBundle(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"empty":              {nil, ErrFormat},
		"text":               {[]byte("hello"), ErrFormat},
		"empty archive":      {zipped(), ErrFormat},
		"another JSON":       {zipped(`{"a":1}`), ErrFormat},
		"a JSON list":        {zipped(`[]`), ErrFormat},
		"newer":              {zipped(`{"format":"syncd-bundle","version":2,"poll":"soon"}`), ErrNewer},
		"version 0":          {zipped(`{"format":"syncd-bundle","version":0}`), ErrFormat},
		"no poll":            {zipped(`{"format":"syncd-bundle","version":1}`), ErrCorrupt},
		"no end":             {zipped(goodHeader), ErrTruncated},
		"line no JSON":       {zipped(goodHeader, "nonsense"), ErrCorrupt},
		"deep JSON":          {zipped(goodHeader, `{"call":{"answer":`+strings.Repeat("[", 1<<20)+"1"), ErrCorrupt},
		"wrong types":        {zipped(goodHeader, `{"look":{"input":{"Elapsed":"x"}}}`), ErrCorrupt},
		"slots of no time":   {zipped(goodHeader, `{"look":{"input":{"Spec":{"SecondsPerSlot":0}}}}`), ErrCorrupt},
		"state of a spine":   {zipped(goodHeader, `{"look":{"input":{"Gwat":{"Spines":[99]}}}}`), ErrCorrupt},
		"no stage":           {zipped(goodHeader, `{"snapshot":{}}`), ErrCorrupt},
		"more after the end": {zipped(goodHeader, `{"end":{"why":"x"}}`, `{"trouble":"x"}`), ErrCorrupt},
		"long line":          {zipped(goodHeader, `{"trouble":"`+strings.Repeat("x", maxLine)+`"}`), ErrTooLarge},
	} {
		_, _, err := readAll(c.data)
		require.ErrorIs(t, err, c.want, name)
	}
}

// TestABombIsNotUnpacked: lines without end stop at the limit, with one line in
// memory at a time.
func TestABombIsNotUnpacked(t *testing.T) {
	from, to := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		w, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
		if err == nil {
			_, err = io.WriteString(w, goodHeader+"\n")
		}
		line := []byte(`{"trouble":"` + strings.Repeat("x", 1<<20) + "\"}\n")
		for err == nil { // until nobody reads
			_, err = w.Write(line)
		}
	}()
	const limit = 16 << 20
	r, err := newReader(from, limit)
	require.NoError(t, err)
	read := 0
	for ; err == nil; read++ {
		_, err = r.Next()
	}
	require.ErrorIs(t, err, ErrTooLarge)
	require.LessOrEqual(t, read, limit>>20)
	require.NoError(t, from.Close())
	<-sent
}

func TestAWriterStopsAtItsLimit(t *testing.T) {
	var out bytes.Buffer
	const limit = 64 << 10
	w, err := NewWriter(&out, NewMasker(nil, nil), header(), limit)
	require.NoError(t, err)
	for err == nil {
		err = w.Add(Entry{At: noon, Trouble: strings.Repeat("x", 1000)})
	}
	require.ErrorIs(t, err, ErrFull)
	require.ErrorIs(t, w.Add(Entry{At: noon}), ErrFull, "and stays so")
	require.NoError(t, w.Close(Entry{At: noon}, err.Error()))
	size, count := w.Size()
	require.LessOrEqual(t, size, limit)
	_, got, err := readAll(out.Bytes())
	require.NoError(t, err, "a full bundle is a whole one")
	require.Len(t, got, count+1)
	require.Contains(t, got[count].End.Why, "size limit of 65536 bytes")
}

func TestAnswersThatAreLeftOut(t *testing.T) {
	answer, length := Answer([]byte(`{"a":1}`))
	require.Equal(t, `{"a":1}`, string(answer))
	require.Zero(t, length)
	for _, raw := range []string{"<html>", `"` + strings.Repeat("x", maxBytes) + `"`} {
		answer, length = Answer([]byte(raw))
		require.Nil(t, answer)
		require.Equal(t, len(raw), length)
	}
	answer, length = Answer(nil)
	require.Empty(t, answer)
	require.Zero(t, length)
}

func TestHashesAndNumbersStay(t *testing.T) {
	m := NewMasker(nil, nil)
	for _, text := range []string{
		common.HexToHash("0x1234").Hex(), "Geth/v0.6.2-unstable/linux-amd64/go1.26.8", "dag_getCandidates", "/eth/v1/node/syncing",
		"http://127.0.0.1:8545", "ws://localhost:8546", "[::1]:8545", "2026-11-21T12:00:00Z", "11:06:23.126", "slot 12: 3 behind", "0x7",
		"0x" + strings.Repeat("ab", 3*32), "gwat_no_peers", "0x0000000000000000000000000000000000000000", "dial tcp 127.0.0.1:1: connection refused",
	} {
		require.Equal(t, text, m.Text(text))
	}
}
