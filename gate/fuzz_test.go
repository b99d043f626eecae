package gate

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scanAll feeds data in pieces of step bytes and returns where the value ends, -1
// if it does not.
func scanAll(s *scanner, data []byte, step int) int {
	for at := 0; at < len(data); {
		piece := data[at:min(at+step, len(data))]
		n := s.scan(piece)
		at += n
		if s.done {
			return at
		}
		if s.foreign {
			return -1
		}
	}
	return -1
}

// The scanner finds the end and the members of a message as a JSON decoder does,
// however the message is cut.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"dag_finalize","params":[["0x12"]]}`,
		` [ {"id":"]}","METHOD":"a"} , 5, [1,"x"], {"id":2,"id":3} ] `,
		`{"a":{"id":7},"id":{"b":[1]},"method":"\u0064ag_finalize"}`, `{"id":"\\\"}"} {`, `{"method":"dag_headSync","method":null,"id":1,"id":  {"a": 2}}`, `{"\u006d\u0065\u0074\u0068\u006f\u0064":   "a"}`, `[]`, `{}`, `{]`, `5`, `"`,
	} {
		f.Add([]byte(seed), byte(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut byte) {
		var s scanner
		elements := 0
		s.element = func(m *message, from, to int64) {
			elements++
			require.LessOrEqual(t, from, to)
			require.LessOrEqual(t, to, int64(len(data)))
		}
		end := scanAll(&s, data, 1+int(cut)%64)
		for _, kept := range [][]byte{s.msg.id, s.msg.method, s.msg.params, s.msg.result, s.msg.fault, s.member.key} {
			require.LessOrEqual(t, len(kept), maxParams)
		}
		d := json.NewDecoder(bytes.NewReader(data))
		var raw json.RawMessage
		if d.Decode(&raw) != nil || len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
			return // only the end of a valid value is known for sure
		}
		require.Equal(t, int(d.InputOffset()), end, "%q", data)
		if raw[0] == '[' {
			var batch []json.RawMessage
			require.NoError(t, json.Unmarshal(raw, &batch))
			require.Equal(t, len(batch), elements, "%q", data)
			return
		}
		var m struct {
			ID     json.RawMessage
			Method json.RawMessage
		}
		if json.Unmarshal(raw, &m) != nil || bytes.ContainsFunc(raw, func(r rune) bool { return r > 127 }) {
			return // names that are equal in another alphabet are none of ours
		}
		if len(m.ID) <= maxID {
			require.Equal(t, string(m.ID), s.msg.key(), "%q", data)
		}
		var name string
		if len(m.Method) > 0 && len(m.Method) < maxMethod && json.Unmarshal(m.Method, &name) == nil && m.Method[0] == '"' {
			require.Equal(t, name, s.msg.name(), "%q", data)
		}
	})
}

// Whatever comes over a stream, its messages put together are what was sent,
// without the white space between them.
func FuzzIPCFraming(f *testing.F) {
	f.Add([]byte(`{"id":1} {"id":2}`+"\n"+`[{"id":3}]`), byte(3))
	f.Add([]byte(`{"a":"}{"}nonsense`), byte(1))
	f.Fuzz(func(t *testing.T, data []byte, cut byte) {
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			defer far.Close()
			step := 1 + int(cut)%32
			for at := 0; at < len(data); at += step {
				if _, err := far.Write(data[at:min(at+step, len(data))]); err != nil {
					return
				}
			}
		}()
		s := newIPCStream(near)
		var got []byte
		for {
			r, err := s.next()
			if err != nil {
				break
			}
			part, err := io.ReadAll(r)
			got = append(got, part...)
			if err != nil {
				break
			}
		}
		if !s.scan.foreign {
			plain := func(b []byte) string { return strings.Join(strings.Fields(string(b)), "") }
			require.Equal(t, plain(data), plain(got))
		}
	})
}

// A request that is read in part and forwarded is whole: head and rest are what came.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`[{"id":1,"method":"dag_finalize","params":[[]]},{"method":"eth_a"}]`, finalize(1),
		`{"method":"dag_headSync","id":1,"params":[[{"slot":"0x1"}]]}`, `{"params":[],"method":"x"}`, `nonsense`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g := &Gate{}
		g.SetView(headSync)
		rest := bytes.NewReader(data)
		q, err := g.readRequest(rest, "http")
		require.NoError(t, err)
		left, _ := io.ReadAll(rest)
		require.Equal(t, string(data), string(append(bytes.Clone(q.head), left...)))
		if q.mixed {
			require.True(t, q.scan.done)
			owned := false
			for _, e := range q.elements() {
				owned = owned || e.action != ActionForward
				require.Contains(t, string(data), string(e.raw))
			}
			require.True(t, owned)
		}
		if q.action != ActionForward {
			require.True(t, q.scan.done)
			require.Contains(t, []string{methodReady, methodHeadSync, methodFinalize}, q.scan.msg.name())
		}
		_ = sentList(q.rec.arrived, q.scan.msg.params)
	})
}
