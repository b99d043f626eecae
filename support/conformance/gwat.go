package conformance

import (
	"errors"
	"maps"

	"github.com/gwatsync/syncd/gwatclient"
)

// gwatRow is one read-only call and the answer of a gwat. What a row
// learns is a parameter of later ones.
type gwatRow struct {
	method  string
	note    string
	params  func(*facts) []any // nil: none; a nil list: the row cannot be asked
	want    form
	refuse  error // instead of a result
	learn   func(*facts, any)
	ipcOnly bool // served on the IPC socket alone
	public  bool // authrpc may not serve it
}

func params(values ...any) func(*facts) []any { return func(*facts) []any { return values } }

// nobody is a hash that no block has.
const nobody = "0x00000000000000000000000000000000000000000000000000000000000000aa"

// block is a gwat block in any answer; more says what an era adds.
func block(numbered bool, more members) form {
	want := members{
		"hash": hash, "height": quantity, "slot": quantity, "parentHashes": listOf(hash), "number": either(null, quantity),
		"timestamp": quantity, "transactions": listOf(hash),
	}
	if numbered {
		want["number"] = quantity
	}
	for name, f := range more {
		want[name] = f
	}
	return object(want)
}

// inResult is an answer that carries its error inside: with it, the rest is null.
func inResult(rest members) form {
	good, bad := members{"error": null}, members{"error": someText}
	for name, f := range rest {
		good[name], bad[name] = f, null
	}
	return either(object(bad), object(good))
}

// common are the rows that both eras have.
func common(extra members) []gwatRow {
	latest := func(f *facts) []any {
		if f.latest == "" {
			return nil
		}
		return []any{f.latest, false}
	}
	// The pending block has no number and may have no hash yet; an idle gwat has none at all.
	pending := members{"hash": either(null, hash), "number": either(null, quantity)}
	maps.Copy(pending, extra)
	return []gwatRow{
		{method: "web3_clientVersion", public: true, want: someText},
		{method: "net_version", public: true, want: decimal},
		{method: "net_peerCount", public: true, want: quantity},
		{method: "eth_chainId", want: quantity},
		{method: "eth_blockNumber", want: quantity},
		{method: "eth_getBlockByNumber", note: "latest", params: params("latest", false), want: block(true, extra), learn: func(f *facts, v any) {
			f.latest, _ = v.(map[string]any)["hash"].(string)
		}},
		{method: "eth_getBlockByNumber", note: "pending", params: params("pending", false), want: either(null, block(false, pending))},
		{method: "eth_getBlockByNumber", note: "earliest", params: params("earliest", false), want: block(true, members{"number": exactly("0x0"), "slot": exactly("0x0")})},
		{method: "eth_getBlockByNumber", note: "a number beyond the last", params: params("0xffffffffff", false), want: null},
		{method: "eth_getBlockByNumber", note: "finalized", params: params("finalized", false), refuse: gwatclient.ErrInvalidParams},
		{method: "eth_getBlockByNumber", note: "safe", params: params("safe", false), refuse: gwatclient.ErrInvalidParams},
		{method: "eth_getBlockByHash", note: "the last finalized block", params: latest, want: block(true, extra)},
		{method: "eth_getBlockByHash", note: "a block that is not there", params: params(nobody, false), want: null},
		{method: "dag_getCandidates", note: "slot as a number", params: params(0), want: inResult(members{"candidates": either(null, listOf(hash))})},
		{method: "dag_getCandidates", note: "slot as text", params: params("0x0"), refuse: gwatclient.ErrInvalidParams},
		{method: "dag_validateSpines", note: "a spine that is not there", params: params([]string{nobody}), want: exactly(false)},
		{method: "dag_syncSlotInfo", note: "the beacon's clock", params: func(f *facts) []any {
			if f.spec == nil {
				return nil
			}
			return []any{gwatclient.SlotInfo{GenesisTime: f.spec.GenesisTime, SecondsPerSlot: f.spec.SecondsPerSlot, SlotsPerEpoch: f.spec.SlotsPerEpoch}}
		}, want: exactly(true)},
		{method: "dag_noSuchMethod", note: "a method that is not there", refuse: gwatclient.ErrMethod},
	}
}

// headSync is the era of 2022-09 to 2023-04.
func headSync() []gwatRow {
	return append(common(nil), []gwatRow{
		{method: "eth_syncing", want: either(exactly(false), object(members{
			"stage":        oneOf("finalized", "dag", "head", "resync", "none"),
			"currentBlock": quantity, "highestBlock": quantity, "startingBlock": quantity,
			"lastCoordSlot": number, "maxBlockSlot": number,
		}))},
		{method: "dag_validateSpines", note: "no spine", params: params([]string{}), want: exactly(true)},
	}...)
}

// coordinated is the era since 2023-04.
func coordinated() []gwatRow {
	extra := members{"era": quantity, "cpHash": hash, "cpNumber": quantity}
	spine := func(f *facts) []any {
		if f.spine == "" {
			return nil
		}
		return []any{f.spine}
	}
	spines := func(f *facts) []any {
		if f.spine == "" {
			return nil
		}
		return []any{[]string{f.spine}}
	}
	return append(common(extra), []gwatRow{
		{method: "eth_syncing", want: either(exactly(false), object(members{
			"startingBlock": quantity, "currentBlock": quantity, "highestBlock": quantity, "pulledStates": quantity, "knownStates": quantity,
			"finalizedSlot": quantity, "maxDagSlot": quantity, "currentSlot": quantity,
		}))},
		{method: "dag_coordinatedState", want: inResult(members{"lfSpine": hash, "cpEpoch": number, "cpRoot": hash}), learn: func(f *facts, v any) {
			f.spine, _ = v.(map[string]any)["lfSpine"].(string)
		}},
		{method: "dag_validateSpines", note: "the last finalized spine", params: spines, want: exactly(true)},
		{method: "dag_validateFinalization", note: "the last finalized spine", params: spines, want: exactly(true)},
		{method: "dag_getOptimisticSpines", note: "from the last finalized spine", params: spine, want: inResult(members{"data": listOf(listOf(hash))})},
		{method: "dag_getOptimisticSpines", note: "from a spine that is not there", params: params(nobody), want: object(members{"data": null, "error": someText})},
		{method: "admin_peers", ipcOnly: true, want: listOf(object(members{"enode": someText}))},
		{method: "wat_info", ipcOnly: true, want: object(members{"cpSlot": number, "currSlot": number, "maxDagSlot": number})},
	}...)
}

// refusal names the errors that a row may ask for.
func refusal(err error) string {
	switch {
	case errors.Is(err, gwatclient.ErrMethod):
		return "the error -32601"
	case errors.Is(err, gwatclient.ErrInvalidParams):
		return "the error -32602"
	}
	return err.Error()
}
