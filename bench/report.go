package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"
	"time"
)

// row is one figure.
type row struct {
	Name    string  `json:"name"`
	Value   *number `json:"value"` // null: it could not be measured
	Unit    string  `json:"unit,omitempty"`
	Want    string  `json:"want"`
	OK      bool    `json:"ok"`
	Spread  *spread `json:"spread,omitempty"`
	Costs   string  `json:"costs,omitempty"` // of the simulated nodes
	Note    string  `json:"note,omitempty"`
	Skipped string  `json:"skipped,omitempty"` // what it lacks on this machine
	Error   string  `json:"error,omitempty"`   // why it could not be measured, or is not correct
	Profile string  `json:"profile,omitempty"` // of a missed figure: how to see what holds it
}

// number is a figure rounded to four digits when it is written.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if v != 0 {
		scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
		v = math.Round(v*scale) / scale
	}
	return json.Marshal(v)
}

// want is what a figure must reach.
type want struct {
	least bool // else at most
	bound float64
	unit  string
}

func atLeast(bound float64, unit string) want { return want{true, bound, unit} }
func atMost(bound float64, unit string) want  { return want{false, bound, unit} }

func (w want) String() string {
	sign := "<="
	if w.least {
		sign = ">="
	}
	return fmt.Sprintf("%s %s%s", sign, short(w.bound), unitText(w.unit))
}

func unitText(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}

func (w want) met(v float64) bool {
	if w.least {
		return v >= w.bound
	}
	return v <= w.bound
}

// figure makes a row of what was measured; wrong is what was found incorrect.
func figure(name string, w want, value float64, wrong error) row {
	v := number(value)
	r := row{Name: name, Value: &v, Unit: w.unit, Want: w.String(), OK: w.met(value) && wrong == nil}
	if wrong != nil {
		r.Error = wrong.Error()
	}
	return r
}

// skipped are rows that cannot be measured on this machine.
func skipped(names []rowName, why error) []row {
	var rows []row
	for _, n := range names {
		rows = append(rows, row{Name: n.name, Want: n.want.String(), Skipped: why.Error()})
	}
	return rows
}

// report is the content of bench.json.
type report struct {
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
	Cores   int       `json:"cores"`
	Go      string    `json:"go"`
	Rows    []row     `json:"rows"`
}

func (r *report) save(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func (r *report) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tVALUE\tWANT\tOK\tSPREAD")
	for _, row := range r.Rows {
		value, ok := "-", "no"
		if row.Value != nil {
			value = short(float64(*row.Value)) + unitText(row.Unit)
		}
		if row.OK {
			ok = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", row.Name, value, row.Want, ok, row.Spread)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, row := range r.Rows {
		fmt.Fprintf(w, "\n%s\n", row.Name)
		for _, line := range [][2]string{{"costs", row.Costs}, {"note", row.Note}, {"skipped", row.Skipped}, {"error", row.Error}, {"profile", row.Profile}} {
			if line[1] != "" {
				fmt.Fprintf(w, "  %s: %s\n", line[0], line[1])
			}
		}
	}
	return nil
}
