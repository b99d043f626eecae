package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/fsm"
)

func graphCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "graph",
		Usage: "print the diagram of the stages",
		Flags: []cli.Flag{&cli.StringFlag{Name: "format", Value: "mermaid", Usage: "mermaid or dot"}},
		Action: noArguments(func(_ context.Context, cmd *cli.Command) error {
			var out string
			switch format := cmd.String("format"); format {
			case "mermaid":
				out = fsm.Mermaid()
			case "dot":
				out = fsm.DOT()
			default:
				return fail(exitUsage, "--format is %q: want mermaid or dot", format)
			}
			_, err := fmt.Fprint(con.stdout, out)
			return err
		}),
	}
}
