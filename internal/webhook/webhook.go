package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/status"
)

// The times of the sender: for one request, between two tries of a message, and for all of them.
const (
	requestTimeout = 10 * time.Second
	firstPause     = time.Second
	longestPause   = 5 * time.Minute
	giveUpAfter    = 6 * time.Hour
)

// Config is what a Webhook needs.
type Config struct {
	URL       func() string // asked before each request; it may change, and may hold a secret
	Name      string        // of the receiver, without what must stay secret
	Template  Template
	Interval  time.Duration // between two looks at the newest snapshot
	Snapshot  func() *status.Snapshot
	Log       logrus.FieldLogger
	Transport http.RoundTripper // nil is http.DefaultTransport
}

// Webhook sends messages about the findings of one pair.
type Webhook struct {
	cfg    Config
	client *http.Client
	queue  *queue
	counts counts
}

// New returns a Webhook that sends nothing before Run.
func New(cfg Config) *Webhook {
	return &Webhook{cfg: cfg, queue: newQueue(), client: &http.Client{
		Transport: cfg.Transport, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the secret goes to one host
	}}
}

// Run watches the snapshots and sends until ctx ends. What waits then is not sent: after
// a restart of syncd a finding that is still active is sent again.
func (w *Webhook) Run(ctx context.Context) {
	var sender sync.WaitGroup
	sender.Go(func() { w.send(ctx) })
	defer sender.Wait()
	ticks := time.NewTicker(w.cfg.Interval)
	defer ticks.Stop()
	var t tracker
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			s := w.cfg.Snapshot()
			if s == nil {
				continue
			}
			dropped := 0
			for _, m := range t.observe(s, now) {
				dropped += w.queue.add(m)
			}
			if dropped > 0 {
				w.counts.leftOut.Add(uint64(dropped))
				w.log().Warnf("%d messages to the webhook are left out: %d wait already", dropped, queued)
			}
		}
	}
}

func (w *Webhook) log() logrus.FieldLogger { return w.cfg.Log.WithField("endpoint", w.cfg.Name) }

// send sends what is in the queue, one message after the other.
func (w *Webhook) send(ctx context.Context) {
	for {
		m, ok := w.queue.take()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-w.queue.more:
			}
			continue
		}
		w.counts.sending.Store(true)
		w.deliver(ctx, m)
		w.counts.sending.Store(false)
		if ctx.Err() != nil {
			return
		}
	}
}

// errRefused is an answer after which another try is of no use.
var errRefused = errors.New("the receiver refuses the message")

// deliver tries until the message is taken or refused, or is too old.
func (w *Webhook) deliver(ctx context.Context, m Message) {
	begin, pause, told := time.Now(), firstPause, false
	for {
		err := w.try(ctx, m)
		switch {
		case err == nil:
			w.counts.delivered.Add(1)
			if told {
				w.log().Info("The webhook takes messages again")
			}
			return
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRefused), time.Since(begin) >= giveUpAfter:
			w.counts.givenUp.Add(1)
			w.log().WithField("finding", m.Finding.Name).WithError(err).Warn("A message to the webhook was not delivered and is dropped")
			return
		case !told:
			told = true
			w.log().WithField("finding", m.Finding.Name).WithError(err).Warn("The webhook does not take a message; it is tried again")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// try makes one request. Its error never names the URL, which may hold a secret.
func (w *Webhook) try(ctx context.Context, m Message) error {
	body, err := w.cfg.Template.body(m)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cfg.URL(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: its URL cannot be used", errRefused)
	}
	req.Header.Set("Content-Type", contentType(body))
	req.Header.Set("User-Agent", "syncd")
	res, err := w.client.Do(req)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err
		}
		return fmt.Errorf("send a message: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is used again
	switch code := res.StatusCode; {
	case code < 300:
		return nil
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return fmt.Errorf("send a message: HTTP status %d", code)
	default:
		return fmt.Errorf("%w: HTTP status %d", errRefused, code)
	}
}
