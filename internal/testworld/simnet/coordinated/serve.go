package coordinated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/gwatsync/syncd/internal/testworld/simnet/nodehttp"
)

// ServedByAuthRPC reports whether a gwat serves a method over HTTP: dag and eth alone.
func ServedByAuthRPC(method string) bool {
	return strings.HasPrefix(method, "dag_") || strings.HasPrefix(method, "eth_")
}

// AuthRPC serves gwat over HTTP as real ones do: only dag and eth, and only to callers
// with a token of the secret. Without a secret it serves everything to everybody.
func (g *Gwat) AuthRPC(secret []byte) http.Handler {
	if secret == nil {
		return g
	}
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serveHTTP(w, r, ServedByAuthRPC) })
	return nodehttp.Handler(limited, []string{"*"}, secret)
}

// maxQueued is how many requests of one connection may wait for their answers; with one
// more gwat closes it.
const maxQueued = 256

// ServeIPC serves a socket at path until ctx ends. A socket file of an earlier process is
// replaced.
func (g *Gwat) ServeIPC(ctx context.Context, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the old socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			return fmt.Errorf("accept on %s: %w", path, err)
		}
		open.Go(func() {
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			g.serveConn(conn)
		})
	}
}

// serveConn answers the requests of a connection, each as soon as it is done.
func (g *Gwat) serveConn(conn net.Conn) {
	var (
		writing sync.Mutex
		running sync.WaitGroup
		queued  = make(chan struct{}, maxQueued)
	)
	defer running.Wait()
	defer conn.Close()
	in := json.NewDecoder(conn)
	for {
		var raw json.RawMessage
		if in.Decode(&raw) != nil {
			return
		}
		select {
		case queued <- struct{}{}:
		default:
			return
		}
		running.Go(func() {
			defer func() { <-queued }()
			answer, err := g.answer(raw, nil)
			if err != nil {
				conn.Close()
				return
			}
			writing.Lock()
			defer writing.Unlock()
			_, _ = conn.Write(append(answer, '\n')) // a caller that is gone needs no answer
		})
	}
}
