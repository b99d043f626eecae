package gwatsim

import (
	"errors"
	"fmt"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// Defaults of Config, as seen on the real node.
const (
	DefaultLock          = 120 * time.Second
	DefaultHTTPBodyLimit = 5 << 20
	DefaultWriteTimeout  = 30 * time.Second
	DefaultFallbackSlots = 33
	DefaultVersion       = "Geth/v0.6.2-unstable/linux-amd64/go1.26.8"
)

// Config describes a node. The zero value of a field takes its default.
type Config struct {
	Chain world.Chain // the network; required

	// DataDir keeps the finalized chain over a restart; "" is memory only.
	DataDir string
	// Disk keeps it in memory, in place of DataDir.
	Disk *Disk
	// StartSlot puts a node without stored state where a working one was that
	// stopped after this slot; 0 starts from genesis.
	StartSlot primitives.Slot

	Lock         time.Duration // of a granted dag_headSyncReady
	RollbackCost time.Duration // for each block that is rolled back
	EntryCost    time.Duration // for each pushed ConsensusInfo

	SyncSpeed float64 // finalized blocks a second in checkpoint sync; 0: done at the start
	DAGSpeed  float64 // slots a second in DAG sync; 0: done at once
	// GoOn lets an undriven node follow the network's checkpoint after it has
	// reached it once; otherwise it stands there until somebody drives it.
	GoOn bool
	// FallbackSlots is for how many slots the coordinator must be silent before
	// the node syncs with its peers again.
	FallbackSlots uint64
	// Propagation is how long after the start of a slot its blocks arrive;
	// a third of a slot by default.
	Propagation time.Duration

	Peers         uint64
	Version       string        // web3_clientVersion
	JWTSecret     []byte        // HTTP and WebSocket ask for a token of it; nil: no token
	VirtualHosts  []string      // names allowed in the Host header, "*" for all; localhost by default
	HTTPBodyLimit int           // bytes of an HTTP request
	WriteTimeout  time.Duration // from an HTTP request to the end of its answer

	Logf func(format string, args ...any)
	// OnCall is told each call as it is logged, in the same order; it must not
	// wait for the node.
	OnCall func(Call)
}

// ErrBadConfig tells a Config that describes no node.
var ErrBadConfig = errors.New("unusable gwat config")

func (c Config) withDefaults() (Config, error) {
	if c.Chain == nil {
		return c, fmt.Errorf("%w: no chain", ErrBadConfig)
	}
	if !(c.SyncSpeed >= 0) || !(c.DAGSpeed >= 0) {
		return c, fmt.Errorf("%w: sync speeds are %v and %v, want 0 or more", ErrBadConfig, c.SyncSpeed, c.DAGSpeed)
	}
	for name, d := range map[string]time.Duration{
		"lock": c.Lock, "rollback cost": c.RollbackCost, "entry cost": c.EntryCost,
		"propagation": c.Propagation, "write timeout": c.WriteTimeout,
	} {
		if d < 0 {
			return c, fmt.Errorf("%w: %s is %v", ErrBadConfig, name, d)
		}
	}
	setDefault(&c.Lock, DefaultLock)
	setDefault(&c.HTTPBodyLimit, DefaultHTTPBodyLimit)
	setDefault(&c.WriteTimeout, DefaultWriteTimeout)
	setDefault(&c.FallbackSlots, DefaultFallbackSlots)
	setDefault(&c.Version, DefaultVersion)
	setDefault(&c.Propagation, c.Chain.Spec().SlotDuration()/3)
	if c.VirtualHosts == nil {
		c.VirtualHosts = []string{"localhost"}
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	if c.OnCall == nil {
		c.OnCall = func(Call) {}
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
