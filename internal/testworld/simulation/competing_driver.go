package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

func primSlot(n int) primitives.Slot { return primitives.Slot(n) }

// chainHead is the head that the network has now.
func (r *run) chainHead() *world.BeaconBlock {
	spec := r.plan.chain.Spec()
	return r.plan.chain.HeadAt(spec.SlotAt(time.Now()))
}

// competitorDrives has another driver make gwat ready, and push or not: it then sits
// on the lock until that runs out.
func competitorDrives(r *run, f *fault, d *seededRand) func() {
	head := r.chainHead()
	justified := r.plan.chain.Finality(head).CurrentJustified.Root
	cp := checkpoint.Genesis()
	from := primitives.Slot(0)
	if block, ok := r.plan.chain.Block(justified); ok {
		from = block.Slot
		cp = checkpoint.ConsensusInfo{Slot: block.Slot, Finalizing: block.Finalization}
	}
	pushes := d.chance(50)
	wait := d.span(0, f.lasts)
	ctx, cancel := context.WithCancel(context.Background())
	r.helpers.Go(func() {
		var ok bool
		for !ok {
			ok = r.competitorCalls(ctx, callReady, cp)
			if !ok && !pause(ctx, time.Second) {
				return
			}
		}
		if !pushes || !pause(ctx, wait) {
			return
		}
		var list []checkpoint.ConsensusInfo
		for slot := from; slot <= head.Slot; slot++ {
			if block, ok := r.plan.chain.Ancestor(head, slot); ok {
				list = append(list, checkpoint.ConsensusInfo{Slot: slot, Finalizing: block.Finalization})
			}
		}
		r.competitorCalls(ctx, callPush, list)
	})
	return cancel
}

// competitorCalls makes one call and reports whether gwat said true.
func (r *run) competitorCalls(ctx context.Context, method string, param any) bool {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": []any{param}})
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gwatURL, bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&wire{r.net, competitorGwat, 1, func() bool { return true }}).RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var answer request
	return json.NewDecoder(resp.Body).Decode(&answer) == nil && string(answer.Result) == "true"
}

// pause waits; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
