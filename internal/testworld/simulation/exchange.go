package simulation

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// link is a way between two processes.
type link string

// The links.
const (
	syncdGwat      link = "syncd>gwat"
	syncdBeacon    link = "syncd>beacon"
	beaconGwat     link = "beacon>gwat"
	competitorGwat link = "competitor>gwat"
	beaconGate     link = "beacon>gate" // of a pair with syncd between
	gateGwat       link = "gate>gwat"
	clientGate     link = "client>gate"
)

// never is the time of what did not happen.
const never = time.Duration(-1)

// exchange is one HTTP request and what became of it, as the network saw it.
type exchange struct {
	number atomic.Int64 // in the order in which they were let through; 0 before that
	link   link
	from   int // which incarnation of the caller
	call   string
	params string // of a single call to gwat; the query of a REST call
	body   []byte
	key    uint64

	sent     time.Duration // when the caller handed it over
	written  bool          // the caller's side knows that it went out
	arrived  time.Duration // at the node
	served   time.Duration // when the node had its answer
	ended    time.Duration // when the caller had an answer or an error
	status   int
	answer   []byte // as it reached the caller
	whole    bool   // the caller was given all that the node said
	gaveUp   bool   // the caller did not wait for the end
	hit      bool   // by a fault of the link
	header   http.Header
	lost     string // why no answer came
	conn     int    // which incarnation of the node it was sent to
	node     int    // which incarnation of the node served it
	goesOn   bool   // to the node, though nobody waits any more
	reply    chan struct{}
	closed   bool
	response *http.Response
	err      error
	doom     error // what a fault on the way has decided
	host     *host
	hangUp   func() // ends the request at the node
	stream   *stream
}

// id returns the exchange's number.
func (x *exchange) id() int { return int(x.number.Load()) }

// request is a JSON-RPC request or the answer to one, as far as it is looked at.
type request struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// name gives an exchange its call and parameters: the JSON-RPC method, with "[]"
// behind it for a batch, or the path.
func (x *exchange) name(r *http.Request) {
	if r.Method == http.MethodGet {
		x.call, x.params = r.URL.Path, r.URL.RawQuery
		return
	}
	if len(x.body) > 0 && x.body[0] == '[' {
		var batch []request
		if json.Unmarshal(x.body, &batch) == nil && len(batch) > 0 {
			x.call, x.params = batch[0].Method+"[]", string(x.body)
		}
		return
	}
	var one request
	if json.Unmarshal(x.body, &one) == nil {
		x.call, x.params = one.Method, string(one.Params)
	}
}

// changes reports whether the call may change gwat.
func (x *exchange) changes() bool { return changing(x.call) }

func changing(call string) bool {
	return call == callReady || call == callPush || call == callSync || call == "dag_finalize"
}

// The calls that rules speak of.
const (
	callReady      = "dag_headSyncReady"
	callPush       = "dag_headSync"
	callSync       = "dag_sync"
	callSyncing    = "eth_syncing"
	callCandidates = "dag_getCandidates"
	pathHead       = "/eth/v1/beacon/headers/head"
	pathEvents     = "/eth/v1/events"
)

// result is the result of a single call that was answered whole; false else.
func (x *exchange) result() (json.RawMessage, bool) {
	if !x.whole || x.ended == never || x.status != http.StatusOK {
		return nil, false
	}
	var one request
	if json.Unmarshal(x.answer, &one) != nil || one.Error != nil {
		return nil, false
	}
	return one.Result, true
}

// kept reports whether a rule may want the answer, so that the others can be freed.
func (x *exchange) kept() bool {
	switch x.link {
	case syncdGwat:
		return true
	case syncdBeacon:
		return x.call == pathHead
	case beaconGate, gateGwat, clientGate:
		return true
	}
	return false
}

// said is the answer without the id of the request, which counts the calls of a
// client that several parts of a process share.
func (x *exchange) said() []byte {
	for _, begin := range []string{`"result":`, `"error":`} {
		if i := bytes.Index(x.answer, []byte(begin)); i >= 0 && x.link != syncdBeacon {
			return x.answer[i:]
		}
	}
	return x.answer
}

// shown is the exchange's name in the log, short.
func (x *exchange) shown() string {
	params := x.params
	if len(params) > 70 {
		params = params[:70] + "…"
	}
	return strings.TrimSpace(x.call + " " + params)
}
