package beaconsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

type finalityData struct {
	CurrentJustified struct {
		Epoch string
		Root  common.Hash
	} `json:"current_justified"`
	Finalized struct{ Epoch string }
}

func recordedNode(t *testing.T) (*Node, *world.Recorded, string) {
	chain, err := world.LoadRecorded(nil, world.RecordedOptions{GenesisTime: genesisAgo(250 * 4)})
	require.NoError(t, err)
	n, url := start(t, Config{Chain: chain, Peers: 2})
	return n, chain, url
}

func TestRecordedChainIsServedAsRecorded(t *testing.T) {
	_, _, url := recordedNode(t)
	type block struct {
		Message struct {
			Slot       string
			ParentRoot common.Hash `json:"parent_root"`
			Body       struct {
				Eth1Data struct{ Candidates, Finalization string } `json:"eth1_data"`
			}
		}
	}
	head := data[block](t, url+"/eth/v2/beacon/blocks/head")
	require.Equal(t, "246", head.Message.Slot)
	require.Len(t, head.Message.Body.Eth1Data.Candidates, 2+3*64)
	require.Len(t, head.Message.Body.Eth1Data.Finalization, 2+64)
	require.Empty(t, data[block](t, url+"/eth/v2/beacon/blocks/genesis").Message.Body.Eth1Data.Finalization)

	finality := data[finalityData](t, url+"/eth/v1/beacon/states/head/finality_checkpoints")
	require.Equal(t, "6", finality.CurrentJustified.Epoch)
	for id, epoch := range map[string]string{"justified": "5", "finalized": "4", "128": "3", "130": "3", "127": "2", "genesis": "0", "64": "0"} {
		finality := data[finalityData](t, url+"/eth/v1/beacon/states/"+id+"/finality_checkpoints")
		require.Equal(t, epoch, finality.CurrentJustified.Epoch, id)
	}
	header := data[struct {
		Root      common.Hash
		Canonical bool
		Header    struct {
			Message struct {
				Slot      string
				StateRoot common.Hash `json:"state_root"`
			}
		}
	}](t, url+"/eth/v1/beacon/headers/"+finality.CurrentJustified.Root.Hex())
	require.True(t, header.Canonical)
	require.Equal(t, "192", header.Header.Message.Slot)
	byState := data[finalityData](t, url+"/eth/v1/beacon/states/"+header.Header.Message.StateRoot.Hex()+"/finality_checkpoints")
	require.Equal(t, "5", byState.CurrentJustified.Epoch)

	spec := data[map[string]string](t, url+"/eth/v1/config/spec")
	require.Equal(t, "pyrmont", spec["CONFIG_NAME"])
	require.Equal(t, "4", spec["SECONDS_PER_SLOT"])
	var recorded map[string]string
	require.NoError(t, json.Unmarshal(recordedSpec, &recorded))
	require.Len(t, spec, len(recorded))

	syncing := data[map[string]any](t, url+"/eth/v1/node/syncing")
	require.Equal(t, "246", syncing["head_slot"])
	require.Equal(t, false, syncing["is_syncing"])

	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/states/head/committees?epoch=3"), 32)
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/states/head/committees"), 32)
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/states/head/committees?epoch=3&slot=97&index=0"), 1)
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/states/head/validators"), 64)
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/states/head/validators?id=0&id=1,2,999"), 3)
	first := data[[]struct{ Validator struct{ Pubkey string } }](t, url+"/eth/v1/beacon/states/head/validators?id=7")
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/states/head/validators?id=0xab,"+first[0].Validator.Pubkey), 1)
	require.Len(t, data[[]any](t, url+"/eth/v1/node/peers"), 2)
	require.Equal(t, "2", data[map[string]string](t, url+"/eth/v1/node/peer_count")["connected"])
	require.Equal(t, DefaultVersion, data[map[string]string](t, url+"/eth/v1/node/version")["version"])
	require.Len(t, data[[]any](t, url+"/eth/v1/config/fork_schedule"), 3)
	require.Equal(t, "337733", data[map[string]string](t, url+"/eth/v1/config/deposit_contract")["chain_id"])
	require.NotEmpty(t, data[map[string]any](t, url+"/eth/v1/node/identity")["peer_id"])
	require.Equal(t, altairVersion, data[map[string]string](t, url+"/eth/v1/beacon/states/head/fork")["current_version"])
	require.Equal(t, phase0Version, data[map[string]string](t, url+"/eth/v1/beacon/states/5/fork")["current_version"])
	require.NotEmpty(t, data[map[string]string](t, url+"/eth/v1/beacon/genesis")["genesis_time"])
	require.Equal(t, finality.CurrentJustified.Root.Hex(), data[map[string]string](t, url+"/eth/v1/beacon/blocks/192/root")["root"])
	require.NotEmpty(t, data[map[string]string](t, url+"/eth/v1/beacon/states/justified/root")["root"])
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/headers"), 1)
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/headers?slot=9"), 1)
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/headers?parent_root="+finality.CurrentJustified.Root.Hex()), 1)
	require.NotEmpty(t, data[map[string]any](t, url+"/eth/v1/beacon/blocks/5"))
	status, body := get(t, url+"/eth/v1/node/health")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, body)
}

func TestErrorsAsRecorded(t *testing.T) {
	n, chain, url := recordedNode(t)
	const missing = "desc = Could not find requested block: signed beacon block can't be nil"
	for path, want := range map[string]string{
		"/eth/v2/beacon/blocks/1":             `{"code":500,"message":"GetBlockV2: rpc error: code = NotFound ` + missing + `"}`,
		"/eth/v2/beacon/blocks/99999999":      `{"code":500,"message":"GetBlockV2: rpc error: code = NotFound ` + missing + `"}`,
		"/eth/v1/beacon/headers/1":            `{"code":500,"message":"GetBlockHeader: rpc error: code = NotFound ` + missing + `"}`,
		"/eth/v1/beacon/headers/justified":    `{"code":500,"message":"GetBlockHeader: rpc error: code = InvalidArgument desc = Invalid block ID: could not parse block ID: strconv.ParseUint: parsing \"justified\": invalid syntax"}`,
		"/eth/v1/beacon/blocks/justified":     `{"code":500,"message":"GetBlock: rpc error: code = InvalidArgument desc = Invalid block ID: could not parse block ID: strconv.ParseUint: parsing \"justified\": invalid syntax"}`,
		"/eth/v1/beacon/blocks/head":          `{"code":500,"message":"Could not get signed beacon block: could not get raw block: unsupported phase0 block"}`,
		"/eth/v2/beacon/blocks/0x1234":        `{"code":500,"message":"GetBlockV2: rpc error: code = InvalidArgument desc = Invalid block ID: could not parse block ID: strconv.ParseUint: parsing \"0x1234\": invalid syntax"}`,
		"/eth/v1/beacon/blocks/99999999/root": `{"code":500,"message":"GetBlockRoot: rpc error: code = NotFound ` + missing + `"}`,
		"/eth/v1/beacon/states/" + chain.HeadAt(246).StateRoot.Hex() + "/finality_checkpoints": `{"code":404,"message":"State not found: state not found in the last 8192 state roots"}`,
	} {
		_, body := get(t, url+path)
		require.Equal(t, want, body, path)
	}
	for path, want := range map[string]int{
		"/eth/v1/nope":                                                       404,
		"/eth/v1/beacon/states/x/root":                                       400,
		"/eth/v1/beacon/states/9999/root":                                    404,
		"/eth/v1/beacon/states/head/committees?epoch=x":                      400,
		"/eth/v1/beacon/states/head/committees?epoch=99":                     400,
		"/eth/v1/beacon/states/head/committees?slot=1":                       400,
		"/eth/v1/beacon/states/y/committees":                                 400,
		"/eth/v1/beacon/states/y/fork":                                       400,
		"/eth/v1/beacon/states/y/validators":                                 400,
		"/eth/v1/beacon/states/y/finality_checkpoints":                       400,
		"/eth/v1/beacon/states/head/validators?id=x":                         400,
		"/eth/v1/beacon/headers?slot=x":                                      400,
		"/eth/v1/beacon/headers?slot=1":                                      404,
		"/eth/v1/beacon/headers?slot=9999":                                   404,
		"/eth/v1/beacon/headers?parent_root=0x11":                            404,
		"/eth/v1/beacon/headers?parent_root=" + chain.HeadAt(246).Root.Hex(): 404,
		"/eth/v1/events?topics=nonsense":                                     400,
	} {
		status, body := get(t, url+path)
		require.Equal(t, want, status, "%s: %s", path, body)
	}
	_, body := get(t, url+"/eth/v1/nope")
	require.Equal(t, "404 page not found\n", body)
	calls := n.Calls()
	require.Equal(t, "/eth/v1/nope", calls[len(calls)-1].Path)
	require.Equal(t, 404, calls[len(calls)-1].Status)

	_, url = start(t, Config{Chain: generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(5)})})
	for path, want := range map[string]int{
		"/eth/v1/beacon/blocks/finalized":      500,
		"/eth/v1/beacon/states/justified/root": 500,
		"/eth/v1/beacon/states/justified/fork": 200,
		"/eth/v1/beacon/blocks/2":              200,
	} {
		status, body := get(t, url+path)
		require.Equal(t, want, status, "%s: %s", path, body)
	}
}

func TestLosingBlocksAreServedByRoot(t *testing.T) {
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(60), Reorgs: []world.Reorg{{Slot: 30, Depth: 3}}})
	_, url := start(t, Config{Chain: chain})
	lost := chain.HeadAt(29)
	header := data[struct {
		Root      common.Hash
		Canonical bool
	}](t, url+"/eth/v1/beacon/headers/"+lost.Root.Hex())
	require.Equal(t, lost.Root, header.Root)
	require.False(t, header.Canonical)
	require.Len(t, data[[]any](t, url+"/eth/v1/beacon/headers?slot=29"), 2)
	status, _ := get(t, url+"/eth/v2/beacon/blocks/"+chain.HeadAt(500).Root.Hex())
	require.Equal(t, 500, status, "the node does not know blocks ahead of its head")
}

func TestStateByEmptySlotCrossesTheEpoch(t *testing.T) {
	chain := generated(t, world.Config{Seed: 2, GenesisTime: genesisAgo(900), MissRate: 0.3})
	_, url := start(t, Config{Chain: chain})
	head, checked := chain.HeadAt(890), 0
	for epoch := primitives.Epoch(5); epoch < 100; epoch++ {
		start := chain.Spec().StartSlot(epoch)
		if _, ok := chain.Ancestor(head, start); ok {
			continue
		}
		checked++
		f := data[finalityData](t, fmt.Sprintf("%s/eth/v1/beacon/states/%d/finality_checkpoints", url, start))
		require.Equal(t, fmt.Sprint(epoch-1), f.CurrentJustified.Epoch)
	}
	require.Positive(t, checked)
}

func TestFaults(t *testing.T) {
	n, url := start(t, Config{Chain: generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(5)}), AnswerCost: time.Millisecond})
	path := url + "/eth/v1/node/syncing"
	n.SetFault("/eth/v1/node", Fault{Status: 503})
	status, _ := get(t, path)
	require.Equal(t, 503, status)
	n.SetFault("/eth/v1/node/syncing", Fault{Delay: 50 * time.Millisecond})
	before := time.Now()
	status, _ = get(t, path)
	require.Equal(t, 200, status)
	require.GreaterOrEqual(t, time.Since(before), 50*time.Millisecond)
	n.SetFault("/eth/v1/node/syncing", Fault{Drop: true})
	response, err := http.Get(path)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	require.Error(t, json.NewDecoder(response.Body).Decode(&struct{}{}))
	require.NoError(t, response.Body.Close())

	for _, fault := range []Fault{{Hang: true}, {Delay: time.Hour}} {
		n.SetFault("/eth/v1/node/syncing", fault)
		client := http.Client{Timeout: 50 * time.Millisecond}
		_, err = client.Get(path)
		require.Error(t, err)
	}
	n.SetFault("/eth/v1/node/syncing", Fault{})
	n.SetFault("/eth/v1/node", Fault{})
	status, _ = get(t, path)
	require.Equal(t, 200, status)
}
