package beaconsim

import (
	"bufio"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

func TestRestartGoesBackToTheCheckpoint(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(100)})
	dir := t.TempDir()
	cfg := Config{Chain: chain, DataDir: dir, SyncSpeed: 1000, Peers: 1}
	n, _ := start(t, cfg)
	require.Zero(t, n.State().Head.Slot)
	eventually(t, func() bool { return n.State().Synced })
	eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, headFile)); return err == nil })

	again, err := New(cfg)
	require.NoError(t, err)
	stored, err := loadHead(dir, chain)
	require.NoError(t, err)
	require.Equal(t, chain.Finality(stored).CurrentJustified.Root, again.State().Head.Root)
	require.False(t, again.State().Synced)

	other := generated(t, world.Config{Seed: 2, GenesisTime: genesisAgo(100)})
	cfg.Chain = other
	_, err = New(cfg)
	require.ErrorIs(t, err, ErrForeignData)
	require.NoError(t, os.WriteFile(filepath.Join(dir, headFile), []byte("{"), 0o600))
	_, err = New(cfg)
	require.Error(t, err)

	cfg = Config{Chain: other, StartSlot: 40, SyncSpeed: 1}
	at, err := New(cfg)
	require.NoError(t, err)
	require.EqualValues(t, 40, at.State().Head.Slot)
}

func TestRunFailsIfTheHeadCannotBeKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	n, err := New(Config{Chain: generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(10)})})
	require.NoError(t, err)
	n.cfg.DataDir = file
	require.ErrorContains(t, n.Run(context.Background()), "keep the head")
}

func TestHeadFollowsTheClockUnlessItIsFrozen(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(100)})
	n, _ := start(t, Config{Chain: chain})
	first := n.State().Head.Slot
	eventually(t, func() bool { return n.State().Head.Slot > first })
	n.SetFrozenHead(true)
	frozen := n.State().Head.Slot
	eventually(t, func() bool { return n.State().Wall > frozen+2 })
	require.Equal(t, frozen, n.State().Head.Slot)
	require.True(t, n.State().Frozen)
	n.SetFrozenHead(false)
	eventually(t, func() bool { return n.State().Head.Slot+1 >= n.State().Wall })
}

func TestNoPeersNoSync(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(100)})
	n, _ := start(t, Config{Chain: chain, SyncSpeed: 1000})
	before := n.State().Wall
	eventually(t, func() bool { return n.State().Wall > before+1 })
	require.Zero(t, n.State().Head.Slot)
	n.SetPeers(1)
	eventually(t, func() bool { return n.State().Synced })
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(100), SlotsPerEpoch: 2})
	_, url := start(t, Config{Chain: chain, SSETimeout: 3500 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/eth/v1/events?topics=head,finalized_checkpoint&topics=block", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))

	seen := map[string]int{}
	var topic string
	lines := bufio.NewScanner(response.Body)
	for seen["error"] == 0 && lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			topic = name
			continue
		}
		content, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		seen[topic]++
		var event struct {
			Slot  string
			Block common.Hash
			Code  int
		}
		require.NoError(t, json.Unmarshal([]byte(content), &event))
		_, known := chain.Block(event.Block)
		switch topic {
		case "head", "finalized_checkpoint":
			require.True(t, known)
		case "block":
			require.False(t, known, "as recorded, it is no block's root")
		case "error":
			require.Equal(t, 504, event.Code)
		}
	}
	require.GreaterOrEqual(t, seen["head"], 3)
	require.Equal(t, seen["head"], seen["block"])
	require.Positive(t, seen["finalized_checkpoint"])

	require.True(t, lines.Scan(), "the empty line that ends the event")
	silent := make(chan bool, 1)
	go func() { silent <- lines.Scan() }()
	select {
	case <-silent:
		t.Fatal("after the error the stream must stay open and silent")
	case <-time.After(1500 * time.Millisecond):
	}
	cancel()
	require.False(t, <-silent)
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(10)})
	for name, cfg := range map[string]Config{
		"no chain": {},
		"speed":    {Chain: chain, SyncSpeed: math.NaN()},
		"secret":   {Chain: chain, JWTSecret: []byte("short")},
		"driver":   {Chain: chain, Driver: DriverOn},
		"ancient":  {Chain: generated(t, world.Config{Seed: 1, GenesisTime: 1})},
	} {
		_, err := New(cfg)
		require.ErrorIs(t, err, ErrBadConfig, name)
	}
}
