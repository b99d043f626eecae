package gate

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

const (
	mendSpine  = "0x1111111111111111111111111111111111111111111111111111111111111111"
	mendRoot   = "0x2222222222222222222222222222222222222222222222222222222222222222"
	nullFields = `"result":{"error":null,"lfSpine":null,"cpEpoch":null,"cpRoot":null}`
	done       = `"result":{"error":null,"lfSpine":"` + mendSpine + `","cpEpoch":4,"cpRoot":"` + mendRoot + `"}`
)

func drive(id, mode string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"dag_finalize","params":[{"spines":["` + mendSpine + `"],"baseSpine":"` + mendSpine +
		`","checkpoint":{"epoch":"0x2","finEpoch":"0x4","root":"` + mendRoot + `","spine":"` + mendSpine + `"},"valSyncData":null,"syncMode":"` + mode + `"}]}`
}

// mended sends a call through a gate with mends, of a pair whose view is the coordinated
// era's or not known yet.
func mended(t *testing.T, m Mends, raw string, gwat func(raw string) string) (answer string, sent []string) {
	t.Helper()
	for _, v := range []View{coordinated, {}} {
		b := &fakeBackend{do_: func(_ context.Context, raw string) (int, string, error) { return http.StatusOK, gwat(raw), nil }}
		g := fakeGate(t, v, b, func(c *Config) { c.Mends = m })
		var status int
		status, answer = post(t.Context(), g, raw)
		require.Equal(t, http.StatusOK, status)
		sent = b.got
	}
	return answer, sent
}

func always(answer string) func(string) string { return func(string) string { return answer } }

// An answer of all null is an error to the beacon node, which then repairs; any other one
// is passed on as it came.
func TestMendNullAnswers(t *testing.T) {
	on := Mends{NullAnswers: true}
	null := `{"jsonrpc":"2.0","id":7,` + nullFields + `}`
	answer, sent := mended(t, on, drive("7", "0x0"), always(null))
	require.JSONEq(t, `{"jsonrpc":"2.0","id":7,"result":{"error":"spine not found","lfSpine":null,"cpEpoch":null,"cpRoot":null}}`, answer)
	require.Equal(t, []string{drive("7", "0x0")}, sent, "as it came")
	for _, other := range []string{
		`{"jsonrpc":"2.0","id":7,` + done + `}`, `{"jsonrpc":"2.0","id":7,"result":{"error":"synchronization","lfSpine":null,"cpEpoch":null,"cpRoot":null}}`,
		`{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"method handler crashed"}}`, `{"jsonrpc":"2.0","id":7,"result":null}`, `nonsense`,
	} {
		answer, _ = mended(t, on, drive("7", "0x0"), always(other))
		require.Equal(t, other, answer)
	}
	answer, _ = mended(t, Mends{Join: true}, drive("7", "0x0"), always(null))
	require.Equal(t, null, answer, "off")
	answer, _ = mended(t, Mends{}, drive("7", "0x0"), always(null))
	require.Equal(t, null, answer, "without any mend the call is forwarded")
}

// The record of a mended call is that of gwat's answer, as without mends.
func TestWhatIsRecordedOfAMendedCall(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		answer string
		want   Outcome
		says   string
	}{
		"it worked":       {http.StatusOK, `{"jsonrpc":"2.0","id":7,` + done + `}`, OutcomeOK, ""},
		"all null":        {http.StatusOK, `{"jsonrpc":"2.0","id":7,` + nullFields + `}`, OutcomeError, nullAnswer},
		"an error inside": {http.StatusOK, `{"jsonrpc":"2.0","id":7,"result":{"error":"synchronization"}}`, OutcomeError, "synchronization"},
		"an error":        {http.StatusOK, `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"crashed"}}`, OutcomeError, "crashed"},
		"an HTTP error":   {http.StatusServiceUnavailable, `{"jsonrpc":"2.0","id":7,` + done + `}`, OutcomeStatus, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &fakeBackend{do_: func(context.Context, string) (int, string, error) { return tc.status, tc.answer, nil }}
			g := fakeGate(t, coordinated, b, func(c *Config) { c.Mends = Mends{NullAnswers: true} })
			post(t.Context(), g, drive("7", "0x0"))
			calls := g.Calls(0)
			require.Len(t, calls, 1)
			require.Equal(t, ActionMend, calls[0].Action)
			require.Equal(t, tc.want, calls[0].Outcome)
			require.Contains(t, calls[0].Error, tc.says)
			require.Equal(t, tc.says == "", calls[0].Error == "")
		})
	}
}

// Without peers, with every block local, a call goes on in mode NoSync; everything else of
// it is as it came.
func TestMendWithoutPeers(t *testing.T) {
	on := Mends{WithoutPeers: true}
	gwat := func(peers, block string) func(string) string {
		return func(raw string) string {
			if strings.HasPrefix(raw, "[") {
				return `[{"jsonrpc":"2.0","id":0,"result":` + peers + `},{"jsonrpc":"2.0","id":1,"result":` + block + `}]`
			}
			return `{"jsonrpc":"2.0","id":1,` + done + `}`
		}
	}
	for _, mode := range []string{"0x1", "0x2"} {
		_, sent := mended(t, on, drive("1", mode), gwat(`"0x0"`, `{"hash":"x"}`))
		require.Len(t, sent, 2)
		require.JSONEq(t, drive("1", "0x0"), sent[1])
		for name, other := range map[string]func(string) string{
			"a peer": gwat(`"0x1"`, `{}`), "a block is missing": gwat(`"0x0"`, "null"),
			"peers are not reported": always(`[{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"no"}},{"jsonrpc":"2.0","id":1,"result":{}}]`),
			"no batch":               always(`{"jsonrpc":"2.0","id":1,` + done + `}`),
		} {
			_, sent := mended(t, on, drive("1", mode), other)
			require.Equal(t, drive("1", mode), sent[len(sent)-1], name)
		}
	}
	_, sent := mended(t, on, drive("1", "0x0"), gwat(`"0x0"`, `{}`))
	require.Equal(t, []string{drive("1", "0x0")}, sent, "a NoSync needs no peer")
}

// Equal calls are one at gwat; each caller gets its answer under its own id. A call
// outlives the caller that hung up.
func TestMendRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := &fakeBackend{do_: func(ctx context.Context, _ string) (int, string, error) {
			select {
			case <-release:
				return http.StatusOK, `{"jsonrpc":"2.0","id":1,` + done + `}`, nil
			case <-ctx.Done():
				return 0, "", ctx.Err()
			}
		}}
		g := fakeGate(t, coordinated, b, func(c *Config) { c.Mends = Mends{Join: true} })
		first, hangUp := context.WithTimeout(t.Context(), 6*time.Second)
		defer hangUp()
		answers := make([]string, 3)
		var calls sync.WaitGroup
		ask := func(ctx context.Context, i int, raw string) { calls.Go(func() { _, answers[i] = post(ctx, g, raw) }) }
		ask(first, 0, drive("1", "0x1"))
		time.Sleep(7 * time.Second) // its caller has gone, as a beacon node does over HTTP
		ask(t.Context(), 1, drive("2", "0x1"))
		ask(t.Context(), 2, drive("3", "0x2"))
		synctest.Wait()
		require.EqualValues(t, 2, b.most.Load(), "another mode is another call")
		close(release)
		calls.Wait()
		require.Empty(t, answers[0])
		require.JSONEq(t, `{"jsonrpc":"2.0","id":2,`+done+`}`, answers[1])
		require.JSONEq(t, `{"jsonrpc":"2.0","id":3,`+done+`}`, answers[2])
		require.Len(t, b.got, 2)
		g.flights.work.Wait()
		require.Empty(t, g.flights.open)
	})
}

// What gwat works on ends with the gate.
func TestMendsEndWithTheGate(t *testing.T) {
	b := &fakeBackend{do_: func(ctx context.Context, _ string) (int, string, error) { <-ctx.Done(); return 0, "", ctx.Err() }}
	g := fakeGate(t, coordinated, b, func(c *Config) { c.Mends = Mends{Join: true} })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, answer := post(gone, g, drive("1", "0x1"))
	require.Empty(t, answer)
	close(g.stopping)
	g.flights.work.Wait()
}

// A checkpoint that the beacon node does not have is refused; one that it has, or of which
// it cannot say, is passed on.
func TestMendCheckpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		known   bool
		err     error
		refused bool
	}{
		"foreign": {refused: true}, "known": {known: true}, "the beacon node is away": {err: errors.New("down")},
	} {
		var asked common.Hash
		on := Mends{Checkpoints: true, Canonical: func(_ context.Context, root common.Hash) (bool, error) { asked = root; return tc.known, tc.err }}
		answer, sent := mended(t, on, drive("9", "0x0"), always(`{"jsonrpc":"2.0","id":9,`+done+`}`))
		require.Equal(t, common.HexToHash(mendRoot), asked)
		if !tc.refused {
			require.Equal(t, []string{drive("9", "0x0")}, sent, name)
			continue
		}
		require.Empty(t, sent)
		require.JSONEq(t, `{"jsonrpc":"2.0","id":9,"result":{"error":"checkpoint is not canonical: the beacon node has no block `+mendRoot+`","lfSpine":null,"cpEpoch":null,"cpRoot":null}}`, answer)
	}
	never := func(context.Context, common.Hash) (bool, error) { t.Error("asked"); return false, nil }
	mended(t, Mends{Checkpoints: true, Canonical: never}, `{"jsonrpc":"2.0","id":9,"method":"dag_finalize","params":[{"checkpoint":null}]}`, always(`{}`))
}

// A gwat that is away is reported as it is without mends, a batch is put together again, and
// nothing is mended while the operator has the pair paused or in the other era.
func TestMendsLeaveTheRestAlone(t *testing.T) {
	all := Mends{NullAnswers: true, WithoutPeers: true, Join: true}
	away := &fakeBackend{do_: func(context.Context, string) (int, string, error) { return 0, "", errRefused }}
	g := fakeGate(t, coordinated, away, func(c *Config) { c.Mends = all })
	status, answer := post(t.Context(), g, drive("1", "0x0"))
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, answer, errRefused.Error())

	null := `{"jsonrpc":"2.0","id":1,` + nullFields + `}`
	b := &fakeBackend{do_: func(_ context.Context, raw string) (int, string, error) {
		if strings.HasPrefix(raw, "[") {
			return http.StatusOK, `[{"jsonrpc":"2.0","id":5,"result":"0x1"}]`, nil
		}
		return http.StatusOK, null, nil
	}}
	g = fakeGate(t, coordinated, b, func(c *Config) { c.Mends = Mends{NullAnswers: true} })
	_, answer = post(t.Context(), g, `[{"jsonrpc":"2.0","id":5,"method":"eth_blockNumber","params":[]},`+drive("1", "0x0")+`]`)
	require.JSONEq(t, `[{"jsonrpc":"2.0","id":5,"result":"0x1"},{"jsonrpc":"2.0","id":1,"result":{"error":"spine not found","lfSpine":null,"cpEpoch":null,"cpRoot":null}}]`, answer)
	g.SetView(handsOff)
	_, answer = post(t.Context(), g, drive("1", "0x0"))
	require.Equal(t, null, answer)
	calls := g.Calls(0)
	require.Equal(t, ActionMend, calls[1].Action)
	require.Equal(t, OutcomeError, calls[1].Outcome)
	require.Equal(t, nullAnswer, calls[1].Error)
	require.Equal(t, OutcomeError, calls[2].Outcome, "a forwarded one is seen, too")
	require.Equal(t, 2, g.Status().NullAnswers)
	b.do_ = func(context.Context, string) (int, string, error) {
		return http.StatusOK, `{"jsonrpc":"2.0","id":1,` + done + `}`, nil
	}
	post(t.Context(), g, drive("1", "0x0"))
	require.Zero(t, g.Status().NullAnswers, "in a row")
	require.Equal(t, checkpoint.EraCoordinated, calls[1].Era)
}
