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

// encode writes calls of one method as a single request or as a batch.
func encode(first uint64, batch bool, method string, calls [][]any) (request, error) {
	var out bytes.Buffer
	for i, args := range calls {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, `{"jsonrpc":"2.0","id":%d,"method":%q`, first+uint64(i), method)
		if len(args) > 0 {
			params, err := json.Marshal(args)
			if err != nil {
				return request{}, fmt.Errorf("encode the parameters: %w", err)
			}
			out.WriteString(`,"params":`)
			out.Write(params)
		}
		out.WriteByte('}')
	}
	body := out.Bytes()
	if batch {
		body = append(append([]byte{'['}, body...), ']')
	}
	return request{body, batch, first, len(calls)}, nil
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
	var err error
	if r.batch {
		err = json.Unmarshal(message, &r.list)
	} else {
		err = json.Unmarshal(message, &r.list[0])
	}
	if err != nil {
		return reply{}, unreadable(err)
	}
	return r, nil
}

// index returns which call of req the response answers, -1 for none.
func (req request) index(r response) int {
	id, err := strconv.ParseUint(string(r.ID), 10, 64)
	if err != nil || id < req.first || id-req.first >= uint64(req.count) {
		return -1
	}
	return int(id - req.first)
}

// isError reports whether the reply is one error in place of count answers.
func (r reply) isError(count int) bool {
	return (!r.batch || count > 1) && len(r.list) == 1 && r.list[0].Error != nil
}

func (r response) value() (json.RawMessage, error) {
	if r.Error != nil {
		return nil, r.failure(false)
	}
	if r.Result == nil {
		return nil, unreadable(errNoResult)
	}
	return r.Result, nil
}

// failure returns the error object, or an Unreadable error if it is none.
func (r response) failure(batch bool) error {
	var object struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(r.Error, &object); err != nil {
		return unreadable(fmt.Errorf("error object: %w", err))
	}
	if object.Code == nil || *object.Code == 0 {
		return unreadable(fmt.Errorf("an error without a code: %s", r.Error))
	}
	return &Error{*object.Code, object.Message, batch}
}
