package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
)

func TestConformanceOfTheSimulatedNodes(t *testing.T) {
	p := simulated(t, "Geth")
	out := syncd(t, nil, "conformance", "--gwat.endpoint", p.GwatWS, "--beacon.endpoint", p.BeaconURL)
	require.Equal(t, exit.OK, out.code, out.stdout+out.stderr)
	require.Contains(t, out.stdout, "gwat is of the head-sync era\n")
	require.Contains(t, out.stdout, "ok    gwat    eth_syncing\n")
	require.Contains(t, out.stdout, "0 of 42 answers differ\n")
	onlyReads(t, p)

	out = syncd(t, nil, "conformance", "--gwat.endpoint", p.GwatWS, "--beacon.endpoint", p.BeaconURL, "--generation", "coordinated")
	require.Equal(t, exit.Different, out.code, out.stdout)
	require.Contains(t, out.stdout, "DIFF  gwat    dag_coordinatedState: want ")
	require.Contains(t, out.stdout, "skip  gwat    wat_info: it is served on the IPC socket alone")
	onlyReads(t, p)

	out = syncd(t, nil, "conformance", "--only", "gwat", "--gwat.endpoint", p.GwatWS, "--beacon.endpoint", "http://127.0.0.1:1")
	require.Equal(t, exit.OK, out.code, out.stdout+out.stderr)
	require.Contains(t, out.stdout, "skip  gwat    dag_syncSlotInfo (the beacon's clock)")
	require.NotContains(t, out.stdout, "beacon  GET")
}

func TestConformanceCodes(t *testing.T) {
	out := syncd(t, nil, "conformance", "--gwat.endpoint", "ws://127.0.0.1:1")
	require.Equal(t, exit.Unreachable, out.code)
	oneLine(t, out.stderr, "no usable answer of gwat at ws://127.0.0.1:1", "correct --gwat.endpoint")
	out = syncd(t, nil, "conformance", "--only", "beacon", "--era", "head-sync", "--beacon.endpoint", "http://127.0.0.1:1")
	require.Equal(t, exit.Unreachable, out.code)
	oneLine(t, out.stderr, "no usable answer of the beacon node at http://127.0.0.1:1")
	for args, part := range map[string]string{
		"conformance --era new": `--era is "new"`, "conformance --only all": `--only is "all"`,
		"conformance --only beacon": "which only gwat shows", "conformance now": `"now"`,
	} {
		out := syncd(t, nil, splitArgs(args)...)
		require.Equal(t, exit.Usage, out.code, args)
		oneLine(t, out.stderr, strings.Fields(part)...)
	}
}
