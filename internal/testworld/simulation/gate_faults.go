package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
)

// gateKinds are what goes wrong with syncd between the nodes, beside all the rest.
var gateKinds = []*faultKind{
	gateLink("slow link", 3, 2*second, 20*second, linkSlow, beaconGate),
	gateLink("answers never", 4, second, 25*second, linkHang, gateGwat),
	gateLink("answers cut", 4, second, 10*second, linkHalf, gateGwat),
	{name: "beacon drives", where: ", past the gate", weight: 3, low: 4 * second, high: 25 * second, begin: gateBypassed},
	{name: "syncd killed", where: ", in a call of the gate", weight: 5, low: 50 * time.Millisecond, high: 6 * second, begin: syncdKilledInCall, ends: true},
	faultKindOf("operator pauses"),
	faultKindOf("syncd stopped"),
	faultKindOf("gwat killed"),
	faultKindOf("gwat hangs"),
}

func faultKindOf(name string) *faultKind {
	at := slices.IndexFunc(faultKinds, func(k *faultKind) bool { return k.name == name })
	return faultKinds[at]
}

// gateLink is a fault of one link of the gate.
func gateLink(name string, weight int, low, high time.Duration, kind linkFaultKind, on link) *faultKind {
	return &faultKind{name: name, where: " on " + string(on), weight: weight, low: low, high: high, begin: func(r *run, f *fault, d *seededRand) func() {
		lf := &linkFault{
			number: f.number, kind: kind, percent: pick(d, 100, 60, 25), links: []link{on},
			only: func(*exchange) bool { return true }, low: d.span(0, second), high: d.span(second, 6*second),
		}
		r.net.faults = append(r.net.faults, lf)
		return func() { r.net.faults = slices.DeleteFunc(r.net.faults, func(o *linkFault) bool { return o == lf }) }
	}}
}

// gateBypassed starts the beacon node with gwat's own address in place of the gate's.
func gateBypassed(r *run, _ *fault, d *seededRand) func() {
	back := d.chance(50)
	r.bypassed = true
	r.killBeacon()
	r.startBeaconAgain(back, beaconsim.DriverOn)
	return func() {
		r.bypassed = false
		r.killBeacon()
		r.startBeaconAgain(false, beaconsim.DriverOn)
	}
}

// syncdKilledInCall kills syncd shortly after the gate has sent a call to gwat.
func syncdKilledInCall(r *run, f *fault, d *seededRand) func() {
	after := d.span(0, 6*time.Millisecond)
	r.onGateCall = func() {
		r.sched.at(r.now()+after, digest("kill in call"), func() { r.killSyncd("in a call of the gate", false, f.lasts) })
	}
	return func() { r.onGateCall = nil }
}

// part is a call of a batch, and what the gate does with it.
type part struct {
	raw   string
	id    string // "" of a notification
	owned bool
}

// everything are the calls of a batch of everything. What only gwat may refuse names
// nothing that gwat would take.
func (r *run) everything() []part {
	// Never null, which shows no era to a gate that does not know it yet.
	spines, _ := json.Marshal(append([]common.Hash{}, r.chainHead().Finalization...))
	parts := []part{{id: "1"}, {id: `"two"`, owned: true}, {}, {id: "3", owned: true}, {id: "4"}, {id: "5", owned: true}, {id: "6.5"}}
	for i, call := range []string{
		`"method":"eth_blockNumber","params":[]`, `"method":"dag_headSyncReady","params":[]`, `"method":"eth_chainId"`,
		`"method": "dag_finalize","params":[` + string(spines) + `]`, `"params":[{"a":"}]"}],"method":"dag_unknown"`,
		`"method":"dag_headSync","params":[]`, `"method":"eth_syncing"`,
	} {
		if p := &parts[i]; p.id == "" {
			p.raw = `{"jsonrpc":"2.0",` + call + `}`
		} else {
			p.raw = fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, p.id, call)
		}
	}
	return parts
}

// sendBatches has another client send batches of owned and other calls, until the
// function that it returns is called.
func (r *run) sendBatches() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var send func()
	send = func() {
		if ctx.Err() != nil {
			return
		}
		if l := r.syncd(); l != nil && l.pair.Snapshot().Stage != string(fsm.Paused) {
			parts := r.everything()
			r.batches = append(r.batches, parts)
			body := batchOf(parts)
			r.helpers.Go(func() { r.clientSends(ctx, body) })
		}
		r.sched.at(r.now()+9*second, digest("batch"), send)
	}
	r.sched.at(5*second, digest("batch"), send)
	return cancel
}

func batchOf(parts []part) []byte {
	var out []byte
	for _, p := range parts {
		out = append(append(out, ','), p.raw...)
	}
	out[0] = '['
	return append(out, ']')
}

func (r *run) clientSends(ctx context.Context, body []byte) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateURL, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	if resp, err := (&wire{r.net, clientGate, 1, func() bool { return true }}).RoundTrip(req); err == nil {
		resp.Body.Close()
	}
}
