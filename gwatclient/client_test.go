package gwatclient

import (
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		says string
	}{
		"empty":             {Config{}, "empty"},
		"no scheme":         {Config{Endpoint: "localhost:8545"}, "http://localhost:8545"},
		"unknown scheme":    {Config{Endpoint: "ftp://host"}, `"ftp"`},
		"no host":           {Config{Endpoint: "http://:8545"}, "no host"},
		"no URL":            {Config{Endpoint: "http://user:hidden@host:port"}, "no URL"},
		"port too high":     {Config{Endpoint: "ws://h:65536"}, "65536: want 1 to 65535"},
		"port far too high": {Config{Endpoint: "http://h:" + strings.Repeat("9", 1000)}, "want 1 to 65535"},
		"port 0":            {Config{Endpoint: "http://h:0"}, "the port 0"},
		"short secret":      {Config{Endpoint: "http://h", JWTSecret: []byte{1}}, "1 bytes"},
		"negative timeout":  {Config{Endpoint: "http://h", Timeout: -1}, "negative"},
		"negative limit":    {Config{Endpoint: "http://h", MaxBody: -1}, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.cfg)
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, failure.NeedsHuman, failure.Kind(err))
			require.NotContains(t, err.Error(), "hidden")
		})
	}
}

func TestEndpointIsMasked(t *testing.T) {
	for in, want := range map[string]string{
		"http://user:hidden@host:1/path?key=hidden#f": "http://***@host:1/path?***",
		"wss://host:1":     "wss://host:1",
		"/run/gwat/g.ipc":  "/run/gwat/g.ipc",
		"relative/gwat.ip": "relative/gwat.ip",
	} {
		client := newClient(t, Config{Endpoint: in})
		require.Equal(t, want, client.Endpoint())
	}
	for _, scheme := range []string{"http", "ws"} {
		client := newClient(t, Config{Endpoint: scheme + "://user:hidden@" + closedPort(t) + "/?key=hidden"})
		_, err := client.ChainID(t.Context())
		require.ErrorIs(t, err, ErrDown)
		require.NotContains(t, err.Error(), "hidden")
	}
}

func TestLoadJWTSecret(t *testing.T) {
	digits := strings.Repeat("0aF1", 16)
	path := filepath.Join(t.TempDir(), "jwt.hex")
	for _, good := range []string{digits, "0x" + digits, " \n0X" + digits + "\r\n"} {
		require.NoError(t, os.WriteFile(path, []byte(good), 0o600))
		secret, err := LoadJWTSecret(path)
		require.NoError(t, err)
		require.Len(t, secret, 32)
	}
	for name, tt := range map[string]struct{ text, says string }{
		"empty":   {"", "wrong length"},
		"short":   {digits[:62], "62 hex digits, want 64"},
		"odd":     {digits[:63], "63 hex digits"},
		"long":    {digits + "00", "66 hex digits"},
		"no hex":  {strings.Repeat("z", 64), "not hex: want 64 hex digits"},
		"a movie": {strings.Repeat("a", 5000), "over 1024 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(tt.text), 0o600))
			_, err := LoadJWTSecret(path)
			require.ErrorContains(t, err, tt.says)
			require.ErrorContains(t, err, path)
			require.Equal(t, failure.NeedsHuman, failure.Kind(err))
		})
	}
	for _, unreadable := range []string{path + ".none", filepath.Dir(path)} {
		_, err := LoadJWTSecret(unreadable)
		require.ErrorContains(t, err, unreadable)
		require.Equal(t, failure.NeedsHuman, failure.Kind(err))
	}
}

// TestWireForms: what goes out is what the recorded nodes took.
func TestWireForms(t *testing.T) {
	info := checkpoint.ConsensusInfo{Slot: 96, Creators: []common.Address{{1}}, Finalizing: []common.Hash{{2}}}
	const infoJSON = `{"slot":"0x60","creators":["0x0100000000000000000000000000000000000000"],"finalizing":["0x0200000000000000000000000000000000000000000000000000000000000000"]}`
	const emptyJSON = `{"slot":"0x0","creators":[],"finalizing":[]}`
	var mu sync.Mutex
	var sent string
	client := serve(t, "http", Config{}, func(req request) []byte {
		mu.Lock()
		defer mu.Unlock()
		sent = req.Method + " " + string(req.Params)
		return answer(req, "result", []byte("true"))
	})
	ctx := t.Context()
	for want, call := range map[string]func(){
		"dag_headSyncReady [" + infoJSON + "]":                func() { _, _ = client.Changes(permit).HeadSyncReady(ctx, info) },
		"dag_headSyncReady [" + emptyJSON + "]":               func() { _, _ = client.Changes(permit).HeadSyncReady(ctx, checkpoint.ConsensusInfo{}) },
		"dag_headSync [[]]":                                   func() { _, _ = client.Changes(permit).HeadSync(ctx, nil) },
		"dag_headSync [[" + infoJSON + "," + emptyJSON + "]]": func() { _, _ = client.Changes(permit).HeadSync(ctx, []checkpoint.ConsensusInfo{info, {}}) },
		"dag_sync [" + infoJSON + "]":                         func() { _, _ = client.Changes(permit).Sync(ctx, info) },
		"dag_finalize [[]]":                                   func() { _ = client.Changes(permit).Finalize(ctx, nil) },
		"dag_validateSpines [[]]":                             func() { _, _ = client.ValidateSpines(ctx, nil) },
		"dag_getCandidates [99999999]":                        func() { _, _ = client.Candidates(ctx, 99999999) },
		`dag_syncSlotInfo [{"genesisTime":1795206842,"secondsPerSlot":4,"slotsPerEpoch":32}]`:             func() { _, _ = client.SyncSlotInfo(ctx, SlotInfo{1795206842, 4, 32}) },
		`eth_getBlockByNumber ["latest",false]`:                                                           func() { _, _ = client.Latest(ctx) },
		`eth_getBlockByHash ["0x0200000000000000000000000000000000000000000000000000000000000000",false]`: func() { _, _ = client.BlockByHash(ctx, common.Hash{2}) },
		`eth_getBlockByNumber ["0x60",false]`:                                                             func() { _, _ = client.BlocksByNumber(ctx, 96, 96) },
		"eth_syncing ":                                                                                    func() { _, _ = client.Syncing(ctx) },
	} {
		call()
		mu.Lock()
		require.Equal(t, want, sent)
		mu.Unlock()
	}
}

func TestAnswersThatLackFields(t *testing.T) {
	ctx := t.Context()
	for _, body := range []string{
		`true`, `null`, `5`, `"x"`, `[]`, `{}`, `{"error":5}`, `{"candidates":[]}`, `{"error":null,"candidates":5}`,
		`{"error":null,"candidates":["0x12"]}`, `{"stage":"head"}`, `{"error":null}`,
		`{"currentBlock":"0x1","highestBlock":"0x0","lastCoordSlot":1,"maxBlockSlot":2}`,
		`{"stage":"head","highestBlock":"0x0","lastCoordSlot":1,"maxBlockSlot":2}`,
		`{"stage":"head","currentBlock":"0x1","lastCoordSlot":1,"maxBlockSlot":2}`,
		`{"stage":"head","currentBlock":"0x1","highestBlock":"0x0","maxBlockSlot":2}`,
		`{"stage":"head","currentBlock":"0x1","highestBlock":"0x0","lastCoordSlot":1}`,
		`{"stage":"new","currentBlock":"0x1","highestBlock":"0x0","lastCoordSlot":1,"maxBlockSlot":2}`,
		`{"stage":"","currentBlock":"0x1","highestBlock":"0x0","lastCoordSlot":1,"maxBlockSlot":2}`,
		`{"stage":"head","currentBlock":"0x1","highestBlock":"0x0","lastCoordSlot":-1,"maxBlockSlot":2}`,
		`{"stage":"head","currentBlock":"0x1","highestBlock":"0x0","lastCoordSlot":1.5,"maxBlockSlot":2}`,
		`{"stage":"head","currentBlock":1,"highestBlock":"0x0","lastCoordSlot":1,"maxBlockSlot":2}`,
	} {
		client := serve(t, "http", Config{}, result(body))
		_, err := client.Syncing(ctx)
		require.ErrorIs(t, err, ErrMalformed, body)
		_, err = client.Changes(permit).Sync(ctx, checkpoint.ConsensusInfo{})
		require.ErrorIs(t, err, ErrMalformed, body)
		_, err = client.Candidates(ctx, 1)
		require.ErrorIs(t, err, ErrMalformed, body)
		_, err = client.PeerCount(ctx)
		require.ErrorIs(t, err, ErrMalformed, body)
		if !strings.HasPrefix(body, `{"error":null`) {
			require.ErrorIs(t, client.Changes(permit).Finalize(ctx, nil), ErrMalformed, body)
		}
		if body != `"x"` {
			_, err = client.ClientVersion(ctx)
			require.ErrorIs(t, err, ErrMalformed, body)
		}
	}
	err := serve(t, "http", Config{}, result(`{"error":"a new text"}`)).Changes(permit).Finalize(ctx, nil)
	require.ErrorIs(t, err, ErrResult)
	require.ErrorContains(t, err, "a new text")
	list, err := serve(t, "http", Config{}, result(`{"error":null,"candidates":null}`)).Candidates(ctx, 1)
	require.NoError(t, err)
	require.Empty(t, list)
}

// dagService is served by go-ethereum's own rpc server.
type dagService struct{}

func (dagService) HeadSyncReady(info checkpoint.ConsensusInfo) (bool, error) {
	if info.Slot == 0 {
		return false, ErrLocked
	}
	return info.Slot == 96 && len(info.Finalizing) == 1, nil
}

func (dagService) HeadSync(infos []checkpoint.ConsensusInfo) (bool, error) {
	return len(infos) == 2, nil
}

// TestRealServer: the same calls against go-ethereum's rpc server, by many
// callers at once.
func TestRealServer(t *testing.T) {
	server := rpc.NewServer()
	defer server.Stop()
	require.NoError(t, server.RegisterName("dag", dagService{}))
	overHTTP := httptest.NewServer(server)
	defer stopServer(overHTTP)
	overWS := httptest.NewServer(server.WebsocketHandler([]string{"*"}))
	defer stopServer(overWS)
	path := filepath.Join(t.TempDir(), "g.ipc")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeListener(listener) })
	defer serving.Wait()
	defer listener.Close()

	for _, endpoint := range []string{overHTTP.URL, strings.Replace(overWS.URL, "http", "ws", 1), path} {
		client := newClient(t, Config{Endpoint: endpoint})
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				ready, err := client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{Slot: 96, Finalizing: []common.Hash{{2}}})
				done, err2 := client.Changes(permit).HeadSync(t.Context(), make([]checkpoint.ConsensusInfo, 2))
				if !ready || err != nil || !done || err2 != nil {
					t.Errorf("%s: %v %v %v %v", endpoint, ready, err, done, err2)
				}
			})
		}
		callers.Wait()
		_, err = client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{})
		require.ErrorIs(t, err, ErrLocked)
		_, err = client.Syncing(t.Context())
		require.ErrorIs(t, err, ErrMethod)
		client.Close()
	}
}
