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
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// errNoGate is the error of a syncd that the beacon node does not call.
var errNoGate = errors.New("this syncd has no gate, so no call passes it; give it gate.listen or gate.socket, and the beacon node's --http-web3provider that address")

// CallsOrder says which calls are shown, and how.
type CallsOrder struct {
	Filter status.CallFilter
	Follow bool   // go on with those that come
	Form   string // FormTable or FormJSON (an object for each call)
}

// Calls prints the calls that passed the gate of a running syncd, the oldest first.
// Troubles on the way go to notes, once each. Its error has an exit code.
func Calls(ctx context.Context, client *apiclient.Client, out, notes io.Writer, order CallsOrder) error {
	p := callPrinter{out: out, form: order.Form}
	if !order.Follow {
		traffic, err := client.Calls(ctx, order.Filter)
		if err != nil {
			return apiError(err)
		}
		return p.print(traffic)
	}
	var failed error
	said := ""
	client.FollowCalls(ctx, order.Filter, func(traffic *status.Traffic, err error) bool {
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
				fmt.Fprintf(notes, "syncd: %d calls are not shown: more passed than syncd keeps\n", traffic.Lost)
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
