package pair

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/memory"
)

// Config of a pair. Zero durations take their defaults.
type Config struct {
	Name    string // shown in the status and in logs
	Version string // of syncd
	Observe bool   // never write to a node

	// PeersOptional: the network may have one node of a kind, so that a node
	// without peers is no fault.
	PeersOptional bool

	Gwat   gwatclient.Config
	Beacon beaconclient.Config

	Times
	Pushes

	// Gate is between the beacon node and this gwat; nil if nothing is. The loop
	// calls gwat directly.
	Gate Gate

	Journal    *journal.Journal      // required
	Past       *memory.Memory        // what is remembered of the pair; nil begins with an empty one
	Log        logrus.FieldLogger    // required
	Registerer prometheus.Registerer // optional
	Followers
	// Now is the clock; time.Now if it is nil. Like that of time.Now, its wall clock may
	// jump and its monotonic reading may not.
	Now func() time.Time
}

// Followers are called with what the loop does; each may be nil.
type Followers struct {
	// Polled gets what each poll measured before it is evaluated; the loop waits for it.
	Polled func(health.Input)
	// Trace begins the trace of each head-sync attempt; it returns nil for none.
	Trace func(attempt uint64) Trace
}

// Times are how often, and how long, syncd does what it does.
type Times struct {
	PollInterval  time.Duration // between two polls of both nodes; default 1 s
	ReadyInterval time.Duration // between two head-sync attempts; default 1 s
	CallTimeout   time.Duration // of one poll of a node; default 5 s
	PushTimeout   time.Duration // of making gwat ready and of a push, each; default 110 s
	LockTime      time.Duration // how long gwat holds its head-sync lock; default 120 s
	// FallbackSlots is for how many slots the beacon side must be silent, while
	// gwat's DAG grows, before the pair goes back to its own sync; default 33.
	FallbackSlots int
}

// Pushes are how a push is cut; zero values take headsync's defaults.
type Pushes struct {
	SegmentBytes int           // most bytes of one batch
	SegmentTime  time.Duration // how long gwat should take for one, by its measured speed
	Capacity     int           // most batches that are unconfirmed at a time
	// PushFromCheckpoint begins pushes at the last checkpoint whatever gwat has beyond
	// it, until one has ended well (S4: the operator forces it).
	PushFromCheckpoint bool
}

// Trace follows one head-sync attempt. Its methods are called one after the other, End once
// and last. It must not block.
type Trace interface {
	Report(headsync.Report)
	End(headsync.Result, error)
}

// Defaults of Config.
const (
	DefaultPollInterval  = time.Second
	DefaultReadyInterval = time.Second
	DefaultCallTimeout   = 5 * time.Second
	DefaultPushTimeout   = 110 * time.Second
	DefaultLockTime      = 120 * time.Second
	DefaultFallbackSlots = 33 // after so many gwat itself syncs with its peers again
)

// ErrConfig is the error of a Config that cannot be used.
var ErrConfig = failure.WithKind(failure.NeedsHuman, errors.New("unusable pair config"))

func (c *Config) complete() error {
	for _, d := range []struct {
		name  string
		value *time.Duration
		unset time.Duration
	}{
		{"poll interval", &c.PollInterval, DefaultPollInterval},
		{"ready interval", &c.ReadyInterval, DefaultReadyInterval},
		{"call timeout", &c.CallTimeout, DefaultCallTimeout},
		{"push timeout", &c.PushTimeout, DefaultPushTimeout},
		{"lock time", &c.LockTime, DefaultLockTime},
	} {
		if *d.value == 0 {
			*d.value = d.unset
		}
		if *d.value < 0 {
			return fmt.Errorf("%w: %s is %s, want a positive duration", ErrConfig, d.name, *d.value)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.FallbackSlots == 0 {
		c.FallbackSlots = DefaultFallbackSlots
	}
	if c.FallbackSlots < 0 {
		return fmt.Errorf("%w: fallback slots are %d, want a positive number", ErrConfig, c.FallbackSlots)
	}
	if c.Journal == nil {
		return fmt.Errorf("%w: no journal", ErrConfig)
	}
	if c.Log == nil {
		return fmt.Errorf("%w: no logger", ErrConfig)
	}
	c.Gwat.Timeout, c.Beacon.Timeout = c.CallTimeout, c.CallTimeout
	return nil
}
