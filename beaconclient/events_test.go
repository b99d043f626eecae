package beaconclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
)

func headFrame(slot uint64, transition bool) string {
	root := common.BytesToHash([]byte{byte(slot)}).Hex()
	return fmt.Sprintf("event: head\ndata: {\"slot\":\"%d\",\"block\":%q,\"state\":%q,\"epoch_transition\":%v,\"execution_optimistic\":true}\n\n", slot, root, root, transition)
}

func finalizedFrame(epoch uint64) string {
	return fmt.Sprintf("event: finalized_checkpoint\ndata: {\"block\":%q,\"state\":%q,\"epoch\":\"%d\"}\n\n",
		common.Hash{7}.Hex(), common.Hash{8}.Hex(), epoch)
}

// streamNode serves one script a connection; the last one again and again. It
// stands in for the network, so that time can be faked.
type streamNode struct {
	scripts []func(ctx context.Context, w io.Writer)
	dials   atomic.Int32
}

func (n *streamNode) RoundTrip(req *http.Request) (*http.Response, error) {
	i := min(int(n.dials.Add(1)), len(n.scripts)) - 1
	if n.scripts[i] == nil {
		return nil, errors.New("connection refused")
	}
	r, w := io.Pipe()
	go func() {
		n.scripts[i](req.Context(), w)
		w.Close()
	}()
	stop := context.AfterFunc(req.Context(), func() { r.CloseWithError(req.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Body: bodyOf{r, stop}, Request: req}, nil
}

type bodyOf struct {
	*io.PipeReader
	stop func() bool
}

func (b bodyOf) Close() error { b.stop(); return b.PipeReader.Close() }

// say writes text and then is silent until the client hangs up.
func say(text string) func(context.Context, io.Writer) {
	return func(ctx context.Context, w io.Writer) {
		_, _ = io.WriteString(w, text)
		<-ctx.Done()
	}
}

// follow runs fn with the events of a client whose node is n, in fake time.
func follow(t *testing.T, n *streamNode, opts StreamOptions, fn func(*Client, <-chan Event)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, err := New(Config{URL: "http://node"})
		require.NoError(t, err)
		client.stream.Transport = n
		ctx, cancel := context.WithCancel(t.Context())
		events := client.Events(ctx, opts)
		fn(client, events)
		cancel()
		for range events { // closed once ctx ends
		}
		client.Close()
	})
}

func wantGap(t *testing.T, events <-chan Event) {
	t.Helper()
	require.Equal(t, Event{Gap: true}, <-events)
}

func wantHead(t *testing.T, events <-chan Event, slot primitives.Slot) {
	t.Helper()
	event := <-events
	require.Equal(t, EventHead, event.Type)
	require.False(t, event.Gap)
	require.Equal(t, slot, event.Head.Slot)
	require.Equal(t, common.BytesToHash([]byte{byte(slot)}), event.Head.Block)
}

// spaced sends frames a second of fake time apart, so that none is overtaken,
// and stays open.
func spaced(frames ...string) func(context.Context, io.Writer) {
	return func(ctx context.Context, w io.Writer) {
		for _, f := range frames {
			if _, err := io.WriteString(w, f); err != nil {
				return
			}
			second(ctx)
		}
		<-ctx.Done()
	}
}

// second waits a second of fake time, or until the client hangs up.
func second(ctx context.Context) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}

func TestEvents(t *testing.T) {
	n := &streamNode{scripts: []func(context.Context, io.Writer){
		spaced(headFrame(1, true), headFrame(2, false), headFrame(2, false), finalizedFrame(3)),
	}}
	follow(t, n, StreamOptions{}, func(_ *Client, events <-chan Event) {
		wantGap(t, events)
		first := <-events
		require.True(t, first.Head.EpochTransition)
		wantHead(t, events, 2)
		wantHead(t, events, 2) // a duplicate is passed on
		event := <-events
		require.Equal(t, EventFinalized, event.Type)
		require.EqualValues(t, 3, event.Finalized.Epoch)
		require.Equal(t, common.Hash{7}, event.Finalized.Root)
	})
}

func TestEventsReconnect(t *testing.T) {
	errorFrame := "event: error\ndata: {\"message\":\"context deadline exceeded\",\"code\":504}\n\n"
	for name, first := range map[string]func(context.Context, io.Writer){
		"clean end":   func(_ context.Context, w io.Writer) { _, _ = io.WriteString(w, headFrame(1, false)) },
		"error event": say(headFrame(1, false) + errorFrame),
		"cut line": func(_ context.Context, w io.Writer) {
			_, _ = io.WriteString(w, headFrame(1, false)+"event: head\ndata: {")
		},
		"silence": say(headFrame(1, false)),
		"comments only": func(ctx context.Context, w io.Writer) {
			_, err := io.WriteString(w, headFrame(1, false))
			for err == nil && ctx.Err() == nil {
				second(ctx)
				_, err = io.WriteString(w, ":keep-alive\n\n")
			}
		},
		"one line without end": func(ctx context.Context, w io.Writer) {
			_, err := io.WriteString(w, headFrame(1, false))
			for err == nil && ctx.Err() == nil {
				second(ctx)
				_, err = io.WriteString(w, strings.Repeat("x", 40<<10))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := &streamNode{scripts: []func(context.Context, io.Writer){first, say(headFrame(2, false))}}
			follow(t, n, StreamOptions{Silence: 20 * time.Second}, func(_ *Client, events <-chan Event) {
				start := time.Now()
				wantGap(t, events)
				wantHead(t, events, 1)
				wantGap(t, events)
				wantHead(t, events, 2)
				require.Less(t, time.Since(start), 25*time.Second)
				require.EqualValues(t, 2, n.dials.Load())
			})
		})
	}
}

// TestEventsBackoff: a node that is down, or opens streams and ends them at
// once, is not hammered.
func TestEventsBackoff(t *testing.T) {
	empty := func(context.Context, io.Writer) {}
	for name, script := range map[string]func(context.Context, io.Writer){"down": nil, "ends at once": empty} {
		t.Run(name, func(t *testing.T) {
			n := &streamNode{scripts: []func(context.Context, io.Writer){script}}
			follow(t, n, StreamOptions{}, func(_ *Client, _ <-chan Event) {
				time.Sleep(10 * time.Minute) // fake time
				require.Less(t, n.dials.Load(), int32(150))
				require.Greater(t, n.dials.Load(), int32(30))
			})
		})
	}
}

// TestEventsBackoffBeginsAnew: the waits of a node that was down are forgotten once a
// stream has brought something.
func TestEventsBackoffBeginsAnew(t *testing.T) {
	ends := func(_ context.Context, w io.Writer) { _, _ = io.WriteString(w, headFrame(1, false)) }
	n := &streamNode{scripts: []func(context.Context, io.Writer){nil, nil, nil, nil, nil, nil, nil, nil, nil, ends, say(headFrame(2, false))}}
	follow(t, n, StreamOptions{}, func(_ *Client, events <-chan Event) {
		wantGap(t, events)
		wantHead(t, events, 1)
		lost := time.Now()
		wantGap(t, events)
		wantHead(t, events, 2)
		require.LessOrEqual(t, time.Since(lost), firstReconnect)
	})
}

// TestEventsSlowReader: the reader comes back after a long time and finds the
// newest of each sort; the stream was never held up.
func TestEventsSlowReader(t *testing.T) {
	n := &streamNode{scripts: []func(context.Context, io.Writer){func(ctx context.Context, w io.Writer) {
		for slot := range uint64(200) {
			_, _ = io.WriteString(w, headFrame(slot+1, slot == 100))
			if slot == 50 || slot == 60 {
				_, _ = io.WriteString(w, finalizedFrame(slot))
			}
			second(ctx)
		}
		<-ctx.Done()
	}}}
	follow(t, n, StreamOptions{}, func(_ *Client, events <-chan Event) {
		time.Sleep(210 * time.Second) // fake time
		wantGap(t, events)
		event := <-events
		require.EqualValues(t, 60, event.Finalized.Epoch)
		event = <-events
		require.EqualValues(t, 200, event.Head.Slot)
		require.True(t, event.Head.EpochTransition, "of a head that the reader never saw")
		require.EqualValues(t, 1, n.dials.Load())
	})
}

func TestEventsGarbage(t *testing.T) {
	garbage := strings.Join([]string{
		"event: head\ndata: not json\n\n",
		"event: head\ndata: {\"slot\":5}\n\n",
		"event: head\ndata: {}\n\n",
		"event: head\n\n",
		"event: finalized_checkpoint\ndata: []\n\n",
		"event: finalized_checkpoint\ndata: {\"block\":\"" + common.Hash{}.Hex() + "\",\"epoch\":\"no number\"}\n\n",
		"event: head\ndata: {\"slot\":\"8\",\"block\":\"" + common.Hash{}.Hex() + "\",\"state\":\"" + common.Hash{}.Hex() + "\",\"epoch_transition\":\"no\"}\n\n",
		"event: finalized_checkpoint\ndata: {\"epoch\":\"1\"}\n\n",
		"event: block\ndata: {}\n\n",
		"data: {}\n\n",
		"event: head\ndata: " + strings.Repeat("x", 200<<10) + "\n\n",
		"event: head\n" + strings.Repeat("data: "+strings.Repeat("y", 1000)+"\n", 100) + "\n",
	}, "")
	silent := ":comment\n\n\n\nid: 5\nretry: 10\nnocolon\n\n"
	multi := "event:head\r\ndata:{\"slot\":\"9\",\r\ndata: \"block\":\"" + common.BytesToHash([]byte{9}).Hex() +
		"\",\r\ndata:\"state\":\"" + common.Hash{}.Hex() + "\",\"epoch_transition\":false}\r\n\r\n"
	n := &streamNode{scripts: []func(context.Context, io.Writer){say(garbage + silent + multi)}}
	follow(t, n, StreamOptions{}, func(client *Client, events <-chan Event) {
		wantGap(t, events)
		wantHead(t, events, 9)
		require.EqualValues(t, 12, client.SkippedEvents())
		require.EqualValues(t, 1, n.dials.Load())
	})
}

// TestEventsOverHTTP runs the whole way over a real connection.
func TestEventsOverHTTP(t *testing.T) {
	var dials atomic.Int32
	client := serve(t, Config{Timeout: time.Second}, func(w http.ResponseWriter, r *http.Request) {
		topics := r.URL.Query()["topics"]
		if r.URL.Path != "/eth/v1/events" || len(topics) != 2 || topics[0] != "head" || topics[1] != "finalized_checkpoint" {
			t.Errorf("asked %s", r.URL)
		}
		if dials.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, headFrame(5, false))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := client.Events(ctx, StreamOptions{})
	wantGap(t, events)
	wantHead(t, events, 5)
	require.EqualValues(t, 2, dials.Load(), "a 503 is no stream")
	cancel()
	for range events { // closed once ctx ends
	}

	events = client.Events(t.Context(), StreamOptions{})
	wantGap(t, events)
	client.Close()
	for range events { // closed with the client
	}
}

// Any of CR, LF and CR LF ends a line, however the bytes arrive; a byte order
// mark may come first.
func TestEventsLineEnds(t *testing.T) {
	for name, end := range map[string]string{"LF": "\n", "CR": "\r", "CR LF": "\r\n"} {
		for start, mark := range map[string]string{"": "", ", byte order mark": "\uFEFF"} {
			t.Run(name+start, func(t *testing.T) {
				frames := func(slot uint64) string { return strings.ReplaceAll(headFrame(slot, false), "\n", end) }
				byByte := func(ctx context.Context, w io.Writer) {
					for _, b := range []byte(mark + frames(1)) {
						_, _ = w.Write([]byte{b})
					}
					second(ctx) // the first event must not wait for the second one's first byte
					_, _ = io.WriteString(w, frames(2)+":comment"+end+end+frames(3))
					<-ctx.Done()
				}
				n := &streamNode{scripts: []func(context.Context, io.Writer){byByte}}
				follow(t, n, StreamOptions{}, func(c *Client, events <-chan Event) {
					wantGap(t, events)
					start := time.Now()
					wantHead(t, events, 1)
					require.Zero(t, time.Since(start))
					if event := <-events; event.Head.Slot == 2 { // a slow reader gets the newest one only
						wantHead(t, events, 3)
					}
					require.Zero(t, c.SkippedEvents())
				})
			})
		}
	}
}

func TestFrameReaderKeepsLinesApart(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for name, tc := range map[string]struct {
		stream string
		want   []string // name and data of each frame, "over" for one that is too long
	}{
		"mixed ends":               {"data: 1\r\ndata: 2\rdata: 3\n\r\n", []string{"message 1\n2\n3"}},
		"CR CR ends two lines":     {"data: 1\r\rdata: 2\r\r", []string{"message 1", "message 2"}},
		"LF CR ends two lines":     {"data: 1\n\rdata: 2\n\r", []string{"message 1", "message 2"}},
		"CR LF CR ends two":        {"data: 1\r\n\rdata: 2\r\n\r", []string{"message 1", "message 2"}},
		"mark in the middle":       {"\uFEFFdata: 1\n\n\uFEFFdata: 2\n\n", []string{"message 1"}},
		"no value, no colon":       {"data\n\nevent:a\n\n", []string{"message ", "a "}},
		"one blank is cut":         {"data:  1\n\n", []string{"message  1"}},
		"a line that just fits":    {"data:" + long[:maxLine-6] + "\n\n", []string{"message " + long[:maxLine-6]}},
		"a line that is too long":  {"data:" + long + "\r\rdata: 2\r\r", []string{"over", "message 2"}},
		"data that just fits":      {"data:" + long[:maxLine/2] + "\ndata:" + long[:maxLine/2-1] + "\n\n", []string{"message " + long[:maxLine/2] + "\n" + long[:maxLine/2-1]}},
		"data that is too long":    {"data:" + long[:maxLine/2] + "\ndata:" + long[:maxLine/2] + "\n\ndata: 2\n\n", []string{"over", "message 2"}},
		"cut off":                  {"data: 1\n\ndata: 2\n", []string{"message 1"}},
		"a long line in an event":  {"event: a\n" + long + "\ndata: 1\n\ndata: 2\n\n", []string{"over", "message 2"}},
		"a long line without name": {long + "\n\ndata: 2\n\n", []string{"over", "message 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			frames := newFrameReader(strings.NewReader(tc.stream))
			var got []string
			for {
				name, data, err := frames.next()
				if errors.Is(err, errFrame) {
					got = append(got, "over")
					continue
				}
				if err != nil {
					require.ErrorIs(t, err, io.EOF)
					break
				}
				got = append(got, name+" "+string(data))
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// The pauses before a new stream are the same each time: one client asks a node.
func TestEventsBackoffIsExact(t *testing.T) {
	n := &streamNode{scripts: []func(context.Context, io.Writer){nil}}
	follow(t, n, StreamOptions{}, func(_ *Client, _ <-chan Event) {
		time.Sleep(time.Millisecond) // fake time
		pause := firstReconnect
		for dials := range int32(5) {
			require.Equal(t, dials+1, n.dials.Load())
			time.Sleep(pause - 2*time.Millisecond)
			require.Equal(t, dials+1, n.dials.Load(), "before the end of pause %s", pause)
			time.Sleep(2 * time.Millisecond)
			pause = pause * 3 / 2
		}
	})
}
