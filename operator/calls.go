package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// errNoGate is the error of a syncd that the beacon node does not call.
var errNoGate = errors.New("this syncd has no gate, so no call passes it; give it gate.listen or gate.socket, and the beacon node's --http-web3provider that address")

// CallsOrder says which calls are shown, and how.
type CallsOrder struct {
	Filter status.CallFilter // MinMS and Since are those of the fields below
	Least  time.Duration     // of --min-duration
	Since  string            // of --since: a duration before now, or a time; "" for no bound
	Follow bool              // go on with those that come
	Form   string            // FormTable or FormJSON (an object for each call)
}

// filter returns the filter with the bounds in it. Its error names the flags of syncd calls.
func (o *CallsOrder) filter(now time.Time) (status.CallFilter, error) {
	f := o.Filter
	if err := tableOrJSON(o.Form); err != nil {
		return f, err
	}
	if f.Limit < 1 || f.Limit > status.MaxCalls {
		return f, exit.Errorf(exit.Usage, "--limit is %d: want 1 to %d", f.Limit, status.MaxCalls)
	}
	if o.Least < 0 {
		return f, exit.Errorf(exit.Usage, "--min-duration is %s: want 0 or a duration above it, such as 500ms", o.Least)
	}
	f.MinMS = status.Milliseconds(o.Least)
	if o.Since == "" {
		return f, nil
	}
	since, err := time.Parse(time.RFC3339, o.Since)
	if ago, wrong := time.ParseDuration(o.Since); wrong == nil && ago >= 0 {
		since, err = now.Add(-ago), nil
	}
	if err != nil {
		return f, exit.Errorf(exit.Usage, "--since is %.100q: want a duration such as 10m, or a time such as 2026-01-02T15:04:05Z", o.Since)
	}
	f.Since = &since
	return f, nil
}

// Calls prints the calls that passed the gate of a running syncd, the oldest first.
// Troubles on the way go to notes, once each. Its error has an exit code.
func Calls(ctx context.Context, client *apiclient.Client, out, notes io.Writer, order CallsOrder) error {
	filter, err := order.filter(time.Now())
	if err != nil {
		return err
	}
	p := callPrinter{out: out, form: order.Form}
	if !order.Follow {
		traffic, err := client.Calls(ctx, filter)
		if err != nil {
			return apiError(err)
		}
		return p.print(traffic)
	}
	var failed error
	said := ""
	client.FollowCalls(ctx, filter, func(traffic *status.Traffic, err error) bool {
		switch {
		case errors.Is(err, apiclient.ErrMethod):
			failed = apiError(err)
		case err != nil:
			if text := err.Error(); text != said {
				said = text
				fmt.Fprintln(notes, "syncd: "+terminal.Clean(text))
			}
		default:
			said = ""
			if traffic.Lost > 0 {
				fmt.Fprintf(notes, "syncd: %s not shown: more passed than syncd keeps\n", counted.Of(traffic.Lost, "call"))
			}
			failed = p.print(traffic)
		}
		return failed == nil
	})
	return failed
}

// callPrinter writes calls, one a line.
type callPrinter struct {
	out    io.Writer
	form   string
	headed bool
}

func (p *callPrinter) print(traffic *status.Traffic) error {
	if !traffic.Gate {
		return exit.With(exit.Usage, errNoGate)
	}
	if p.form != FormJSON && !p.headed {
		p.headed = true
		if _, err := fmt.Fprintf(p.out, callRow, "TIME", "METHOD", "SLOT", "DURATION", "OUTCOME", ""); err != nil {
			return err
		}
	}
	for i := range traffic.Calls {
		if err := p.call(&traffic.Calls[i]); err != nil {
			return err
		}
	}
	return nil
}

const callRow = "%-23s  %-24s  %10s  %10s  %-10s%s\n"

func (p *callPrinter) call(c *status.Call) error {
	if p.form == FormJSON {
		line, err := json.Marshal(c)
		if err == nil {
			_, err = fmt.Fprintf(p.out, "%s\n", line)
		}
		return err
	}
	slot := "-"
	if c.Slot != nil {
		slot = strconv.FormatUint(uint64(*c.Slot), 10)
	}
	note := ""
	if c.Tries > 1 {
		note += fmt.Sprintf(" tries=%d", c.Tries)
	}
	if c.Error != "" {
		note += " " + terminal.Clean(c.Error)
	}
	took := time.Duration(c.DurationMS * float64(time.Millisecond))
	_, err := fmt.Fprintf(p.out, callRow, c.At.Local().Format("2006-01-02 15:04:05.000"), terminal.Clean(c.Method), slot, shortDuration(took), terminal.Clean(c.Outcome), note)
	return err
}

// shortDuration returns d with three digits or so.
func shortDuration(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
