package main

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
	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/support/recording"
)

// The bounds of a recording.
const (
	recordFor     = time.Minute
	maxRecordFor  = 24 * time.Hour
	recordSize    = 64 // MiB
	recordHistory = 200
	flushEvery    = time.Second
)

func recordCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "record",
		Usage: "write what both nodes answer, and what becomes of the pair, into a file for support; secrets and addresses are masked",
		Description: `It looks at both nodes by calls that change nothing, as syncd run does, and takes
stages, findings and history from the running syncd at --api, if one answers;
otherwise what it judges itself. Masked are credentials, tokens, secrets, host
names, IP addresses, peer ids, accounts and home directories; equal things get
equal masks. Read the file with syncd replay.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`FILE` to write; it must not be there yet", HideDefault: true},
			&cli.DurationFlag{Name: "for", Value: recordFor, Usage: "how long to record"},
			&cli.IntFlag{Name: "max-size", Value: recordSize, Usage: "end at so many MiB, before compression"},
			apiFlag(),
		}, flagsOf(nil, "gwat.endpoint", "gwat.jwt-secret", "beacon.endpoint", "poll-interval", "call-timeout")...),
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := load(cmd, con, nil)
			if err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return err
			}
			r := &recorder{cfg: cfg, path: cmd.String("out"), length: cmd.Duration("for"), limit: cmd.Int("max-size") << 20}
			switch limit := recording.MaxSize >> 20; {
			case r.path == "":
				return fail(exitUsage, "--out is empty: name the file to write, such as --out pair.bundle")
			case r.length < cfg.PollInterval || r.length > maxRecordFor:
				return fail(exitUsage, "--for is %s: want %s (--poll-interval) to %s", r.length, shortDuration(cfg.PollInterval), shortDuration(maxRecordFor))
			case cmd.Int("max-size") < 1 || cmd.Int("max-size") > limit:
				return fail(exitUsage, "--max-size is %d: want 1 to %d", cmd.Int("max-size"), limit)
			}
			if r.client, err = newAPIClient(cmd); err != nil {
				return err
			}
			defer r.client.Close()
			return r.run(ctx, con)
		}),
	}
}

// recorder is one run of the command.
type recorder struct {
	cfg    *Config
	path   string
	length time.Duration
	limit  int
	client *apiclient.Client

	out  *recording.Writer
	stop context.CancelCauseFunc

	mu    sync.Mutex
	told  *status.Snapshot // the daemon's newest; nil without one
	judge judge
}

func (r *recorder) run(ctx context.Context, con console) (err error) {
	file, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail(exitUsage, "--out: %w; name a file that is not there yet, in a directory that can be written", err)
	}
	defer func() {
		if closeErr := file.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("--out: %w; see whether the disk is full", closeErr)
		}
	}()
	daemon := r.daemon(ctx)
	if err := r.open(ctx, file, daemon); err != nil {
		return err
	}
	fmt.Fprintf(con.stderr, "syncd: recording for %s into %s; Ctrl-C ends it earlier\n", shortDuration(r.length), r.path)
	why, err := r.collect(ctx, daemon)
	if closeErr := r.out.Close(recording.Entry{At: time.Now()}, why); closeErr != nil && err == nil {
		err = fmt.Errorf("--out: %w; see whether the disk is full", closeErr)
	}
	if err != nil {
		return err
	}
	size, entries := r.out.Size()
	_, err = fmt.Fprintf(con.stdout, "%s: %d entries, %d KiB before compression; ended because %s\n", r.path, entries, size>>10, why)
	return err
}

// daemon tells whether a syncd answers at --api.
func (r *recorder) daemon(ctx context.Context) bool {
	_, err := r.client.Status(ctx)
	return err == nil || errors.Is(err, apiclient.ErrNothing)
}

func (r *recorder) open(ctx context.Context, file io.Writer, daemon bool) error {
	secrets := []string{}
	if r.cfg.jwt != nil {
		secrets = append(secrets, hex.EncodeToString(r.cfg.jwt))
	}
	header := recording.Header{Made: time.Now(), By: versionText(), Poll: r.cfg.PollInterval, Source: "recorder"}
	if daemon {
		header.Source = "daemon"
		if config, err := r.client.Config(ctx); err == nil { // an older syncd has none
			header.Config = config
		}
	}
	mask := recording.NewMasker([]string{r.cfg.Gwat.Endpoint, r.cfg.Beacon.Endpoint, r.client.Address()}, secrets)
	var err error
	r.out, err = recording.NewWriter(file, mask, header, r.limit)
	r.judge = newJudge(r.cfg.PollInterval)
	return err
}

// errTime ends a recording well.
var errTime = errors.New("its time is over")

// collect records until the time is over, the limit is reached or ctx ends, and
// tells which.
func (r *recorder) collect(ctx context.Context, daemon bool) (string, error) {
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	timer := time.AfterFunc(r.length, func() { r.stop(errTime) })
	defer timer.Stop()
	observer, err := r.observer()
	if err != nil {
		return "", err
	}
	var group errgroup.Group
	group.Go(func() error { return observer.Run(ctx) })
	group.Go(func() error { r.flush(ctx); return nil })
	if daemon {
		group.Go(func() error { r.follow(ctx); return nil })
	} else {
		group.Go(func() error { r.own(ctx, observer); return nil })
	}
	err = group.Wait()
	switch why := context.Cause(ctx); {
	case errors.Is(why, recording.ErrFull):
		return why.Error() + "; give more by --max-size", nil
	case errors.Is(why, errTime):
		return errTime.Error(), nil
	case errors.Is(why, context.Canceled):
		return "it was stopped", nil
	case why != nil:
		return "it could not be written", why
	}
	return "it failed", fmt.Errorf("look at the nodes: %w", err)
}

// observer is a pair that never writes to a node and keeps nothing.
func (r *recorder) observer() (*pair.Pair, error) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return pair.New(pair.Config{
		Name: r.cfg.Pair, Version: versionText(), Observe: true,
		Gwat:         gwatclient.Config{Endpoint: r.cfg.Gwat.Endpoint, JWTSecret: r.cfg.jwt, Tap: r.gwatCall},
		Beacon:       beaconclient.Config{URL: r.cfg.Beacon.Endpoint, Tap: r.beaconCall},
		PollInterval: r.cfg.PollInterval, CallTimeout: r.cfg.CallTimeout,
		Journal: journal.OpenMemory(), Log: log, Polled: r.polled,
	})
}

// add ends the recording when nothing more is taken.
func (r *recorder) add(e recording.Entry) {
	if err := r.out.Add(e); err != nil {
		r.stop(err)
	}
}

func (r *recorder) flush(ctx context.Context) {
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

func (r *recorder) gwatCall(c gwatclient.Call) {
	if failure.Canceled(c.Err) { // by the end of the recording
		return
	}
	params, err := json.Marshal(c.Params)
	if err != nil || len(c.Params) == 0 {
		params = nil
	}
	call := &recording.Call{Node: "gwat", Method: c.Method, Params: params, Error: errorText(c.Err), Took: c.Took}
	call.Answer, call.Length = recording.Answer(c.Answer)
	r.add(recording.Entry{At: c.At, Call: call})
}

func (r *recorder) beaconCall(c beaconclient.Call) {
	if failure.Canceled(c.Err) {
		return
	}
	path := c.Path
	if len(c.Query) > 0 {
		path += "?" + c.Query.Encode()
	}
	call := &recording.Call{Node: "beacon", Method: path, Status: c.Status, Error: errorText(c.Err), Took: c.Took}
	call.Answer, call.Length = recording.Answer(c.Answer)
	r.add(recording.Entry{At: c.At, Call: call})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return failure.Text(err.Error())
}

// follow records what the daemon tells.
func (r *recorder) follow(ctx context.Context) {
	if past, err := r.client.History(ctx, recordHistory); err == nil {
		slices.Reverse(past)
		for _, c := range past {
			r.add(recording.Entry{At: c.At, Change: &c})
		}
	}
	said := ""
	r.client.Follow(ctx, func(n apiclient.News) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case n.Err != nil:
			r.told = nil
			if text := errorText(n.Err); text != said {
				said = text
				r.add(recording.Entry{At: time.Now(), Trouble: text})
			}
		case n.Snapshot != nil:
			said, r.told = "", n.Snapshot
			r.add(recording.Entry{At: n.Snapshot.At, Snapshot: n.Snapshot})
		case n.Change != nil:
			r.add(recording.Entry{At: n.Change.At, Change: n.Change})
		}
	})
}

// own records what the recorder's own pair tells.
func (r *recorder) own(ctx context.Context, p *pair.Pair) {
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
			r.add(recording.Entry{At: c.At, Change: &c})
		case s, ok := <-snapshots:
			if !ok {
				return
			}
			if s != nil {
				r.add(recording.Entry{At: s.At, Snapshot: s})
			}
		case <-ctx.Done():
			return
		}
	}
}
