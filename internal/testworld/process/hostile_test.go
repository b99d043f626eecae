//go:build integration

package test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/proof"
	"github.com/gwatsync/syncd/status"
)

const (
	// hostileMemory is how much more memory (resident, at its highest) syncd may
	// take under a hostile node than it took beside good ones: answers of 16 MiB,
	// read into buffers that double, before the garbage is collected.
	hostileMemory = 256 << 20
	// hostileGoroutines is how many more it may run afterwards.
	hostileGoroutines = 20
	// hostileFor is how long a node stays hostile after syncd has told of it.
	hostileFor = 2 * time.Second
	// maxTold bounds the text of an error in the status.
	maxTold = 4 * failure.MaxText
)

// hostility is one thing that a node does instead of answering.
type hostility struct {
	name string
	do   answer
	says string // what the status says of the node, in part
}

// both are those that any HTTP server can do.
func both(t *testing.T, elsewhere *atomic.Int64) []hostility {
	const json = "Content-Type: application/json"
	target, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { target.Close() })
	go func() {
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			elsewhere.Add(1)
			conn.Close()
		}
	}()
	return []hostility{
		{"a gibibyte", flood(head(json, fmt.Sprintf("Content-Length: %d", gibibyte)), "[", gibibyte), "size limit"},
		{"a length that is a lie", holding(head(json, fmt.Sprintf("Content-Length: %d", gibibyte)) + "{"), "no answer"},
		{"more than its length", saying(head(json, "Content-Length: 5") + strings.Repeat("[", 100)), "malformed"},
		{"chunks without end", chunked, "size limit"},
		{"HTTP 1.0 without a length and end", flood("HTTP/1.0 200 OK\r\n\r\n", " ", endless), "size limit"},
		{"HTTP 1.0 with nonsense", saying("HTTP/1.0 200 OK\r\n\r\n\x00\x01"), "malformed"},
		{"depth", saying(head(json, "Connection: close") + strings.Repeat("[", 500_000)), "malformed"},
		{"wrong types", saying(head(json, "Connection: close") + `{"jsonrpc":"2.0","id":1,"result":{"stage":[1]},"data":{"head_slot":[true],"sync_distance":{}}}`), "malformed"},
		{"numbers that are none", saying(head(json, "Connection: close") + `{"jsonrpc":"2.0","id":1,"result":NaN,"data":NaN}`), "malformed"},
		{"numbers too large", saying(head(json, "Connection: close") + `{"data":{"head_slot":1e999,"sync_distance":"-1"},"jsonrpc":"2.0","id":1,"result":1e999}`), "malformed"},
		{"a web page", saying(head("Content-Type: text/html", "Connection: close") + "<html>" + strings.Repeat("x", 1<<19)), "malformed"},
		{"a redirect elsewhere", saying("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://" + target.Addr().String() + "/\r\nContent-Length: 0\r\n\r\n"), "307"},
		{"a redirect to itself", saying("HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "301"},
		{"a byte a second", dripping(head(json) + "{"), "no answer"},
		{"a body of a byte a second", func(conn net.Conn, req *http.Request) { saying(head(json))(conn, req); dripping(" ")(conn, req) }, "no answer"},
		{"header lines without end", flood("HTTP/1.1 200 OK\r\n", "X-More: of the same\r\n", endless), "header"},
		{"a header line without end", flood("HTTP/1.1 200 OK\r\nX-More: ", "x", endless), "header"},
		{"reset before the answer", resetting(""), "no answer"},
		{"reset in the answer", resetting(head(json, "Content-Length: 1000") + `{"data":`), "no answer"},
		{"bytes that are no HTTP", flood("", "\x00\xff\r\n", gibibyte), "malformed HTTP"},
		{"silence", holding(""), "no answer"},
		{"an error page of a gibibyte", flood("HTTP/1.1 500 Oh\r\n\r\n", "oh ", gibibyte), "size limit"},
	}
}

// zipped are answers in gzip, which a beacon node is asked for and gwat is not.
func zipped(t *testing.T, bombed, none string) []hostility {
	return []hostility{
		{"a gzip bomb", bomb(t), bombed},
		{"gzip that is none", saying(head("Content-Encoding: gzip", "Connection: close") + "this is no gzip stream"), none},
	}
}

// hostileTrio is a trio with a hostile proxy before each node, at work.
type hostileTrio struct {
	*trio
	gwat, beacon *hostileProxy
	memory       int // resident at its highest beside good nodes
	goroutines   int
}

func newHostileTrio(t *testing.T) *hostileTrio {
	t.Helper()
	tr := newTrio(t, overHTTP, false)
	h := &hostileTrio{
		trio: tr,
		gwat: newHostileProxy(t, strings.TrimPrefix(tr.gwatURL, "http://")), beacon: newHostileProxy(t, strings.TrimPrefix(tr.beaconURL, "http://")),
	}
	for i, arg := range tr.syncd.args {
		switch {
		case strings.HasPrefix(arg, "--gwat.endpoint="):
			tr.syncd.args[i] = "--gwat.endpoint=http://" + h.gwat.address()
		case strings.HasPrefix(arg, "--beacon.endpoint="):
			tr.syncd.args[i] = "--beacon.endpoint=http://" + h.beacon.address()
		}
	}
	tr.bringTo("working")
	h.memory, h.goroutines = h.highest(), h.running()
	return h
}

// highest is the highest resident size of syncd so far, in bytes.
func (h *hostileTrio) highest() int {
	h.t.Helper()
	return h.proc("VmHWM:") << 10
}

func (h *hostileTrio) proc(field string) int {
	h.t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", h.syncd.cmd.Process.Pid))
	require.NoError(h.t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == field {
			n, err := strconv.Atoi(words[1])
			require.NoError(h.t, err)
			return n
		}
	}
	require.Fail(h.t, "no "+field)
	return 0
}

// running is how many goroutines syncd has, by its own metrics.
func (h *hostileTrio) running() int {
	h.t.Helper()
	res, err := http.Get(h.api + "/metrics")
	require.NoError(h.t, err)
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			n, err := strconv.Atoi(value)
			require.NoError(h.t, err)
			return n
		}
	}
	require.Fail(h.t, "go_goroutines is not told")
	return 0
}

// survives turns a proxy hostile until syncd has told of it and for a while more,
// and proves that the pair then comes to work again, with bounded memory.
func (h *hostileTrio) survives(t *testing.T, on string, proxy *hostileProxy, node func(*status.Snapshot) status.Node, c hostility) {
	h.t, h.trio.t = t, t
	begin := time.Now()
	proxy.turn("", c.do)
	var told string
	require.Eventually(t, func() bool {
		s, err := proof.Ask(h.api)
		if err != nil {
			return false
		}
		n := node(s)
		if n.Reachable || n.Error == nil {
			return false
		}
		told = n.Error.Message
		return strings.Contains(told, c.says)
	}, proof.Within, 20*time.Millisecond, "%s is not told of as %q", c.name, c.says)
	t.Logf("told as: %.300s", told)
	require.LessOrEqual(t, len(told), maxTold)
	proof.Hold(t, begin, hostileFor)
	h.syncd.requireAlive()
	end := time.Now()
	proxy.turn("", nil)
	h.reaches("working")
	recoveries.Add(t, faults.Recovery{
		Fault: "hostile: " + c.name, On: on, Stage: "working", Held: end.Sub(begin).Seconds(), Seconds: time.Since(end).Seconds(), Stages: []string{},
	})
	h.requireBounded(t)
}

func (h *hostileTrio) requireBounded(t *testing.T) {
	t.Helper()
	grown := h.highest() - h.memory
	t.Logf("memory: %d MiB beside good nodes, %d MiB more at its highest since", h.memory>>20, grown>>20)
	require.LessOrEqual(t, grown, hostileMemory)
	require.Eventually(t, func() bool { return h.running() <= h.goroutines+hostileGoroutines }, proof.Within, 100*time.Millisecond,
		"goroutines stay behind: %d at first", h.goroutines)
}

// A gwat that answers with anything but answers costs syncd bounded memory and is
// reported. syncd works with it again as soon as its answers are good.
func TestHostileGwat(t *testing.T) {
	t.Parallel()
	h := newHostileTrio(t)
	var elsewhere atomic.Int64
	own := []hostility{
		{"a batch for a call", flood(head("Connection: close")+"[", `{"jsonrpc":"2.0","id":1,"result":true},`, 8<<20), "malformed"},
		{"an error without end", saying(head("Connection: close") + `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"` + strings.Repeat("x", 1<<20) + `"}}`), "xxx"},
	}
	for _, c := range slices.Concat(both(t, &elsewhere), zipped(t, "malformed", "malformed"), own) {
		t.Run(c.name, func(t *testing.T) {
			h.survives(t, "gwat", h.gwat, func(s *status.Snapshot) status.Node { return s.Gwat }, c)
		})
	}
	h.t, h.trio.t = t, t
	require.Zero(t, elsewhere.Load(), "a redirect was followed")
	h.requireSafe()
}

// The same of a beacon node.
func TestHostileBeacon(t *testing.T) {
	t.Parallel()
	h := newHostileTrio(t)
	var elsewhere atomic.Int64
	own := []hostility{
		{"a slot beyond all", saying(head("Connection: close") + `{"data":{"head_slot":"18446744073709551616","sync_distance":"0","is_syncing":false}}`), "18446744073709551616"},
		{"a negative slot", saying(head("Connection: close") + `{"data":{"head_slot":"-1","sync_distance":"0","is_syncing":false}}`), `"-1"`},
	}
	for _, c := range slices.Concat(both(t, &elsewhere), zipped(t, "size limit", "gzip"), own) {
		t.Run(c.name, func(t *testing.T) {
			h.survives(t, "beacon", h.beacon, func(s *status.Snapshot) status.Node { return s.Beacon }, c)
		})
	}
	h.t, h.trio.t = t, t
	require.Zero(t, elsewhere.Load(), "a redirect was followed")
	h.requireSafe()
}

// An event stream that is none: the pair stays at work by its looks, within the
// same memory, and takes the stream up again.
func TestHostileEventStream(t *testing.T) {
	t.Parallel()
	h := newHostileTrio(t)
	stream := head("Content-Type: text/event-stream", "Cache-Control: no-cache")
	const event = "event: head\ndata: {\"slot\":\"18446744073709551615\",\"block\":\"0x%064x\",\"state\":\"0x%064x\",\"epoch_transition\":true}\n\n"
	for _, c := range []hostility{
		{name: "a line without end", do: flood(stream, "x", endless)},
		{name: "an event without end", do: flood(stream+"event: head\n", "data: xxxxxxxxxxxxxxxx\n", endless)},
		{name: "a flood of heads", do: flood(stream, fmt.Sprintf(event, 7, 8), endless)},
		{name: "a flood of nonsense", do: flood(stream, "event: head\ndata: {\"slot\":NaN}\n\n", endless)},
		{name: "a byte a second", do: dripping(stream)},
		{name: "a gzip bomb", do: bomb(t)},
		{name: "a reset", do: resetting(stream)},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t, h.trio.t = t, t
			h.beacon.turn("/eth/v1/events", c.do)
			h.reaches("working")
			for begin := time.Now(); time.Since(begin) < hostileFor; <-time.After(proof.PollInterval) {
				_, err := proof.Ask(h.api)
				require.NoError(t, err, "syncd no longer answers")
			}
			h.beacon.turn("", nil)
			h.reaches("working")
			h.requireBounded(t)
		})
	}
	h.t, h.trio.t = t, t
	h.requireSafe()
}
