package pair

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/headsync"
)

// job is what syncd does, has done and will do to bring the pair to work.
type job struct {
	worker   *worker // nil if none runs
	sequence uint64  // of the worker whose reports and result count
	awaits   string  // what the running attempt waits for

	attempts    uint64
	nextAttempt time.Time
	nextCollect time.Time
	tried       seenNodes // when the last attempt began

	pushFromCheckpoint bool                // ordered or configured, and no push has ended well since
	below              *primitives.Slot    // where gwat was rolled back under a push, until an attempt ends well
	refused            map[common.Hash]int // how often in a row gwat refused a checkpoint
	missing            *missing
	human              *human

	collector  *headsync.Collector
	throughput headsync.Throughput // gwat's measured speed; the worker's while one runs
}

// human is an error that needs a human, and until when it halts the pair.
type human struct {
	why   string
	until time.Time
}

// missing is a spine whose block gwat lacks, and until when it is waited for.
type missing struct {
	spine common.Hash
	until time.Time
}

// worker is the one task in flight that may change gwat.
type worker struct {
	cancel  context.CancelFunc
	done    chan struct{}
	attempt uint64 // the attempt it makes; 0 if it makes none
}

type report struct {
	sequence uint64
	headsync.Report
}

type result struct {
	sequence uint64
	task     task
	headsync.Result
	err error
}

// task is what a worker does.
type task int

const (
	taskAttempt  task = iota // a head-sync attempt
	taskComplete             // the completing dag_sync
	taskCollect              // collects for a coming attempt; changes nothing
)

// start runs a task as the worker. Its result carries the sequence number, so that
// one that comes after its stage has gone is dropped.
func (p *Pair) start(ctx context.Context, what task, run func(ctx context.Context, sequence uint64) (headsync.Result, error)) {
	p.job.sequence++
	sequence := p.job.sequence
	ctx, cancel := context.WithCancel(ctx)
	w := &worker{cancel: cancel, done: make(chan struct{})}
	if what == taskAttempt {
		w.attempt = p.job.attempts
	}
	p.job.worker = w
	p.box.senders.Go(func() {
		defer cancel()
		res, err := run(ctx, sequence)
		close(w.done)
		select {
		case p.box.results <- result{sequence: sequence, task: what, Result: res, err: err}:
		case <-p.box.stopped:
		}
	})
}

// cancelWorker ends the worker's waiting; its slot stays taken until it returns,
// since only then no call of ours is in flight.
func (p *Pair) cancelWorker() {
	if p.job.worker != nil {
		p.job.worker.cancel()
		p.job.sequence++
	}
}
