package gate

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/section"
)

// Every cell of era × state × method, written out: what a change of the table
// changes shows here.
func TestPolicy(t *testing.T) {
	want := map[string]Action{
		"unknown/syncing/dag_headSyncReady": ActionAnswer, "unknown/working/dag_headSyncReady": ActionAnswer,
		"head-sync/syncing/dag_headSyncReady": ActionAnswer, "head-sync/working/dag_headSyncReady": ActionAnswer,
		"unknown/syncing/dag_headSync": ActionAnswer, "unknown/working/dag_headSync": ActionAnswer,
		"head-sync/syncing/dag_headSync": ActionAnswer, "head-sync/working/dag_headSync": ActionAnswer,
		"head-sync/syncing/dag_finalize": ActionHold, "head-sync/working/dag_finalize": ActionHold,
		"coordinated/syncing/dag_finalize": ActionMend, "coordinated/working/dag_finalize": ActionMend,
		"unknown/syncing/eth_chainId": ActionVouch, "unknown/working/eth_chainId": ActionVouch,
		"head-sync/syncing/eth_chainId": ActionVouch, "head-sync/working/eth_chainId": ActionVouch,
		"coordinated/syncing/eth_chainId": ActionVouch, "coordinated/working/eth_chainId": ActionVouch,
	}
	found := 0
	for _, era := range everyEra {
		for _, state := range everyState {
			for _, method := range []string{methodReady, methodHeadSync, methodFinalize, methodSync, methodChainID, "dag_getCandidates",
				"dag_validateSpines", "dag_coordinatedState", "eth_blockNumber", "eth_subscribe", "no_such", ""} {
				cell := fmt.Sprintf("%s/%s/%s", era, state, method)
				expected, ok := want[cell]
				if !ok {
					expected = ActionForward
				} else {
					found++
				}
				require.Equal(t, expected, decide(era, state, method), cell)
			}
		}
	}
	require.Len(t, want, found)
	require.True(t, owns(checkpoint.EraHeadSync, StateWorking, false))
	require.True(t, owns(checkpoint.EraUnknown, StateSyncing, false))
	require.False(t, owns(checkpoint.EraCoordinated, StateWorking, false))
	require.True(t, owns(checkpoint.EraCoordinated, StateWorking, true))
	require.False(t, owns(checkpoint.EraHeadSync, StateHandsOff, true))
}

// A row that never decides is a mistake.
func TestEveryRowDecides(t *testing.T) {
	for i, row := range Table() {
		require.NotEmpty(t, row.Why)
		methods := row.Methods
		if methods == nil {
			methods = []string{"eth_blockNumber"}
		}
		used := false
		for _, era := range row.Eras {
			for _, state := range row.States {
				for _, method := range methods {
					used = used || firstRow(era, state, method) == i
				}
			}
		}
		require.True(t, used, "row %d", i)
	}
}

func firstRow(era checkpoint.Era, state State, method string) int {
	for i, row := range Table() {
		for _, e := range row.Eras {
			for _, s := range row.States {
				if e != era || s != state {
					continue
				}
				if row.Methods == nil {
					return i
				}
				for _, m := range row.Methods {
					if m == method {
						return i
					}
				}
			}
		}
	}
	return -1
}

func TestEraOfACall(t *testing.T) {
	for params, want := range map[string]checkpoint.Era{
		`[["0x12"]]`: checkpoint.EraHeadSync, ` [ [] ]`: checkpoint.EraHeadSync, `[{"spines":[]}]`: checkpoint.EraCoordinated,
		`[]`: checkpoint.EraUnknown, ``: checkpoint.EraUnknown, `[null]`: checkpoint.EraUnknown, `{}`: checkpoint.EraUnknown,
	} {
		require.Equal(t, want, eraOf(methodFinalize, []byte(params)), params)
	}
	require.Equal(t, checkpoint.EraHeadSync, eraOf(methodReady, nil))
	require.Equal(t, checkpoint.EraUnknown, eraOf(methodSync, []byte(`[["0x12"]]`)))
}

// The beacon node's own head sync ends at the gate (S10 names the two calls).
func TestDriverIsAnsweredWithoutGwat(t *testing.T) {
	b := &fakeBackend{do_: func(context.Context, string) (int, string, error) {
		t.Error("the call reached gwat")
		return 0, "", errRefused
	}}
	g := fakeGate(t, View{}, b)
	ready := `{"jsonrpc":"2.0","id":2,"method":"dag_headSyncReady","params":[{"slot":"0x1f","creators":[],"finalizing":["` + common.Hash{31: 1}.Hex() + `"]}]}`
	status, answer := post(t.Context(), g, ready)
	require.Equal(t, 200, status)
	require.Equal(t, result(ready, "true"), answer)
	require.False(t, g.Status().Asked.IsZero())
	require.EqualValues(t, 31, g.Calls(0)[0].Slot)

	push := `{"jsonrpc":"2.0","id":"p","method":"dag_headSync","params":[[{"slot":"0x1f","creators":[],"finalizing":[]},{"slot":"0x20","creators":[],"finalizing":["` + common.Hash{31: 2}.Hex() + `"]}]]}`
	_, answer = post(t.Context(), g, push)
	require.Equal(t, result(push, "true"), answer)
	sent := g.TakeSent()
	require.Equal(t, 2, sent.Total)
	require.Len(t, sent.Entries, 2)
	require.Equal(t, common.Hash{31: 2}, sent.Entries[1].Finalizing[0])
	require.Empty(t, sent.Malformed)

	_, answer = post(t.Context(), g, `{"jsonrpc":"2.0","id":3,"method":"dag_headSync","params":[[{"slot":5}]]}`)
	require.Contains(t, answer, `"result":true`, "the beacon node takes any answer for success")
	require.NotEmpty(t, g.TakeSent().Malformed)
	require.Nil(t, g.TakeSent(), "once")
}

// A list of 20,000 slots is kept; one that is longer than gwat could have is cut.
func TestSentListIsBounded(t *testing.T) {
	entry := `{"slot":"0x1f","creators":[],"finalizing":[]}`
	long := "[[" + entry + strings.Repeat(","+entry, maxEntries) + "]]"
	list := sentList(time.Time{}, []byte(long))
	require.Equal(t, maxEntries+1, list.Total)
	require.Len(t, list.Entries, maxEntries)
	require.True(t, list.Truncated)
}

var update = flag.Bool("update", false, "write the generated documents again")

const docFile = "../docs/gate.md"

// The policy in docs/gate.md is that of the code; -update writes it.
func TestGateDocument(t *testing.T) {
	const begin, end = "<!-- policy: generated from gate.Table -->\n", "<!-- end of policy -->"
	section.Require(t, docFile, begin, end, policyTable(), *update)
}

func policyTable() string {
	var b strings.Builder
	b.WriteString("| # | era | state of the pair | method | action | why |\n|---|---|---|---|---|---|\n")
	for i, r := range Table() {
		method := "every method"
		if r.Methods != nil {
			method = "`" + strings.Join(r.Methods, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s |\n", i+1, names(r.Eras, len(everyEra)), names(r.States, len(everyState)), method, r.Action, r.Why)
	}
	return b.String()
}

func names[T fmt.Stringer](all []T, every int) string {
	if len(all) == every {
		return "any"
	}
	var out []string
	for _, x := range all {
		out = append(out, x.String())
	}
	return strings.Join(out, ", ")
}
