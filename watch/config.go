package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/pair/tally"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// Config of a Watcher.
type Config struct {
	Name    string // of the pair
	Version string // of syncd

	Gwat   Gwat
	Beacon Beacon

	PollInterval time.Duration // between two polls
	CallTimeout  time.Duration // for one node's part of a poll

	Observe bool // no heal is tried, whatever Heals says
	Heals   Heals
	// Changes returns the calls that change gwat for the holder of a Permit; without it
	// no call is made.
	Changes func(guard.Permit) Changes
	// Command runs an operator's command and returns its output; heal.Run if it is nil.
	Command func(ctx context.Context, command string) (string, error)

	Journal *journal.Journal
	Past    *memory.Memory // what is remembered of the pair; nil begins with an empty one
	Log     logrus.FieldLogger
	Report  Report
	Now     func() time.Time // time.Now if it is nil
}

// Report is where a Watcher reports beside its snapshots.
type Report struct {
	Registerer prometheus.Registerer // may be nil
	Tally      *tally.Tally          // one of its own if it is nil
	// Told are the findings that an earlier loop has reported of the pair and that are still active.
	Told []status.Finding
	// Polled is called with each poll, before its health is evaluated; it may be nil.
	Polled func(health.Input)
	// View is called after each poll with what a gate needs to know; nil for no gate.
	View func(View)
	// NullAnswers returns how many answers to the beacon node's calls were null in every
	// field, in a row; nil without a gate, which alone sees them.
	NullAnswers func() int
}

// View is what a gate goes by.
type View struct {
	Working  bool            // the pair is verified as working
	HandsOff bool            // paused, halted or only observed
	Spec     checkpoint.Spec // of the beacon node; the zero value until it is known
}

// ErrConfig is the error of a Config that cannot be used.
var ErrConfig = failure.WithKind(failure.NeedsHuman, errors.New("unusable watch config"))

func (c *Config) check() error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report.Tally == nil {
		c.Report.Tally = tally.New()
	}
	if c.Command == nil {
		c.Command = heal.Run
	}
	switch {
	case c.Gwat == nil:
		return fmt.Errorf("%w: no gwat", ErrConfig)
	case c.Beacon == nil:
		return fmt.Errorf("%w: no beacon node", ErrConfig)
	case c.Journal == nil:
		return fmt.Errorf("%w: no journal", ErrConfig)
	case c.Log == nil:
		return fmt.Errorf("%w: no logger", ErrConfig)
	case c.PollInterval <= 0:
		return fmt.Errorf("%w: poll interval is %s, want a positive duration", ErrConfig, c.PollInterval)
	case c.CallTimeout <= 0:
		return fmt.Errorf("%w: call timeout is %s, want a positive duration", ErrConfig, c.CallTimeout)
	}
	return nil
}

// longestTurn is the longest time from the end of a poll to that of the next one, unless syncd
// is stopped.
func (c *Config) longestTurn() time.Duration { return c.CallTimeout + 2*c.PollInterval }
