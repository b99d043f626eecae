package simnet

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

const readHeaderTimeout = 10 * time.Second

// Serve answers on a listener until ctx ends; open connections are then cut.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve then returns ErrServerClosed
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
