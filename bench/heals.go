package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch"
	"github.com/gwatsync/syncd/watch/heal"
)

var healRows = []rowName{
	{"heal peers, from proof to work", atMost(3, "s")},
	{"heal checkpoint, from proof to work", atMost(0.5, "s")},
	{"heal drive, from proof to work", atMost(5, "s")},
}

var heals = subject{name: "heals", rows: healRows, measure: measureHeals, bound: 4 * time.Minute}

// loadTime is how long a real gwat took for a block of 320 that it loaded from peers.
const loadTime = 15 * time.Millisecond

// healed is a heal that is measured.
type healed struct {
	name     heal.Name
	incident func(p *healedPair)
	works    func(p *healedPair) bool
}

var measuredHeals = []healed{
	{heal.Peers, func(p *healedPair) { p.away(func() { p.gwat.Restart() }) }, (*healedPair).driven},
	{heal.Checkpoint, func(p *healedPair) { p.forge(); p.beacon.Restart() }, (*healedPair).checked},
	{heal.Drive, func(p *healedPair) {
		p.beacon.Freeze(true)
		p.away(func() { p.gwat.Restart(coordinated.Enodes(3)...) })
	}, (*healedPair).level},
}

// measureHeals brings about each incident from which the beacon node's driver never
// recovers, waits for the proof, and measures from the order to heal until the pair works:
// until the beacon node goes on, and for a silent one until gwat is level with its head.
func measureHeals(ctx context.Context, b *bench) ([]row, error) {
	var rows []row
	for i, h := range measuredHeals {
		var took []float64
		for range b.rounds(3) {
			seconds, err := measureHeal(ctx, &h)
			if err != nil {
				return nil, fmt.Errorf("heal %s: %w", h.name, err)
			}
			took = append(took, seconds)
		}
		r := figure(healRows[i].name, healRows[i].want, median(took), nil)
		r.Spread = spreadOf(took)
		r.Costs = fmt.Sprintf("gwat loads a block in %s", loadTime)
		r.Note = "slots of 1 s, epochs of 8 slots; begun by syncd_heal as soon as its proof holds"
		rows = append(rows, r)
	}
	return rows, nil
}

// healedPair is a simulated pair of the coordinated era with a watcher beside it.
type healedPair struct {
	net     *coordinated.Network
	gwat    *coordinated.Gwat
	beacon  *coordinated.Beacon
	watcher *watch.Watcher
	down    atomic.Bool // gwat does not answer
}

// away has gwat not answer for so long that it is seen.
func (p *healedPair) away(meanwhile func()) {
	p.down.Store(true)
	time.Sleep(2 * time.Second)
	meanwhile()
	p.down.Store(false)
}

// forge gives gwat a checkpoint that is no block of the chain.
func (p *healedPair) forge() {
	f := p.net.Call(p.net.Slot(), coordinated.NoSync)
	f.Spines, f.BaseSpine, f.Checkpoint.Root = nil, p.gwat.State().LastFinalized, common.HexToHash("0xbebe")
	p.gwat.Finalize(f)
}

// checked reports whether gwat's checkpoint is a block of the chain.
func (p *healedPair) checked() bool {
	state := p.gwat.State()
	if state.Root == nil {
		return false
	}
	_, known := p.net.SlotOfRoot(*state.Root)
	return known
}

// level reports whether gwat is in normal work and has finalized what the beacon node's
// head finalizes.
func (p *healedPair) level() bool {
	snapshot, state := p.watcher.Snapshot(), p.gwat.State()
	if p.gwat.Syncing() || snapshot.Beacon.Slot == nil || state.LastFinalized == nil {
		return false
	}
	final, known := p.net.SlotOfSpine(*state.LastFinalized)
	return known && final+coordinated.FinalizeLag >= uint64(*snapshot.Beacon.Slot)
}

// driven reports whether the beacon node's driver follows its head, too.
func (p *healedPair) driven() bool { return p.level() && p.beacon.Letter() == coordinated.Works }

// measureHeal returns the seconds from the order to heal until the pair works.
func measureHeal(ctx context.Context, h *healed) (seconds float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &healedPair{net: &coordinated.Network{ChainID: 1337, GenesisTime: uint64(time.Now().Unix()) - 100, SecondsPerSlot: 1, SlotsPerEpoch: 8}}
	stop, err := p.start(ctx)
	defer func() { cancel(); err = errors.Join(err, stop()) }()
	if err != nil {
		return 0, err
	}
	works := func() bool { return p.watcher.Snapshot().Verdict == status.VerdictWorking }
	if err := waitFor(ctx, time.Minute, "the pair to work", works); err != nil {
		return 0, err
	}
	h.incident(p)
	order := status.HealOrder{Name: string(h.name), DryRun: true}
	proved := func() bool {
		shown, err := p.watcher.Heal(ctx, order)
		return err == nil && shown.Proved && shown.Refused == ""
	}
	if err := waitFor(ctx, time.Minute, "the proof", proved); err != nil {
		return 0, err
	}
	begin := time.Now()
	order.DryRun = false
	if _, err := p.watcher.Heal(ctx, order); err != nil {
		return 0, err
	}
	err = waitFor(ctx, time.Minute, "the pair to work again", func() bool { return h.works(p) })
	return time.Since(begin).Seconds(), err
}

// start runs both nodes and the watcher; stop waits for their end, once ctx has ended.
func (p *healedPair) start(ctx context.Context) (stop func() error, err error) {
	p.gwat = coordinated.NewGwat(p.net, coordinated.Enodes(3)...)
	p.gwat.BlockTime = loadTime
	forGwat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			panic(http.ErrAbortHandler)
		}
		p.gwat.ServeHTTP(w, r)
	}))
	p.beacon = coordinated.NewBeacon(p.net, coordinated.Caller{URL: forGwat.URL}, 3)
	forBeacon := httptest.NewServer(p.beacon)
	ended := make(chan error, 2)
	running := 1
	go func() { p.beacon.Run(ctx); ended <- nil }()
	stop = func() (err error) {
		for range running {
			err = errors.Join(err, <-ended)
		}
		forGwat.Close()
		forBeacon.CloseClientConnections()
		forBeacon.Close()
		return err
	}
	gwat, err := gwatclient.New(gwatclient.Config{Endpoint: forGwat.URL, Timeout: 2 * time.Second})
	if err != nil {
		return stop, err
	}
	beacon, err := beaconclient.New(beaconclient.Config{URL: forBeacon.URL, Timeout: 2 * time.Second})
	if err != nil {
		return stop, err
	}
	driven := protocol.Coordinated{Client: gwat}
	log := logrus.New()
	log.SetOutput(io.Discard)
	p.watcher, err = watch.New(watch.Config{
		Name: "bench", Gwat: driven, Beacon: beacon, Changes: watch.ChangesOf(driven),
		PollInterval: 250 * time.Millisecond, CallTimeout: 2 * time.Second, Journal: journal.OpenMemory(), Log: log,
	})
	if err != nil {
		return stop, err
	}
	running++
	go func() {
		ended <- p.watcher.Run(ctx)
		gwat.Close()
		beacon.Close()
	}()
	return stop, nil
}
