package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTally(t *testing.T) {
	var said strings.Builder
	got := tally(strings.NewReader(`{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Output":"SKIPPED: networks (none)\n"}
{"Action":"output","Package":"p","Test":"A/two","Output":"it broke\n"}
{"Action":"pass","Package":"p","Test":"A/one"}
{"Action":"fail","Package":"p","Test":"A/two"}
{"Action":"pass","Package":"p","Test":"B/one"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"skip","Package":"p","Test":"C"}
no JSON
{"Action":"fail","Package":"p"}`), &said)
	require.Equal(t, count{passed: 2, failed: 1, skipped: 1}, got)
	require.Equal(t, "SKIPPED: networks (none)\nit broke\n", said.String())
}

func TestOnlyWholeRunsOfCommittedSourcesAreRecorded(t *testing.T) {
	require.NoError(t, recordable(true, "", "7fd4d49"))
	require.NoError(t, recordable(false, "fuzz", "7fd4d49-dirty"))
	require.ErrorContains(t, recordable(true, "", "7fd4d49-dirty"), "committed sources")
	require.ErrorContains(t, recordable(true, "fuzz", "7fd4d49"), "-only")
}
