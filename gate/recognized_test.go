package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
)

// executed returns the owned methods that a gwat executes of what it reads, in order: with the
// decoder and the rules of the library that it is made of.
func executed(raw []byte) (methods []string) {
	var first json.RawMessage
	if json.NewDecoder(bytes.NewReader(raw)).Decode(&first) != nil {
		return nil
	}
	calls := []json.RawMessage{first}
	if first[0] == '[' {
		_ = json.Unmarshal(first, &calls)
	}
	for _, call := range calls {
		var m struct {
			ID     json.RawMessage
			Method string
			Params json.RawMessage
		}
		_ = json.Unmarshal(call, &m) // gwat, too, takes what could be read
		isCall := m.ID == nil || m.ID[0] != '{' && m.ID[0] != '['
		if isCall && (m.Method == methodReady || m.Method == methodHeadSync || m.Method == methodFinalize) {
			methods = append(methods, m.Method)
		}
	}
	return methods
}

// recognized returns the owned methods that a gate recognizes.
func recognized(t *testing.T, g *Gate, raw []byte) (methods []string) {
	q, err := g.readRequest(bytes.NewReader(raw), "http")
	require.NoError(t, err)
	defer q.release()
	switch {
	case q.mixed:
		for _, e := range q.elements() {
			if msg := e.message(); e.action != ActionForward {
				methods = append(methods, msg.name())
			}
		}
	case q.action != ActionForward:
		methods = []string{q.scan.msg.name()}
	}
	return methods
}

// madeUp returns a message out of pieces that a gate could read in another way than gwat.
func madeUp(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	spelled := func(s string) string {
		var out strings.Builder
		for _, letter := range s {
			switch r.IntN(12) {
			case 0:
				fmt.Fprintf(&out, `\u%04x`, letter)
			case 1:
				fmt.Fprintf(&out, `\u%04X`, letter)
			default:
				out.WriteRune(letter)
			}
		}
		return out.String()
	}
	var value func(depth int) string
	value = func(depth int) string {
		switch r.IntN(12 - 4*min(depth, 1)) {
		case 0, 1, 2, 3:
			return `"` + spelled(pick(methodReady, methodHeadSync, methodFinalize, "eth_a", "method", `\"`, `\\`, "")) + `"`
		case 4, 5:
			return pick("1", "null", "true", "-0.5e9", "184467440737095516150", "01", "nul", "")
		case 6:
			return "[" + value(depth+1) + pick(",", " ", "") + value(depth+1) + "]"
		case 7:
			return `{"method":` + value(depth+1) + `,"id":` + value(depth+1) + "}"
		}
		return pick("[]", "{}", "[[]]", `[{}]`, "7")
	}
	space := func() string { return pick("", "", "", "", " ", "\n", "\t", "\r\n", "\ufeff", "\x00") }
	call := func() string {
		parts := []string{`"jsonrpc":"2.0"`}
		for range r.IntN(5) {
			key := pick("method", "method", "method", "id", "id", "params", "METHOD", "Method", "Id", "result", "error", "methods", "metho", "x", "paramſ")
			parts = append(parts, `"`+spelled(key)+`"`+space()+":"+space()+value(0))
		}
		parts = append(parts, `"`+pick("method", "METHOD", spelled("method"))+`":"`+spelled(pick(methodReady, methodHeadSync, methodFinalize, "eth_a"))+`"`)
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return space() + "{" + strings.Join(parts, space()+",") + "}"
	}
	message := call()
	if r.IntN(2) == 0 {
		message = space() + "["
		for i := range r.IntN(4) {
			if i > 0 {
				message += ","
			}
			message += pick(call(), call(), value(0), "null", "["+call()+"]")
		}
		message += "]" + pick("", "", "", " "+call())
	}
	if r.IntN(8) == 0 { // and something broken
		at := r.IntN(len(message))
		message = message[:at] + pick("", `"`, "}", "]", "{", "[", ",", `\`, "\xff", ":") + message[at+r.IntN(2):]
	}
	return message
}

// The gate takes a call for one of its own exactly when gwat would execute it.
func TestOwnedIsWhatGwatExecutes(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	g, err := New(Config{HTTP: "127.0.0.1:0", Backend: "http://127.0.0.1:1", View: headSync, Log: log})
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(7, 1))
	owned := 0
	for i := range 10_000 {
		raw := []byte(madeUp(random))
		want := executed(raw)
		owned += min(len(want), 1)
		require.Equal(t, want, recognized(t, g, raw), "%d: %q", i, raw)
	}
	require.Greater(t, owned, 500)
	require.Less(t, owned, 9_500)
}
