package gwatsim

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
)

// recording is what real nodes were asked and answered. "$2b837e57" stands for
// the hash or address that begins so.
type recording struct {
	BlockFields []string `json:"block_fields"` // of every recorded block
	// Pushed is the list that was pushed to a real gwat: slot, creators, finalizing.
	Pushed    []pushedEntry     `json:"pushed"`
	Exchanges []exchange        `json:"exchanges"`
	Hashes    map[string]string `json:"hashes"`
}

type pushedEntry struct {
	slot       primitives.Slot
	creators   []string
	finalizing []string
}

func (e *pushedEntry) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&e.slot, &e.creators, &e.finalizing})
}

// exchange is one recorded request and its answer.
type exchange struct {
	ID       string  `json:"id"` // transcript/line
	Time     float64 `json:"ts"` // Unix seconds
	Excluded string  `json:"excluded"`

	// The request: a method with its parameters or a named push list, or a raw body.
	Method      string          `json:"method"`
	Params      json.RawMessage `json:"params"`
	Push        string          `json:"push"`
	Body        string          `json:"body"`
	Get         bool            `json:"get"`
	ContentType string          `json:"content_type"`
	Host        string          `json:"host"`

	Status int             `json:"status"` // 0 is 200
	Answer json.RawMessage `json:"answer"` // without jsonrpc and id if Method is set
	Text   *string         `json:"text"`   // of an answer that is no JSON
}

func loadRecording(t *testing.T) *recording {
	data, err := os.ReadFile("testdata/conformance.json")
	require.NoError(t, err)
	var r recording
	require.NoError(t, json.Unmarshal(data, &r))
	return &r
}

// expand puts the full hashes in.
func (r *recording) expand(text string) string {
	for short, hash := range r.Hashes {
		text = strings.ReplaceAll(text, `"$`+short+`"`, `"`+hash+`"`)
	}
	return text
}

func (r *recording) hash(short string) common.Hash {
	return common.HexToHash(r.Hashes[strings.TrimPrefix(short, "$")])
}

// pushList builds a list that was pushed: the real one or a variant of it.
func (r *recording) pushList(t *testing.T, variant string) []any {
	entry := func(e pushedEntry, creators, finalizing []string) any {
		return map[string]any{"slot": hexutil.Uint64(e.slot), "creators": creators, "finalizing": finalizing}
	}
	var out []any
	for i, e := range r.Pushed {
		whole, empty := entry(e, e.creators, e.finalizing), entry(e, e.creators, []string{})
		switch variant {
		case "full", "last-5", "newest", "reversed":
			out = append(out, whole)
		case "unknown-at-20":
			if i == 20 {
				whole = entry(e, e.creators, []string{common.Hash{31: 0xaa}.Hex()})
			}
			out = append(out, whole)
		case "empty-after":
			out = append(out, whole, empty)
		case "empty-before":
			out = append(out, empty, whole)
		case "no-creators":
			out = append(out, entry(e, []string{}, e.finalizing))
		case "spines-reversed":
			out = append(out, entry(e, e.creators, reversed(e.finalizing)))
		case "doubled":
			whole := entry(e, e.creators, append(append([]string{}, e.finalizing...), e.finalizing...)).(map[string]any)
			whole["extra"] = 1
			out = append(out, whole)
		default:
			t.Fatalf("unknown push list %q", variant)
		}
	}
	switch variant {
	case "last-5":
		out = out[len(out)-5:]
	case "newest":
		out = out[len(out)-1:]
	case "reversed":
		out = reversed(out)
	}
	return out
}

func reversed[T any](in []T) []T {
	out := make([]T, 0, len(in))
	for i := len(in) - 1; i >= 0; i-- {
		out = append(out, in[i])
	}
	return out
}

// knownSides are recorded blocks beside a spine: parents of the next one.
var knownSides = map[string]string{"64286177": "ecb8ee70", "66a70c15": "bec5e015", "66f1b11f": "ffeadca9"}

// knownMiners are the creators of blocks whose answers were recorded.
var knownMiners = map[string]string{
	"2b837e57": "06cf0469", "66f1b11f": "e9a1e59d", "694cae0c": "1a0c8615", "ffeadca9": "d970d1d0",
}

// anchors are the heights of spines that the recorded answers tell.
var anchors = map[string]uint64{
	"64286177": 0x81, "2b837e57": 0x83, "088066c2": 0xa8, "60a5950a": 0xc3, "803a88b8": 0xc5,
	"145ab595": 0xc7, "66f1b11f": 0xee, "694cae0c": 0xf0,
}

// recordedNetwork rebuilds the network of transcripts 20 to 22, 31 and 33: its
// spines with their recorded hashes, slots and heights, and between two spines
// as many side blocks of the older one's slot as the heights ask for.
func recordedNetwork(r *recording) *testChain {
	const start = 1795207645
	c := newTestChain(start, r.hash("20a30e17"))
	spines := []string{"8057e407"}
	slots := []primitives.Slot{2}
	for i, slot := 0, primitives.Slot(91); i < len(r.Pushed); i++ {
		for _, spine := range r.Pushed[i].finalizing {
			spine = spine[1:]
			if spine == spines[len(spines)-1] {
				continue
			}
			if slot == 128 {
				slot = 133 // gwat was down and no block was made
			}
			spines, slots = append(spines, spine), append(slots, slot)
			slot++
		}
	}
	for _, spine := range []string{"694cae0c", "19fdeb5b", "341fae92", "4fc10229", "056ad8ed", "dfc94117"} {
		spines, slots = append(spines, spine), append(slots, slots[len(slots)-1]+1)
	}
	c.addSpines(r, spines, slots)
	for _, e := range r.Pushed {
		var finalizing []common.Hash
		for _, spine := range e.finalizing {
			finalizing = append(finalizing, r.hash(spine))
		}
		c.body(e.slot, finalizing...)
	}
	c.body(154, r.hash("694cae0c"))
	for block, miner := range knownMiners {
		c.blocks[r.hash(block)].Creator = common.HexToAddress(r.Hashes[miner])
	}
	return c
}

// addSpines lays the spines with the anchored heights.
func (c *testChain) addSpines(r *recording, spines []string, slots []primitives.Slot) {
	tips := []common.Hash{c.genesis.Hash}
	height := uint64(0)
	for i, spine := range spines {
		hash := r.hash(spine)
		made := c.block(hash, slots[i], tips...)
		height = made.Height
		parents := tips
		tips = []common.Hash{hash}
		for side := 0; side < sidesAfter(spines, i, height); side++ {
			name := common.Hash{0: 0xff, 1: 0xff, 2: byte(i), 31: byte(side + 1)}
			if known, ok := knownSides[spine]; ok && side == 0 {
				name = r.hash(known)
			}
			tips = append(tips, c.block(name, slots[i], parents...).Hash)
		}
	}
}

// sidesAfter is how many blocks stand beside spine i, so that the next anchor
// gets its height and the blocks are spread evenly up to it.
func sidesAfter(spines []string, i int, height uint64) int {
	for next := i + 1; next < len(spines); next++ {
		if anchor, ok := anchors[spines[next]]; ok {
			steps := next - i
			return (int(anchor-height)+steps-1)/steps - 1
		}
	}
	return 0
}
