package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// maxReadyz bounds what is read of an answer of /readyz.
const maxReadyz = 64 << 10

func waitCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "wait",
		Usage: "wait until /readyz of a running syncd says that the pair works, for what must not start before",
		Flags: []cli.Flag{
			apiFlag(),
			&cli.DurationFlag{Name: "timeout", Usage: "how long to wait at most; 0 for as long as it takes"},
		},
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			api, err := apiURL(cmd.String("api"))
			if err != nil {
				return err
			}
			limit := cmd.Duration("timeout")
			if limit < 0 {
				return fail(exitUsage, "--timeout is %s: want 0 or a duration above it, such as 2m", limit)
			}
			w := &waiting{
				out: con.stdout, url: api.JoinPath("readyz").String(),
				client: &http.Client{
					Transport:     &http.Transport{DisableKeepAlives: true},
					Timeout:       statusTimeout,
					CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
				},
			}
			return w.run(ctx, limit)
		}),
	}
}

// waiting is one run of the command.
type waiting struct {
	out    io.Writer
	url    string
	client *http.Client
	why    string // the last answer
	told   string // what of it was written
}

// run asks every second. A syncd that is not there may just be starting.
func (w *waiting) run(ctx context.Context, limit time.Duration) error {
	bounded := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		ready, why, err := w.ask(bounded)
		if bounded.Err() == nil {
			if err != nil || ready {
				return err
			}
			w.tell(why)
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return fail(exitTimeout, "stopped before the pair worked; the last answer of %s: %s", w.url, w.last())
			}
			return fail(exitTimeout, "the pair does not work after --timeout %s; the last answer of %s: %s", limit, w.url, w.last())
		case <-tick.C:
		}
	}
}

const unreached = "syncd cannot be reached: "

// last is the last answer, with what to look at if there was none.
func (w *waiting) last() string {
	if strings.HasPrefix(w.why, unreached) {
		return w.why + "; is it running, and is this address its --api.listen?"
	}
	return orDash(w.why)
}

// ask gives why the pair is not ready; its error is one that waiting does not heal.
func (w *waiting) ask(ctx context.Context) (ready bool, why string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return false, "", fail(exitUsage, "--api: %w", err)
	}
	res, err := w.client.Do(req)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err // without the URL, which is told anyway
		}
		return false, unreached + err.Error(), nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReadyz))
	if err != nil {
		return false, "the answer was cut off: " + err.Error(), nil
	}
	var answer struct {
		Ready  bool   `json:"ready"`
		Stage  string `json:"stage"`
		Reason string `json:"reason"`
	}
	shaped := json.Unmarshal(body, &answer) == nil
	switch {
	case res.StatusCode == http.StatusOK && shaped && answer.Ready:
		return true, "", nil
	case res.StatusCode >= http.StatusInternalServerError && shaped && answer.Stage != "":
		return false, fmt.Sprintf("stage %s: %s", answer.Stage, answer.Reason), nil
	case res.StatusCode >= http.StatusInternalServerError:
		return false, "it answers " + res.Status, nil
	}
	return false, "", fail(exitUnreachable, "ask %s: it answers %s: %.200q; is it syncd that listens there, and does it allow this host?", w.url, res.Status, body)
}

// tell writes a line for each new stage: what it waits for in it changes every second.
func (w *waiting) tell(why string) {
	w.why = why
	if stage, _, _ := strings.Cut(why, ":"); stage != w.told {
		w.told = stage
		fmt.Fprintln(w.out, "not ready: "+why)
	}
}
