package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// newCall begins the record of a call that arrived now.
func newCall(v View, m *message, action Action, era checkpoint.Era, listener string, arrived time.Time) Call {
	c := Call{
		Time: arrived, Method: boundedName(m.name()), Era: era, Action: action, Listener: listener,
	}
	if v.Spec.SecondsPerSlot > 0 {
		c.Slot = v.Spec.SlotAt(arrived)
	}
	if slot, ok := namedSlot(c.Method, m.params); ok {
		c.Slot = slot
	}
	c.Spines = namedSpines(c.Method, m.params)
	return c
}

// boundedName keeps what a caller wrote fit for logs and metrics.
func boundedName(method string) string {
	if len(method) > 64 {
		method = method[:64]
	}
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '?'
	}, method)
}

// namedSlot returns the slot that the parameters of a call name.
func namedSlot(method string, params []byte) (primitives.Slot, bool) {
	switch method {
	case methodSync, methodReady:
		var p []checkpoint.ConsensusInfo
		if json.Unmarshal(params, &p) == nil && len(p) > 0 {
			return p[0].Slot, true
		}
	case "dag_getCandidates":
		var p []uint64
		if json.Unmarshal(params, &p) == nil && len(p) > 0 {
			return primitives.Slot(p[0]), true
		}
	}
	return 0, false
}

// namedSpines returns the spines that a call has gwat finalize.
func namedSpines(method string, params []byte) []common.Hash {
	var spines []common.Hash
	switch method {
	case methodSync:
		var p []checkpoint.ConsensusInfo
		if json.Unmarshal(params, &p) == nil && len(p) > 0 {
			spines = p[0].Finalizing
		}
	case methodFinalize:
		var p []json.RawMessage
		if json.Unmarshal(params, &p) != nil || len(p) == 0 {
			return nil
		}
		if json.Unmarshal(p[0], &spines) != nil {
			var today struct{ Spines []common.Hash }
			_ = json.Unmarshal(p[0], &today)
			spines = today.Spines
		}
	}
	return spines[max(0, len(spines)-maxSpines):]
}

// sentList reads the list of a dag_headSync.
func sentList(at time.Time, params []byte) *SentList {
	list := &SentList{At: at}
	// Entry by entry: a list of millions that are not entries takes no memory.
	d := json.NewDecoder(bytes.NewReader(params))
	err := opens(d)
	if err == nil && d.More() {
		err = opens(d)
		for err == nil && d.More() {
			if len(list.Entries) == maxEntries {
				list.Truncated = true
				break
			}
			var entry checkpoint.ConsensusInfo
			if err = d.Decode(&entry); err == nil {
				list.Entries = append(list.Entries, entry)
			}
		}
		list.Total = elementsOf(params)
	}
	if err != nil {
		list.Malformed = boundedText(err.Error())
	}
	return list
}

// opens reads the beginning of an array.
func opens(d *json.Decoder) error {
	t, err := d.Token()
	if err == nil && t != json.Delim('[') {
		err = fmt.Errorf("%v in place of a list", t)
	}
	return err
}

// elementsOf counts the elements of the array that is the first one of params.
func elementsOf(params []byte) int {
	params = bytes.TrimLeft(params, " \t\r\n")
	if len(params) == 0 {
		return 0
	}
	var s scanner
	s.scan(params[1:])
	return s.part.count
}

func boundedText(s string) string {
	s = failure.Text(s)
	if len(s) > maxErrorText {
		s = strings.ToValidUTF8(s[:maxErrorText], "")
	}
	return s
}

// said returns what gwat's answer m says went wrong: the JSON-RPC error or
// result.error; "" if nothing did.
func said(m *message) string {
	if text := errorText(m.fault); text != "" {
		return text
	}
	result := bytes.TrimSpace(m.result)
	if len(result) == 0 || result[0] != '{' {
		return ""
	}
	var inner scanner
	inner.scan(result)
	return errorText(inner.msg.fault)
}

// nullAnswer is what is recorded of an answer that is null in every field. The beacon node
// takes it for success.
const nullAnswer = spineNotFound + ": every field of the answer is null"

// nullState reports whether a result is a state of the coordinated era whose fields are
// all null, its error too.
func nullState(result []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(result, &fields) != nil || fields["lfSpine"] == nil {
		return false
	}
	for _, value := range fields {
		if string(value) != "null" {
			return false
		}
	}
	return true
}

// errorText returns the text of the value of an "error" member, "" for null.
func errorText(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var object struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	var text string
	switch {
	case json.Unmarshal(raw, &text) == nil && text != "":
		return boundedText(text)
	case json.Unmarshal(raw, &object) == nil && object.Message != "":
		return boundedText(object.Message)
	}
	return boundedText(string(raw))
}

// records are the calls of one message while their answer comes.
type records struct {
	g        *Gate
	listener string
	arrived  time.Time
	calls    []Call
	ids      []string // "" of a notification
	open     []bool
	more     bool // the message has calls that are not recorded
	expected bool // the connection to gwat settles them
	scan     scanner
}

// foreign reports whether something in the message is no call: gwat says so, or ends the
// connection.
func (r *records) foreign() bool {
	for i := range r.calls {
		if r.noCall(i) {
			return true
		}
	}
	return false
}

func (r *records) noCall(i int) bool { return r.ids[i] == "" && r.calls[i].Method == "" }

// maxRecorded bounds the calls of one batch that are recorded.
const maxRecorded = 256

// begin makes r ready for a message that arrives now.
func (r *records) begin(g *Gate, listener string) {
	clear(r.calls)
	clear(r.ids)
	r.scan.reset()
	r.scan.element = nil
	*r = records{g: g, listener: listener, arrived: time.Now(), calls: r.calls[:0], ids: r.ids[:0], open: r.open[:0], scan: r.scan}
}

// add begins the record of the call m.
func (r *records) add(v View, m *message, action Action, era checkpoint.Era) {
	if len(r.calls) >= maxRecorded {
		r.more = true
		return
	}
	r.calls = append(r.calls, newCall(v, m, action, era, r.listener, r.arrived))
	r.ids, r.open = append(r.ids, m.key()), append(r.open, true)
}

// batch makes r read a batch's answer: each element settles its call.
func (r *records) batch() {
	r.scan.element = func(m *message, _, _ int64) { r.answered(m) }
}

// answered settles the call that the element m of a batch's answer belongs to.
func (r *records) answered(m *message) {
	for i, id := range r.ids {
		if r.open[i] && id != "" && id == m.key() {
			r.settle(i, m)
			return
		}
	}
}

// settle ends a record by gwat's answer m.
func (r *records) settle(i int, m *message) {
	outcome, text := OutcomeOK, said(m)
	if c := &r.calls[i]; text == "" && c.Method == methodFinalize && c.Era == checkpoint.EraCoordinated && nullState(m.result) {
		text = nullAnswer
	}
	if text != "" {
		outcome = OutcomeError
	}
	r.end(i, outcome, text)
}

func (r *records) end(i int, outcome Outcome, text string) {
	if !r.open[i] {
		return
	}
	r.open[i] = false
	c := r.calls[i]
	c.Outcome, c.Error = outcome, text
	c.Duration = time.Since(c.Time)
	r.g.evidence.add(c)
}

// feed reads a part of the answer. Of a single call's only the beginning counts.
func (r *records) feed(p []byte) {
	if r.scan.done || r.scan.element == nil && r.scan.pos > 2*maxHead {
		return
	}
	r.scan.scan(p)
}

// finish ends the records that are open. status is the HTTP status, 0 if there
// is none; err is what kept the answer from being whole.
func (r *records) finish(status int, err error) {
	for i := range r.calls {
		switch {
		case err != nil:
			r.end(i, outcomeOf(err), boundedText(err.Error()))
		case status != 0 && (status < 200 || status > 299):
			r.end(i, OutcomeStatus, "HTTP "+strconv.Itoa(status))
		case r.scan.level == 1:
			r.settle(i, &r.scan.msg)
		case r.ids[i] == "":
			r.end(i, OutcomeDelivered, "")
		default:
			r.end(i, OutcomeNoMatch, "")
		}
	}
}
