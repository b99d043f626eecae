package beaconsim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// bufferedEvents a slow reader may be behind before it loses some.
const bufferedEvents = 64

type event struct {
	topic string
	data  []byte
}

// hub hands events to the open streams.
type hub struct {
	mu      sync.Mutex
	streams map[chan event]bool
}

func newHub() *hub { return &hub{streams: make(map[chan event]bool)} }

func (h *hub) open() chan event {
	h.mu.Lock()
	defer h.mu.Unlock()
	stream := make(chan event, bufferedEvents)
	h.streams[stream] = true
	return stream
}

func (h *hub) close(stream chan event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, stream)
}

func (h *hub) publish(topic string, content any) {
	data, err := json.Marshal(content)
	if err != nil {
		return // the contents are the node's own and always encode
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for stream := range h.streams {
		select {
		case stream <- event{topic, data}:
		default:
		}
	}
}

// publishHead tells of a new head.
func (n *Node) publishHead(before, head *world.BeaconBlock) {
	// The root in block events is no block's root, as recorded.
	n.hub.publish("block", map[string]any{
		"slot":                 decimal(uint64(head.Slot)),
		"block":                common.Hash(sha256.Sum256(head.Root[:])),
		"execution_optimistic": true,
	})
	epoch := n.spec.Epoch(head.Slot)
	// Duties depend on the last block before this epoch and before the one that precedes it.
	dutyRoot := func(back primitives.Epoch) common.Hash {
		if epoch <= back {
			return n.chain.HeadAt(0).Root
		}
		return world.AtOrBefore(n.chain, head, n.spec.StartSlot(epoch-back)-1).Root
	}
	n.hub.publish("head", map[string]any{
		"slot":                         decimal(uint64(head.Slot)),
		"block":                        head.Root,
		"state":                        head.StateRoot,
		"epoch_transition":             epoch != n.spec.Epoch(before.Slot),
		"execution_optimistic":         true,
		"previous_duty_dependent_root": dutyRoot(1),
		"current_duty_dependent_root":  dutyRoot(0),
	})
}

// publishFinality tells of a new finalized checkpoint if a new head brought one.
func (n *Node) publishFinality(before, head *world.BeaconBlock) {
	finalized := n.chain.Finality(head).Finalized
	if finalized == n.chain.Finality(before).Finalized {
		return
	}
	if block, ok := n.chain.Block(finalized.Root); ok {
		n.hub.publish("finalized_checkpoint", map[string]any{
			"block":                block.Root,
			"state":                block.StateRoot,
			"epoch":                decimal(uint64(finalized.Epoch)),
			"execution_optimistic": true,
		})
	}
}

// serveEvents streams the topics asked for. After the API's timeout it sends an
// error event and stays open and silent, as recorded.
func (n *Node) serveEvents(w http.ResponseWriter, r *http.Request) {
	topics := strings.Split(strings.Join(r.URL.Query()["topics"], ","), ",")
	for _, topic := range topics {
		if !slices.Contains([]string{"head", "block", "finalized_checkpoint"}, topic) {
			fail(w, http.StatusBadRequest, "Topic not allowed: "+topic)
			return
		}
	}
	stream := n.hub.open()
	defer n.hub.close(stream)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	flush := func() { _ = http.NewResponseController(w).Flush() } // a reader that is gone ends the request
	flush()

	timeout := time.NewTimer(n.cfg.SSETimeout)
	defer timeout.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-n.done:
			return
		case <-timeout.C:
			fmt.Fprint(w, "event: error\ndata: {\"message\":\"upstream request timeout\",\"code\":504}\n\n")
			flush()
			n.hub.close(stream)
		case e := <-stream:
			if slices.Contains(topics, e.topic) {
				fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.topic, e.data)
				flush()
			}
		}
	}
}
