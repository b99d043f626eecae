package operator

import (
	"context"
	"errors"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
)

// Order gives one order. Its error has an exit code.
func Order(ctx context.Context, client *apiclient.Client, method string, params ...any) error {
	err := client.Order(ctx, method, params...)
	switch {
	case errors.Is(err, apiclient.ErrToken):
		return exit.Errorf(exit.Usage, "--jwt-secret: %w", err)
	case errors.Is(err, apiclient.ErrRefused):
		return exit.With(exit.Internal, err)
	}
	return exit.With(exit.Unreachable, err)
}
