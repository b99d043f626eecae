package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/ui/terminal"
)

// waitEvery is the time between two questions of Wait.
const waitEvery = time.Second

// Wait asks /readyz every second until the pair works; a limit of 0 means no limit. A syncd
// that is not there may just be starting, so that only an answer or a certificate of
// something else ends it. It writes a line for each new reason. Its error has an exit code.
func Wait(ctx context.Context, client *apiclient.Client, out io.Writer, limit time.Duration) error {
	if limit < 0 {
		return exit.Errorf(exit.Usage, "--timeout is %s: want 0 or a duration above it, such as 2m", limit)
	}
	w := &waiting{out: out, client: client}
	bounded := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		ready, why, err := w.ask(bounded)
		if bounded.Err() == nil {
			if err != nil || ready {
				return err
			}
			w.report(why)
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return exit.Errorf(exit.Timeout, "stopped before the pair worked; the last answer of %s: %s", client.Address(), w.last())
			}
			return exit.Errorf(exit.Timeout, "the pair does not work after --timeout %s; the last answer of %s: %s", limit, client.Address(), w.last())
		case <-tick.C:
		}
	}
}

// waiting is one run of Wait.
type waiting struct {
	out      io.Writer
	client   *apiclient.Client
	why      string // the last answer
	reported string // what of it was written
}

const unreached = "syncd cannot be reached: "

// last is the last answer, with what to look at if there was none.
func (w *waiting) last() string {
	if strings.HasPrefix(w.why, unreached) {
		return w.why + "; " + w.client.Remedy()
	}
	return cmp.Or(w.why, "-")
}

// ask says why the pair is not ready; its error is one that waiting does not heal.
func (w *waiting) ask(ctx context.Context) (ready bool, why string, err error) {
	code, body, err := w.client.Readyz(ctx)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return false, "", exit.Errorf(exit.Unreachable, "ask %s: it speaks no TLS there; write http:// in place of https://", w.client.Address())
	case apiclient.Untrusted(err):
		return false, "", exit.Errorf(exit.Unreachable, "ask %s: %w; waiting does not heal that: correct --api, or give --ca-file the file of its certificate", w.client.Address(), err)
	case err != nil && code != 0:
		return false, "the answer was cut off: " + err.Error(), nil
	case err != nil:
		return false, unreached + err.Error(), nil
	}
	var answer struct {
		Ready  bool   `json:"ready"`
		Stage  string `json:"stage"`
		Reason string `json:"reason"`
	}
	shaped := json.Unmarshal(body, &answer) == nil
	said := fmt.Sprintf("%d %s", code, http.StatusText(code))
	switch {
	case code == http.StatusOK && shaped && answer.Ready:
		return true, "", nil
	case code >= http.StatusInternalServerError && shaped && answer.Stage != "":
		return false, fmt.Sprintf("stage %s: %s", answer.Stage, answer.Reason), nil
	case code >= http.StatusInternalServerError:
		return false, "it answers " + said, nil
	}
	return false, "", exit.Errorf(exit.Unreachable, "ask %s: it answers %s: %.200q; is it syncd that listens there, and does it allow this host?", w.client.Address(), said, body)
}

// report writes a line for each new stage: what it waits for in it changes every second.
func (w *waiting) report(why string) {
	w.why = why
	if stage, _, _ := strings.Cut(why, ":"); stage != w.reported {
		w.reported = stage
		fmt.Fprintln(w.out, "not ready: "+terminal.Clean(why))
	}
}
