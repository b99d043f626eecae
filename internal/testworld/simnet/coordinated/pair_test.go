package coordinated

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fakeBegin = 946684800 // when the clock of a synctest bubble begins

// network is one that is age slots old.
func network(age uint64) *Network {
	return &Network{ChainID: 1337, GenesisTime: fakeBegin - 2*age, SecondsPerSlot: 2, SlotsPerEpoch: 8}
}

func ask(t *testing.T, g *Gwat, method, params string) (result, failed string) {
	t.Helper()
	raw := g.serve(rpcRequest{ID: json.RawMessage("1"), Method: method, Params: split(t, params)}, nil)
	var out struct {
		Result json.RawMessage `json:"result"`
		Error  *rpcError       `json:"error"`
	}
	require.NoError(t, json.Unmarshal(raw, &out))
	if out.Error != nil {
		return "", out.Error.Message
	}
	return string(out.Result), ""
}

func split(t *testing.T, params string) (out []json.RawMessage) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(params), &out))
	return out
}

func text(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.NewEncoder(&out).Encode(v))
	return string(bytes.TrimSpace(out.Bytes()))
}

// synced returns a gwat that was driven to slot 99.
func synced(t *testing.T, n *Network) *Gwat {
	t.Helper()
	g := NewGwat(n, "enode://a")
	for slot := n.SlotsPerEpoch; slot < 99; slot += n.SlotsPerEpoch {
		require.Nil(t, g.Finalize(n.Call(slot, MainSync)).Error)
	}
	a := g.Finalize(n.Call(99, HeadSync))
	require.Nil(t, a.Error)
	require.Equal(t, n.Spine(95), *a.LastFinalized)
	return g
}

// The cases that were recorded of a real gwat, by their notes there: each answer is of
// the recorded form.
func TestFinalizeAsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network(100)
		fresh := func() *Gwat { return synced(t, n) }
		unknown := common.HexToHash("0x1111111111111111111111111111111111111111111111111111111111111111")
		own := n.Call(99, NoSync)
		with := func(change func(*Finalize)) string {
			f := n.Call(99, NoSync)
			f.Spines = slices.Clone(f.Spines)
			c := *f.Checkpoint
			f.Checkpoint = &c
			change(&f)
			return "[" + text(t, f) + "]"
		}
		ok := text(t, Answer{LastFinalized: ptr(n.Spine(95)), Epoch: ptr(uint64(12)), Root: ptr(own.Checkpoint.Root)})
		refusedBy := func(why string) string { return text(t, Answer{Error: &why}) }
		allNull := text(t, Answer{})
		noPeers := func(g *Gwat) { g.SetPeers() }
		for name, tc := range map[string]struct {
			params, want, failed string
			prepare              func(*Gwat)
		}{
			"replay last own params NoSync (idempotent)": {params: with(func(*Finalize) {}), want: ok},
			"replay MainSync":                              {params: with(func(f *Finalize) { f.Mode = MainSync }), want: ok},
			"replay HeadSync":                              {params: with(func(f *Finalize) { f.Mode = HeadSync }), want: ok},
			"bad sync mode 0x3":                            {params: with(func(f *Finalize) { f.Mode = 3 }), want: refusedBy("bad sync mode=3")},
			"bad base spine (unknown), NoSync":             {params: with(func(f *Finalize) { f.BaseSpine = &unknown }), want: refusedBy("invalid base spine")},
			"empty spines, valid base":                     {params: with(func(f *Finalize) { f.Spines = []common.Hash{} }), want: ok},
			"baseSpine null":                               {params: with(func(f *Finalize) { f.BaseSpine = nil }), failed: "method handler crashed"},
			"checkpoint null":                              {params: with(func(f *Finalize) { f.Checkpoint = nil }), want: ok},
			"unknown spine appended, NoSync":               {params: with(func(f *Finalize) { f.Spines = append(f.Spines, unknown) }), want: refusedBy(errNoPeers)},
			"unknown spine appended, MainSync":             {params: with(func(f *Finalize) { f.Spines, f.Mode = append(f.Spines, unknown), MainSync }), want: refusedBy(errNoPeers)},
			"unknown spine appended, HeadSync":             {params: with(func(f *Finalize) { f.Spines, f.Mode = append(f.Spines, unknown), HeadSync }), want: allNull},
			"HeadSync without peers and without spines":    {params: with(func(f *Finalize) { f.Spines, f.Mode = nil, HeadSync }), prepare: noPeers, want: refusedBy(errNoPeers)},
			"MainSync without peers, every block is local": {params: with(func(f *Finalize) { f.Mode = MainSync }), prepare: func(g *Gwat) { g.Restart() }, want: refusedBy(errNoPeers)},
			"NoSync without peers, every block is local":   {params: with(func(*Finalize) {}), prepare: func(g *Gwat) { g.Restart() }, want: ok},
			"empty object":                                 {params: `[{}]`, want: ok},
			"no params":                                    {params: `[]`, failed: "method handler crashed"},
			"null param":                                   {params: `[null]`, failed: "method handler crashed"},
			"EMPTY spines + bogus base spine":              {params: with(func(f *Finalize) { f.Spines, f.BaseSpine = nil, &unknown }), want: ok},
			"EMPTY spines + bogus checkpoint.root (accepted)": {params: with(func(f *Finalize) { f.Spines, f.Checkpoint.Root = nil, unknown }),
				want: text(t, Answer{LastFinalized: ptr(n.Spine(95)), Epoch: ptr(uint64(12)), Root: &unknown})},
			"wedged, with a new spine": {params: "[" + text(t, n.Call(100, NoSync)) + "]", prepare: func(g *Gwat) { g.local = 100; g.Wedge() }, want: allNull},
		} {
			g := fresh()
			if tc.prepare != nil {
				tc.prepare(g)
			}
			result, failed := ask(t, g, "dag_finalize", tc.params)
			require.Equal(t, tc.failed, failed, name)
			require.Equal(t, tc.want, result, name)
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestReadsOfGwat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network(100)
		g := NewGwat(n, "enode://a")
		result, _ := ask(t, g, "dag_coordinatedState", `[]`)
		require.Contains(t, result, `"cpEpoch":0`)
		_, failed := ask(t, g, "dag_validateFinalization", `[["`+n.Spine(50).Hex()+`"]]`)
		require.Equal(t, "spine not found: "+n.Spine(50).Hex(), failed)
		g = synced(t, n)
		result, _ = ask(t, g, "dag_validateFinalization", `[["`+n.Spine(50).Hex()+`"]]`)
		require.Equal(t, "true", result)
		result, _ = ask(t, g, "eth_syncing", `[]`)
		require.Equal(t, "false", result)
		result, _ = ask(t, g, "wat_info", `[]`)
		require.JSONEq(t, `{"cpSlot":76,"currSlot":100,"maxDagSlot":100}`, result)
		result, _ = ask(t, g, "admin_peers", `[]`)
		require.JSONEq(t, `[{"enode":"enode://a"}]`, result)
		_, failed = ask(t, g, "dag_headSyncReady", `[]`)
		require.Contains(t, failed, "does not exist")
		time.Sleep(time.Duration(n.SlotsPerEpoch)*n.SlotTime() - time.Second)
		require.False(t, g.Syncing())
		time.Sleep(2 * time.Second)
		require.True(t, g.Syncing(), "an epoch without any dag_finalize ends normal work")
	})
}

// pair is a whole pair in a bubble.
type pair struct {
	net    *Network
	gwat   *Gwat
	beacon *Beacon
	wire   wire.Wire
}

func inFakeTime(t *testing.T, age uint64, test func(t *testing.T, p *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{net: network(age)}
		p.gwat = NewGwat(p.net, "enode://a", "enode://b")
		p.gwat.BlockTime = time.Millisecond
		p.wire.Serve(http.HandlerFunc(p.gwat.ServeHTTP))
		p.beacon = NewBeacon(p.net, Caller{URL: "http://gwat", Transport: &p.wire}, 3)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.beacon.Run(ctx); close(done) }()
		test(t, p)
		cancel()
		<-done
		p.gwat.Stop() // a call whose caller has left may still load
	})
}

// works waits until gwat follows the head, and returns how long that took.
func (p *pair) works(t *testing.T, limit time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < limit {
		time.Sleep(100 * time.Millisecond)
		state := p.gwat.State()
		if !p.gwat.Syncing() && state.LastFinalized != nil && *state.LastFinalized == p.net.Spine(finalizedBy(p.net.Slot())) && p.beacon.Letter() == Works {
			return time.Since(begin)
		}
	}
	require.Fail(t, "the pair does not work", "driver %s after %v, state %s", p.beacon.Letter(), p.beacon.Letters(), text(t, p.gwat.State()))
	return 0
}

// The incidents of real pairs, and what becomes of them without syncd: the driver goes
// through the same states as there.
func TestIncidents(t *testing.T) {
	t.Run("C1 both empty", func(t *testing.T) {
		inFakeTime(t, 180, func(t *testing.T, p *pair) {
			p.works(t, 15*time.Second)
			letters := p.beacon.Letters()
			require.Equal(t, []Letter{Asks, Main, Head, Works}, letters[len(letters)-4:])
		})
	})
	t.Run("B1 gwat restarted with peers", func(t *testing.T) {
		inFakeTime(t, 180, func(t *testing.T, p *pair) {
			p.works(t, 15*time.Second)
			p.wire.Set(wire.Refused)
			time.Sleep(5 * time.Second)
			p.gwat.Restart("enode://a")
			p.wire.Set(wire.Up)
			p.works(t, 6*time.Second)
		})
	})
	t.Run("B2 gwat restarted without peers never recovers", func(t *testing.T) {
		inFakeTime(t, 180, func(t *testing.T, p *pair) {
			p.works(t, 15*time.Second)
			p.gwat.Restart()
			time.Sleep(2 * time.Minute)
			require.True(t, p.gwat.Syncing())
			require.NotEqual(t, Works, p.beacon.Letter())
			calls := p.gwat.Calls()
			require.Equal(t, errNoPeers, *calls[len(calls)-1].Answer.Error)
			p.gwat.AddPeer("enode://a") // heal P
			p.works(t, 5*time.Second)
		})
	})
	t.Run("B3 foreign checkpoint never recovers", func(t *testing.T) {
		inFakeTime(t, 180, func(t *testing.T, p *pair) {
			p.works(t, 15*time.Second)
			state := p.gwat.State()
			f := p.net.Call(p.net.Slot(), NoSync)
			f.Spines, f.BaseSpine, f.Checkpoint.Root = nil, state.LastFinalized, common.HexToHash("0xbebe")
			require.Nil(t, p.gwat.Finalize(f).Error)
			p.beacon.Restart()
			time.Sleep(time.Minute)
			require.Equal(t, Waits, p.beacon.Letter())
			good := p.net.Call(p.net.Slot(), NoSync) // heal C: the checkpoint exchanged
			good.Spines, good.BaseSpine = nil, p.gwat.State().LastFinalized
			require.Nil(t, p.gwat.Finalize(good).Error)
			p.works(t, 10*time.Second)
		})
	})
	t.Run("B7 beacon silent", func(t *testing.T) {
		inFakeTime(t, 180, func(t *testing.T, p *pair) {
			p.works(t, 15*time.Second)
			p.beacon.Freeze(true)
			time.Sleep(3 * time.Second)
			p.gwat.Restart("enode://a")
			before := len(p.gwat.Calls())
			time.Sleep(time.Minute)
			require.Len(t, p.gwat.Calls(), before, "in N without a new head it makes no call")
			require.True(t, p.gwat.Syncing())
		})
	})
	t.Run("A2' gwat wedged", func(t *testing.T) {
		inFakeTime(t, 180, func(t *testing.T, p *pair) {
			p.works(t, 15*time.Second)
			before := p.gwat.State()
			p.gwat.Wedge()
			time.Sleep(10 * time.Second)
			require.Equal(t, before.LastFinalized, p.gwat.State().LastFinalized)
			require.Equal(t, Works, p.beacon.Letter(), "all null counts as success: N goes on over the hole")
		})
	})
	t.Run("B6 beacon wiped", func(t *testing.T) {
		inFakeTime(t, 180, func(t *testing.T, p *pair) {
			p.works(t, 15*time.Second)
			p.beacon.Wipe()
			p.works(t, 15*time.Second)
		})
	})
}
