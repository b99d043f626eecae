package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
)

// Result is one row that was asked.
type Result struct {
	Node string // "gwat" or "beacon"
	Call string
	Want string
	Got  string // "" if it is as wanted
	Skip string // why it was not asked, "" if it was
}

// Different reports whether the node answered otherwise.
func (r Result) Different() bool { return r.Got != "" }

// ErrNoAnswer is the error of a node that cannot be reached or asked.
var ErrNoAnswer = errors.New("no usable answer")

// facts are from answers that later rows need.
type facts struct {
	spec     *checkpoint.Spec
	latest   string // hash of gwat's last finalized block
	spine    string // its last finalized spine
	headRoot string
	version  string // of the head block: the beacon's fork
	ipc      bool
	authrpc  bool // of the coordinated era
}

// Nodes are what is asked; a nil one is left out.
type Nodes struct {
	Gwat   *gwatclient.Client
	Beacon *beaconclient.Client
}

// Detect returns which era a gwat is of, by a call that changes nothing.
func Detect(ctx context.Context, gwat *gwatclient.Client) (checkpoint.Era, error) {
	_, err := gwat.Read(ctx, "dag_coordinatedState")
	switch {
	case err == nil:
		return checkpoint.EraCoordinated, nil
	case errors.Is(err, gwatclient.ErrMethod):
		return checkpoint.EraHeadSync, nil
	}
	return "", fmt.Errorf("%w of gwat at %s: %w", ErrNoAnswer, gwat.Endpoint(), err)
}

// Run asks every row in its order and reports each as it is answered. It ends
// early with ErrNoAnswer if a node cannot be reached.
func Run(ctx context.Context, nodes Nodes, era checkpoint.Era, report func(Result)) error {
	f := &facts{}
	if nodes.Beacon != nil {
		// Of a coordinated network the spec lacks what head sync needs: then the
		// row with the clock is left out.
		if spec, err := nodes.Beacon.Spec(ctx); err == nil {
			f.spec = &spec
		}
		if err := runBeacon(ctx, nodes.Beacon, era, f, report); err != nil {
			return err
		}
	}
	if nodes.Gwat == nil {
		return nil
	}
	f.ipc = !strings.Contains(nodes.Gwat.Endpoint(), "://")
	rows := headSync()
	if era == checkpoint.EraCoordinated {
		f.authrpc = !f.ipc // in this era no other port serves dag
		rows = coordinated()
	}
	for _, row := range rows {
		if err := row.run(ctx, nodes.Gwat, f, report); err != nil {
			return err
		}
	}
	return nil
}

func (row gwatRow) run(ctx context.Context, gwat *gwatclient.Client, f *facts, report func(Result)) error {
	result := Result{Node: "gwat", Call: withNote(row.method, row.note)}
	if row.refuse != nil {
		result.Want = refusal(row.refuse)
	} else {
		result.Want = row.want.name
	}
	args := []any{}
	if row.params != nil {
		args = row.params(f)
	}
	switch {
	case args == nil:
		result.Skip = "an answer that it needs was not had"
	case row.ipcOnly && !f.ipc:
		result.Skip = "it is served on the IPC socket alone"
	}
	if result.Skip != "" {
		report(result)
		return nil
	}
	raw, err := gwat.Read(ctx, row.method, args...)
	if err != nil && (unreachable(err) || ctx.Err() != nil) {
		return fmt.Errorf("%w of gwat at %s: %w", ErrNoAnswer, gwat.Endpoint(), err)
	}
	if row.public && f.authrpc && errors.Is(err, gwatclient.ErrMethod) {
		result.Skip = "authrpc does not serve it"
	} else {
		result.Got = row.compare(raw, err, f)
	}
	report(result)
	return nil
}

func (row gwatRow) compare(raw json.RawMessage, err error, f *facts) string {
	switch {
	case row.refuse != nil && err == nil:
		return "the result " + failure.Text(string(raw))
	case row.refuse != nil && !errors.Is(err, row.refuse), row.refuse == nil && err != nil:
		return failure.Text(err.Error())
	case row.refuse != nil:
		return ""
	}
	return difference(raw, row.want, func(v any) {
		if row.learn != nil {
			row.learn(f, v)
		}
	})
}

// difference says what is wrong with an answer; a good one is learnt from.
func difference(raw []byte, want form, learn func(any)) string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return "no JSON: " + failure.Text(string(raw))
	}
	if why := want.why(v); why != "" {
		return failure.Text(strings.TrimPrefix(why, "is "))
	}
	learn(v)
	return ""
}

func unreachable(err error) bool {
	return errors.Is(err, gwatclient.ErrDown) || errors.Is(err, gwatclient.ErrLost) || errors.Is(err, gwatclient.ErrUnauthorized)
}

func withNote(call, note string) string {
	if note == "" {
		return call
	}
	return call + " (" + note + ")"
}

func runBeacon(ctx context.Context, beacon *beaconclient.Client, era checkpoint.Era, f *facts, report func(Result)) error {
	for _, row := range beaconRows(era) {
		if err := row.run(ctx, beacon, f, report); err != nil {
			return err
		}
	}
	return nil
}

func (row beaconRow) run(ctx context.Context, beacon *beaconclient.Client, f *facts, report func(Result)) error {
	wanted := http.StatusOK
	if row.status != 0 {
		wanted = row.status
	}
	result := Result{Node: "beacon", Call: withNote("GET "+row.path, row.note), Want: row.wanted(wanted)}
	path := row.path
	if row.make != nil {
		path = row.make(f)
	}
	if path == "" {
		result.Skip = "nothing to ask it with"
		report(result)
		return nil
	}
	status, body, err := beacon.Get(ctx, path, row.query)
	if err != nil && !errors.Is(err, beaconclient.ErrTooLarge) {
		return fmt.Errorf("%w of the beacon node at %s: %w", ErrNoAnswer, beacon.URL(), err)
	}
	switch {
	case err != nil:
		result.Got = err.Error()
	case row.excuse != "" && status == http.StatusInternalServerError && bytes.Contains(body, []byte(row.excuse)):
	case status != wanted:
		result.Got = fmt.Sprintf("HTTP %d: %s", status, failure.Text(string(body)))
	case row.text != "" && !bytes.Contains(body, []byte(row.text)):
		result.Got = fmt.Sprintf("HTTP %d: %s", status, failure.Text(string(body)))
	case row.text == "" && !row.empty:
		result.Got = difference(body, row.want, func(v any) {
			if row.learn != nil {
				row.learn(f, v)
			}
		})
	}
	report(result)
	return nil
}

func (row beaconRow) wanted(status int) string {
	switch {
	case row.text != "":
		return fmt.Sprintf("HTTP %d with %q in it", status, row.text)
	case row.empty:
		return fmt.Sprintf("HTTP %d", status)
	}
	return row.want.name
}
