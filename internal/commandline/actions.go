package commandline

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/operator"
	"github.com/gwatsync/syncd/settings"
)

// Found returns an action that is told how the running syncd is found; orders as
// Source.Where has it.
func Found(source func(*cli.Command) Source, orders bool, action func(context.Context, *cli.Command, operator.Where) error) cli.ActionFunc {
	return NoArguments(func(ctx context.Context, cmd *cli.Command) error {
		where, err := source(cmd).Where(orders)
		if err != nil {
			return err
		}
		return action(ctx, cmd, where)
	})
}

// Asked returns an action that has a client of the running syncd for reads.
func Asked(source func(*cli.Command) Source, action func(context.Context, *cli.Command, *apiclient.Client) error) cli.ActionFunc {
	return Found(source, false, func(ctx context.Context, cmd *cli.Command, where operator.Where) error {
		client, err := where.Client()
		if err != nil {
			return err
		}
		defer client.Close()
		return action(ctx, cmd, client)
	})
}

// Checked returns an action that has checked settings; ofPackage as Source.Load has it.
func Checked(source func(*cli.Command) Source, ofPackage bool, action func(context.Context, *cli.Command, *settings.Config) error) cli.ActionFunc {
	return NoArguments(func(ctx context.Context, cmd *cli.Command) error {
		cfg, err := source(cmd).Checked(ofPackage)
		if err != nil {
			return err
		}
		return action(ctx, cmd, cfg)
	})
}
