package beaconclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/failure/failuretest"
)

const (
	fuzzedSlot = 5
	fuzzedBody = 1 << 20 // well over what the fuzzer makes
)

var fuzzedRoot = common.Hash{0xab}

// fuzzedCall makes a typed call and checks what it makes of an answer to path.
type fuzzedCall struct {
	path string
	call func(t *testing.T, ctx context.Context, c *Client) error
}

var fuzzedCalls = []fuzzedCall{
	{"/node/syncing", func(_ *testing.T, ctx context.Context, c *Client) error { _, err := c.Syncing(ctx); return err }},
	{"/node/version", func(t *testing.T, ctx context.Context, c *Client) error {
		version, err := c.Version(ctx)
		failuretest.RequireText(t, version, failure.MaxText+len("…"))
		return err
	}},
	{"/node/peer_count", func(_ *testing.T, ctx context.Context, c *Client) error { _, err := c.Peers(ctx); return err }},
	{"/config/spec", fuzzedSpec},
	{"/beacon/genesis", fuzzedSpec},
	{"/headers/head", func(_ *testing.T, ctx context.Context, c *Client) error { _, err := c.Header(ctx, Head); return err }},
	{"/headers/5", func(t *testing.T, ctx context.Context, c *Client) error {
		h, err := c.Header(ctx, AtSlot(fuzzedSlot))
		require.True(t, err != nil || h.Slot == fuzzedSlot)
		return err
	}},
	{"/headers/0x", func(t *testing.T, ctx context.Context, c *Client) error {
		h, err := c.Header(ctx, AtRoot(fuzzedRoot))
		require.True(t, err != nil || h.Root == fuzzedRoot)
		return err
	}},
	{"/blocks/head", func(t *testing.T, ctx context.Context, c *Client) error {
		b, err := c.Block(ctx, Head)
		require.False(t, err != nil && (b.Candidates != nil || b.Finalization != nil), "a block and an error")
		if err == nil {
			requireBlock(t, b)
		}
		return err
	}},
	{"/blocks/5", func(t *testing.T, ctx context.Context, c *Client) error {
		b, err := c.Block(ctx, AtSlot(fuzzedSlot))
		require.True(t, err != nil || b.Slot == fuzzedSlot)
		return err
	}},
	{"/finality_checkpoints", func(_ *testing.T, ctx context.Context, c *Client) error {
		_, err := c.Finality(ctx, StateHead)
		return err
	}},
	{"/committees", func(t *testing.T, ctx context.Context, c *Client) error {
		list, err := c.Committees(ctx, StateHead, 1)
		require.False(t, err != nil && list != nil, "committees and an error")
		return err
	}},
	{"/validators", func(t *testing.T, ctx context.Context, c *Client) error {
		all, err := c.WithdrawalCredentials(ctx, StateHead, []uint64{2, 0, 1, 0})
		require.True(t, err != nil || len(all) == 3)
		return err
	}},
}

// fuzzedSpec: with a spec that is taken no slot makes the arithmetic wrong.
func fuzzedSpec(t *testing.T, ctx context.Context, c *Client) error {
	s, err := c.Spec(ctx)
	if err != nil {
		require.Equal(t, checkpoint.Spec{}, s)
		return err
	}
	require.NoError(t, s.Validate())
	require.Positive(t, s.SlotDuration())
	genesis, last := s.SlotStart(0), s.SlotStart(math.MaxUint64)
	for _, slot := range []primitives.Slot{0, 1, primitives.Slot(s.SlotsPerEpoch), primitives.Slot(s.GenesisTime), math.MaxInt64, math.MaxUint64 - 1, math.MaxUint64} {
		epoch := s.Epoch(slot)
		require.LessOrEqual(t, s.StartSlot(epoch), slot)
		require.LessOrEqual(t, s.ExpectedSlot(slot), slot)
		require.LessOrEqual(t, s.Epoch(s.StartSlot(epoch+1)), max(epoch, epoch+1))
		start := s.SlotStart(slot)
		require.False(t, start.Before(genesis) || start.After(last), "slot %d begins at %s", slot, start)
		require.LessOrEqual(t, s.SlotAt(start), slot)
		require.False(t, s.Behind(slot, slot) || s.Behind(slot, 0))
		require.Zero(t, checkpoint.Lag(slot, slot))
	}
	return nil
}

// requireBlock: a block that is written as the node writes it reads back as the same.
func requireBlock(t *testing.T, b Block) {
	require.LessOrEqual(t, max(len(b.Candidates), len(b.Finalization)), maxHashes)
	row := func(list []common.Hash) string {
		out := "0x"
		for _, h := range list {
			out += h.Hex()[2:]
		}
		return out
	}
	raw := fmt.Sprintf(`{"message":{"slot":"%d","parent_root":"%s","body":{"eth1_data":{"candidates":"%s","finalization":"%s"}}}}`,
		b.Slot, b.ParentRoot, row(b.Candidates), row(b.Finalization))
	var in blockJSON
	require.NoError(t, json.Unmarshal([]byte(raw), &in))
	back, err := in.value()
	require.NoError(t, err)
	require.Equal(t, b, back)
}

// inMemory answers requests with a status and a body, without a network.
type inMemory func(path string) (int, io.Reader)

func (f inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	status, body := f(req.URL.Path)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(body), Request: req,
	}, nil
}

// clientOver gives a client over a node in memory.
func clientOver(t *testing.T, node inMemory) *Client {
	c, err := New(Config{URL: "http://fuzz", Timeout: time.Minute, MaxBody: fuzzedBody, Transport: node})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// asData gives FuzzBeaconAnswer's bytes as the member data of an answer; any
// other way is an HTTP status with the bytes for a body.
const asData = 0

// FuzzBeaconAnswer gives every typed call an answer of any form.
func FuzzBeaconAnswer(f *testing.F) {
	for _, one := range loadRecorded(f) {
		u, err := url.Parse(one.Path)
		require.NoError(f, err)
		body := []byte(one.Body)
		var text string
		if json.Unmarshal(body, &text) == nil {
			body = []byte(text)
		}
		for i, c := range fuzzedCalls {
			kind, _, _ := strings.Cut(c.path[1:], "/")
			if strings.Contains(u.Path, "/"+kind+"/") || strings.HasSuffix(u.Path, c.path) {
				f.Add(uint8(i), uint16(max(one.Status, http.StatusOK)), body)
			}
		}
	}
	for i := range fuzzedCalls {
		for _, data := range []string{
			`{}`, `[]`, `[null]`, `null`, `1e999`, `"NaN"`, `{"slot":"-1"}`, `{"head_slot":"18446744073709551616","sync_distance":"1","is_syncing":1}`,
			`1` + strings.Repeat("0", 5000), strings.Repeat("[", 20_000), `{"slot":"` + strings.Repeat("9", 5000) + `"}`,
		} {
			f.Add(uint8(i), uint16(asData), []byte(data))
		}
		f.Add(uint8(i), uint16(404), []byte(strings.Repeat("x", 5000)))
	}
	f.Fuzz(func(t *testing.T, call uint8, way uint16, body []byte) {
		fuzzed := fuzzedCalls[int(call)%len(fuzzedCalls)]
		client := clientOver(t, func(path string) (int, io.Reader) {
			switch {
			case strings.HasSuffix(path, "/config/spec") && fuzzed.path != "/config/spec":
				return http.StatusOK, strings.NewReader(specJSON)
			case strings.HasSuffix(path, "/beacon/genesis") && fuzzed.path != "/beacon/genesis":
				return http.StatusOK, strings.NewReader(genesisJSON)
			case way == asData:
				return http.StatusOK, io.MultiReader(strings.NewReader(`{"data":`), bytes.NewReader(body), strings.NewReader("}"))
			}
			return 200 + int(way)%400, bytes.NewReader(body)
		})
		failuretest.RequireTold(t, fuzzed.call(t, t.Context(), client))
	})
}

// FuzzEventStream follows streams of any bytes: the events do not depend on how
// the bytes arrive, each is of one sort, and no more is held than one event's data.
func FuzzEventStream(f *testing.F) {
	for _, stream := range []string{
		headFrame(1, true), finalizedFrame(3), headFrame(1, false) + finalizedFrame(1) + ":\n\n" + headFrame(2, true),
		"event: error\r\ndata: x\r\n\r\n" + headFrame(9, false), "data\n\n:c\n\nevent\n\n", "event: head\ndata: {\"slot\":\"-1\"}\n\n",
		"event: head\n" + strings.Repeat("data: 0123456789\n", 5000) + "\n" + headFrame(7, false),
		"data:" + strings.Repeat("x", 2*maxLine) + "\n\n" + headFrame(7, false), "event: head\ndata: 1e999\n\n", "\r\r\n\n\x00",
	} {
		f.Add([]byte(stream))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, skipped := readWhole(t, bytes.NewReader(stream))
		bytewise, skippedToo := readWhole(t, iotest.OneByteReader(bytes.NewReader(stream)))
		require.Equal(t, whole, bytewise)
		require.Equal(t, skipped, skippedToo)
		require.Equal(t, Event{Gap: true}, whole[0])
		require.LessOrEqual(t, len(whole)-1+int(skipped), bytes.Count(stream, []byte("\n")))
		for _, event := range whole[1:] {
			require.False(t, event.Gap)
			require.Equal(t, event.Type == EventHead, event.Head != nil)
			require.Equal(t, event.Type == EventFinalized, event.Finalized != nil)
			require.True(t, event.Head != nil || event.Finalized != nil)
		}
		frames := newFrameReader(bytes.NewReader(stream))
		for {
			name, data, err := frames.next()
			if err != nil && !errors.Is(err, errFrame) {
				return
			}
			require.LessOrEqual(t, max(len(name), len(data)), maxLine)
		}
	})
}

// readWhole gives the events of a stream and how many were skipped.
func readWhole(t *testing.T, stream io.Reader) ([]Event, uint64) {
	client := clientOver(t, func(string) (int, io.Reader) { return http.StatusOK, stream })
	events := make(chan Event)
	go func() {
		defer close(events)
		client.readStream(t.Context(), events)
	}()
	var all []Event
	for event := range events {
		all = append(all, event)
	}
	return all, client.SkippedEvents()
}
