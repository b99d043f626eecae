package world

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

var recordFrom = flag.String("record-from", "", "directory with beacon.jsonl.gz, gwat.jsonl and dag_sync_truth.jsonl to rebuild the recorded chain from")

// TestRecord rebuilds testdata/recorded/chain.jsonl.gz when -record-from is given.
func TestRecord(t *testing.T) {
	if *recordFrom == "" {
		t.Skip("no -record-from")
	}
	lines := recordBeacon(t, filepath.Join(*recordFrom, "beacon.jsonl.gz"))
	for _, raw := range readLines(t, filepath.Join(*recordFrom, "gwat.jsonl")) {
		var in struct {
			Number *uint64
			Block  struct {
				Hash         common.Hash
				Slot, Height hexutil.Uint64
				ParentHashes []common.Hash
				Miner        common.Address
			}
		}
		require.NoError(t, json.Unmarshal(raw, &in))
		if in.Number != nil {
			lines = append(lines, recordedLine{DAG: &recordedDAGBlock{Number: *in.Number, Block: DAGBlock{
				Hash: in.Block.Hash, Slot: primitives.Slot(in.Block.Slot), Height: uint64(in.Block.Height),
				Parents: in.Block.ParentHashes, Creator: in.Block.Miner,
			}}})
		}
	}
	for _, raw := range readLines(t, filepath.Join(*recordFrom, "dag_sync_truth.jsonl")) {
		var sent checkpoint.ConsensusInfo
		require.NoError(t, json.Unmarshal(raw, &sent))
		lines = append(lines, recordedLine{Sent: &sent})
	}

	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	require.NoError(t, err)
	encoder := json.NewEncoder(zipped)
	for _, line := range lines {
		require.NoError(t, encoder.Encode(line))
	}
	require.NoError(t, zipped.Close())
	require.NoError(t, os.WriteFile(filepath.Join("testdata", "recorded", recordingFile), out.Bytes(), 0o644))
}

func readLines(t *testing.T, path string) [][]byte {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		in, err = gzip.NewReader(file)
		require.NoError(t, err)
	}
	var out [][]byte
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		out = append(out, bytes.Clone(scanner.Bytes()))
	}
	require.NoError(t, scanner.Err())
	return out
}

// recordBeacon reads REST answers, one object {path, status, body} a line.
func recordBeacon(t *testing.T, path string) []recordedLine {
	answers := map[string]json.RawMessage{}
	for _, raw := range readLines(t, path) {
		var in struct {
			Path   string
			Status int
			Body   struct{ Data json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(raw, &in))
		if in.Status == 200 {
			answers[in.Path] = in.Body.Data
		}
	}
	get := func(path string, out any) bool {
		raw, ok := answers[path]
		if ok {
			require.NoError(t, json.Unmarshal(raw, out), path)
		}
		return ok
	}
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		return n
	}

	var spec map[string]string
	require.True(t, get("/eth/v1/config/spec", &spec))
	var genesis struct {
		GenesisTime string `json:"genesis_time"`
	}
	require.True(t, get("/eth/v1/beacon/genesis", &genesis))
	lines := []recordedLine{{Spec: &checkpoint.Spec{
		SlotsPerEpoch: number(spec["SLOTS_PER_EPOCH"]), SecondsPerSlot: number(spec["SECONDS_PER_SLOT"]),
		CreatorsPerSlot: number(spec["CREATORS_PER_SLOT"]), DepositChainID: number(spec["DEPOSIT_CHAIN_ID"]),
		GenesisTime: number(genesis.GenesisTime), ConfigName: spec["CONFIG_NAME"],
	}}}

	var validators []struct {
		Validator struct {
			Pubkey      hexutil.Bytes
			Credentials common.Hash `json:"withdrawal_credentials"`
		}
	}
	require.True(t, get("/eth/v1/beacon/states/head/validators", &validators))
	for _, v := range validators {
		lines = append(lines, recordedLine{Validator: &recordedValidator{Pubkey: v.Validator.Pubkey, Credentials: v.Validator.Credentials}})
	}

	for epoch := range 8 {
		var committees []struct {
			Index, Slot string
			Validators  []string
		}
		require.True(t, get("/eth/v1/beacon/states/head/committees?epoch="+strconv.Itoa(epoch), &committees))
		for _, c := range committees {
			out := &Committee{Slot: primitives.Slot(number(c.Slot)), Index: number(c.Index)}
			for _, v := range c.Validators {
				out.Validators = append(out.Validators, number(v))
			}
			lines = append(lines, recordedLine{Committee: out})
		}
		type point struct {
			Epoch string
			Root  common.Hash
		}
		var f struct {
			PreviousJustified point `json:"previous_justified"`
			CurrentJustified  point `json:"current_justified"`
			Finalized         point
		}
		require.True(t, get("/eth/v1/beacon/states/"+strconv.Itoa(32*epoch)+"/finality_checkpoints", &f))
		to := func(p point) checkpoint.Checkpoint {
			return checkpoint.Checkpoint{Epoch: primitives.Epoch(number(p.Epoch)), Root: p.Root}
		}
		lines = append(lines, recordedLine{Finality: &recordedFinality{Epoch: primitives.Epoch(epoch), Finality: Finality{
			PreviousJustified: to(f.PreviousJustified), CurrentJustified: to(f.CurrentJustified), Finalized: to(f.Finalized),
		}}})
	}

	hashes := func(s string) (out []common.Hash) {
		raw := common.FromHex(s)
		for ; len(raw) >= 32; raw = raw[32:] {
			out = append(out, common.Hash(raw[:32]))
		}
		return out
	}
	for slot := range 247 {
		var header struct{ Root common.Hash }
		if !get("/eth/v1/beacon/headers/"+strconv.Itoa(slot), &header) {
			continue
		}
		var block struct {
			Message struct {
				Proposer   string      `json:"proposer_index"`
				ParentRoot common.Hash `json:"parent_root"`
				StateRoot  common.Hash `json:"state_root"`
				Body       struct {
					Eth1 struct {
						BlockHash                common.Hash `json:"block_hash"`
						Candidates, Finalization string
					} `json:"eth1_data"`
				}
			}
		}
		require.True(t, get("/eth/v2/beacon/blocks/"+strconv.Itoa(slot), &block))
		m := block.Message
		lines = append(lines, recordedLine{Block: &BeaconBlock{
			Slot: primitives.Slot(slot), Root: header.Root, ParentRoot: m.ParentRoot, StateRoot: m.StateRoot,
			Proposer: number(m.Proposer), Eth1Hash: m.Body.Eth1.BlockHash,
			Candidates: hashes(m.Body.Eth1.Candidates), Finalization: hashes(m.Body.Eth1.Finalization),
		}})
	}
	return lines
}
