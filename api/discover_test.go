package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/status"
)

// builtin are methods of the RPC server itself.
var builtin = []string{"syncd_subscribe", "syncd_unsubscribe", "rpc_modules", discoverName}

// methodsOf are the methods that go-ethereum's server finds on a receiver.
func methodsOf(receiver any) map[string]reflect.Method {
	out := map[string]reflect.Method{}
	typ := reflect.TypeOf(receiver)
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		out[strings.ToLower(m.Name[:1])+m.Name[1:]] = m
	}
	return out
}

func TestTheDocumentIsThatOfTheMethods(t *testing.T) {
	doc := theDocument(t)
	require.Regexp(t, `^1\.\d+\.\d+$`, doc.OpenRPC)
	require.NotEmpty(t, doc.Info.Title)
	require.NotEmpty(t, doc.Info.Version)
	served := methodsOf(&service{})
	seen := map[string]bool{}
	for _, m := range doc.Methods {
		require.False(t, seen[m.Name], "%s stands there twice", m.Name)
		seen[m.Name] = true
		require.NotEmpty(t, m.Summary, m.Name)
		require.Equal(t, "either", m.ParamStructure)
		require.NotEmpty(t, m.Errors, m.Name)
		for _, e := range m.Errors {
			name, ok := strings.CutPrefix(e["$ref"].(string), "#/components/errors/")
			require.True(t, ok)
			require.Contains(t, doc.Components.Errors, name, m.Name)
		}
		if slices.Contains(builtin, m.Name) {
			continue
		}
		method, ok := served[strings.TrimPrefix(m.Name, "syncd_")]
		require.True(t, ok, "%s is not served", m.Name)
		var params []reflect.Type
		for i := 1; i < method.Type.NumIn(); i++ {
			if in := method.Type.In(i); in != reflect.TypeFor[context.Context]() {
				params = append(params, in)
			}
		}
		require.Len(t, m.Params, len(params), m.Name)
		for i, p := range m.Params {
			require.Equal(t, params[i].Kind() != reflect.Pointer, p.Required, "%s %s", m.Name, p.Name)
			require.NotEmpty(t, p.Description)
			require.NoError(t, doc.describes(p.Schema, params[i], m.Name+" "+p.Name))
		}
		require.NoError(t, doc.describes(m.Result.Schema, method.Type.Out(0), m.Name))
	}
	for name := range served {
		require.True(t, seen["syncd_"+name], "syncd_%s is served and not documented", name)
	}
	for _, name := range builtin {
		require.True(t, seen[name], name)
	}
	require.Len(t, seen, len(served)+len(builtin))

	offered := methodsOf(&subscriptions{})
	results := map[string]reflect.Type{
		"stage": reflect.TypeFor[status.Change](), "progress": reflect.TypeFor[status.Snapshot](), "findings": reflect.TypeFor[Findings](),
		"calls": reflect.TypeFor[status.Traffic](),
	}
	require.Len(t, doc.Subscriptions, len(offered))
	for name, s := range doc.Subscriptions {
		require.Contains(t, offered, name)
		require.NotEmpty(t, s.Summary)
		require.NoError(t, doc.describes(s.Result, results[name], name))
	}
}

// What a schema lists is what the code knows, and nothing in the document is of no use.
func TestTheDocumentsListsAreThoseOfTheCode(t *testing.T) {
	doc := theDocument(t)
	enum := func(name, property string) []string {
		var out []string
		for _, v := range sub(sub(doc.Components.Schemas[name]["properties"])[property])["enum"].([]any) {
			out = append(out, v.(string))
		}
		return out
	}
	var stages, phases, kinds []string
	for _, s := range fsm.Stages() {
		stages = append(stages, string(s))
	}
	for _, p := range []headsync.Phase{headsync.PhaseCollecting, headsync.PhaseProving, headsync.PhaseReady, headsync.PhasePushing, headsync.PhaseConfirming, headsync.PhaseDone, headsync.PhaseFailed} {
		phases = append(phases, string(p))
	}
	for _, k := range []error{failure.RetryNow, failure.RetryLater, failure.Abort, failure.NeedsHuman} {
		kinds = append(kinds, failure.Name(k))
	}
	verdicts := []string{status.VerdictUnknown, status.VerdictSyncing, status.VerdictWorking, status.VerdictFailing, status.VerdictPaused, status.VerdictHalted}
	for _, where := range []string{"Snapshot.stage", "PairProgress.stage", "Sample.stage", "Change.from", "Change.to"} {
		name, property, _ := strings.Cut(where, ".")
		require.Equal(t, stages, enum(name, property), where)
	}
	for _, name := range []string{"Snapshot", "PairProgress", "Sample", "Findings"} {
		require.Equal(t, verdicts, enum(name, "verdict"), name)
	}
	require.Equal(t, phases, enum("Push", "phase"))
	require.Equal(t, kinds, enum("Error", "kind"))
	require.Equal(t, []string{status.SeverityInfo, status.SeverityWarning, status.SeverityCritical}, enum("Finding", "severity"))

	codes := map[int]string{
		CodeRetryNow: kinds[0], CodeRetryLater: kinds[1], CodeAbort: kinds[2], CodeNeedsHuman: kinds[3],
		CodeNotAllowed: errNotAllowed.kind, CodeLimit: errTooMany.kind,
	}
	for name, e := range doc.Components.Errors {
		kind, ok := codes[e.Code]
		require.True(t, ok, name)
		require.Equal(t, kind, e.Data["kind"], name)
		delete(codes, e.Code)
	}
	require.Empty(t, codes, "codes that the document does not have")

	limits := map[string]schema{}
	for _, m := range doc.Methods {
		for _, p := range m.Params {
			if len(m.Params) == 1 || p.Name == "limit" {
				limits[m.Name] = p.Schema
			}
		}
	}
	require.EqualValues(t, maxHistory, limits["syncd_history"]["maximum"])
	require.EqualValues(t, defaultHistory, limits["syncd_history"]["default"])
	require.EqualValues(t, maxSamples, limits["syncd_progress"]["maximum"])
	require.EqualValues(t, defaultSamples, limits["syncd_progress"]["default"])
	require.EqualValues(t, maxReason, limits["syncd_pause"]["maxLength"])

	for name := range doc.Components.Schemas {
		require.Contains(t, string(document), fmt.Sprintf("%q", "#/components/schemas/"+name), "nothing refers to it")
	}
}

// rpc.discover is answered in every form of a call, and gives the document.
func TestDiscover(t *testing.T) {
	overBoth(t, &fakePair{}, func(t *testing.T, c *rpc.Client) {
		var got, second json.RawMessage
		require.NoError(t, c.CallContext(t.Context(), &got, "rpc.discover"))
		require.JSONEq(t, string(document), string(got))
		batch := []rpc.BatchElem{{Method: "rpc.discover", Result: &second}, {Method: "syncd_config", Result: new([]Setting)}}
		require.NoError(t, c.BatchCallContext(t.Context(), batch))
		require.NoError(t, batch[0].Error)
		require.NoError(t, batch[1].Error)
		require.JSONEq(t, string(document), string(second))
		var modules map[string]string
		require.NoError(t, c.CallContext(t.Context(), &modules, "rpc_modules"))
		require.Contains(t, modules, "syncd")
		requireCode(t, c.CallContext(t.Context(), nil, "syncd_pause", strings.Repeat("x", maxReason+1), "rpc.discover"), codeInvalidParams, "")
	})
}

func decoded(t *testing.T, raw []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v))
	return v
}

// The checks that the document is held by can fail.
func TestTheChecksOfTheDocumentBite(t *testing.T) {
	doc := theDocument(t)
	change := schema{"$ref": "#/components/schemas/Change"}
	type more struct {
		status.Change
		More int `json:"more"`
	}
	require.ErrorContains(t, doc.describes(change, reflect.TypeFor[more](), "c"), "the schema lacks more")
	require.ErrorContains(t, doc.describes(change, reflect.TypeFor[status.Error](), "c"), "the schema lacks kind")
	require.ErrorContains(t, doc.describes(schema{"type": "string"}, reflect.TypeFor[time.Time](), "c"), "a time")
	require.ErrorContains(t, doc.describes(schema{"type": "string"}, reflect.TypeFor[bool](), "c"), "boolean")
	require.ErrorContains(t, doc.describes(schema{"$ref": "#/components/schemas/None"}, reflect.TypeFor[more](), ""), "refers to nothing")
	const good = `"from":"connecting","to":"working","event":"e"`
	require.NoError(t, doc.validate(change, decoded(t, []byte(`{"at":"2023-11-14T22:13:20Z",`+good+`}`)), "c"))
	for bad, want := range map[string]string{
		`{` + good + `}`:                                                       "lacks at",
		`{"at":"yesterday",` + good + `}`:                                      "no time",
		`{"at":1,` + good + `}`:                                                "want string",
		`{"at":"2023-11-14T22:13:20Z",` + good + `,"more":1}`:                  "does not know",
		`{"at":"2023-11-14T22:13:20Z","from":"x","to":"working","event":"e"}`:  "none of",
		`{"at":"2023-11-14T22:13:20Z","from":null,"to":"working","event":"e"}`: "none of",
		`{"at":"2023-11-14T22:13:20Z",` + good + `,"reason":["a"]}`:            "want string",
		`[]`: "an array",
	} {
		require.ErrorContains(t, doc.validate(change, decoded(t, []byte(bad)), "c"), want, bad)
	}
	require.ErrorContains(t, doc.validate(schema{"type": "integer", "minimum": 1.0}, json.Number("0"), "n"), "below")
	require.ErrorContains(t, doc.validate(schema{"type": "integer"}, json.Number("0.5"), "n"), "want integer")
	require.ErrorContains(t, doc.validate(schema{"type": "integer", "multipleOf": 2.0}, json.Number("4"), "n"), "unknown keyword")
}
