package conformance

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gwatsync/syncd/checkpoint"
)

// beaconRow is one GET and the answer of a beacon node.
type beaconRow struct {
	path   string
	note   string
	query  url.Values
	make   func(*facts) string // of a path with something learnt in it; "": it cannot be asked
	status int                 // 0 is 200
	want   form                // of the whole body
	text   string              // part of an error's message instead
	excuse string              // part of the message of a 500 that is as good an answer
	empty  bool                // the body does not matter
	learn  func(*facts, any)
}

// data is what the node wraps its answers in.
func data(f form) form { return object(members{"data": f}) }

var (
	checkpointForm = object(members{"epoch": decimal, "root": hash})
	finality       = data(object(members{"previous_justified": checkpointForm, "current_justified": checkpointForm, "finalized": checkpointForm}))
	header         = object(members{
		"root": hash, "canonical": boolean,
		"header": object(members{"message": object(members{"slot": decimal, "proposer_index": decimal, "parent_root": hash, "state_root": hash, "body_root": hash}), "signature": hexBytes}),
	})
)

// beaconBlock is a v2 block; the fields of eth1_data that carry gwat's hashes
// differ between the eras.
func beaconBlock(eth1 members) form {
	return object(members{"version": someText, "data": object(members{"message": object(members{
		"slot": decimal, "proposer_index": decimal, "parent_root": hash, "state_root": hash,
		"body": object(members{"eth1_data": object(eth1)}),
	}), "signature": hexBytes})})
}

// path walks into what was answered.
func path(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func beaconRows(era checkpoint.Era) []beaconRow {
	// A block that is not there is 500 in the older era and 404 in the newer one,
	// whose withdrawal credentials are addresses.
	eth1 := members{"candidates": hashes}
	missing, missingNote, credentials := http.StatusNotFound, "404", address
	if era == checkpoint.EraHeadSync {
		eth1["finalization"] = hashes
		missing, missingNote, credentials = http.StatusInternalServerError, "500, not 404", hash
	}
	rows := []beaconRow{
		{path: "/eth/v1/node/version", want: data(object(members{"version": someText}))},
		{path: "/eth/v1/node/syncing", want: data(object(members{"head_slot": decimal, "sync_distance": decimal, "is_syncing": boolean}))},
		{path: "/eth/v1/node/identity", want: data(object(members{"peer_id": someText, "enr": someText})),
			note: "with discovery off it has none: 500", excuse: "Could not obtain enr"},
		{path: "/eth/v1/node/peers", want: data(listOf(object(members{"peer_id": someText, "state": someText})))},
		{path: "/eth/v1/node/peer_count", want: data(object(members{"connected": decimal, "connecting": decimal, "disconnected": decimal, "disconnecting": decimal}))},
		{path: "/eth/v1/node/health", empty: true},
		{path: "/eth/v1/config/spec", want: data(object(members{
			"SLOTS_PER_EPOCH": decimal, "SECONDS_PER_SLOT": decimal, "CREATORS_PER_SLOT?": decimal, "DEPOSIT_CHAIN_ID": decimal, "CONFIG_NAME": someText,
		}))},
		{path: "/eth/v1/beacon/genesis", want: data(object(members{"genesis_time": decimal, "genesis_validators_root": hash, "genesis_fork_version": hexBytes}))},
		{path: "/eth/v1/beacon/states/head/finality_checkpoints", want: finality},
		{path: "/eth/v1/beacon/states/finalized/finality_checkpoints", want: finality},
		{path: "/eth/v1/beacon/headers/head", want: data(header), learn: func(f *facts, v any) {
			f.headRoot, _ = path(v, "data", "root").(string)
		}},
		{path: "/eth/v1/beacon/headers/{root of head}", make: func(f *facts) string { return under("/eth/v1/beacon/headers/", f.headRoot) }, want: data(header)},
		{path: "/eth/v1/beacon/headers/genesis", want: data(header)},
		{path: "/eth/v2/beacon/blocks/head", want: beaconBlock(eth1), learn: func(f *facts, v any) {
			f.version, _ = path(v, "version").(string)
		}},
		{path: "/eth/v2/beacon/blocks/{root of head}", make: func(f *facts) string { return under("/eth/v2/beacon/blocks/", f.headRoot) }, want: beaconBlock(eth1)},
		{path: "/eth/v2/beacon/blocks/genesis", want: beaconBlock(nil)},
		{path: "/eth/v1/beacon/blocks/head", note: "v1 knows no block past phase0", make: func(f *facts) string {
			if f.version == "" || f.version == "phase0" {
				return ""
			}
			return "/eth/v1/beacon/blocks/head"
		}, status: http.StatusInternalServerError, text: "unsupported phase0 block"},
		{path: "/eth/v2/beacon/blocks/99999999", note: "no such block: " + missingNote, status: missing, text: "NotFound"},
		{path: "/eth/v1/beacon/headers/99999999", note: "no such header: " + missingNote, status: missing, text: "NotFound"},
		{path: "/eth/v1/beacon/states/head/committees", want: data(listOf(object(members{"index": decimal, "slot": decimal, "validators": listOf(decimal)})))},
		{path: "/eth/v1/beacon/states/head/validators", query: url.Values{"id": {"0", "1"}}, want: data(listOf(object(members{
			"index": decimal, "balance": decimal, "status": someText, "validator": object(members{"pubkey": hexBytes, "withdrawal_credentials": credentials}),
		})))},
		{path: "/eth/v1/nope", note: "no such path", status: http.StatusNotFound, empty: true},
	}
	if era == checkpoint.EraCoordinated {
		rows = append(rows, beaconRow{path: "/eth/v1/beacon/headers/" + nobody, note: "a root that is no block: 404", status: missing, text: "NotFound"})
		rows = append(rows, beaconRow{path: "/eth/v1/beacon/states/head/spine_data", want: data(object(members{
			"spines": hashes, "prefix": hashes, "finalization": hashes, "cp_finalized": hashes, "parent_spines": listOf(object(members{"spines": hashes})),
		}))})
	}
	return rows
}

func under(prefix, learnt string) string {
	if learnt == "" {
		return ""
	}
	return prefix + strings.ReplaceAll(learnt, "/", "")
}
