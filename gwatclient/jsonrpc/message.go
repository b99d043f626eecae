package jsonrpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// request is an encoded call or batch; its ids are first to first+count-1.
type request struct {
	body  []byte
	batch bool
	first uint64
	count int
}

func encode(first uint64, batch bool, method string, calls [][]any) (request, error) {
	type message struct {
		Version string `json:"jsonrpc"`
		ID      uint64 `json:"id"`
		Method  string `json:"method"`
		Params  []any  `json:"params,omitempty"`
	}
	list := make([]message, len(calls))
	for i, params := range calls {
		list[i] = message{"2.0", first + uint64(i), method, params}
	}
	var all any = list
	if !batch {
		all = list[0]
	}
	body, err := json.Marshal(all)
	return request{body, batch, first, len(calls)}, err
}

// response is one element of an answer. A member that is missing is nil, one that
// is null is "null".
type response struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// reply is an answer as it came: a list or a single response.
type reply struct {
	batch bool
	list  []response
}

// decode reads a whole answer. Its errors are Unreadable.
func decode(message []byte) (reply, error) {
	message = bytes.TrimSpace(message)
	if len(message) == 0 {
		return reply{}, unreadable(fmt.Errorf("empty answer: %w", io.ErrUnexpectedEOF))
	}
	r := reply{batch: message[0] == '[', list: make([]response, 1)}
	var into any = &r.list[0]
	if r.batch {
		into = &r.list
	}
	if err := json.Unmarshal(message, into); err != nil {
		return reply{}, unreadable(err)
	}
	return r, nil
}

// index returns which call of req the response answers, -1 for none.
func (req request) index(r response) int {
	id, err := strconv.ParseUint(string(r.ID), 10, 64)
	if err != nil || id-req.first >= uint64(req.count) { // below first it wraps around
		return -1
	}
	return int(id - req.first)
}

// refuses reports whether the reply is one error in place of the request's answers.
func (r reply) refuses(req request) bool {
	return (!r.batch || req.count > 1) && len(r.list) == 1 && r.list[0].Error != nil
}

// value returns the result, or the error object as an *Error; whole says that it
// answers a batch as a whole.
func (r response) value(whole bool) (json.RawMessage, error) {
	switch {
	case r.Error == nil && r.Result == nil:
		return nil, unreadable(errNoResult)
	case r.Error == nil:
		return r.Result, nil
	}
	said := Error{Batch: whole}
	if err := json.Unmarshal(r.Error, &said); err != nil {
		return nil, unreadable(fmt.Errorf("error object: %w", err))
	}
	if said.Code == 0 {
		return nil, unreadable(fmt.Errorf("an error without a code: %s", r.Error))
	}
	return nil, &said
}
