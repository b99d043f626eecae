package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// buffer is a bytes.Buffer that a running command and a test share.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type outcome struct {
	code           int
	stdout, stderr string
}

// syncd runs a command line to its end, with env as the whole environment.
func syncd(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var stdout, stderr buffer
	code := execute(ctx, testStdio(env, &stdout, &stderr, args...))
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, ctx.Err(), "the command did not end by itself")
	return outcome{code, stdout.String(), stderr.String()}
}

func testStdio(env []string, stdout, stderr *buffer, args ...string) stdio {
	return stdio{
		args: append([]string{"syncd"}, args...), stdout: stdout, stderr: stderr,
		environ: func() []string { return env },
	}
}

// background runs a command until the returned stop, which gives its code.
func background(t *testing.T, args ...string) (stdout, stderr *buffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr = &buffer{}, &buffer{}
	done := make(chan int, 1)
	go func() { done <- execute(ctx, testStdio(nil, stdout, stderr, args...)) }()
	stop = sync.OnceValue(func() int {
		cancel()
		code := <-done
		http.DefaultClient.CloseIdleConnections()
		return code
	})
	t.Cleanup(func() { stop() })
	return stdout, stderr, stop
}

// oneLine requires that stderr is one line of syncd that holds every part.
func oneLine(t *testing.T, stderr string, parts ...string) {
	t.Helper()
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	require.True(t, strings.HasPrefix(stderr, "syncd: "), stderr)
	for _, p := range parts {
		require.Contains(t, stderr, p)
	}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// fakeNodes answers as a gwat and a beacon node would, as far as check asks.
type fakeNodes struct {
	gwat, beacon string
	answers      map[string]any // results of gwat's methods; absent: not served
	data         map[string]any // the beacon node's answers by path
	mu           sync.Mutex
	asked        []string
}

const (
	testChainID = 337733
	testGenesis = 1_700_000_000
)

func startNodes(t *testing.T) *fakeNodes {
	t.Helper()
	f := &fakeNodes{answers: map[string]any{
		"eth_chainId": fmt.Sprintf("0x%x", testChainID), "web3_clientVersion": "GWAT/v0.1",
		"dag_validateSpines": true, "dag_syncSlotInfo": true,
	}}
	gwat := httptest.NewServer(http.HandlerFunc(f.serveGwat))
	t.Cleanup(gwat.Close)
	slot := uint64(time.Now().Unix()-testGenesis) / 4
	f.data = map[string]any{
		"/eth/v1/config/spec": map[string]string{
			"SLOTS_PER_EPOCH": "32", "SECONDS_PER_SLOT": "4", "CREATORS_PER_SLOT": "4",
			"DEPOSIT_CHAIN_ID": fmt.Sprint(testChainID), "CONFIG_NAME": "testnet",
		},
		"/eth/v1/beacon/genesis": map[string]string{"genesis_time": fmt.Sprint(testGenesis)},
		"/eth/v1/node/version":   map[string]string{"version": "Prysm/v0.1"},
		"/eth/v1/node/syncing":   map[string]any{"head_slot": fmt.Sprint(slot), "sync_distance": "0", "is_syncing": false},
	}
	beacon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := f.data[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"data": answer})
	}))
	t.Cleanup(beacon.Close)
	f.gwat, f.beacon = gwat.URL, beacon.URL
	return f
}

func (f *fakeNodes) serveGwat(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&raw); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	var batch []rpcRequest
	if json.Unmarshal(raw, &batch) == nil {
		answers := make([]map[string]any, len(batch))
		for i, req := range batch {
			answers[i] = f.answerGwat(req)
		}
		_ = json.NewEncoder(w).Encode(answers)
		return
	}
	var req rpcRequest
	if err := json.Unmarshal(raw, &req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(f.answerGwat(req))
}

type rpcRequest struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

func (f *fakeNodes) answerGwat(req rpcRequest) map[string]any {
	f.mu.Lock()
	f.asked = append(f.asked, req.Method)
	f.mu.Unlock()
	res := map[string]any{"jsonrpc": "2.0", "id": req.ID}
	if answer, ok := f.answers[req.Method]; ok {
		res["result"] = answer
	} else {
		res["error"] = map[string]any{"code": -32601, "message": "the method " + req.Method + " does not exist/is not available"}
	}
	return res
}
