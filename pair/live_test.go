package pair

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
)

const (
	liveGenesis = 1795634919 // 2026-11-25 19:28:39 UTC
	liveSlots   = 32         // an epoch
	liveChain   = 337733
)

// live serves the recording as it was at each moment of a fake clock, to real
// clients. Blocks carry no spines: they were not recorded.
type live struct {
	rows    map[string][]livePoll // by call
	slots   map[string]string     // of each head, by its root
	seconds func() float64        // of the recording
}

func openLive(t *testing.T) *live {
	t.Helper()
	file, err := os.Open("testdata/live-polls.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	zip, err := gzip.NewReader(file)
	require.NoError(t, err)
	l := &live{rows: map[string][]livePoll{}, slots: map[string]string{}}
	for lines := bufio.NewScanner(zip); lines.Scan(); {
		var p livePoll
		require.NoError(t, json.Unmarshal(lines.Bytes(), &p))
		l.rows[p.Call] = append(l.rows[p.Call], p)
		if strings.HasSuffix(p.Call, "/headers/head") {
			slot, root := p.head()
			l.slots[root] = slot
		}
	}
	return l
}

func (l *live) now(call string) livePoll {
	rows := l.rows[call]
	i, _ := slices.BinarySearchFunc(rows, l.seconds(), func(p livePoll, at float64) int {
		if p.At <= at {
			return -1
		}
		return 1
	})
	return rows[max(0, i-1)]
}

// failure is how a request fails that the recording did not answer.
func (p livePoll) failure(req *http.Request) error {
	switch p.Fails {
	case "":
		return nil
	case "refused":
		return syscall.ECONNREFUSED
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil { // it was sent
		if trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		if trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
	}
	if p.Fails == "silent" {
		<-req.Context().Done()
		return req.Context().Err()
	}
	return syscall.ECONNRESET
}

func liveAnswer(req *http.Request, code int, body []byte) *http.Response {
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: req}
}

// liveGwat answers gwat's calls.
type liveGwat struct{ *live }

func (g liveGwat) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var calls []struct {
		ID     json.RawMessage
		Method string
	}
	batch := bytes.HasPrefix(body, []byte("["))
	if !batch {
		body = append(append([]byte("["), body...), ']')
	}
	if err := json.Unmarshal(body, &calls); err != nil {
		return nil, err
	}
	answers := []json.RawMessage{}
	for _, c := range calls {
		source := c.Method
		if _, recorded := g.rows[source]; !recorded {
			source = "eth_blockNumber"
		}
		p := g.now(source)
		if err := p.failure(req); err != nil {
			return nil, err
		}
		result := p.Answer
		switch c.Method {
		case "eth_getBlockByNumber":
			result = g.latest(p.Answer)
		case "eth_getBlockByHash":
			result = json.RawMessage("null")
		case "eth_chainId":
			result = json.RawMessage(fmt.Sprintf(`"0x%x"`, liveChain))
		case "web3_clientVersion":
			result = json.RawMessage(`"Geth/v0.6.2"`)
		case "dag_syncSlotInfo":
			result = json.RawMessage("true")
		}
		one, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.ID, "result": result})
		if err != nil {
			return nil, err
		}
		answers = append(answers, one)
	}
	if !batch {
		return liveAnswer(req, http.StatusOK, answers[0]), nil
	}
	all, err := json.Marshal(answers)
	return liveAnswer(req, http.StatusOK, all), err
}

// latest is the block of a number. About five blocks came in three slots; its slot
// is what that makes of the number.
func (g liveGwat) latest(number json.RawMessage) json.RawMessage {
	var n hexutil.Uint64
	_ = json.Unmarshal(number, &n)
	out, _ := json.Marshal(map[string]any{
		"hash": fmt.Sprintf("0x%064x", uint64(n)+1), "height": n, "number": n, "slot": hexutil.Uint64(uint64(n) * 6 / 10), "parentHashes": []string{},
	})
	return out
}

// liveBeacon answers the beacon node's calls, and its event stream by the heads
// that were recorded.
type liveBeacon struct{ *live }

func (b liveBeacon) RoundTrip(req *http.Request) (*http.Response, error) {
	const syncing = "/eth/v1/node/syncing"
	path := req.URL.Path
	if p := b.now(syncing); p.Fails != "" {
		if err := p.failure(req); err != nil {
			return nil, err
		}
	}
	if strings.HasSuffix(path, "/events") {
		return b.events(req), nil
	}
	if rows := b.rows[path]; rows != nil {
		p := b.now(path)
		if err := p.failure(req); err != nil {
			return nil, err
		}
		if p.Status != 0 {
			return liveAnswer(req, p.Status, p.Answer), nil
		}
		return liveAnswer(req, http.StatusOK, p.Answer), nil
	}
	root := path[strings.LastIndex(path, "/")+1:]
	switch {
	case strings.HasSuffix(path, "/config/spec"):
		return liveAnswer(req, http.StatusOK, fmt.Appendf(nil,
			`{"data":{"SLOTS_PER_EPOCH":"%d","SECONDS_PER_SLOT":"4","CREATORS_PER_SLOT":"4","DEPOSIT_CHAIN_ID":"%d","CONFIG_NAME":"devnet"}}`, liveSlots, liveChain)), nil
	case strings.HasSuffix(path, "/beacon/genesis"):
		return liveAnswer(req, http.StatusOK, fmt.Appendf(nil, `{"data":{"genesis_time":"%d"}}`, liveGenesis)), nil
	case strings.HasSuffix(path, "/node/version"):
		return liveAnswer(req, http.StatusOK, []byte(`{"data":{"version":"Prysm"}}`)), nil
	}
	slot, known := b.slots[root]
	switch {
	case !known:
		return liveAnswer(req, http.StatusNotFound, []byte(`{"message":"not found","code":404}`)), nil
	case strings.Contains(path, "/headers/"):
		return liveAnswer(req, http.StatusOK, liveHeader(root, slot, "0x"+strings.Repeat("00", 32))), nil
	}
	return liveAnswer(req, http.StatusOK, fmt.Appendf(nil,
		`{"version":"phase0","data":{"message":{"slot":%q,"parent_root":"0x%064x","body":{"eth1_data":{"candidates":"0x","finalization":"0x"}}}}}`, slot, 0)), nil
}

func (p livePoll) head() (slot, root string) {
	var h struct {
		Data struct {
			Root   string
			Header struct{ Message struct{ Slot string } }
		}
	}
	if p.Status != 0 || p.Fails != "" || json.Unmarshal(p.Answer, &h) != nil {
		return "", ""
	}
	return h.Data.Header.Message.Slot, h.Data.Root
}

func (b liveBeacon) events(req *http.Request) *http.Response {
	r, w := io.Pipe()
	go func() {
		defer w.Close()
		_, last := b.now("/eth/v1/beacon/headers/head").head()
		for req.Context().Err() == nil {
			select {
			case <-req.Context().Done():
				return
			case <-time.After(250 * time.Millisecond):
			}
			p := b.now("/eth/v1/beacon/headers/head")
			slot, root := p.head()
			if p.Fails == "refused" || p.Fails == "reset" {
				return
			}
			if root == "" || root == last {
				continue
			}
			last = root
			if _, err := fmt.Fprintf(w, "event: head\ndata: {\"slot\":%q,\"block\":%q,\"state\":%q,\"epoch_transition\":false}\n\n", slot, root, root); err != nil {
				return
			}
		}
	}()
	stop := context.AfterFunc(req.Context(), func() { r.CloseWithError(req.Context().Err()) })
	resp := liveAnswer(req, http.StatusOK, nil)
	resp.Body = liveStream{r, stop}
	return resp
}

type liveStream struct {
	*io.PipeReader
	stop func() bool
}

func (s liveStream) Close() error { s.stop(); return s.PipeReader.Close() }

// toldAt is a finding with when it was reported and when it was gone, seconds after the
// recording's begin.
type toldAt struct {
	name       string
	from, to   float64
	severities []string
}

func replayLive(t *testing.T, from, to float64) (out []toldAt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := openLive(t)
		begin := time.Now()
		offset := time.Unix(0, int64(from*1e9)).Sub(begin)
		now := func() time.Time { return time.Now().Add(offset) }
		l.seconds = func() float64 { return float64(now().UnixNano()) / 1e9 }
		log := logrus.New()
		log.SetOutput(io.Discard)
		p, err := New(Config{
			Name: "live", Version: "test", Observe: true, Journal: journal.OpenMemory(), Log: log, Now: now,
			Gwat:   gwatclient.Config{Endpoint: "http://localhost/gwat", Transport: liveGwat{l}},
			Beacon: beaconclient.Config{URL: "http://localhost", Transport: liveBeacon{l}},
		})
		require.NoError(t, err)
		stop := runNode(p.Run)
		defer stop()
		open := map[string]int{}
		for l.seconds() < to {
			time.Sleep(500 * time.Millisecond)
			at := l.seconds()
			seen := map[string]bool{}
			for _, f := range p.Snapshot().Findings {
				seen[f.Name] = true
				i, known := open[f.Name]
				if !known {
					i = len(out)
					open[f.Name] = i
					out = append(out, toldAt{name: f.Name, from: at})
				}
				if !slices.Contains(out[i].severities, f.Severity) {
					out[i].severities = append(out[i].severities, f.Severity)
				}
			}
			for name, i := range open {
				if !seen[name] {
					out[i].to = at
					delete(open, name)
				}
			}
		}
	})
	return out
}

// What was done to the two nodes, and what is right to say of it. Times are of the
// recording's day, UTC; a finding may come and go two seconds off.
var liveTold = []struct{ event, name, severity, told, gone string }{
	{"O1 19:29:13 gwat killed, started at 19:29:33", "gwat_unreachable", "critical", "19:29:16", "19:29:36"},
	{"the block of slot 9 met a gwat that was away: the head stays at 8 for good", "gwat_ahead_of_beacon", "info warning", "19:29:39", "19:34:14"},
	{"", "beacon_stalled_head", "critical", "19:29:45", "19:34:19"},
	{"T1 19:34:02 beacon node restarted: away for 2 s, starting for 5 s", "beacon_rolled_back", "warning", "19:34:10", "19:34:11"},
	{"no peer brings it blocks, then it is restarted at 19:35:28", "beacon_stalled_head", "critical", "19:34:46", "19:35:41"},
	{"no block comes", "beacon_stalled_head", "critical", "19:36:05", "19:36:53"},
	{"T2 19:36:49 restarted with its own driver, which takes gwat's lock", "beacon_unreachable", "critical", "19:36:53", "19:36:57"},
	{"", "beacon_rolled_back", "warning", "19:36:57", "19:37:02"},
	{"", "gwat_ahead_of_beacon", "info", "19:37:00", "19:37:04"},
	{"", "second_driver", "warning", "19:37:05", "19:37:17"},
	{"gwat rolls back under the lock and says number 0 from 19:37:19 to 19:37:38", "second_driver", "warning", "19:37:20", "19:37:50"},
	{"", "lock_held", "warning", "19:37:22", "19:37:40"},
	{"its head waits for the driver", "beacon_stalled_head", "critical", "19:37:37", "19:38:01"},
	// T3 19:38:36 gwat killed and started at once: nothing to report.
	{"T4 19:39:24 gwat stopped for 15 s", "gwat_hung", "critical", "19:39:33", "19:39:43"},
	{"T5 19:40:28 beacon node stopped for 25 s", "beacon_hung", "critical", "19:40:37", "19:41:00"},
	{"T6 19:41:42 gwat stopped for 25 s", "gwat_hung", "critical", "19:41:51", "19:42:14"},
	{"the beacon node's head has stopped for good", "beacon_stalled_head", "critical", "19:42:40", "19:43:24"},
	{"T7 19:43:20 beacon node killed and started", "beacon_unreachable", "critical", "19:43:24", "19:43:28"},
	{"", "beacon_rolled_back", "warning", "19:43:28", "19:43:57"},
	{"", "gwat_ahead_of_beacon", "info", "19:43:30", "19:43:59"},
	{"its head stays at 224", "beacon_stalled_head", "critical", "19:44:31", "19:44:40"},
	{"T8 19:44:37 restarted with its own driver", "beacon_unreachable", "critical", "19:44:40", "19:44:43"},
	{"", "beacon_rolled_back", "warning", "19:44:43", "19:44:49"},
	{"", "gwat_ahead_of_beacon", "info", "19:44:45", "19:44:51"},
	{"the driver rolls gwat back", "second_driver", "warning", "19:44:50", "19:45:02"},
	{"", "gwat_rolled_back", "critical", "19:44:50", "19:44:53"},
	{"T10 19:46:09 a syncd beside this one pushes in full", "second_driver", "warning", "19:46:10", "19:46:22"},
	{"", "gwat_rolled_back", "critical", "19:46:10", "19:46:14"},
	{"T11 19:47:10 again, over a block", "second_driver", "warning", "19:47:11", "19:47:24"},
	{"", "gwat_rolled_back", "critical", "19:47:11", "19:47:18"},
	{"the head has stopped for good", "beacon_stalled_head", "critical", "19:47:48", "19:48:34"},
	{"T12 19:48:22 beacon node restarted, away for 2 s", "beacon_rolled_back", "warning", "19:48:26", "19:48:34"},
	{"", "gwat_ahead_of_beacon", "info", "19:48:28", "19:48:35"},
	{"its initial sync stays at 296", "beacon_stalled_head", "critical", "19:49:07", "19:50:27"},
	{"", "gwat_ahead_of_beacon", "warning", "19:50:15", "19:50:27"},
	{"T12b 19:50:23 restarted again, with its driver", "beacon_unreachable", "critical", "19:50:27", "19:50:36"},
	{"", "beacon_rolled_back", "warning", "19:50:36", "19:50:50"},
	{"", "gwat_ahead_of_beacon", "info", "19:50:38", "19:50:51"},
	{"", "second_driver", "warning", "19:50:53", "19:51:05"},
	{"", "gwat_rolled_back", "critical", "19:50:53", "19:50:56"},
	// T13a 19:51:20 gwat killed, its data copied, started at once: nothing to report.
	{"T13b 19:52:36 gwat with its data of 19:51:20", "gwat_rolled_back", "critical", "19:52:40", "19:52:44"},
	{"a block met the gwat that was away: the head has stopped for good", "beacon_stalled_head", "critical", "19:53:16", "19:53:58"},
	{"T14 19:53:55 beacon node restarted with its driver", "beacon_unreachable", "critical", "19:53:58", "19:54:01"},
	{"", "beacon_rolled_back", "warning", "19:54:01", "19:54:09"},
	{"", "gwat_ahead_of_beacon", "info", "19:54:03", "19:54:10"},
	{"", "second_driver", "warning", "19:54:13", "19:54:25"},
	{"", "gwat_rolled_back", "critical", "19:54:13", "19:54:16"},
	// From 19:54:25 to the end at 20:01:48 the pair works: nothing to report.
}

// Over 33 minutes of two real nodes, killed, stopped and restarted, a syncd that only
// watches reports what is right, at the right times, and nothing else. What needs the
// spines of blocks is not looked at, and an attempt to collect them is bound to fail:
// bodies were not recorded.
func TestLiveRecording(t *testing.T) {
	seconds := func(clock string) float64 {
		at, err := time.Parse("2006-01-02 15:04:05", "2026-11-25 "+clock)
		require.NoError(t, err)
		return float64(at.Unix())
	}
	told := slices.DeleteFunc(replayLive(t, seconds("19:28:25"), seconds("20:01:48")), func(f toldAt) bool { return f.name == "head_sync_failing" })
	var got, want []string
	for _, f := range told {
		got = append(got, f.name+" "+strings.Join(f.severities, " "))
	}
	for _, w := range liveTold {
		want = append(want, w.name+" "+w.severity)
	}
	require.Equal(t, want, got)
	for i, w := range liveTold {
		require.InDelta(t, seconds(w.told), told[i].from, 2, "%s is reported at %s", w.name, w.told)
		require.InDelta(t, seconds(w.gone), told[i].to, 2, "%s, told at %s, is gone", w.name, w.told)
	}
}
