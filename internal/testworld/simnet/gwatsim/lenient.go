package gwatsim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// lenientBody bounds the requests that lenient looks into; those it is for are short.
const lenientBody = 1 << 10

// lenient takes over HTTP what the RPC library of gwat took and today's refuses:
// a message without "jsonrpc", and null as the list of dag_headSync.
func lenient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 && r.ContentLength <= lenientBody {
			body, err := io.ReadAll(io.LimitReader(r.Body, lenientBody))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r = r.Clone(r.Context())
			body = asTodayWritten(body)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		next.ServeHTTP(w, r)
	})
}

func asTodayWritten(body []byte) []byte {
	var message map[string]json.RawMessage
	if json.Unmarshal(body, &message) != nil {
		return body
	}
	if _, ok := message["jsonrpc"]; !ok {
		message["jsonrpc"] = json.RawMessage(`"2.0"`)
	}
	var params []json.RawMessage
	if string(message["method"]) == `"dag_headSync"` && json.Unmarshal(message["params"], &params) == nil &&
		len(params) == 1 && string(params[0]) == "null" {
		message["params"] = json.RawMessage(`[[]]`)
	}
	out, err := json.Marshal(message)
	if err != nil {
		return body
	}
	return out
}
