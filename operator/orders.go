package operator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
)

// Order sends one order to the syncd that finder finds, and writes that it is done. Its
// error has an exit code.
func Order(ctx context.Context, where Where, out io.Writer, method string, params ...any) error {
	client, err := where.Orders()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := refused(client.Order(ctx, method, params...)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "done")
	return err
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
