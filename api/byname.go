package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// badParamsMethod answers a call whose named parameters do not fit with the
// message that is its only parameter: go-ethereum's server takes arrays alone.
const badParamsMethod = "rpc_badParams"

// parameterNames are the parameters of each method, in their order, as the
// OpenRPC document lists them.
var parameterNames = namesOf(document)

func namesOf(document []byte) map[string][]string {
	var doc struct {
		Methods []struct {
			Name   string
			Params []struct{ Name string }
		}
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		panic(err) // it is embedded and tested
	}
	out := map[string][]string{}
	for _, m := range doc.Methods {
		names := make([]string, 0, len(m.Params))
		for _, p := range m.Params {
			names = append(names, p.Name)
		}
		out[m.Name] = names
	}
	return out
}

// byPosition returns the call with its parameters in an array. A call whose
// parameters are an array already, or that is no call, comes back as it is.
func byPosition(call json.RawMessage) json.RawMessage {
	if !bytes.Contains(call, []byte(`"params"`)) {
		return call
	}
	var members map[string]json.RawMessage
	var method string
	var named map[string]json.RawMessage
	if json.Unmarshal(call, &members) != nil || json.Unmarshal(members["method"], &method) != nil ||
		json.Unmarshal(members["params"], &named) != nil || named == nil {
		return call
	}
	names, known := parameterNames[method]
	if !known {
		return call // the server says that there is no such method
	}
	params := make([]json.RawMessage, 0, len(names))
	for i, name := range names {
		if value, given := named[name]; given {
			for len(params) < i {
				params = append(params, json.RawMessage("null"))
			}
			params = append(params, value)
			delete(named, name)
		}
	}
	if len(named) > 0 {
		members["method"] = mustMarshal(badParamsMethod)
		params = []json.RawMessage{mustMarshal(misnamed(method, names, named))}
	}
	members["params"] = mustMarshal(params)
	return mustMarshal(members)
}

// misnamed returns what is wrong with the parameters that are left over.
func misnamed(method string, names []string, left map[string]json.RawMessage) string {
	wrong := make([]string, 0, len(left))
	for name := range left {
		wrong = append(wrong, name)
	}
	first := slices.Min(wrong)
	if len(names) == 0 {
		return fmt.Sprintf("%s has no parameter %.40q: it has none", method, first)
	}
	return fmt.Sprintf("%s has no parameter %.40q: it has %q", method, first, names)
}

// mustMarshal encodes texts and JSON that was decoded before.
func mustMarshal(v any) json.RawMessage {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}
