package operator

import (
	"context"
	"errors"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
)

// Order gives one order. Its error has an exit code.
func Order(ctx context.Context, client *apiclient.Client, method string, params ...any) error {
	return refused(client.Order(ctx, method, params...))
}

// refused returns an error of an order with its exit code.
func refused(err error) error {
	switch {
	case errors.Is(err, apiclient.ErrToken):
		return exit.Errorf(exit.Usage, "--jwt-secret: %w", err)
	case errors.Is(err, apiclient.ErrRefused):
		return exit.With(exit.Internal, err)
	}
	return exit.With(exit.Unreachable, err)
}
