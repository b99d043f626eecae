package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// Mends are what the gate does with a dag_finalize of the coordinated era beside passing
// it on. Each is off by default; without any the call is forwarded as it came.
type Mends struct {
	// NullAnswers answers the error "spine not found" where gwat answers null in every
	// field: the beacon node takes that for success and goes on over a hole.
	NullAnswers bool
	// WithoutPeers makes a call in mode NoSync that was sent in another one, while gwat has
	// no peers and the blocks of all spines.
	WithoutPeers bool
	// Join answers a call with the answer of an equal one that gwat works on: a caller's timeout
	// does not end a call, and each repetition waits for gwat's lock.
	Join bool
	// Checkpoints refuses a call whose checkpoint is not on the beacon node's chain: gwat
	// stores it unchecked. Canonical says whether a root is; what it cannot say is passed on.
	Checkpoints bool
	Canonical   func(ctx context.Context, root common.Hash) (bool, error)
}

func (m *Mends) any() bool { return m.NullAnswers || m.WithoutPeers || m.Join || m.Checkpoints }

// finalizeParams is the parameter of dag_finalize in the coordinated era.
type finalizeParams struct {
	Spines     []common.Hash `json:"spines"`
	Checkpoint *struct {
		Root common.Hash `json:"root"`
	} `json:"checkpoint"`
	Mode string `json:"syncMode"`
}

// The sync modes of a call, as they are sent.
const (
	modeNoSync   = `"0x0"`
	modeMainSync = "0x1"
	modeHeadSync = "0x2"
)

// flights are the calls that gwat works on, by their parameters.
type flights struct {
	mu   sync.Mutex
	open map[string]*flight
	work sync.WaitGroup
}

// flight is one call at gwat.
type flight struct {
	done   chan struct{} // closed when the rest is set
	answer *plain
	err    error
}

// mendCall passes a dag_finalize on, with the mends that are on. The result is nil if the
// caller is gone.
func (g *Gate) mendCall(ctx context.Context, rec *records, i int, m *message, x exchange, body []byte) *plain {
	var call struct{ Params json.RawMessage } // a message keeps only the beginning of them
	var params []finalizeParams
	if json.Unmarshal(body, &call) != nil || json.Unmarshal(call.Params, &params) != nil || len(params) != 1 {
		params = []finalizeParams{{}} // for gwat to refuse
	}
	if why := g.foreign(ctx, &params[0]); why != "" {
		rec.end(i, OutcomeAnswered, why)
		g.cfg.Log.Warnf("A dag_finalize was refused: %s", why)
		return &plain{body: resultError(m.key(), why)}
	}
	if g.lonely(ctx, &params[0], x) {
		body = noSync(body)
	}
	f := g.fly(ctx, string(call.Params), x, body)
	select {
	case <-f.done:
	case <-ctx.Done():
		rec.end(i, OutcomeGone, "")
		return nil
	}
	if f.err != nil {
		rec.end(i, OutcomeDown, boundedText(f.err.Error()))
		return away(f.err)
	}
	answer := *f.answer
	var s scanner
	s.scan(answer.body)
	outcome, text := OutcomeOK, ""
	switch {
	case !answer.ok():
		outcome = OutcomeStatus
	case !s.done || s.batch(): // no answer of a gwat
	case nullState(s.msg.result):
		outcome, text = OutcomeError, nullAnswer
		answer.body = withID(answer.body, m.key())
		if g.cfg.Mends.NullAnswers {
			answer.body = resultError(m.key(), spineNotFound)
		}
	default:
		if text = said(&s.msg); text != "" {
			outcome = OutcomeError
		}
		answer.body = withID(answer.body, m.key())
	}
	rec.end(i, outcome, text)
	return &answer
}

// away is the answer to a call that did not reach gwat.
func away(err error) *plain {
	return &plain{status: http.StatusBadGateway, header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte(err.Error() + "\n")}
}

// fly makes a call at gwat, or joins an equal one. A joined call outlives its caller: gwat
// carries it out all the same.
func (g *Gate) fly(ctx context.Context, key string, x exchange, body []byte) *flight {
	if !g.cfg.Mends.Join {
		f := &flight{done: make(chan struct{})}
		f.answer, f.err = g.try(ctx, x, body)
		close(f.done)
		return f
	}
	all := &g.flights
	all.mu.Lock()
	defer all.mu.Unlock()
	if f := all.open[key]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	if all.open == nil {
		all.open = map[string]*flight{}
	}
	all.open[key] = f
	all.work.Go(func() {
		lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer onClose(lasting, g.stopping, cancel)()
		f.answer, f.err = g.try(lasting, x, body)
		all.mu.Lock()
		delete(all.open, key)
		all.mu.Unlock()
		close(f.done)
	})
	return f
}

// foreign returns why a call's checkpoint is refused; "" if it is not.
func (g *Gate) foreign(ctx context.Context, p *finalizeParams) string {
	mends := &g.cfg.Mends
	if !mends.Checkpoints || mends.Canonical == nil || p.Checkpoint == nil || p.Checkpoint.Root == (common.Hash{}) {
		return ""
	}
	if known, err := mends.Canonical(ctx, p.Checkpoint.Root); err != nil || known {
		return ""
	}
	return fmt.Sprintf("checkpoint is not canonical: the beacon node has no block %s", p.Checkpoint.Root)
}

// lonely reports whether gwat has no peers but the blocks of all spines of a call that
// needs a peer.
func (g *Gate) lonely(ctx context.Context, p *finalizeParams, x exchange) bool {
	if !g.cfg.Mends.WithoutPeers || p.Mode != modeMainSync && p.Mode != modeHeadSync {
		return false
	}
	ask := []string{`{"jsonrpc":"2.0","id":0,"method":"net_peerCount","params":[]}`}
	for i, spine := range p.Spines {
		ask = append(ask, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_getBlockByHash","params":["%s",false]}`, i+1, spine))
	}
	answer, err := g.try(ctx, x, []byte("["+strings.Join(ask, ",")+"]"))
	if err != nil {
		return false
	}
	var all []struct {
		ID     int             `json:"id"`
		Result json.RawMessage `json:"result"`
	}
	if json.Unmarshal(answer.body, &all) != nil || len(all) != len(ask) {
		return false
	}
	for _, one := range all {
		result := string(one.Result)
		if one.ID == 0 && result != `"0x0"` || one.ID > 0 && (result == "null" || result == "") {
			return false
		}
	}
	return true
}

// noSync returns a call with the mode NoSync, everything else as it came.
func noSync(body []byte) []byte {
	var call map[string]json.RawMessage
	var params []map[string]json.RawMessage
	if json.Unmarshal(body, &call) != nil || json.Unmarshal(call["params"], &params) != nil || len(params) != 1 {
		return body
	}
	params[0]["syncMode"] = json.RawMessage(modeNoSync)
	var err error
	if call["params"], err = json.Marshal(params); err != nil {
		return body
	}
	changed, err := json.Marshal(call)
	if err != nil {
		return body
	}
	return changed
}

// withID returns an answer under the id of another call of the same parameters.
func withID(answer []byte, id string) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(answer, &fields) != nil || string(fields["id"]) == id {
		return answer
	}
	fields["id"] = json.RawMessage(id)
	changed, err := json.Marshal(fields)
	if err != nil {
		return answer
	}
	return append(changed, '\n')
}

// resultError is the answer of a gwat of the coordinated era that refuses a dag_finalize.
func resultError(id, text string) []byte {
	quoted, _ := json.Marshal(text)
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{"error":%s,"lfSpine":null,"cpEpoch":null,"cpRoot":null}}`+"\n", id, quoted)
}
