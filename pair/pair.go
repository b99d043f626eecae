package pair

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/ledger"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/protocol"
)

// Pair runs one pair: Run is the loop, and all other exported methods may be called
// beside it. What the loop knows is in one value for each subject; only the loop's
// goroutine touches them.
type Pair struct {
	publish.Reader // what was published; read by anybody

	cfg    Config
	log    logrus.FieldLogger
	nodes  nodes
	ledger *ledger.Ledger
	box    box // what workers, polls and operators send to the loop

	machine *fsm.Machine
	stage   stage
	polls   polls  // what both nodes show
	writes  writes // whether syncd may write to gwat
	job     job    // what syncd does
	proof   proof  // whether the pair works
	gate    gated  // what passes the gate
	health  verdict
	shown   shown // what was published, and what that needs
}

// nodes are the clients of both nodes. That of gwat only reads.
type nodes struct {
	gwat   gwatNode
	beacon poll.BeaconNode
}

// gwatNode is gwat as the loop reads it; protocol.HeadSync is one.
type gwatNode interface {
	poll.GwatNode
	ClassifyPending(checkpoint.Pending, protocol.Seen) (protocol.Fate, string)
}

// stage is how the present stage began, and the facts by which it is left.
type stage struct {
	since  time.Time
	reason string
	facts  fsm.Facts
	known  bool       // facts are those of this turn
	good   *fsm.Facts // of the last poll at which both nodes answered
}

// New checks the config and builds a pair; it needs neither node to be up.
func New(cfg Config) (*Pair, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer, cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	cfg.Gwat.Observe, cfg.Beacon.Observe = m.Observe(publish.NodeGwat), m.Observe(publish.NodeBeacon)
	client, err := gwatclient.New(cfg.Gwat)
	if err != nil {
		return nil, fmt.Errorf("gwat endpoint: %w", err)
	}
	gwat := protocol.HeadSync{Client: client}
	beacon, err := beaconclient.New(cfg.Beacon)
	if err != nil {
		gwat.Close()
		return nil, fmt.Errorf("beacon endpoint: %w", err)
	}
	to, lock := gwat.Driver, (*gateLock)(nil)
	if cfg.Gate != nil {
		lock = &gateLock{gate: cfg.Gate}
		to = func(p guard.Permit) headsync.Driver { return gatedCalls{gwat.Driver(p), lock} }
	}
	p, err := newPair(cfg, gwat, to, beacon, m)
	if err != nil {
		gwat.Close()
		beacon.Close()
		return nil, err
	}
	p.gate.lock = lock
	return p, nil
}

func newPair(cfg Config, gwat gwatNode, to func(guard.Permit) headsync.Driver, beacon poll.BeaconNode, m *metrics) (*Pair, error) {
	log := cfg.Log.WithField("pair", cfg.Name)
	now := cfg.Now()
	board := publish.NewBoard(cfg.Past)
	p := &Pair{
		Reader: board.Reader(), cfg: cfg, log: log, nodes: nodes{gwat, beacon},
		ledger: ledger.Open(cfg.Journal, log, cfg.Now), box: newBox(),
		stage:  stage{since: now, reason: "syncd started"},
		polls:  polls{poller: poll.New(gwat, beacon, cfg.Now)},
		writes: writes{guard: guard.New(cfg.Observe), to: to},
		job:    job{pushFromCheckpoint: cfg.PushFromCheckpoint, refused: map[common.Hash]int{}},
		health: verdict{engine: health.New(cfg.PollInterval), born: time.Now()},
		shown:  shown{board: board, metrics: m, alive: now},
	}
	p.machine = fsm.New(p.changed)
	if note := cfg.Journal.Note(); note != "" {
		log.Warn(note)
	}
	p.shown.meters.Resume(publish.Remembered(cfg.Journal, cfg.Past))
	p.know()
	p.publish()
	if err := m.mirror(p.Snapshot); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return p, nil
}
