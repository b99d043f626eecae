package poll

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// replayed is a recorded exchange with a real gwat; the beacon node's own calls
// went through a proxy that answered 502 while gwat was down.
type replayed struct {
	At     float64 // Unix seconds
	Method string
	Status int
	Body   string
	Slot   primitives.Slot
	Spines []common.Hash
	Result json.RawMessage
}

// replay serves a recording as it was at a time.
type replay struct {
	t    *testing.T
	rows []replayed
	now  float64
}

func openReplay(t *testing.T, name string) *replay {
	t.Helper()
	file, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer file.Close()
	r := &replay{t: t}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var row replayed
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		r.rows = append(r.rows, row)
	}
	return r
}

// last is the newest exchange that had happened, of those asked for.
func (r *replay) last(ok func(replayed) bool) *replayed {
	for i := len(r.rows) - 1; i >= 0; i-- {
		if r.rows[i].At <= r.now && ok(r.rows[i]) {
			return &r.rows[i]
		}
	}
	return nil
}

func (r *replay) answered(method string) *replayed {
	return r.last(func(row replayed) bool { return row.Method == method && row.Status == http.StatusOK })
}

// number is gwat's last finalized block: what it was asked next told it.
func (r *replay) number() uint64 {
	row := r.answered("eth_blockNumber")
	if row == nil {
		for _, later := range r.rows { // before the first question nothing was finalized
			if later.Method == "eth_blockNumber" {
				row = &later
				break
			}
		}
	}
	if row == nil {
		return 0
	}
	var n hexutil.Uint64
	require.NoError(r.t, json.Unmarshal(row.Result, &n))
	return uint64(n)
}

// spineNumbers are the numbers that eth_blockNumber gave after dag_finalize of each.
var spineNumbers = map[common.Hash]uint64{
	common.HexToHash("0x61efc35c4211f41ff83e192484dd4429b6731004c0794b339241bd94f0cc12f6"): 194,
	common.HexToHash("0x60a5950a950713d5c70857187d78a0d4ae7a28f44cb0436dcdae43f034b1212c"): 195,
	common.HexToHash("0x803a88b80f00293ed1dce4aa87e5111e71f3d8280cefc007256fb7b73546cfef"): 197,
	common.HexToHash("0x145ab595418abb0f450476abf78c7736ac3ac23b5593baaad31c53ac2cfddf31"): 199,
}

func (r *replay) block(hash common.Hash) any {
	height, ok := spineNumbers[hash]
	if !ok {
		return nil
	}
	block := map[string]any{"hash": hash, "height": hexutil.Uint64(height), "slot": hexutil.Uint64(height - 72), "parentHashes": []common.Hash{}, "number": nil}
	if height <= r.number() {
		block["number"] = hexutil.Uint64(height)
	}
	return block
}

func (r *replay) result(method string, params []json.RawMessage) any {
	switch method {
	case "eth_syncing":
		// Recorded: false at work, an object after the start until the first dag_sync.
		row, sync := r.answered(method), r.answered("dag_sync")
		if row == nil || sync != nil && sync.At > row.At {
			return false
		}
		return row.Result
	case "eth_getBlockByNumber":
		if row := r.answered(method); row != nil {
			return row.Result
		}
		for hash, n := range spineNumbers {
			if n == r.number() {
				return r.block(hash)
			}
		}
	case "eth_getBlockByHash":
		var hash common.Hash
		require.NoError(r.t, json.Unmarshal(params[0], &hash))
		return r.block(hash)
	case "dag_getCandidates":
		if row := r.answered(method); row != nil {
			return row.Result
		}
	}
	return nil
}

type replayedCall struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

func (r *replay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if row := r.last(func(replayed) bool { return true }); row != nil && row.Status != http.StatusOK {
		http.Error(w, row.Body, row.Status)
		return
	}
	body, err := io.ReadAll(req.Body)
	require.NoError(r.t, err)
	w.Header().Set("Content-Type", "application/json")
	one := func(c replayedCall) map[string]any {
		return map[string]any{"jsonrpc": "2.0", "id": c.ID, "result": r.result(c.Method, c.Params)}
	}
	if bytes.HasPrefix(body, []byte("[")) {
		var calls []replayedCall
		require.NoError(r.t, json.Unmarshal(body, &calls))
		answers := []any{}
		for _, c := range calls {
			answers = append(answers, one(c))
		}
		require.NoError(r.t, json.NewEncoder(w).Encode(answers))
		return
	}
	var call replayedCall
	require.NoError(r.t, json.Unmarshal(body, &call))
	require.NoError(r.t, json.NewEncoder(w).Encode(one(call)))
}

// head is the beacon's head, as its own calls tell it: after each block it asks
// for the candidates of two slots before, and its dag_sync of a slot names what
// the block of that slot finalizes.
func (r *replay) head(spec checkpoint.Spec) (Entry, bool) {
	row := r.last(func(row replayed) bool { return row.Method == "dag_getCandidates" && row.Slot < 1<<16 })
	if row == nil {
		return Entry{}, false
	}
	e := Entry{Header: beaconclient.Header{Slot: row.Slot + 2}}
	binary.BigEndian.PutUint64(e.Header.Root[:], uint64(e.Header.Slot))
	if sync := r.last(func(s replayed) bool { return s.Method == "dag_sync" && s.Slot == e.Header.Slot }); sync != nil {
		e.Spines = sync.Spines
	}
	return e, true
}

// at polls the pair at a time of the recording: at gwat through the client and
// the observer, at the beacon node by what its own calls tell.
func (r *replay) at(ctx context.Context, o *Poller, spec checkpoint.Spec, seconds float64) *Observation {
	r.now = seconds
	obs := &Observation{At: time.UnixMicro(int64(seconds * 1e6)), Blocks: map[common.Hash]*gwatclient.Block{}}
	obs.Start = obs.At
	obs.Gwat = o.pollGwat(ctx, false)
	head, ok := r.head(spec)
	if !ok {
		return obs
	}
	obs.Beacon.Head, obs.Beacon.clockAt = head, obs.At
	wall := spec.SlotAt(obs.At)
	obs.Beacon.Syncing = beaconclient.Syncing{HeadSlot: head.Header.Slot, Distance: checkpoint.Lag(head.Header.Slot, wall)}
	obs.Beacon.Justified.Epoch = spec.Epoch(wall) - min(2, spec.Epoch(wall))
	if obs.Up() {
		o.readAcross(ctx, Question{Calls: true}, obs)
	}
	return obs
}

type expectation struct {
	at       float64
	findings []string
	verdict  string
}

// The restarts that real pairs went through get the right verdict at each time.
// What is expected comes from what happened then, poll by poll a second apart.
func TestReplaysOfRestarts(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		genesis    uint64
		from, to   float64
		expected   []expectation
	}{
		{
			// The beacon node was started while gwat was down: its calls got no answer
			// from :10 to :39, and good ones from :40 on.
			"start without gwat", "replay-start-without-gwat.jsonl", 1795207407, 1795207410.5, 1795207444, []expectation{
				{1795207411.6, nil, status.VerdictSyncing}, // two polls
				{1795207412.6, []string{"gwat_unreachable"}, status.VerdictFailing},
				{1795207425, []string{"gwat_unreachable"}, status.VerdictFailing},
				{1795207439.6, []string{"gwat_unreachable"}, status.VerdictFailing},
				{1795207441.6, []string{"gwat_unreachable"}, status.VerdictFailing}, // two answers
				{1795207442.6, nil, status.VerdictWorking},
			},
		},
		{
			// gwat was killed between :56.55 and :57.0 and answered again at :66.3, with
			// resync, last coordinated slot 0, tips at slot 127, and its last finalized
			// block still number 195: it lost nothing. At :69.0 the first dag_sync made
			// eth_syncing false; numbers 197 and 199 followed. The beacon node ran on
			// and got a block in every slot.
			"gwat restarted", "replay-gwat-restart.jsonl", 1795207645, 1795208153.5, 1795208181.9, []expectation{
				{1795208156.6, nil, status.VerdictWorking},
				{1795208158.6, nil, status.VerdictSyncing}, // two polls
				{1795208159.6, []string{"gwat_unreachable"}, status.VerdictFailing},
				{1795208165.6, []string{"gwat_unreachable"}, status.VerdictFailing},
				{1795208167.6, []string{"gwat_unreachable"}, status.VerdictFailing}, // two answers
				{1795208168.6, nil, status.VerdictSyncing},                          // resync: not at work yet
				{1795208169.6, nil, status.VerdictWorking},
				{1795208174.6, nil, status.VerdictWorking},
				{1795208179.6, nil, status.VerdictWorking},
				{1795208181, nil, status.VerdictWorking},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := openReplay(t, tc.file)
			server := httptest.NewServer(r)
			defer server.Close()
			client, err := gwatclient.New(gwatclient.Config{Endpoint: server.URL})
			require.NoError(t, err)
			defer client.Close()
			spec := checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 4, DepositChainID: 337733, GenesisTime: tc.genesis}
			o := New(protocol.HeadSync{Client: client}, nil, time.Now)
			j, next := health.New(time.Second), 0
			for now := tc.from; now < tc.to; now++ {
				obs := r.at(t.Context(), o, spec, now)
				in := health.Input{At: obs.At, Elapsed: time.Duration((now - tc.from) * float64(time.Second)), Spec: &spec, Gwat: GwatHealth(obs)}
				if obs.Beacon.Head.Header.Slot > 0 {
					in.Beacon = BeaconHealth(obs)
					in.Events = uint64(in.Beacon.Head)
				}
				in.Stage = stageByFlags(obs)
				report := j.Observe(in)
				for ; next < len(tc.expected) && tc.expected[next].at < now+1; next++ {
					want := tc.expected[next]
					var got []string
					for _, f := range report.Findings {
						got = append(got, f.Name)
					}
					require.Equal(t, want.findings, got, "at %s", fmt.Sprintf("%.1f", want.at))
					require.Equal(t, want.verdict, health.Of(in.Stage, report.Findings, true), "at %.1f", want.at)
				}
			}
			require.Equal(t, len(tc.expected), next)
		})
	}
}

// stageByFlags is what today's tools would say: eth_syncing alone.
func stageByFlags(o *Observation) fsm.Stage {
	switch {
	case o.Gwat.Err != nil:
		return fsm.Connecting
	case o.Gwat.Sync.Syncing:
		return fsm.Switching
	}
	return fsm.Working
}
