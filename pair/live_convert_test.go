package pair

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// livePoll is one call of a recording of two real nodes: an answer that differs
// from the one before of the same call, or how the call failed.
type livePoll struct {
	At     float64         `json:"at"` // Unix seconds
	Call   string          `json:"call"`
	Answer json.RawMessage `json:"answer,omitempty"`
	Status int             `json:"status,omitempty"` // HTTP, if it is not 200
	Fails  string          `json:"fails,omitempty"`  // "refused", "reset" or "silent"
}

// liveFrom leaves out an earlier network on the same ports.
const liveFrom = 1795634902

// With -update the recording is condensed again from the raw answers, if they lie
// beside the repository: what did not change is left out, and of a header what
// nobody reads.
func TestCondenseLiveRecording(t *testing.T) {
	raw, err := os.Open("../../shared/transcripts/headsync/live/devA_poll.jsonl.gz")
	if errors.Is(err, os.ErrNotExist) || !*update {
		t.Skip("no raw recording, or no -update")
	}
	require.NoError(t, err)
	defer raw.Close()
	in, err := gzip.NewReader(raw)
	require.NoError(t, err)
	out, err := os.Create(filepath.Join("testdata", "live-polls.jsonl.gz"))
	require.NoError(t, err)
	defer out.Close()
	zip := gzip.NewWriter(out)
	last := map[string]string{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct {
			TS        float64
			RPC, REST string
			Answer    json.RawMessage
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		p := livePoll{At: row.TS, Call: row.RPC + row.REST, Answer: row.Answer}
		if p.At < liveFrom || strings.HasSuffix(p.Call, "/health") {
			continue
		}
		p.condense(t)
		key, err := json.Marshal(livePoll{Answer: p.Answer, Status: p.Status, Fails: p.Fails})
		require.NoError(t, err)
		if last[p.Call] == string(key) {
			continue
		}
		last[p.Call] = string(key)
		require.NoError(t, json.NewEncoder(zip).Encode(p))
	}
	require.NoError(t, lines.Err())
	require.NoError(t, zip.Close())
}

func (p *livePoll) condense(t *testing.T) {
	t.Helper()
	var said struct {
		Exc  string
		HTTP int
		Body string
		Data json.RawMessage
	}
	if json.Unmarshal(p.Answer, &said) != nil {
		return
	}
	switch {
	case strings.Contains(said.Exc, "refused"):
		p.Answer, p.Fails = nil, "refused"
	case strings.Contains(said.Exc, "timed out"):
		p.Answer, p.Fails = nil, "silent"
	case said.Exc != "":
		p.Answer, p.Fails = nil, "reset"
	case said.HTTP != 0:
		p.Answer, p.Status = json.RawMessage(said.Body), said.HTTP
	case p.Call == "dag_getCandidates": // its candidates change all the time
		var c struct{ Error *string }
		require.NoError(t, json.Unmarshal(p.Answer, &c))
		short, err := json.Marshal(map[string]any{"error": c.Error, "candidates": []string{}})
		require.NoError(t, err)
		p.Answer = short
	case strings.HasSuffix(p.Call, "/headers/head"):
		var h struct {
			Data struct {
				Root   string
				Header struct {
					Message struct {
						Slot       string
						ParentRoot string `json:"parent_root"`
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal(p.Answer, &h))
		p.Answer = liveHeader(h.Data.Root, h.Data.Header.Message.Slot, h.Data.Header.Message.ParentRoot)
	}
}

func liveHeader(root, slot, parent string) json.RawMessage {
	out, _ := json.Marshal(map[string]any{"data": map[string]any{
		"root": root, "canonical": true, "header": map[string]any{"message": map[string]any{"slot": slot, "parent_root": parent}},
	}})
	return out
}
