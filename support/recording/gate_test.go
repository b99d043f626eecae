package recording

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/status"
)

// gatedDaemon answers as a syncd whose gate was passed by some calls; one more comes later.
type gatedDaemon struct{ begun time.Time }

func (*gatedDaemon) Status() *status.Snapshot {
	return &status.Snapshot{Seq: 1, At: time.Now(), Stage: "working"}
}
func (*gatedDaemon) History(int) []status.Change { return nil }
func (d *gatedDaemon) Calls(f *status.CallFilter) *status.Traffic {
	slot := primitives.Slot(70)
	all := []status.Call{
		{Seq: 1, At: d.begun, Method: "eth_chainId", Slot: &slot, Action: "forward", Outcome: "ok", DurationMS: 0.4},
		{Seq: 2, At: d.begun, Method: "dag_finalize", Slot: &slot, Action: "hold", Outcome: "absorbed", DurationMS: 20000, Tries: 7, Error: "http://user:secret@node.example:8545 is away"},
	}
	if time.Since(d.begun) > 300*time.Millisecond {
		all = append(all, status.Call{Seq: 3, At: time.Now(), Method: "dag_sync", Action: "forward", Outcome: "cut"})
	}
	out := &status.Traffic{Gate: true, Last: uint64(len(all)), Calls: []status.Call{}}
	for _, c := range all {
		if f.Has(&c) {
			out.Calls = append(out.Calls, c)
		}
	}
	return out
}

func TestTheGatesTrafficIsRecorded(t *testing.T) {
	server := rpc.NewServer()
	t.Cleanup(server.Stop)
	require.NoError(t, server.RegisterName("syncd", &gatedDaemon{time.Now()}))
	at := httptest.NewServer(server)
	t.Cleanup(at.Close)
	r := recorder(t, "ws://127.0.0.1:1", "http://127.0.0.1:1")
	var err error
	r.Client, err = apiclient.Open(apiclient.Config{Address: at.URL})
	require.NoError(t, err)
	t.Cleanup(r.Client.Close)
	r.For = 2500 * time.Millisecond
	_, err = r.Run(t.Context())
	require.NoError(t, err)

	file, err := os.Open(r.Path)
	require.NoError(t, err)
	defer file.Close()
	reader, err := NewReader(file)
	require.NoError(t, err)
	var seqs []uint64
	for e, err := reader.Next(); err == nil; e, err = reader.Next() {
		if e.Gate != nil {
			seqs = append(seqs, e.Gate.Seq)
			require.NotContains(t, e.Gate.Error, "secret")
			require.NotContains(t, e.Gate.Error, "node.example")
		}
	}
	require.Equal(t, []uint64{1, 2, 3}, seqs, "each once")

	for calls, shown := range map[bool][]string{true: {"eth_chainId", "dag_finalize", "dag_sync"}, false: {"dag_finalize", "dag_sync"}} {
		view := &viewed{}
		summary, err := Replay(t.Context(), view, r.Path, 0, calls)
		require.NoError(t, err)
		require.Contains(t, summary, "3 calls passed the gate, 2 of them held, answered without gwat or failed")
		var methods []string
		for _, line := range view.lines {
			if _, after, ok := strings.Cut(line, " gate "); ok {
				method, _, _ := strings.Cut(after, " ")
				methods = append(methods, method)
			}
		}
		require.Equal(t, shown, methods)
		require.Contains(t, strings.Join(view.lines, "\n"), "gate dag_finalize slot 70 20000.0ms: hold, absorbed after 7 tries: http://")
	}
}
