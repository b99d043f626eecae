package recording

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/pair/arrivals"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch"
)

// The bounds of a recording.
const (
	DefaultFor  = time.Minute
	DefaultSize = 64 // MiB

	maxFor        = 24 * time.Hour
	recordHistory = 200
	flushEvery    = time.Second
)

// Recorder is one recording of a pair. Its fields do not change once Run has begun.
type Recorder struct {
	Settings *settings.Config // checked
	Version  string           // of this syncd
	Path     string           // of the file; it must not be there yet
	For      time.Duration
	Limit    int               // bytes before compression
	Client   *apiclient.Client // of a running syncd, if one answers
	Notes    io.Writer         // takes a line for the user at the start

	secret []byte
	out    *Writer
	stop   context.CancelCauseFunc

	mu       sync.Mutex
	reported *status.Snapshot // the daemon's newest; nil without one
	engine   evaluator
}

// Check refuses bounds that a recording cannot have. Its error names the flags of
// syncd record.
func (r *Recorder) Check() error {
	switch most := MaxSize >> 20; {
	case r.Path == "":
		return exit.Errorf(exit.Usage, "--out is empty: name the file to write, such as --out pair.bundle")
	case r.For < r.Settings.PollInterval || r.For > maxFor:
		return exit.Errorf(exit.Usage, "--for is %s: want %s (--poll-interval) to %s", r.For, settings.Duration(r.Settings.PollInterval), settings.Duration(maxFor))
	case r.Limit < 1<<20 || r.Limit > MaxSize:
		return exit.Errorf(exit.Usage, "--max-size is %d: want 1 to %d", r.Limit>>20, most)
	}
	return nil
}

// Run records until the time is over, the file has its size or ctx ends, and returns a
// line that says so. Its error has an exit code.
func (r *Recorder) Run(ctx context.Context) (summary string, err error) {
	if err := r.Check(); err != nil {
		return "", err
	}
	if r.secret, err = r.Settings.GwatSecret(); err != nil {
		return "", exit.With(exit.Usage, err)
	}
	file, err := os.OpenFile(r.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", exit.Errorf(exit.Usage, "--out: %w; name a file that is not there yet, in a directory that can be written", err)
	}
	defer func() {
		if closeErr := file.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("--out: %w; see whether the disk is full", closeErr)
		}
	}()
	daemon := r.daemon(ctx)
	if err := r.open(ctx, file, daemon); err != nil {
		return "", err
	}
	fmt.Fprintf(r.Notes, "syncd: recording for %s into %s; Ctrl-C ends it earlier\n", settings.Duration(r.For), r.Path)
	why, err := r.collect(ctx, daemon)
	if closeErr := r.out.Close(Entry{At: time.Now()}, why); closeErr != nil && err == nil {
		err = fmt.Errorf("--out: %w; see whether the disk is full", closeErr)
	}
	size, entries := r.out.Size()
	return fmt.Sprintf("%s: %s, %d KiB before compression; ended because %s", r.Path, counted.Of(entries, "entry"), size>>10, why), err
}

// daemon reports whether a syncd answers.
func (r *Recorder) daemon(ctx context.Context) bool {
	_, err := r.Client.Status(ctx)
	return err == nil || errors.Is(err, apiclient.ErrNothing)
}

func (r *Recorder) open(ctx context.Context, file io.Writer, daemon bool) error {
	secrets := []string{}
	if r.secret != nil {
		secrets = append(secrets, hex.EncodeToString(r.secret))
	}
	header := Header{Made: time.Now(), By: r.Version, Poll: r.Settings.PollInterval, Source: "recorder"}
	if daemon {
		header.Source = "daemon"
		if config, err := r.Client.Config(ctx); err == nil { // an older syncd has none
			header.Config = config
		}
	}
	mask := NewMasker([]string{r.Settings.Gwat.Endpoint, r.Settings.Beacon.Endpoint, r.Client.Address()}, secrets)
	var err error
	r.out, err = NewWriter(file, mask, header, r.Limit)
	r.engine = newEvaluator(r.Settings.PollInterval)
	return err
}

// errTime ends a recording well.
var errTime = errors.New("its time is over")

// collect records until the time is over, the limit is reached or ctx ends, and
// says which.
func (r *Recorder) collect(ctx context.Context, daemon bool) (string, error) {
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	timer := time.AfterFunc(r.For, func() { r.stop(errTime) })
	defer timer.Stop()
	observer, closeNodes, err := r.observer(ctx)
	if err != nil {
		return "", err
	}
	defer closeNodes()
	var group errgroup.Group
	group.Go(func() error { return observer.Run(ctx) })
	group.Go(func() error { r.flush(ctx); return nil })
	if daemon {
		group.Go(func() error { r.follow(ctx); return nil })
		group.Go(func() error { r.followGate(ctx); return nil })
	} else {
		group.Go(func() error { r.own(ctx, observer); return nil })
	}
	err = group.Wait()
	switch why := context.Cause(ctx); {
	case errors.Is(why, ErrFull):
		return why.Error() + "; give more by --max-size", nil
	case errors.Is(why, errTime):
		return errTime.Error(), nil
	case errors.Is(why, context.Canceled):
		return "it was stopped", nil
	case why != nil:
		return "it could not be written", why
	}
	return "it failed", fmt.Errorf("poll the nodes: %w", err)
}

// observer is the loop of one era. It never writes to a node and keeps nothing.
type observer interface {
	Run(ctx context.Context) error
	Subscribe() (changes <-chan status.Change, cancel func())
	Updates() (snapshots <-chan *status.Snapshot, cancel func())
}

// observer returns one of the era that the nodes are of by now, and what is to be called at its end.
func (r *Recorder) observer(ctx context.Context) (observer, func(), error) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	toGwat := gwatclient.Config{Endpoint: r.Settings.Gwat.Endpoint, JWTSecret: r.secret, Tap: r.gwatCall}
	toBeacon := beaconclient.Config{URL: r.Settings.Beacon.Endpoint, Tap: r.beaconCall}
	gwat, err := gwatclient.New(toGwat)
	if err != nil {
		return nil, nil, err
	}
	beacon, err := beaconclient.New(toBeacon)
	if err != nil {
		gwat.Close()
		return nil, nil, err
	}
	closeNodes := func() { gwat.Close(); beacon.Close() }
	var seen observer
	if coordinated := (protocol.Coordinated{Client: gwat}); r.coordinated(ctx, coordinated, beacon) {
		seen, err = watch.New(watch.Config{
			Name: r.Settings.Pair, Version: r.Version, Observe: true, Gwat: coordinated, Beacon: beacon,
			Journal: journal.OpenMemory(), Log: log, Report: watch.Report{Polled: r.polled},
			PollInterval: r.Settings.PollInterval, CallTimeout: r.Settings.CallTimeout,
		})
	} else {
		seen, err = pair.New(pair.Config{
			Name: r.Settings.Pair, Version: r.Version, Observe: true, Gwat: toGwat, Beacon: toBeacon,
			Journal: journal.OpenMemory(), Log: log, Followers: pair.Followers{Polled: r.polled},
			Times: pair.Times{PollInterval: r.Settings.PollInterval, CallTimeout: r.Settings.CallTimeout},
		})
	}
	if err != nil {
		closeNodes()
		return nil, nil, err
	}
	return seen, closeNodes, nil
}

// coordinated reports whether the beacon node, or else gwat, says that the pair is of that era.
func (r *Recorder) coordinated(ctx context.Context, gwat protocol.Coordinated, beacon *beaconclient.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, r.Settings.CallTimeout)
	defer cancel()
	if spec, err := beacon.Spec(ctx); err == nil {
		return spec.Era() == checkpoint.EraCoordinated
	}
	_, err := gwat.Mark(ctx)
	return err == nil
}

// add ends the recording when nothing more is taken.
func (r *Recorder) add(e Entry) {
	if err := r.out.Add(e); err != nil {
		r.stop(err)
	}
}

func (r *Recorder) flush(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := r.out.Flush(); err != nil {
				r.stop(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (r *Recorder) gwatCall(c gwatclient.Call) {
	if failure.Canceled(c.Err) { // by the end of the recording
		return
	}
	params, err := json.Marshal(c.Params)
	if err != nil || len(c.Params) == 0 {
		params = nil
	}
	call := &Call{Node: "gwat", Method: c.Method, Params: params, Error: errorText(c.Err), Took: c.Took}
	call.Answer, call.Length = Answer(c.Answer)
	r.add(Entry{At: c.At, Call: call})
}

func (r *Recorder) beaconCall(c beaconclient.Call) {
	if failure.Canceled(c.Err) {
		return
	}
	path := c.Path
	if len(c.Query) > 0 {
		path += "?" + c.Query.Encode()
	}
	call := &Call{Node: "beacon", Method: path, Status: c.Status, Error: errorText(c.Err), Took: c.Took}
	call.Answer, call.Length = Answer(c.Answer)
	r.add(Entry{At: c.At, Call: call})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return failure.Text(err.Error())
}

// follow records what the daemon reports.
func (r *Recorder) follow(ctx context.Context) {
	if past, err := r.Client.History(ctx, recordHistory); err == nil {
		slices.Reverse(past)
		for _, c := range past {
			r.add(Entry{At: c.At, Change: &c})
		}
	}
	said := ""
	r.Client.Follow(ctx, func(n apiclient.News) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case n.Err != nil:
			r.reported = nil
			if text := errorText(n.Err); text != said {
				said = text
				r.add(Entry{At: time.Now(), Trouble: text})
			}
		case n.Snapshot != nil:
			said, r.reported = "", n.Snapshot
			r.add(Entry{At: n.Snapshot.At, Snapshot: n.Snapshot})
		case n.Change != nil:
			r.add(Entry{At: n.Change.At, Change: n.Change})
		}
	})
}

// followGate records the calls that the daemon's gate has kept, and those that pass it
// from now on: their methods, slots, times and outcomes, and no parameters.
func (r *Recorder) followGate(ctx context.Context) {
	r.Client.FollowCalls(ctx, status.CallFilter{Limit: status.MaxCalls}, func(t *status.Traffic, err error) bool {
		if err != nil {
			return !errors.Is(err, apiclient.ErrMethod) // an older syncd has no gate
		}
		for i := range t.Calls {
			r.add(Entry{At: t.Calls[i].At, Gate: &t.Calls[i]})
		}
		return t.Gate
	})
}

// own records what the recorder's own loop reports.
func (r *Recorder) own(ctx context.Context, p observer) {
	changes, endChanges := p.Subscribe()
	defer endChanges()
	snapshots, endSnapshots := p.Updates()
	defer endSnapshots()
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return
			}
			r.add(Entry{At: c.At, Change: &c})
		case s, ok := <-snapshots:
			if !ok {
				return
			}
			// The snapshot of a later stage does not overtake the changes before it.
			for c := range arrivals.Waiting(changes) {
				r.add(Entry{At: c.At, Change: &c})
			}
			if s != nil {
				r.add(Entry{At: s.At, Snapshot: s})
			}
		case <-ctx.Done():
			return
		}
	}
}
