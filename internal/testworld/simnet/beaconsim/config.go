package beaconsim

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// DriverMode is how far the node does with gwat what the real one does.
type DriverMode int

const (
	// DriverReal is the real node: its built-in driver takes gwat through head sync, and
	// no normal work begins before that; a gossip block whose dag_finalize failed is bad
	// for good, and the head does not move from then on.
	DriverReal DriverMode = iota
	// DriverOn has the built-in driver with its recorded faults, and no bad blocks.
	DriverOn
	// DriverOff is no real node: normal work begins when its own sync is done, and no
	// block is bad. It is for tests of a syncd beside a node that does not drive.
	DriverOff
)

var driverNames = map[string]DriverMode{"real": DriverReal, "on": DriverOn, "off": DriverOff}

// ParseDriver returns the mode with a name: real, on or off.
func ParseDriver(name string) (DriverMode, error) {
	mode, ok := driverNames[name]
	if !ok {
		return 0, fmt.Errorf("%w: the driver is %q, want real, on or off", ErrBadConfig, name)
	}
	return mode, nil
}

// Defaults of Config.
const (
	DefaultVersion    = "Prysm/Unknown (linux amd64)"
	DefaultSSETimeout = 120 * time.Second
)

// ErrBadConfig tells a Config no node can run with.
var ErrBadConfig = errors.New("unusable beacon node config")

// Config of a node. Only Chain must be set.
type Config struct {
	Chain   world.Chain
	DataDir string // keeps the head over kill -9; "" keeps nothing

	SyncSpeed float64         // slots a second in initial sync; 0 is synced at start
	StartSlot primitives.Slot // where initial sync begins without a stored head
	Peers     uint64          // a node without peers does not get on in initial sync
	Version   string

	Gwat      string // RPC endpoint (http, ws, path of an IPC socket); "" makes no calls
	JWTSecret []byte // 32 bytes; empty sends no token
	// Transport carries the calls to an http endpoint in place of sockets; nil dials.
	Transport http.RoundTripper
	Driver    DriverMode // without a Gwat there is nothing to drive
	IdleWork  bool       // makes none of the calls of normal work
	// BadBlocks has blocks marked bad in the other modes of Driver, too.
	BadBlocks bool

	AnswerCost time.Duration // what a REST answer takes
	SSETimeout time.Duration // after it an event stream fails and stays open and silent
}

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = DefaultVersion
	}
	if c.SSETimeout == 0 {
		c.SSETimeout = DefaultSSETimeout
	}
	return c
}

// drives reports whether the built-in driver runs.
func (c Config) drives() bool { return c.Gwat != "" && c.Driver != DriverOff }

// marksBad reports whether a block whose dag_finalize failed is bad for good.
func (c Config) marksBad() bool { return c.Gwat != "" && (c.Driver == DriverReal || c.BadBlocks) }

func (c Config) validate(now time.Time) error {
	switch {
	case c.Chain == nil:
		return fmt.Errorf("%w: there is no chain", ErrBadConfig)
	case !(c.SyncSpeed >= 0):
		return fmt.Errorf("%w: sync speed is %v, want 0 or more slots a second", ErrBadConfig, c.SyncSpeed)
	case len(c.JWTSecret) != 0 && len(c.JWTSecret) != 32:
		return fmt.Errorf("%w: the JWT secret has %d bytes, want 32", ErrBadConfig, len(c.JWTSecret))
	case c.Driver == DriverOn && c.Gwat == "":
		return fmt.Errorf("%w: the driver is on but there is no gwat endpoint", ErrBadConfig)
	case c.Chain.Spec().SlotAt(now) >= world.MaxSlot:
		return fmt.Errorf("%w: genesis time %d is %d slots ago, at most %d can be simulated",
			ErrBadConfig, c.Chain.Spec().GenesisTime, c.Chain.Spec().SlotAt(now), world.MaxSlot)
	}
	return nil
}
