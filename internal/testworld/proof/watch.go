package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// What syncd and the network are set to in these tests.
const (
	PollInterval = 250 * time.Millisecond
	CallTimeout  = time.Second
	PushTimeout  = 5 * time.Second
	LockTime     = 6 * time.Second
	SlotTime     = time.Second
)

const (
	// Within is how long a pair may take to come to work after the last fault.
	Within = 90 * time.Second
	// steady is how long it must stay so to count as recovered.
	steady   = 2 * SlotTime
	askEvery = 50 * time.Millisecond
	askTime  = time.Second
)

// Ask makes one syncd_status call to an API.
func Ask(api string) (*status.Snapshot, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Result *status.Snapshot
		Error  any
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Result == nil {
		return nil, errors.New("no result")
	}
	return answer.Result, nil
}

// Told is one answer of syncd_status.
type Told struct {
	Asked, At time.Time
	Snapshot  *status.Snapshot // nil: there was none
}

// Watch asks a syncd for its status until the end of the test.
type Watch struct {
	t    *testing.T
	mu   sync.Mutex
	list []Told
}

// NewWatch begins to ask.
func NewWatch(t *testing.T, api string) *Watch {
	w := &Watch{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			told := Told{Asked: time.Now()}
			told.Snapshot, _ = Ask(api) // none is an observation, too
			told.At = time.Now()
			w.mu.Lock()
			w.list = append(w.list, told)
			w.mu.Unlock()
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
	return w
}

// All gives the answers so far.
func (w *Watch) All() []Told {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// Recovers waits until the pair works and stays so, and gives how long after
// that moment it began to.
func (w *Watch) Recovers(after time.Time) time.Duration {
	w.t.Helper()
	var since time.Time
	require.Eventually(w.t, func() bool {
		since = time.Time{}
		var last time.Time
		for _, told := range w.All() {
			switch s := told.Snapshot; {
			case s == nil || s.Stage != "working" || !s.At.After(after):
				since = time.Time{}
			case since.IsZero():
				since = told.At
			}
			last = told.At
		}
		return !since.IsZero() && last.Sub(since) >= steady
	}, Within, askEvery, "the pair does not come to work: %s", w)
	return max(since.Sub(after), 0)
}

// String is the newest answer.
func (w *Watch) String() string {
	for _, told := range slices.Backward(w.All()) {
		if s := told.Snapshot; s != nil {
			return fmt.Sprintf("%s, waiting for %q, last error %+v", s.Stage, s.Waiting, s.LastError)
		}
	}
	return "nothing was answered"
}

// Shown lists, in the order of their first appearance, the stages and findings
// that the operator was shown in a time.
func (w *Watch) Shown(from, to time.Time) (stages, findings []string) {
	for _, told := range w.All() {
		if told.Snapshot == nil || told.At.Before(from) || told.Asked.After(to) {
			continue
		}
		if !slices.Contains(stages, told.Snapshot.Stage) {
			stages = append(stages, told.Snapshot.Stage)
		}
		for _, f := range told.Snapshot.Findings {
			if !slices.Contains(findings, f.Name) {
				findings = append(findings, f.Name)
			}
		}
	}
	return stages, findings
}
