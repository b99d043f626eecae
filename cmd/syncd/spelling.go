package main

import (
	"context"
	"net/url"
	"regexp"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/endpoint"
)

// invalidValue is how the library begins to tell of a value that a flag cannot take.
var invalidValue = regexp.MustCompile(`(?s)^invalid value ("(?:[^"\\]|\\.)*") for flag -+([a-z.-]+): `)

// usageError gives a bad command line its one line instead of the help text.
func usageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	if m := invalidValue.FindStringSubmatch(err.Error()); m != nil {
		if want := wanted(cmd, m[2]); want != "" {
			return fail(exitUsage, "--%s is %s: want %s", m[2], m[1], want)
		}
	}
	return fail(exitUsage, "%w; `%s --help` lists the flags", err, cmd.FullName())
}

// wanted says what form the value of a flag has, "" for one that takes any text.
func wanted(cmd *cli.Command, name string) string {
	for _, f := range cmd.Flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		switch f.(type) {
		case *cli.DurationFlag:
			return "a duration such as 30s or 2m"
		case *cli.IntFlag, *cli.Uint64Flag:
			return "a whole number"
		case *cli.Float64Flag:
			return "a number such as 1 or 0.5"
		case *cli.BoolFlag:
			return "true or false"
		}
	}
	return ""
}

// apiURL checks the value of --api.
func apiURL(raw string) (*url.URL, error) {
	at, err := endpoint.Syncd.Parse(raw)
	if err != nil {
		return nil, fail(exitUsage, "--api: %w", err)
	}
	return at.URL(), nil
}
