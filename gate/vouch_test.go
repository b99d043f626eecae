package gate

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

const chainID = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`

// A beacon node that connects while gwat is away keeps the connection: its calls fail, and
// the first one after gwat is back does not. A real one closes a connection whose eth_chainId
// fails, and uses the closed one until it connects again after 15 s.
func TestChainIDWhileGwatIsAway(t *testing.T) {
	for _, view := range []View{headSync, coordinated} {
		view.Spec = checkpoint.Spec{DepositChainID: 1337}
		eachWay(t, func(t *testing.T, listener, backend string) {
			gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, `"0x1"`) })
			g := startGate(t, map[string]string{"http": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:1", "ipc": gwat.ipc + ".away"}[backend], view)
			c := dialGate(t, g, listener)
			status, answer, err := c.call(chainID)
			require.NoError(t, err)
			require.Equal(t, trim(result(chainID, `"0x539"`)), trim(answer))
			if listener == "http" {
				require.Equal(t, http.StatusOK, status)
			}
			_, answer, err = c.call(`[` + chainID + `,{"jsonrpc":"2.0","id":2,"method":"eth_a"}]`)
			require.NoError(t, err)
			require.Contains(t, answer, `"0x539"`)
			require.Contains(t, answer, "gwat does not answer", "no other call is answered in gwat's place")
			waitFor(t, "three records", func() bool { return g.Status().Calls == 3 })
			for _, call := range g.Calls(0)[:2] {
				require.Equal(t, methodChainID, call.Method)
				require.Equal(t, ActionVouch, call.Action)
				require.Equal(t, OutcomeAnswered, call.Outcome)
				require.Contains(t, call.Error, "gwat does not answer")
			}
		})
	}
}

// gwat's own answer is passed on as it came, an error too; nobody vouches for a network that
// is not known, or while the pair is only observed.
func TestChainIDOfGwat(t *testing.T) {
	known := View{Era: checkpoint.EraCoordinated, State: StateWorking, Spec: checkpoint.Spec{DepositChainID: 1337}}
	unknown, observed := known, known
	unknown.Spec, observed.State = checkpoint.Spec{}, StateHandsOff
	fault := `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"not yet"}}`
	for name, tc := range map[string]struct {
		view    View
		answer  string // of gwat; "" if it is away
		status  int
		want    string
		outcome Outcome
	}{
		"gwat answers":             {known, result(chainID, `"0x1"`), 200, result(chainID, `"0x1"`), OutcomeOK},
		"gwat answers an error":    {known, fault, 200, fault, OutcomeError},
		"gwat's server has none":   {known, "starting", 503, "starting", OutcomeStatus},
		"the network is not known": {unknown, "", 502, errRefused.Error(), OutcomeDown},
		"hands off":                {observed, "", 502, errRefused.Error(), OutcomeDown},
	} {
		t.Run(name, func(t *testing.T) {
			g := fakeGate(t, tc.view, &fakeBackend{do_: func(context.Context, string) (int, string, error) {
				if tc.answer == "" {
					return 0, "", errRefused
				}
				return tc.status, tc.answer, nil
			}})
			status, answer := post(t.Context(), g, chainID)
			require.Equal(t, tc.status, status)
			require.Contains(t, answer, tc.want)
			calls := g.Calls(0)
			require.Len(t, calls, 1)
			require.Equal(t, tc.outcome, calls[0].Outcome)
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	g := fakeGate(t, known, &fakeBackend{do_: func(ctx context.Context, _ string) (int, string, error) { return 0, "", ctx.Err() }})
	_, answer := post(gone, g, chainID)
	require.Empty(t, answer)
	require.Equal(t, OutcomeGone, g.Calls(0)[0].Outcome)
}
