package gwatclient

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
)

// The sentinels that the recordings of the coordinated era name.
var coordinatedErrors = map[string]error{
	"ErrNullState": ErrNullState, "ErrSynchronization": ErrSynchronization, "ErrResult": ErrResult,
	"ErrRPC": ErrRPC, "ErrInvalidParams": ErrInvalidParams,
}

// Every recorded answer of a gwat of the coordinated era decodes to its value, its
// error, or both.
func TestRecordedAnswersOfTheCoordinatedEra(t *testing.T) {
	file, err := os.Open("testdata/coordinated.jsonl")
	require.NoError(t, err)
	defer file.Close()
	rows := 0
	for lines := bufio.NewScanner(file); lines.Scan(); rows++ {
		var row recorded
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		c := serve(t, "http", Config{}, func(r request) []byte {
			require.NotEmpty(t, r.Method)
			answer := map[string]any{"jsonrpc": "2.0", "id": r.ID}
			if row.Error != nil {
				answer["error"] = row.Error
			} else {
				answer["result"] = row.Result
			}
			raw, err := json.Marshal(answer)
			require.NoError(t, err)
			return raw
		})
		value, err := coordinatedCall(t, c, row.Method)
		want, wantErr, _ := strings.Cut(row.Want, " Err")
		if wantErr == "" && strings.HasPrefix(row.Want, "Err") {
			want, wantErr = "", strings.TrimPrefix(row.Want, "Err")
		}
		if wantErr == "" {
			require.NoError(t, err, row.Want)
		} else {
			require.ErrorIs(t, err, coordinatedErrors["Err"+wantErr], row.Want)
			require.NotNil(t, failure.Kind(err))
		}
		if want != "" {
			require.Equal(t, want, value)
		}
	}
	require.Greater(t, rows, 15)
}

func coordinatedCall(t *testing.T, c *Client, method string) (string, error) {
	t.Helper()
	switch method {
	case "eth_syncing":
		s, err := c.CoordinatedSyncing(t.Context())
		return fmt.Sprintf("syncing %v", s), err
	case "wat_info":
		w, err := c.WatInfo(t.Context())
		return fmt.Sprintf("wat %d %d %d", w.Checkpoint, w.Current, w.DAG), err
	default: // dag_finalize answers in the form of dag_coordinatedState
		s, err := c.CoordinatedState(t.Context())
		return fmt.Sprintf("state %s %d %s", s.LastFinalized.Hex()[:10], s.Epoch, s.CheckpointRoot.Hex()[:10]), err
	}
}

func TestCoordinatedFaults(t *testing.T) {
	for result, call := range map[string]string{
		`null`:                                "wat_info",
		`{"cpSlot":1}`:                        "wat_info",
		`{"cpSlot":-1}`:                       "wat_info",
		`[]`:                                  "dag_coordinatedState",
		`{"lfSpine":"0x12"}`:                  "dag_coordinatedState",
		`{"error":null,"cpEpoch":4}`:          "dag_coordinatedState",
		`true`:                                "eth_syncing",
		`{"stage":"head","currentBlock":"0"}`: "eth_syncing",
	} {
		t.Run(call+" "+result, func(t *testing.T) {
			c := serve(t, "http", Config{}, func(r request) []byte {
				return []byte(`{"jsonrpc":"2.0","id":` + string(r.ID) + `,"result":` + result + `}`)
			})
			_, err := coordinatedCall(t, c, call)
			require.ErrorIs(t, err, ErrMalformed)
			require.False(t, errors.Is(err, ErrNullState))
		})
	}
}
