package simulation

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/status"
)

// worldSample is what both nodes were from a time on.
type worldSample struct {
	at      time.Duration
	gwat    coordinated.Standing
	process int  // of gwat, as a number
	answers bool // gwat runs and is not stopped
	foreign bool // the root of gwat's checkpoint is no block of the chain

	beaconAnswers bool
	head          uint64
	initial       bool // its initial sync runs
	peers         int
}

// saidChange is what syncd said from a time on.
type saidChange struct {
	at          time.Duration
	incarnation int
	verdict     string
	stage       string
	findings    []status.Finding
}

func (s *saidChange) names() (out []string) {
	for _, f := range s.findings {
		out = append(out, f.Name)
	}
	return out
}

// lookAround samples the nodes when they have changed.
func (c *coordinatedRun) lookAround() {
	now := worldSample{
		at: c.now(), gwat: c.gwat.Standing(), process: c.gwatHost.incarnation, answers: c.gwatHost.up && !c.gwatHost.paused,
		beaconAnswers: c.beaconHost.up && !c.beaconHost.paused,
	}
	now.head, now.initial, now.peers = c.beacon.Standing()
	if n := len(c.world); n > 0 {
		last := c.world[n-1]
		now.foreign = last.foreign
		if last.gwat.Point == now.gwat.Point {
			last.at = now.at
			if last == now {
				return
			}
		} else {
			now.foreign = c.isForeign(now.gwat.Point)
		}
	}
	c.world = append(c.world, now)
	c.log("world", "gwat", now.gwat.Point.TerminalString(), now.gwat.Final)
}

// isForeign reports whether a root is no block of the chain.
func (c *coordinatedRun) isForeign(root common.Hash) bool {
	_, canonical := c.net.SlotOfRoot(root)
	return !canonical && root != (common.Hash{})
}

// hear notes what a process says when it has changed.
func (c *coordinatedRun) hear(l *incarnation) {
	s := l.pair.Snapshot()
	if s == nil {
		return
	}
	now := saidChange{c.now(), l.number, s.Verdict, s.Stage, s.Findings}
	if n := len(c.said); n > 0 {
		last := &c.said[n-1]
		if last.incarnation == now.incarnation && last.verdict == now.verdict && last.stage == now.stage && slices.Equal(last.names(), now.names()) {
			last.findings = now.findings
			return
		}
	}
	c.said = append(c.said, now)
	c.log("said", "syncd", now.verdict+" "+now.stage, digest(now.names()...))
}

// worldAt returns what the nodes were right before a time.
func (c *coordinatedRun) worldAt(at time.Duration) worldSample {
	i, _ := slices.BinarySearchFunc(c.world, at, func(s worldSample, at time.Duration) int {
		if s.at < at {
			return -1
		}
		return 1
	})
	return c.world[max(i-1, 0)]
}

// was reports whether something held at any time from one to another.
func (c *coordinatedRun) was(from, to time.Duration, holds func(*worldSample) bool) bool {
	for i := range c.world {
		s := &c.world[i]
		until := to
		if i+1 < len(c.world) {
			until = c.world[i+1].at
		}
		if s.at <= to && until >= from && holds(s) {
			return true
		}
	}
	return false
}

// stood reports whether something held for a while that ended at or after a time, up to
// another one.
func (c *coordinatedRun) stood(from, to, forLong time.Duration, holds func(*worldSample) bool) bool {
	begun := never
	for i := range c.world {
		s := &c.world[i]
		until := to
		if i+1 < len(c.world) {
			until = min(to, c.world[i+1].at)
		}
		switch {
		case s.at > to:
			return false
		case !holds(s):
			begun = never
			continue
		case begun == never:
			begun = s.at
		}
		if until >= from && until-begun >= forLong {
			return true
		}
	}
	return false
}
